package registry

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"
)

// model is the registry written naively: plain maps, full scans, no sharing, no indexes. It repeats the rules, not the code.
type model struct {
	hives map[string]*modelHive
}

type modelHive struct {
	report    HiveReport
	devices   []Device
	cordoned  bool
	liveness  Liveness
	firstSeen time.Time
	lastSeen  time.Time
	workers   map[string]*modelWorker // by id
}

type modelWorker struct {
	WorkerReport
	id            string
	hive          *modelHive
	activity      Activity
	activitySince time.Time
	free          OptInt
}

func (h *modelHive) available() bool {
	return h.liveness == Online && !h.cordoned && h.report.HealthStatus != Unhealthy &&
		(h.report.OperationalStatus == Ready || h.report.OperationalStatus == Busy)
}

// judge sets what follows from figures and liveness.
func (h *modelHive) judge(now time.Time) {
	for _, w := range h.workers {
		is, free := UnknownActivity, OptInt{}
		if h.liveness == Online {
			gpu, requests := w.GPUUtilizationPercent, w.RequestsRunning
			if gpu.Known() || requests.Known() {
				is = Idle
			}
			if gpu.Known() && gpu.Value() > 0 || requests.Known() && requests.Value() > 0 {
				is = Working
			}
			if w.VRAMTotalMB.Known() && w.VRAMUsedMB.Known() {
				free = Int(max(0, w.VRAMTotalMB.Value()-w.VRAMUsedMB.Value()))
			}
		}
		if w.activitySince.IsZero() || w.activity != is {
			w.activity, w.activitySince = is, now
		}
		w.free = free
	}
}

func (m *model) apply(hb *Heartbeat, now time.Time) {
	h := m.hives[hb.Hive.ID]
	if h == nil {
		h = &modelHive{firstSeen: now, workers: map[string]*modelWorker{}}
		m.hives[hb.Hive.ID] = h
	}
	h.report, h.lastSeen, h.liveness = hb.Hive, now, Online
	if hb.Devices != nil {
		h.devices = hb.Devices
	}
	workers := map[string]*modelWorker{}
	for _, r := range hb.Workers {
		w := &modelWorker{WorkerReport: r, id: hb.Hive.ID + "/" + r.Group + "/" + r.Instance, hive: h}
		if old := h.workers[w.id]; old != nil {
			w.activity, w.activitySince = old.activity, old.activitySince
		}
		workers[w.id] = w
	}
	h.workers = workers
	h.judge(now)
}

// pass lets time pass: the hives beat every second, so the plain thresholds hold.
func (m *model) pass(now time.Time) {
	for id, h := range m.hives {
		silence := now.Sub(h.lastSeen)
		if h.liveness == Online && silence >= 3*time.Second {
			h.liveness = Suspect
			h.judge(now)
		}
		if h.liveness == Suspect && silence >= 10*time.Second {
			h.liveness = Offline
			h.judge(now)
		}
		if h.liveness == Offline && !h.cordoned && silence >= 90*time.Second {
			delete(m.hives, id)
		}
	}
}

// workers returns those that match, by id.
func (m *model) workers(f *WorkerFilter) []*modelWorker {
	var all []*modelWorker
	for _, h := range m.hives {
		for _, w := range h.workers {
			if f == nil || w.matches(f) {
				all = append(all, w)
			}
		}
	}
	slices.SortFunc(all, (*modelWorker).byID)
	return all
}

func (w *modelWorker) byID(o *modelWorker) int {
	return cmp.Or(cmp.Compare(w.hive.report.ID, o.hive.report.ID), cmp.Compare(w.Group, o.Group), cmp.Compare(w.Instance, o.Instance))
}

func (w *modelWorker) matches(f *WorkerFilter) bool {
	if f.IDs != nil && !slices.Contains(f.IDs, w.id) || f.HiveIDs != nil && !slices.Contains(f.HiveIDs, w.hive.report.ID) {
		return false
	}
	if f.Groups != nil && !slices.Contains(f.Groups, w.Group) || f.Liveness != nil && !slices.Contains(f.Liveness, w.hive.liveness) {
		return false
	}
	if f.Idle != nil {
		want := Working
		if *f.Idle {
			want = Idle
		}
		if w.activity != want {
			return false
		}
	}
	if f.Model != nil && (w.Model == "" || string(w.Model) != *f.Model) {
		return false
	}
	if f.Models != nil && (w.Model == "" || !slices.Contains(f.Models, string(w.Model))) {
		return false
	}
	if f.MinFreeVRAMMB != nil && (!w.free.Known() || w.free.Value() < *f.MinFreeVRAMMB) {
		return false
	}
	if f.Available != nil && *f.Available != w.hive.available() {
		return false
	}
	if f.Search != nil {
		part := strings.ToLower(*f.Search)
		if !strings.Contains(strings.ToLower(w.id), part) && !strings.Contains(strings.ToLower(string(w.Model)), part) &&
			!strings.Contains(strings.ToLower(w.hive.report.Hostname), part) {
			return false
		}
	}
	return true
}

// key returns what a worker is ordered by, as text or number, and whether it is known.
func (w *modelWorker) key(field WorkerOrderField) (text string, number float64, known bool) {
	ofInt := func(o OptInt) (string, float64, bool) { return "", float64(o.Value()), o.Known() }
	switch field {
	case WorkersByModel:
		return string(w.Model), 0, w.Model != ""
	case WorkersByActivity:
		return "", float64(w.activity), true
	case WorkersByGPUUtilization:
		return "", w.GPUUtilizationPercent.Value(), w.GPUUtilizationPercent.Known()
	case WorkersByVRAMFree:
		return ofInt(w.free)
	case WorkersByVRAMUsed:
		return ofInt(w.VRAMUsedMB)
	case WorkersByCPU:
		return "", w.CPUPercent.Value(), w.CPUPercent.Known()
	case WorkersByUptime:
		return ofInt(w.UptimeSeconds)
	case WorkersByLastSeen:
		return "", float64(w.hive.lastSeen.UnixNano()), true
	case WorkersByID:
	}
	return "", 0, true
}

func sortModel(all []*modelWorker, order WorkerOrder) {
	slices.SortStableFunc(all, func(a, b *modelWorker) int {
		ta, na, ka := a.key(order.Field)
		tb, nb, kb := b.key(order.Field)
		if ka != kb {
			if ka {
				return -1
			}
			return 1
		}
		c := cmp.Or(cmp.Compare(ta, tb), cmp.Compare(na, nb))
		if order.Field == WorkersByID {
			c = a.byID(b)
		}
		if order.Direction == Descending {
			c = -c
		}
		return cmp.Or(c, a.byID(b))
	})
}

// best returns the ids of the best workers, all equal.
func (m *model) best(name string, minFree OptInt) []string {
	var best []string
	bestQueued, bestFree := int32(math.MaxInt32), int32(-1)
	for _, w := range m.workers(nil) {
		free := int32(-1)
		if w.free.Known() {
			free = w.free.Value()
		}
		if string(w.Model) != name || w.activity != Idle || !w.hive.available() || minFree.Known() && (!w.free.Known() || free < minFree.Value()) {
			continue
		}
		queued := w.RequestsQueued.Value()
		if queued < bestQueued || queued == bestQueued && free > bestFree {
			best, bestQueued, bestFree = nil, queued, free
		}
		if queued == bestQueued && free == bestFree {
			best = append(best, w.id)
		}
	}
	return best
}
