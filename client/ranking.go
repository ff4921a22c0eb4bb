package client

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// candidate is a worker to which work may be sent, with its rank: lower is better.
type candidate struct {
	rank   uint64
	worker *MirrorWorker
}

// notRanked is the rank of workers that are no candidates.
const notRanked = math.MaxUint64

// rankOf orders candidates as the server's bestWorker does: fewest waiting requests, then most free GPU memory, and those whose free
// memory is unknown after all others.
func rankOf(w *MirrorWorker) uint64 {
	if w == nil || w.Activity != ActivityIdle || !w.Available || w.Model == "" {
		return notRanked
	}
	free := uint32(0)
	if w.VRAMFreeMB.Known {
		free = uint32(max(w.VRAMFreeMB.Value, 0)) + 1
	}
	return uint64(max(w.RequestsQueued.Value, 0))<<32 | uint64(math.MaxUint32-free)
}

// freeOf returns the free memory that a rank stands for; -1 for unknown.
func freeOf(rank uint64) int { return int(^uint32(rank)) - 1 }

func compareCandidates(a, b candidate) int {
	return cmp.Or(cmp.Compare(a.rank, b.rank), strings.Compare(a.worker.ID, b.worker.ID))
}

// ranking holds the candidates that have one model, best first. It is never changed.
type ranking struct {
	model      string
	candidates []candidate
}

// delta collects what a commit does to one ranking.
type delta struct {
	model      string
	gone, come []candidate
}

// rerank returns the rankings, by model, after the steps. Rankings that no step concerns are shared.
func rerank(rankings []ranking, steps []step[MirrorWorker]) []ranking {
	byModel := map[string]*delta{}
	of := func(model string) *delta {
		d := byModel[model]
		if d == nil {
			d = &delta{model: model}
			byModel[model] = d
		}
		return d
	}
	for _, s := range steps {
		if rank := rankOf(s.old); rank != notRanked {
			d := of(s.old.Model)
			d.gone = append(d.gone, candidate{rank, s.old})
		}
		if rank := rankOf(s.now); rank != notRanked {
			d := of(s.now.Model)
			d.come = append(d.come, candidate{rank, s.now})
		}
	}
	if len(byModel) == 0 {
		return rankings
	}
	deltas := make([]*delta, 0, len(byModel))
	for _, d := range byModel {
		deltas = append(deltas, d)
	}
	slices.SortFunc(deltas, func(a, b *delta) int { return strings.Compare(a.model, b.model) })
	return mergeRankings(rankings, deltas)
}

func mergeRankings(rankings []ranking, deltas []*delta) []ranking {
	merged := make([]ranking, 0, len(rankings)+len(deltas))
	for _, d := range deltas {
		n, found := findRanking(rankings, d.model)
		merged = append(merged, rankings[:n]...)
		rankings = rankings[n:]
		var before []candidate
		if found {
			before, rankings = rankings[0].candidates, rankings[1:]
		}
		if after := d.apply(before); len(after) > 0 {
			merged = append(merged, ranking{d.model, after})
		}
	}
	return append(merged, rankings...)
}

func findRanking(rankings []ranking, model string) (int, bool) {
	return slices.BinarySearchFunc(rankings, model, func(r ranking, model string) int { return strings.Compare(r.model, model) })
}

// apply returns the candidates without those that are gone and with those that come. All that are gone are among them.
func (d *delta) apply(before []candidate) []candidate {
	slices.SortFunc(d.gone, compareCandidates)
	slices.SortFunc(d.come, compareCandidates)
	after := make([]candidate, 0, len(before)-len(d.gone)+len(d.come))
	gone, come := d.gone, d.come
	for _, c := range before {
		if len(gone) > 0 && gone[0].worker == c.worker {
			gone = gone[1:]
			continue
		}
		for len(come) > 0 && compareCandidates(come[0], c) < 0 {
			after = append(after, come[0])
			come = come[1:]
		}
		after = append(after, c)
	}
	return append(after, come...)
}

// upTo returns how many candidates have at most this rank.
func (r ranking) upTo(rank uint64) int {
	n, _ := slices.BinarySearchFunc(r.candidates, rank, func(c candidate, rank uint64) int {
		if c.rank <= rank {
			return -1
		}
		return 1
	})
	return n
}
