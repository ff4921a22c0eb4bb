package client

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// match reports whether the filter chooses the worker, as the server would: all given fields must hold, and what is unknown satisfies
// none. A nil filter chooses all.
func (v *View) match(f *WorkerFilter, w *MirrorWorker) bool {
	switch {
	case f == nil:
		return true
	case f.Ids != nil && !slices.Contains(f.Ids, w.ID),
		f.HiveIds != nil && !slices.Contains(f.HiveIds, w.HiveID()),
		f.Groups != nil && !slices.Contains(f.Groups, w.Group()),
		f.Idle != nil && *f.Idle && w.Activity != ActivityIdle,
		f.Idle != nil && !*f.Idle && w.Activity != ActivityBusy,
		f.Model != nil && (w.Model == "" || *f.Model != w.Model),
		f.Models != nil && (w.Model == "" || !slices.Contains(f.Models, w.Model)),
		f.MinFreeVramMb != nil && (!w.VRAMFreeMB.Known || int(w.VRAMFreeMB.Value) < *f.MinFreeVramMb),
		f.Available != nil && *f.Available != w.Available,
		f.Liveness != nil && !slices.Contains(f.Liveness, w.Liveness):
		return false
	}
	return f.Search == nil || v.found(*f.Search, w)
}

// found reports whether the id, the model or the hostname contains the text, in any case.
func (v *View) found(text string, w *MirrorWorker) bool {
	text = strings.ToLower(text)
	contains := func(s string) bool { return strings.Contains(strings.ToLower(s), text) }
	if contains(w.ID) || contains(w.Model) {
		return true
	}
	h := v.Hive(w.HiveID())
	return h != nil && contains(h.Hostname)
}

// choose returns the best worker that the filter chooses: candidates before others, then by rank, and one of several equals by
// chance. Nil when there is none.
func (v *View) choose(f *WorkerFilter) *MirrorWorker {
	if f != nil && f.Model != nil && f.Idle != nil && *f.Idle && f.Available != nil && *f.Available {
		for w := range v.Candidates(*f.Model, 0) {
			if v.match(f, w) {
				return w
			}
		}
		return nil
	}
	var best *MirrorWorker
	var bestRank uint64
	equals := 0
	for _, w := range v.workers {
		if !v.match(f, w) {
			continue
		}
		rank := rankOf(w)
		switch {
		case best == nil || rank < bestRank:
			best, bestRank, equals = w, rank, 1
		case rank == bestRank:
			if equals++; rand.IntN(equals) == 0 { //nolint:gosec // no secret depends on it
				best = w
			}
		}
	}
	return best
}
