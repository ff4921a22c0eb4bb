package client

import (
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
)

// View is the mirrored part of the fleet as it was at one revision. It is immutable, so that any number of goroutines may read it, and
// everything read from one View agrees.
type View struct {
	revision   string
	hives      []*MirrorHive
	workers    []*MirrorWorker
	rankings   []ranking
	superseded chan struct{}
}

// Revision names what is shown; empty before the first truth.
func (v *View) Revision() string { return v.revision }

// Superseded is closed as soon as there is a newer View.
func (v *View) Superseded() <-chan struct{} { return v.superseded }

// Len returns how many workers there are.
func (v *View) Len() int { return len(v.workers) }

// All yields the workers by id.
func (v *View) All() iter.Seq[*MirrorWorker] { return slices.Values(v.workers) }

// Hives yields the hives by id.
func (v *View) Hives() iter.Seq[*MirrorHive] { return slices.Values(v.hives) }

// Get returns one worker, or nil when there is none with this id.
func (v *View) Get(id string) *MirrorWorker {
	at, found := slices.BinarySearchFunc(v.workers, id, func(w *MirrorWorker, id string) int { return strings.Compare(w.ID, id) })
	if !found {
		return nil
	}
	return v.workers[at]
}

// Hive returns one hive, or nil when there is none with this id.
func (v *View) Hive(id string) *MirrorHive {
	at, found := slices.BinarySearchFunc(v.hives, id, func(h *MirrorHive, id string) int { return strings.Compare(h.ID, id) })
	if !found {
		return nil
	}
	return v.hives[at]
}

// Best returns the best available, idle worker that has the model and at least so many MB of GPU memory free, or nil when there is
// none: fewest waiting requests, then most free memory, and one of several equals by chance, so that schedulers do not all pick the
// same one. With minFreeMB 0 a worker whose free memory is unknown is taken too, last.
func (v *View) Best(model string, minFreeMB int) *MirrorWorker {
	r, ok := v.ranking(model)
	if !ok {
		return nil
	}
	from, to := r.nextEquals(0, minFreeMB)
	if from == to {
		return nil
	}
	return r.candidates[from+rand.IntN(to-from)].worker //nolint:gosec // no secret depends on it
}

// Candidates yields what [View.Best] chooses from, best first and equals in an order that differs from call to call: for schedulers that
// take the first one to which they have not just given work.
func (v *View) Candidates(model string, minFreeMB int) iter.Seq[*MirrorWorker] {
	return func(yield func(*MirrorWorker) bool) {
		r, ok := v.ranking(model)
		if !ok {
			return
		}
		for from, to := r.nextEquals(0, minFreeMB); from < to; from, to = r.nextEquals(to, minFreeMB) {
			begin := rand.IntN(to - from) //nolint:gosec // no secret depends on it
			for i := range to - from {
				if !yield(r.candidates[from+(begin+i)%(to-from)].worker) {
					return
				}
			}
		}
	}
}

func (v *View) ranking(model string) (ranking, bool) {
	at, found := findRanking(v.rankings, model)
	if !found {
		return ranking{}, false
	}
	return v.rankings[at], true
}

// nextEquals returns the next candidates of one rank, at or after from, with so much free memory; none if there are none.
func (r ranking) nextEquals(from, minFreeMB int) (int, int) {
	for from < len(r.candidates) {
		rank := r.candidates[from].rank
		if minFreeMB <= 0 || freeOf(rank) >= minFreeMB {
			return from, r.upTo(rank)
		}
		from = r.upTo(rank | 0xffffffff) // All others with as many waiting requests have even less.
	}
	return from, from
}
