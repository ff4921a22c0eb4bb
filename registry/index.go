package registry

import (
	"math"
	"sync/atomic"
)

// noRank is the rank of what cannot be chosen.
const noRank = math.MaxUint64

// tally is what a set of workers adds up to. Every subtree of an index has one, so that counts are
// at hand and a search skips what cannot match.
type tally struct {
	suspectHives, offlineHives int32 // 0 in the index of a model

	workers, available, idle, busy int32
	candidates                     int32 // available and idle

	// Largest free VRAM: of all workers, of idle ones, of available ones, of candidates; -1 when there is none.
	free, idleFree, availableFree, candidateFree int32

	best      uint64 // rank of the best candidate, see rankOf; noRank when there is none
	bestCount int32  // candidates of that rank

	vramTotalMB, vramUsedMB int64
}

// noTally is the tally of no workers.
func noTally() tally {
	return tally{free: -1, idleFree: -1, availableFree: -1, candidateFree: -1, best: noRank}
}

func (t tally) plus(u tally) tally {
	t.suspectHives += u.suspectHives
	t.offlineHives += u.offlineHives
	t.workers += u.workers
	t.available += u.available
	t.idle += u.idle
	t.busy += u.busy
	t.candidates += u.candidates
	t.free = max(t.free, u.free)
	t.idleFree = max(t.idleFree, u.idleFree)
	t.availableFree = max(t.availableFree, u.availableFree)
	t.candidateFree = max(t.candidateFree, u.candidateFree)
	t.vramTotalMB += u.vramTotalMB
	t.vramUsedMB += u.vramUsedMB
	switch {
	case u.best < t.best:
		t.best, t.bestCount = u.best, u.bestCount
	case u.best == t.best:
		t.bestCount += u.bestCount
	}
	return t
}

// add counts one worker in.
func (t *tally) add(w *Worker) {
	t.workers++
	free := int32(-1)
	if w.VRAMFreeMB.Known {
		free = w.VRAMFreeMB.Value
		t.free = max(t.free, free)
	}
	if w.Hive.Available {
		t.available++
		t.availableFree = max(t.availableFree, free)
	}
	switch w.Activity {
	case Idle:
		t.idle++
		t.idleFree = max(t.idleFree, free)
	case Working:
		t.busy++
	case UnknownActivity:
	}
	if rank := rankOf(w); rank != noRank {
		t.candidates++
		t.candidateFree = max(t.candidateFree, free)
		switch {
		case rank < t.best:
			t.best, t.bestCount = rank, 1
		case rank == t.best:
			t.bestCount++
		}
	}
	if w.Hive.Liveness == Online {
		t.vramTotalMB += int64(w.VRAMTotalMB.Value)
		t.vramUsedMB += int64(w.VRAMUsedMB.Value)
	}
}

// rankOf orders the workers that a scheduler may be given, best lowest: fewest waiting requests, then most free VRAM.
// Others have noRank.
func rankOf(w *Worker) uint64 {
	if w.Activity != Idle || !w.Hive.Available {
		return noRank
	}
	free := uint32(0) // unknown comes after 0 MB
	if w.VRAMFreeMB.Known {
		free = uint32(w.VRAMFreeMB.Value) + 1
	}
	return uint64(w.RequestsQueued.Value)<<32 | uint64(math.MaxUint32-free)
}

func (t tally) sum() tally { return t }

// tallies maps hive ids to what the hive's workers, or those with one model, add up to.
type tallies = tree[tally, tally]

// index finds hives that have the workers looked for, without looking at the fleet. It holds no records, so that a heartbeat
// that changes nothing one could search for does not touch it. It is immutable; replace returns a changed copy.
type index struct {
	all    tallies
	models tree[*modelIndex, nothing]
}

// modelIndex finds the workers that have one model.
type modelIndex struct {
	model  string
	byHive tallies
	turn   *atomic.Uint32 // shared by all versions: whose turn it is among equals
}

// nothing is the sum of trees that need none.
type nothing struct{}

func (nothing) plus(nothing) nothing { return nothing{} }

func (*modelIndex) sum() nothing { return nothing{} }

// replace returns an index in which one hive's record is replaced; either may be nil.
func (x index) replace(old, hive *Hive) index {
	switch {
	case hive == nil:
		x.all = x.all.remove(old.ID)
	case old == nil || old.tally != hive.tally:
		x.all = x.all.put(hive.ID, hive.tally)
	}
	for _, was := range modelsOf(old) {
		if _, has := hive.modelTally(was.model); !has {
			x.without(was.model, old.ID)
		}
	}
	for _, is := range modelsOf(hive) {
		if was, had := old.modelTally(is.model); !had || was != is.tally {
			x.with(is.model, hive.ID, is.tally)
		}
	}
	return x
}

func (x *index) with(model, hiveID string, t tally) {
	m, ok := x.models.get(model)
	if !ok {
		m = &modelIndex{model: model, turn: new(atomic.Uint32)}
	}
	x.models = x.models.put(m.model, &modelIndex{m.model, m.byHive.put(hiveID, t), m.turn})
}

// without drops a hive from a model, and the model with its last hive.
func (x *index) without(model, hiveID string) {
	m, ok := x.models.get(model)
	if !ok {
		return
	}
	if byHive := m.byHive.remove(hiveID); byHive.len() > 0 {
		x.models = x.models.put(model, &modelIndex{m.model, byHive, m.turn})
	} else {
		x.models = x.models.remove(model)
	}
}

// modelTally is what those workers of a hive that have one model add up to.
type modelTally struct {
	model string
	tally tally
}

func modelsOf(h *Hive) []modelTally {
	if h == nil {
		return nil
	}
	return h.models
}

func (h *Hive) modelTally(model string) (tally, bool) {
	for _, m := range modelsOf(h) {
		if m.model == model {
			return m.tally, true
		}
	}
	return tally{}, false
}

// sumUp fills the hive's tallies. GPU memory counts once per device where devices are known, since workers may share one.
func (h *Hive) sumUp() {
	h.tally, h.models = noTally(), nil
	for _, w := range h.Workers {
		h.tally.add(w)
		if w.Model != "" {
			h.tallyOf(string(w.Model)).add(w)
		}
	}
	switch h.Liveness {
	case Online:
		total, used := int64(0), int64(0)
		for i := range h.Devices {
			if d := &h.Devices[i]; d.Kind == GPU {
				total += int64(d.MemoryTotalMB.Value)
				used += int64(d.MemoryUsedMB.Value)
			}
		}
		if total > 0 {
			h.tally.vramTotalMB, h.tally.vramUsedMB = total, used
		}
	case Suspect:
		h.tally.suspectHives = 1
	case Offline:
		h.tally.offlineHives = 1
	}
}

// tallyOf returns the tally of a model, a new one if there is none yet.
func (h *Hive) tallyOf(model string) *tally {
	for i := range h.models {
		if h.models[i].model == model {
			return &h.models[i].tally
		}
	}
	h.models = append(h.models, modelTally{model, noTally()})
	return &h.models[len(h.models)-1].tally
}
