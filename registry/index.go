package registry

import (
	"math"
	"sync/atomic"
)

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
	switch {
	case p.best < o.best:
		o.best, o.bestCount = p.best, p.bestCount
	case p.best == o.best:
		o.bestCount += p.bestCount
	}
	return o
}

// include adds one worker.
func (o *offer) include(w *Worker) {
	one := noOffer()
	free := int32(-1)
	if w.VRAMFreeMB.Known {
		free = w.VRAMFreeMB.Value
	}
	one.free = free
	one.has = hasUnavailable
	if w.Hive.Available {
		one.has, one.availableFree = hasAvailable, free
	}
	switch w.Activity {
	case Idle:
		one.has |= hasIdle
		one.idleFree = free
	case Working:
		one.has |= hasBusy
	case UnknownActivity:
	}
	if one.best = rankOf(w); one.best != noRank {
		one.bestCount, one.candidateFree = 1, free
	}
	*o = o.plus(one)
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

// offers maps hive ids to what the hive's workers, or those with one model, offer.
type offers = tree[offer, offer]

// index finds hives that have the workers looked for, without looking at the fleet. It holds no records, so that a heartbeat
// that changes nothing one could search for does not touch it. It is immutable; replace returns a changed copy.
type index struct {
	total  tally
	all    offers
	models tree[*modelIndex, nothing]
}

// modelIndex finds the workers that have one model.
type modelIndex struct {
	model  string
	total  tally
	byHive offers
	turn   *atomic.Uint32 // shared by all versions: whose turn it is among equals
}

// nothing is the sum of trees that need none.
type nothing struct{}

func (nothing) plus(nothing) nothing { return nothing{} }

func (*modelIndex) sum() nothing { return nothing{} }

// replace returns an index in which one hive's record is replaced; either may be nil.
func (x index) replace(old, hive *Hive) index {
	if old != nil {
		x.total.add(&old.all.tally, -1)
	}
	if hive != nil {
		x.total.add(&hive.all.tally, 1)
	}
	switch {
	case hive == nil:
		x.all = x.all.remove(old.ID)
	case old == nil || old.all.offer != hive.all.offer:
		x.all = x.all.put(hive.ID, hive.all.offer)
	}
	for i := range modelsOf(old) {
		if was := &old.models[i]; hive.part(was.model) == nil {
			if m := x.model(was.model).replace(old.ID, was, nil); m.byHive.len() > 0 {
				x.models = x.models.put(m.model, m)
			} else {
				x.models = x.models.remove(m.model)
			}
		}
	}
	for i := range modelsOf(hive) {
		is := &hive.models[i]
		if was := old.part(is.model); was == nil || *was != *is {
			x.models = x.models.put(is.model, x.model(is.model).replace(hive.ID, was, is))
		}
	}
	return x
}

// model returns the index of a model, a new one if there is none.
func (x *index) model(model string) *modelIndex {
	if m, ok := x.models.get(model); ok {
		return m
	}
	return &modelIndex{model: model, turn: new(atomic.Uint32)}
}

// replace returns a model's index in which one hive's part is replaced; either may be nil.
func (m modelIndex) replace(hiveID string, was, is *part) *modelIndex {
	if was != nil {
		m.total.add(&was.tally, -1)
	}
	if is != nil {
		m.total.add(&is.tally, 1)
	}
	switch {
	case is == nil:
		m.byHive = m.byHive.remove(hiveID)
	case was == nil || was.offer != is.offer:
		m.byHive = m.byHive.put(hiveID, is.offer)
	}
	return &m
}

// part is what the workers of one hive, or those with one model, bring to an index.
type part struct {
	model string // empty: all workers
	tally tally
	offer offer
}

func newPart(model string) part { return part{model: model, offer: noOffer()} }

func (p *part) include(w *Worker) {
	p.tally.count(w)
	p.offer.include(w)
}

func modelsOf(h *Hive) []part {
	if h == nil {
		return nil
	}
	return h.models
}

// part returns that of the workers with a model, or nil.
func (h *Hive) part(model string) *part {
	for i := range modelsOf(h) {
		if h.models[i].model == model {
			return &h.models[i]
		}
	}
	return nil
}

// sumUp fills what the hive brings to the indexes. GPU memory counts once per device where devices are known, since workers may share one.
func (h *Hive) sumUp() {
	h.all, h.models = newPart(""), nil
	t := &h.all.tally
	for _, w := range h.Workers {
		h.all.include(w)
		if h.Liveness == Online {
			t.vramTotalMB += int64(w.VRAMTotalMB.Value)
			t.vramUsedMB += int64(w.VRAMUsedMB.Value)
		}
		if w.Model == "" {
			continue
		}
		p := h.part(string(w.Model))
		if p == nil {
			h.models = append(h.models, newPart(string(w.Model)))
			p = &h.models[len(h.models)-1]
		}
		p.include(w)
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
			t.vramTotalMB, t.vramUsedMB = total, used
		}
	case Suspect:
		t.suspectHives = 1
	case Offline:
		t.offlineHives = 1
	}
}
