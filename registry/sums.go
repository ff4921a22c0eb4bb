package registry

// sums are what workers bring to an index: counts, and the best they have for a search.
type sums struct {
	tally tally
	offer offer
}

func noSums() sums { return sums{offer: noOffer()} }

func (s *sums) include(w *Worker) {
	s.tally.count(w)
	s.offer.include(w)
}

// part is what those workers of a hive bring that have one model.
type part struct {
	model   string
	workers uint64 // which of the hive's first partWorkers workers have it: bit i stands for worker i
	sums    sums
}

// partWorkers is how many workers of a hive a part can tell apart. Few hives have more.
const partWorkers = 64

// sumUp returns what a hive brings to the indexes, and what of it each model does, in the order in which its workers first have them. The
// parts are those of the record before it, if each of the hive's workers has the model it had then; else none. They come back with new sums.
//
// GPU memory counts once per device where devices are known, since workers may share one.
func (h *Hive) sumUp(parts []part) (sums, []part) {
	known := len(parts) > 0 && len(h.Workers) <= partWorkers // which worker has which model: to read their profiles takes longer than all else here
	for i := range parts {
		parts[i].sums = noSums()
	}
	all, rest := noSums(), noSums()
	for i, w := range h.Workers {
		if h.Liveness == Online {
			all.tally.vramTotalMB += int64(w.VRAMTotalMB.Value())
			all.tally.vramUsedMB += int64(w.VRAMUsedMB.Value())
		}
		n := noPart
		if known {
			n = partOf(parts, i)
		} else if w.Model != "" {
			parts, n = enlist(parts, string(w.Model), i)
		}
		s := &rest
		if n != noPart {
			s = &parts[n].sums
		}
		s.include(w)
	}
	all.tally.add(&rest.tally, 1)
	all.offer = rest.offer
	for i := range parts {
		all.tally.add(&parts[i].sums.tally, 1)
		all.offer = all.offer.plus(parts[i].sums.offer)
	}
	switch h.Liveness {
	case Online:
		h.countDevices(&all.tally)
	case Suspect:
		all.tally.suspectHives = 1
	case Offline:
		all.tally.offlineHives = 1
	}
	return all, parts
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
		parts = append(parts, part{model: model, sums: noSums()})
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
