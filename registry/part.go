package registry

import "slices"

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
			i := 0
			for i < len(drafts) && drafts[i].model != string(w.Model) {
				i++
			}
			if i == len(drafts) {
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
	if old != nil && *old.offer == all {
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
