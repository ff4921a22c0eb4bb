package registry

import (
	"cmp"
	"iter"
	"slices"
)

// OrderDirection is ascending or descending.
type OrderDirection uint8

// The values of OrderDirection.
const (
	Ascending OrderDirection = iota
	Descending
)

// WorkerOrderField is what workers can be ordered by.
type WorkerOrderField uint8

// The values of WorkerOrderField.
const (
	WorkersByID WorkerOrderField = iota
	WorkersByModel
	WorkersByActivity
	WorkersByGPUUtilization
	WorkersByVRAMFree
	WorkersByVRAMUsed
	WorkersByCPU
	WorkersByUptime
	WorkersByLastSeen
)

// WorkerOrder orders workers. Equals are ordered by id; what is unknown comes last in either direction.
type WorkerOrder struct {
	Field     WorkerOrderField
	Direction OrderDirection
}

// HiveOrderField is what hives can be ordered by.
type HiveOrderField uint8

// The values of HiveOrderField.
const (
	HivesByID HiveOrderField = iota
	HivesByLiveness
	HivesByWorkers
	HivesByLastSeen
)

// HiveOrder orders hives. Equals are ordered by id.
type HiveOrder struct {
	Field     HiveOrderField
	Direction OrderDirection
}

// compare returns the comparison that sorts workers.
func (o WorkerOrder) compare() func(a, b *Worker) int {
	switch o.Field {
	case WorkersByModel:
		return o.by(func(a, b *Worker) int { return cmp.Compare(a.Model, b.Model) }, func(w *Worker) bool { return w.Model != "" })
	case WorkersByActivity:
		return o.by(func(a, b *Worker) int { return cmp.Compare(a.Activity, b.Activity) }, nil)
	case WorkersByGPUUtilization:
		return o.byFloat(func(w *Worker) OptFloat { return w.GPUUtilizationPercent })
	case WorkersByVRAMFree:
		return o.byInt(func(w *Worker) OptInt { return w.VRAMFreeMB })
	case WorkersByVRAMUsed:
		return o.byInt(func(w *Worker) OptInt { return w.VRAMUsedMB })
	case WorkersByCPU:
		return o.byFloat(func(w *Worker) OptFloat { return w.CPUPercent })
	case WorkersByUptime:
		return o.byInt(func(w *Worker) OptInt { return w.UptimeSeconds })
	case WorkersByLastSeen:
		return o.by(func(a, b *Worker) int { return a.LastSeenAt().Compare(b.LastSeenAt()) }, nil)
	case WorkersByID:
	}
	if o.Direction == Descending {
		return func(a, b *Worker) int { return compareWorkers(b, a) }
	}
	return compareWorkers
}

func (o WorkerOrder) byInt(figure func(*Worker) OptInt) func(a, b *Worker) int {
	return o.by(func(a, b *Worker) int { return cmp.Compare(figure(a).Value(), figure(b).Value()) },
		func(w *Worker) bool { return figure(w).Known() })
}

func (o WorkerOrder) byFloat(figure func(*Worker) OptFloat) func(a, b *Worker) int {
	return o.by(func(a, b *Worker) int { return cmp.Compare(figure(a).Value(), figure(b).Value()) },
		func(w *Worker) bool { return figure(w).Known() })
}

// by makes a full order of a comparison: direction, unknown last, equals by id.
func (o WorkerOrder) by(compare func(a, b *Worker) int, known func(*Worker) bool) func(a, b *Worker) int {
	return func(a, b *Worker) int {
		if known != nil {
			if ka, kb := known(a), known(b); ka != kb {
				if ka {
					return -1
				}
				return 1
			}
		}
		c := compare(a, b)
		if o.Direction == Descending {
			c = -c
		}
		if c != 0 {
			return c
		}
		return compareWorkers(a, b)
	}
}

// compare returns the comparison that sorts hives.
func (o HiveOrder) compare() func(a, b *Hive) int {
	return func(a, b *Hive) int {
		c := 0
		switch o.Field {
		case HivesByLiveness:
			c = cmp.Compare(a.Liveness, b.Liveness)
		case HivesByWorkers:
			c = cmp.Compare(len(a.Workers), len(b.Workers))
		case HivesByLastSeen:
			c = a.LastSeenAt.Compare(b.LastSeenAt)
		case HivesByID:
			c = cmp.Compare(a.ID, b.ID)
		}
		if o.Direction == Descending {
			c = -c
		}
		return cmp.Or(c, cmp.Compare(a.ID, b.ID))
	}
}

// smallest returns the n smallest items in order, or all if there are fewer. It holds at most 2n of
// them at a time, so a window on a large fleet does not sort the fleet.
func smallest[T any](items iter.Seq[T], n int, compare func(a, b T) int) []T {
	if n <= 0 {
		return nil
	}
	var kept []T
	full := false // kept[n-1] bounds what can still get in
	for item := range items {
		if full && compare(item, kept[n-1]) >= 0 {
			continue
		}
		kept = append(kept, item)
		if len(kept) == 2*n {
			slices.SortFunc(kept, compare)
			kept, full = kept[:n], true
		}
	}
	slices.SortFunc(kept, compare)
	return kept[:min(n, len(kept))]
}
