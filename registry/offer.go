package registry

import "math"

// noRank is the rank of what cannot be chosen.
const noRank = math.MaxUint64

// tally counts workers, and the memory of their hives. Tallies are added and subtracted, so that counts are at hand.
type tally struct {
	suspectHives, offlineHives     int32 // 0 for the workers of a model
	workers, available, idle, busy int32
	candidates                     int32 // available and idle
	vramTotalMB, vramUsedMB        int64 // 0 for the workers of a model
}

// add adds n times u.
func (t *tally) add(u *tally, n int32) {
	t.suspectHives += n * u.suspectHives
	t.offlineHives += n * u.offlineHives
	t.workers += n * u.workers
	t.available += n * u.available
	t.idle += n * u.idle
	t.busy += n * u.busy
	t.candidates += n * u.candidates
	t.vramTotalMB += int64(n) * u.vramTotalMB
	t.vramUsedMB += int64(n) * u.vramUsedMB
}

func (t *tally) count(w *Worker) {
	t.workers++
	if w.Hive.Available {
		t.available++
	}
	switch w.Activity {
	case Idle:
		t.idle++
		if w.Hive.Available {
			t.candidates++
		}
	case Working:
		t.busy++
	case UnknownActivity:
	}
}

// offer is the best that a set of workers has for a search. Every subtree of an index has one, so that a search skips
// what cannot match.
type offer struct {
	best      uint64 // rank of the best candidate, see rankOf; noRank when there is none
	bestCount int32  // candidates of that rank

	// Largest free VRAM: of all workers, of idle ones, of available ones, of candidates; -1 when none is known.
	free, idleFree, availableFree, candidateFree int32

	has traits
}

// traits are what at least one worker of a set is.
type traits uint8

const (
	hasIdle traits = 1 << iota
	hasBusy
	hasAvailable
	hasUnavailable
)

// noOffer is the offer of no workers.
func noOffer() offer {
	return offer{best: noRank, free: -1, idleFree: -1, availableFree: -1, candidateFree: -1}
}

func (o offer) sum() offer { return o }

func (o offer) plus(p offer) offer {
	o.free = max(o.free, p.free)
	o.idleFree = max(o.idleFree, p.idleFree)
	o.availableFree = max(o.availableFree, p.availableFree)
	o.candidateFree = max(o.candidateFree, p.candidateFree)
	o.has |= p.has
	o.rank(p.best, p.bestCount)
	return o
}

// rank adds so many candidates of a rank.
func (o *offer) rank(rank uint64, count int32) {
	switch {
	case rank < o.best:
		o.best, o.bestCount = rank, count
	case rank == o.best:
		o.bestCount += count
	}
}

// swap cannot tell when the part was the best in something, and is so no more.
func (o offer) swap(was, is offer) (offer, bool) {
	if was.has&^is.has != 0 || was.free == o.free && is.free < o.free || was.idleFree == o.idleFree && is.idleFree < o.idleFree ||
		was.availableFree == o.availableFree && is.availableFree < o.availableFree ||
		was.candidateFree == o.candidateFree && is.candidateFree < o.candidateFree {
		return offer{}, false
	}
	if was.best == o.best {
		if o.bestCount -= was.bestCount; o.bestCount == 0 && is.best > o.best {
			return offer{}, false
		}
	}
	return o.plus(is), true
}

// include adds one worker.
func (o *offer) include(w *Worker) {
	free := int32(-1)
	if w.VRAMFreeMB.Known() {
		free = w.VRAMFreeMB.Value()
	}
	o.free = max(o.free, free)
	idle, available := w.Activity == Idle, w.Hive.Available
	switch w.Activity {
	case Idle:
		o.has |= hasIdle
		o.idleFree = max(o.idleFree, free)
	case Working:
		o.has |= hasBusy
	case UnknownActivity:
	}
	if !available {
		o.has |= hasUnavailable
		return
	}
	o.has |= hasAvailable
	o.availableFree = max(o.availableFree, free)
	if idle {
		o.candidateFree = max(o.candidateFree, free)
		o.rank(rankOf(w), 1)
	}
}

// rankOf orders the workers that a scheduler may be given, best lowest: fewest waiting requests, then most free VRAM.
// Others have noRank.
func rankOf(w *Worker) uint64 {
	if w.Activity != Idle || !w.Hive.Available {
		return noRank
	}
	free := uint32(0) // unknown comes after 0 MB
	if w.VRAMFreeMB.Known() {
		free = uint32(w.VRAMFreeMB.Value()) + 1
	}
	return uint64(w.RequestsQueued.Value())<<32 | uint64(math.MaxUint32-free)
}
