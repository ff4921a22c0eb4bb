package registry

import "slices"

// part is what the workers of a hive that have one model bring to an index.
type part struct {
	model string
	tally tally
	offer offer
}

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
	var room [4]part // as many models as most hives have
	parts, rest := room[:0], part{offer: noOffer()}
	total := tally{}
	for _, w := range h.Workers {
		if h.Liveness == Online {
			total.vramTotalMB += int64(w.VRAMTotalMB.Value)
			total.vramUsedMB += int64(w.VRAMUsedMB.Value)
		}
		d := &rest
		if w.Model != "" {
			i := 0
			for i < len(parts) && parts[i].model != string(w.Model) {
				i++
			}
			if i == len(parts) {
				parts = append(parts, part{model: string(w.Model), offer: noOffer()})
			}
			d = &parts[i]
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
