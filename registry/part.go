package registry

import "slices"

// part is what the workers of a hive that have one model bring to an index.
type part struct {
	model   string
	workers uint64 // which of the hive's first partWorkers workers have it: bit i stands for worker i
	tally   tally
	offer   offer
}

// partWorkers is how many workers of a hive a part can tell apart. Few hives have more.
const partWorkers = 64

// sameParts reports whether they are one and the same, as they are most of the time.
func sameParts(a, b []part) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }

func modelsOf(h *Hive) []part {
	if h == nil {
		return nil
	}
	return h.models
}

// sumUp fills what the hive brings to the indexes, and shares with the record before it what is the same. GPU memory counts once
// per device where devices are known, since workers may share one.
func (h *Hive) sumUp(old *Hive) {
	var room [8]part // as many models as most hives have
	parts, rest := room[:0], part{offer: noOffer()}
	known := old != nil && len(h.Workers) <= partWorkers && sameRoster(old.Workers, h.Workers)
	if known { // which worker has which model: to read their profiles takes longer than all else here
		for i := range old.models {
			parts = append(parts, part{model: old.models[i].model, workers: old.models[i].workers, offer: noOffer()})
		}
	}
	total := tally{}
	for i, w := range h.Workers {
		if h.Liveness == Online {
			total.vramTotalMB += int64(w.VRAMTotalMB.Value())
			total.vramUsedMB += int64(w.VRAMUsedMB.Value())
		}
		n := noPart
		if known {
			n = partOf(parts, i)
		} else if w.Model != "" {
			parts, n = enlist(parts, string(w.Model), i)
		}
		d := &rest
		if n != noPart {
			d = &parts[n]
		}
		d.tally.count(w)
		d.offer.include(w)
	}
	total.add(&rest.tally, 1)
	all := rest.offer
	for i := range parts {
		total.add(&parts[i].tally, 1)
		all = all.plus(parts[i].offer)
	}
	switch h.Liveness {
	case Online:
		h.countDevices(&total)
	case Suspect:
		total.suspectHives = 1
	case Offline:
		total.offlineHives = 1
	}
	h.total, h.offer = total, all
	if h.models = modelsOf(old); !slices.Equal(h.models, parts) {
		h.models = slices.Clone(parts)
	}
}

// noPart is that of a worker whose model is unknown.
const noPart = -1

// partOf returns to which part worker i belongs, by what enlist wrote down.
func partOf(parts []part, i int) int {
	for n := range parts {
		if parts[n].workers>>i&1 != 0 {
			return n
		}
	}
	return noPart
}

// enlist writes down that worker i has a model, and returns to which part it belongs.
func enlist(parts []part, model string, i int) ([]part, int) {
	n := 0
	for n < len(parts) && parts[n].model != model {
		n++
	}
	if n == len(parts) {
		parts = append(parts, part{model: model, offer: noOffer()})
	}
	parts[n].workers |= 1 << i
	return parts, n
}

// countDevices takes the memory of a hive's devices, if known, in place of that of its workers.
func (h *Hive) countDevices(t *tally) {
	total, used := int64(0), int64(0)
	for i := range h.Devices {
		if d := &h.Devices[i]; d.Kind == GPU {
			total += int64(d.MemoryTotalMB.Value())
			used += int64(d.MemoryUsedMB.Value())
		}
	}
	if total > 0 {
		t.vramTotalMB, t.vramUsedMB = total, used
	}
}
