package registry

import (
	"cmp"
	"fmt"
	"time"
)

// Fleet is the fleet in one glance, from one snapshot.
type Fleet struct {
	Revision            Revision
	ServerTime          time.Time
	Hives               HiveCounts
	Workers             WorkerCounts
	VRAMTotalMB         int64 // of the GPUs of ONLINE hives
	VRAMUsedMB          int64
	LargestFreeVRAMMB   int // of an available worker; 0 when there is none
	HeartbeatsPerSecond float64

	snap *Snapshot
}

// HiveCounts counts hives.
type HiveCounts struct{ Total, Online, Suspect, Offline, Available int }

// WorkerCounts counts workers.
type WorkerCounts struct{ Total, Available, Idle, Busy, Unknown int }

// ModelSummary counts the workers that serve one model.
type ModelSummary struct {
	Model             string
	Workers           int
	Available         int
	Idle              int
	Hives             int
	LargestFreeVRAMMB OptInt // of an available worker
}

// Fleet sums up the snapshot, in O(1).
func (s *Snapshot) Fleet() *Fleet {
	t := &s.index.total
	return &Fleet{
		Revision: s.Revision,
		Hives: HiveCounts{
			Total: s.hives.CountTotal(), Online: s.hives.CountOnline(), Available: s.hives.CountAvailable(),
			Suspect: int(t.suspectHives), Offline: int(t.offlineHives),
		},
		Workers: WorkerCounts{
			Total: int(t.workers), Available: int(t.available), Idle: int(t.idle), Busy: int(t.busy),
			Unknown: int(t.workers - t.idle - t.busy),
		},
		VRAMTotalMB: t.vramTotalMB, VRAMUsedMB: t.vramUsedMB, LargestFreeVRAMMB: int(max(s.index.all.sum().availableFree, 0)),
		snap: s,
	}
}

// Models returns the models with the most workers, most first, equals by name; 1 to MaxFirst of them.
func (f *Fleet) Models(first int) ([]*ModelSummary, error) {
	if first < 1 || first > MaxFirst {
		return nil, &InvalidError{"first", fmt.Sprintf("%d must be 1 to %d", first, MaxFirst)}
	}
	return smallest(func(yield func(*ModelSummary) bool) {
		for _, m := range f.snap.index.models.all() {
			if !yield(m.summary()) {
				return
			}
		}
	}, first, func(a, b *ModelSummary) int {
		return cmp.Or(cmp.Compare(b.Workers, a.Workers), cmp.Compare(a.Model, b.Model))
	}), nil
}

func (m *modelIndex) summary() *ModelSummary {
	t := &m.total
	s := &ModelSummary{Model: m.model, Workers: int(t.workers), Available: int(t.available), Idle: int(t.idle), Hives: m.byHive.len()}
	if free := m.byHive.sum().availableFree; free >= 0 {
		s.LargestFreeVRAMMB = Int(free)
	}
	return s
}

// FleetMapMetric is what the cells of a fleet map show.
type FleetMapMetric uint8

// The values of FleetMapMetric.
const (
	MapGPUUtilization FleetMapMetric = iota
	MapVRAMUsed
)

// Cells of a fleet map that are no figure.
const (
	CellUnknown = '-'
	CellSuspect = '~'
	CellOffline = '!'
)

// FleetMap is one character per worker in a fixed layout.
type FleetMap struct {
	Revision      Revision
	LayoutVersion int32 // follows from the layout: equal layouts have equal versions
	Layout        *FleetMapLayout
	Cells         string
}

// FleetMapLayout says which worker stands where.
type FleetMapLayout struct{ Groups []*FleetMapGroup }

// FleetMapGroup are the workers of one hive, in the order of their cells.
type FleetMapGroup struct {
	Key       string // hive id
	WorkerIDs []string
}

// FleetMap draws the workers that match, by id.
func (s *Snapshot) FleetMap(metric FleetMapMetric, f *WorkerFilter) (*FleetMap, error) {
	if err := f.Check("filter"); err != nil {
		return nil, err
	}
	layout := &FleetMapLayout{Groups: []*FleetMapGroup{}}
	cells := make([]byte, 0, s.index.total.workers)
	version := fnvOffset
	for w := range s.WorkersWhere(f) {
		last := len(layout.Groups) - 1
		if last < 0 || layout.Groups[last].Key != w.HiveID {
			layout.Groups = append(layout.Groups, &FleetMapGroup{Key: w.HiveID})
			last++
		}
		layout.Groups[last].WorkerIDs = append(layout.Groups[last].WorkerIDs, w.ID)
		version = fnv(version, w.ID)
		cells = append(cells, cell(metric, w))
	}
	return &FleetMap{s.Revision, int32(version & 0x7fffffff), layout, string(cells)}, nil
}

func cell(metric FleetMapMetric, w *Worker) byte {
	switch w.Hive.Liveness {
	case Suspect:
		return CellSuspect
	case Offline:
		return CellOffline
	case Online:
	}
	share, known := w.GPUUtilizationPercent.Value()/100, w.GPUUtilizationPercent.Known()
	if metric == MapVRAMUsed {
		share, known = float64(w.VRAMUsedMB.Value())/float64(w.VRAMTotalMB.Value()), w.VRAMUsedMB.Known() && w.VRAMTotalMB.Value() > 0
	}
	if !known {
		return CellUnknown
	}
	const digits = "0123456789abcdefghijklmnopqrstuvwxyz"
	return digits[min(int(share*float64(len(digits))), len(digits)-1)]
}

// FNV-1a, 32 bit, written out because hash/fnv wants bytes.
const fnvOffset uint32 = 2166136261

func fnv(h uint32, s string) uint32 {
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return (h ^ '\n') * 16777619
}
