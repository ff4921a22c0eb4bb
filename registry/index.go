package registry

import (
	"math"
	"slices"
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

func (o *offer) sum() offer { return *o }

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
	if w.VRAMFreeMB.Known {
		free = w.VRAMFreeMB.Value
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
	if w.VRAMFreeMB.Known {
		free = uint32(w.VRAMFreeMB.Value) + 1
	}
	return uint64(w.RequestsQueued.Value)<<32 | uint64(math.MaxUint32-free)
}

// offers maps hive ids to what the hive's workers, or those with one model, offer.
type offers = tree[*offer, offer]

// index finds hives that have the workers looked for, without looking at the fleet. It holds no records, so that a heartbeat
// that changes nothing one could search for does not touch it. It is immutable; an indexWriter makes one after the other.
type index struct {
	total  tally
	all    offers
	models tree[*modelIndex, nothing]
}

// modelIndex finds the workers that have one model. It is immutable but for turn.
type modelIndex struct {
	model  string
	total  tally
	byHive offers
	turn   *atomic.Uint32 // shared by all versions: whose turn it is among equals
}

// nothing is the sum of trees that need none.
type nothing struct{}

func (nothing) plus(nothing) nothing { return nothing{} }

func (nothing) swap(_, _ nothing) (nothing, bool) { return nothing{}, true }

func (*modelIndex) sum() nothing { return nothing{} }

// model returns the index of a model; an empty one if there is none.
func (x *index) model(model string) *modelIndex {
	if m, ok := x.models.get(model); ok {
		return m
	}
	return &modelIndex{model: model}
}

// part is what the workers of a hive that have one model bring to an index.
type part struct {
	model string
	tally tally
	offer *offer // the same one as before if it is equal
}

// sameParts reports whether they are one and the same, as they are most of the time.
func sameParts(a, b []part) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }

func modelsOf(h *Hive) []part {
	if h == nil {
		return nil
	}
	return h.models
}

// partOf returns that of a model, or nil. It is probably the one at the hint.
func partOf(parts []part, model string, hint int) *part {
	if hint < len(parts) && parts[hint].model == model {
		return &parts[hint]
	}
	for i := range parts {
		if parts[i].model == model {
			return &parts[i]
		}
	}
	return nil
}

// draft is a part in the making.
type draft struct {
	model string
	tally tally
	offer offer
}

// sumUp fills what the hive brings to the indexes, and shares with the record before it what is the same. GPU memory counts once
// per device where devices are known, since workers may share one.
func (h *Hive) sumUp(old *Hive) {
	var room [4]draft // as many models as most hives have
	drafts, rest := room[:0], draft{offer: noOffer()}
	total := tally{}
	for _, w := range h.Workers {
		if h.Liveness == Online {
			total.vramTotalMB += int64(w.VRAMTotalMB.Value)
			total.vramUsedMB += int64(w.VRAMUsedMB.Value)
		}
		d := &rest
		if w.Model != "" {
			i := slices.IndexFunc(drafts, func(d draft) bool { return d.model == string(w.Model) })
			if i < 0 {
				i = len(drafts)
				drafts = append(drafts, draft{model: string(w.Model), offer: noOffer()})
			}
			d = &drafts[i]
		}
		d.tally.count(w)
		d.offer.include(w)
	}
	total.add(&rest.tally, 1)
	all := rest.offer
	for i := range drafts {
		total.add(&drafts[i].tally, 1)
		all = all.plus(drafts[i].offer)
	}
	switch h.Liveness {
	case Online:
		h.countDevices(&total)
	case Suspect:
		total.suspectHives = 1
	case Offline:
		total.offlineHives = 1
	}
	h.total = total
	if h.offer = nil; old != nil && *old.offer == all {
		h.offer = old.offer
	} else {
		h.offer = new(all)
	}
	h.models = partsOf(old, drafts)
}

// countDevices takes the memory of a hive's devices, if known, in place of that of its workers.
func (h *Hive) countDevices(t *tally) {
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
}

// partsOf makes the parts of a hive from drafts.
func partsOf(old *Hive, drafts []draft) []part {
	before := modelsOf(old)
	if slices.EqualFunc(before, drafts, func(p part, d draft) bool {
		return p.model == d.model && p.tally == d.tally && *p.offer == d.offer
	}) {
		return before
	}
	parts := make([]part, len(drafts))
	for i := range drafts {
		d := &drafts[i]
		parts[i] = part{d.model, d.tally, nil}
		if was := partOf(before, d.model, i); was != nil && *was.offer == d.offer {
			parts[i].offer = was.offer
		} else {
			parts[i].offer = new(d.offer)
		}
	}
	return parts
}
