package registry

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
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
			if gpu.Known || requests.Known {
				is = Idle
			}
			if gpu.Known && gpu.Value > 0 || requests.Known && requests.Value > 0 {
				is = Working
			}
			if w.VRAMTotalMB.Known && w.VRAMUsedMB.Known {
				free = Int(max(0, w.VRAMTotalMB.Value-w.VRAMUsedMB.Value))
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
	if f.MinFreeVRAMMB != nil && (!w.free.Known || w.free.Value < *f.MinFreeVRAMMB) {
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
	ofInt := func(o OptInt) (string, float64, bool) { return "", float64(o.Value), o.Known }
	switch field {
	case WorkersByModel:
		return string(w.Model), 0, w.Model != ""
	case WorkersByActivity:
		return "", float64(w.activity), true
	case WorkersByGPUUtilization:
		return "", w.GPUUtilizationPercent.Value, w.GPUUtilizationPercent.Known
	case WorkersByVRAMFree:
		return ofInt(w.free)
	case WorkersByVRAMUsed:
		return ofInt(w.VRAMUsedMB)
	case WorkersByCPU:
		return "", w.CPUPercent.Value, w.CPUPercent.Known
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
func (m *model) best(name string, minFree int32) []string {
	var best []string
	bestQueued, bestFree := int32(math.MaxInt32), int32(-1)
	for _, w := range m.workers(nil) {
		free := int32(-1)
		if w.free.Known {
			free = w.free.Value
		}
		if string(w.Model) != name || w.activity != Idle || !w.hive.available() || minFree > 0 && free < minFree {
			continue
		}
		queued := w.RequestsQueued.Value
		if queued < bestQueued || queued == bestQueued && free > bestFree {
			best, bestQueued, bestFree = nil, queued, free
		}
		if queued == bestQueued && free == bestFree {
			best = append(best, w.id)
		}
	}
	return best
}

// hiveIDs are more than a node of the tree holds.
func hiveIDs() []string {
	all := []string{"a", "a-1", "a.b", "B", "c9"}
	for i := range 20 {
		all = append(all, fmt.Sprintf("h%02d", i))
	}
	return all
}

func pick[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

// someHeartbeat makes one with few different models and figures, so that histories meet.
func someHeartbeat(r *rand.Rand, id string) *Heartbeat {
	opt := func(values ...int32) OptInt {
		if r.IntN(4) == 0 {
			return OptInt{}
		}
		return Int(pick(r, values...))
	}
	hb := &Heartbeat{Hive: HiveReport{
		ID: id, Hostname: pick(r, "north", "South"), OperationalStatus: pick(r, Ready, Ready, Busy, Stopping),
		HealthStatus: pick(r, Healthy, Healthy, Degraded, Unhealthy),
	}}
	switch r.IntN(4) {
	case 0:
		hb.Devices = []Device{}
	case 1:
		hb.Devices = []Device{
			{ID: "0", Kind: GPU, MemoryTotalMB: opt(100, 200), MemoryUsedMB: opt(10, 20)},
			{ID: "1", Kind: CPU, MemoryTotalMB: Int(7)},
		}
	}
	seen := map[string]bool{}
	for range r.IntN(6) {
		w := WorkerReport{
			Group: pick(r, "llm", "tts"), Instance: pick(r, "1", "2", "x"), Model: pick[OptString](r, "", "llama", "Qwen"), PID: opt(1, 2),
			Telemetry: Telemetry{
				VRAMUsedMB: opt(0, 40, 90, 120), VRAMTotalMB: opt(100, 100, 200), UptimeSeconds: opt(1, 2),
				RequestsRunning: opt(0, 0, 1), RequestsQueued: opt(0, 1, 2),
			},
		}
		if gpu := opt(0, 0, 50, 100); gpu.Known {
			w.GPUUtilizationPercent = Float(float64(gpu.Value))
		}
		if cpu := opt(1, 2); cpu.Known {
			w.CPUPercent = Float(float64(cpu.Value))
		}
		if seen[w.Group+w.Instance] {
			continue
		}
		seen[w.Group+w.Instance] = true
		hb.Workers = append(hb.Workers, w)
	}
	return hb
}

func maybe[T any](t *rapid.T, label string, g *rapid.Generator[T]) *T {
	if rapid.IntRange(0, 3).Draw(t, label+" given") > 0 {
		return nil
	}
	return new(g.Draw(t, label))
}

func someOf(t *rapid.T, label string, values ...string) []string {
	if rapid.IntRange(0, 9).Draw(t, label+" given") > 0 {
		return nil
	}
	return append([]string{}, rapid.SliceOfN(rapid.SampledFrom(values), 0, 3).Draw(t, label)...)
}

func drawWorkerFilter(t *rapid.T) *WorkerFilter {
	f := &WorkerFilter{
		IDs:           someOf(t, "ids", "a/llm/1", "a-1/tts/2", "B/llm/x", "none/llm/1", "broken"),
		HiveIDs:       someOf(t, "hiveIds", "a", "a-1", "B", "none"),
		Groups:        someOf(t, "groups", "llm", "tts", "none"),
		Idle:          maybe(t, "idle", rapid.Bool()),
		Model:         maybe(t, "model", rapid.SampledFrom([]string{"llama", "Qwen", "none", ""})),
		Models:        someOf(t, "models", "llama", "Qwen", ""),
		MinFreeVRAMMB: maybe(t, "minFree", rapid.SampledFrom([]int32{0, 10, 60, 100, 160, 200})),
		Available:     maybe(t, "available", rapid.Bool()),
		Search:        maybe(t, "search", rapid.SampledFrom([]string{"", "QWEN", "a/l", "sou", "/x"})),
	}
	if rapid.IntRange(0, 9).Draw(t, "liveness given") == 0 {
		f.Liveness = append([]Liveness{}, rapid.SliceOfN(rapid.SampledFrom([]Liveness{Online, Suspect, Offline}), 0, 2).Draw(t, "liveness")...)
	}
	return f
}

func ids(workers []*modelWorker) []string {
	all := make([]string, len(workers))
	for i, w := range workers {
		all[i] = w.id
	}
	return all
}

func page[T any](all []T, offset, first int) []T {
	offset = min(offset, len(all))
	return all[offset:min(offset+first, len(all))]
}

// registryHistory is a registry and what a reader knows of it.
type registryHistory struct {
	reg    *TelemetryRegistry
	model  *model
	now    time.Time
	copy   *registryCopy
	frozen map[*Snapshot]string // old snapshots, as they looked when they were new
}

func TestRegistryAgainstNaiveModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reg := New(Config{ProtectShare: 2, ChangeLog: 1 << 12})
		h := &registryHistory{reg: reg, model: &model{map[string]*modelHive{}}, now: reg.watch.lastSweep, copy: newRegistryCopy(), frozen: map[*Snapshot]string{}}
		t.Repeat(map[string]func(*rapid.T){
			"heartbeat": func(t *rapid.T) {
				r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
				for range rapid.SampledFrom([]int{1, 2, 5, 30}).Draw(t, "heartbeats") {
					h.beat(t, someHeartbeat(r, pick(r, hiveIDs()...)))
				}
			},
			"time": func(t *rapid.T) {
				for range rapid.SampledFrom([]int{1, 3, 8, 100}).Draw(t, "seconds") {
					h.now = h.now.Add(time.Second)
					reg.sweep(h.now)
					h.model.pass(h.now)
				}
			},
			"remove": func(t *rapid.T) {
				id := rapid.SampledFrom(append(hiveIDs(), "none")).Draw(t, "id")
				_, has := h.model.hives[id]
				if reg.Remove(id) != has {
					t.Fatalf("remove %s: there was one: %t", id, has)
				}
				delete(h.model.hives, id)
			},
			"cordon": func(t *rapid.T) {
				id, cordoned := rapid.SampledFrom(append(hiveIDs(), "none")).Draw(t, "id"), rapid.Bool().Draw(t, "cordoned")
				m := h.model.hives[id]
				if got := reg.Cordon(id, cordoned); (got != nil) != (m != nil) || got != nil && got.Cordoned != cordoned {
					t.Fatalf("cordon %s: %v", id, got)
				}
				if m != nil {
					m.cordoned = cordoned
				}
			},
			"ask":           h.askWorkers,
			"ask for hives": h.askHives,
			"best":          h.askBest,
			"":              h.check,
		})
	})
}

func (h *registryHistory) beat(t *rapid.T, hb *Heartbeat) {
	hb.ReceivedAt = h.now
	copied := *hb
	copied.Workers = slices.Clone(hb.Workers)
	if terms, err := h.reg.Apply(hb); err != nil || len(terms.Warnings) > 0 {
		t.Fatalf("%v, %q", err, terms.Warnings)
	}
	// The thresholds would stretch with the drawn intervals; scenarios prove that, here it is kept out.
	st := h.reg.hives[copied.Hive.ID]
	st.cadence = cadence{}
	h.reg.watch.deadlines.move(st, h.reg.watch.due(h.reg.cfg, st))
	h.model.apply(&copied, h.now)
}

func (h *registryHistory) askWorkers(t *rapid.T) {
	for range 6 {
		h.askOnce(t)
	}
}

func (h *registryHistory) askOnce(t *rapid.T) {
	snap := h.reg.Snapshot()
	var f *WorkerFilter
	if rapid.IntRange(0, 5).Draw(t, "filter given") > 0 {
		f = drawWorkerFilter(t)
	}
	q := WorkerQuery{
		Filter: f, First: rapid.IntRange(0, 8).Draw(t, "first"), Offset: rapid.IntRange(0, 5).Draw(t, "offset"),
		Order: WorkerOrder{WorkerOrderField(rapid.IntRange(0, 8).Draw(t, "field")), OrderDirection(rapid.IntRange(0, 1).Draw(t, "direction"))},
	}
	got, err := snap.Workers(q)
	if err != nil {
		t.Fatal(err)
	}
	want := h.model.workers(f)
	if got.TotalCount() != len(want) {
		t.Fatalf("total count %d, want %d", got.TotalCount(), len(want))
	}
	sortModel(want, q.Order)
	gotIDs := []string{}
	for _, w := range got.Nodes {
		gotIDs = append(gotIDs, w.ID)
	}
	if diff := gocmp.Diff(ids(page(want, q.Offset, q.First)), gotIDs); diff != "" || got.Nodes == nil || got.Offset != q.Offset || got.Revision != snap.Revision {
		t.Fatalf("%+v: (-want +got)\n%s", q, diff)
	}
}

func (h *registryHistory) askHives(t *rapid.T) {
	f := &HiveFilter{
		IDs: someOf(t, "ids", "a", "B", "none"), Available: maybe(t, "available", rapid.Bool()),
		Search: maybe(t, "search", rapid.SampledFrom([]string{"", "A", "south"})),
	}
	if rapid.Bool().Draw(t, "liveness given") {
		f.Liveness = []Liveness{rapid.SampledFrom([]Liveness{Online, Suspect, Offline}).Draw(t, "liveness")}
	}
	order := HiveOrder{HiveOrderField(rapid.IntRange(0, 3).Draw(t, "field")), OrderDirection(rapid.IntRange(0, 1).Draw(t, "direction"))}
	var want []*modelHive
	for id, m := range h.model.hives {
		search := ""
		if f.Search != nil {
			search = strings.ToLower(*f.Search)
		}
		if (f.IDs == nil || slices.Contains(f.IDs, id)) && (f.Available == nil || *f.Available == m.available()) &&
			(f.Liveness == nil || slices.Contains(f.Liveness, m.liveness)) &&
			(strings.Contains(strings.ToLower(id), search) || strings.Contains(strings.ToLower(m.report.Hostname), search)) {
			want = append(want, m)
		}
	}
	slices.SortFunc(want, func(a, b *modelHive) int {
		c := 0
		switch order.Field {
		case HivesByLiveness:
			c = int(a.liveness) - int(b.liveness)
		case HivesByWorkers:
			c = len(a.workers) - len(b.workers)
		case HivesByLastSeen:
			c = a.lastSeen.Compare(b.lastSeen)
		case HivesByID:
			c = cmp.Compare(a.report.ID, b.report.ID)
		}
		if order.Direction == Descending {
			c = -c
		}
		return cmp.Or(c, cmp.Compare(a.report.ID, b.report.ID))
	})
	first, offset := rapid.IntRange(0, 4).Draw(t, "first"), rapid.IntRange(0, 3).Draw(t, "offset")
	got, err := h.reg.Snapshot().Hives(HiveQuery{Filter: f, Order: order, First: first, Offset: offset})
	if err != nil {
		t.Fatal(err)
	}
	wantIDs, gotIDs := []string{}, []string{}
	for _, m := range page(want, offset, first) {
		wantIDs = append(wantIDs, m.report.ID)
	}
	for _, hive := range got.Nodes {
		gotIDs = append(gotIDs, hive.ID)
	}
	if diff := gocmp.Diff(wantIDs, gotIDs); diff != "" || got.TotalCount() != len(want) {
		t.Fatalf("total %d, want %d (-want +got)\n%s", got.TotalCount(), len(want), diff)
	}
}

func (h *registryHistory) askBest(t *rapid.T) {
	for _, name := range []string{"llama", "Qwen", "none"} {
		for _, minFree := range []int32{0, 10, 60, 110, 200} {
			best := h.model.best(name, minFree)
			// In as many calls as there are equals each of them comes once.
			got := []string{}
			for range max(len(best), 1) {
				if w := h.reg.Snapshot().BestWorker(name, minFree); w != nil {
					got = append(got, w.ID)
				}
			}
			slices.Sort(got)
			slices.Sort(best)
			if !slices.Equal(got, best) {
				t.Fatalf("best for %s with %d MB: got %v, want each of %v once", name, minFree, got, best)
			}
		}
	}
}

// check compares all that can be seen with the model, after every step.
func (h *registryHistory) check(t *rapid.T) {
	snap := h.reg.Snapshot()
	h.checkRecords(t, snap)
	h.checkFleet(t, snap)
	if err := h.copy.follow(h.reg); err != nil {
		t.Fatal(err)
	}
	if err := h.copy.differs(snap); err != nil {
		t.Fatal(err)
	}
	if rapid.IntRange(0, 9).Draw(t, "look") > 0 {
		return
	}
	h.frozen[snap] = looks(snap)
	for old, looked := range h.frozen {
		if diff := gocmp.Diff(looked, looks(old)); diff != "" {
			t.Fatalf("snapshot %s changed later:\n%s", old.Revision, diff)
		}
	}
}

func (h *registryHistory) checkRecords(t *rapid.T, snap *Snapshot) {
	hives := slices.Sorted(maps.Keys(h.model.hives))
	got := []string{}
	for hive := range snap.AllHives() {
		got = append(got, hive.ID)
	}
	if diff := gocmp.Diff(hives, got, gocmp.Transformer("nil", func(s []string) string { return strings.Join(s, ",") })); diff != "" {
		t.Fatalf("hives (-want +got):\n%s", diff)
	}
	for _, id := range hives {
		m, hive := h.model.hives[id], snap.Hive(id)
		if hive.Liveness != m.liveness || hive.Available != m.available() || hive.Cordoned != m.cordoned ||
			!hive.FirstSeenAt.Equal(m.firstSeen) || !hive.LastSeenAt.Equal(m.lastSeen) || hive.Hostname != m.report.Hostname ||
			hive.OperationalStatus != m.report.OperationalStatus || hive.Health.Status != m.report.HealthStatus || !slices.Equal(hive.Devices, m.devices) {
			t.Fatalf("hive %s is %+v, want %+v", id, hive, m)
		}
		if len(hive.Workers) != len(m.workers) || !slices.IsSortedFunc(hive.Workers, compareWorkers) {
			t.Fatalf("hive %s has %d workers, want %d, in order", id, len(hive.Workers), len(m.workers))
		}
		for wid, mw := range m.workers {
			w := snap.Worker(wid)
			if w == nil || w.Hive != hive || w.HiveID != id || w.Telemetry != mw.Telemetry || w.Model != mw.Model || w.PID != mw.PID ||
				w.Activity != mw.activity || !w.ActivitySince.Equal(mw.activitySince) || w.VRAMFreeMB != mw.free {
				t.Fatalf("worker %s is %+v, want %+v", wid, w, mw)
			}
		}
	}
	if snap.Worker("none/llm/1") != nil || snap.Worker("a") != nil || snap.Hive("none") != nil {
		t.Fatal("found what is not there")
	}
}

func (h *registryHistory) checkFleet(t *rapid.T, snap *Snapshot) {
	want := Fleet{Revision: snap.Revision}
	models := map[string]*ModelSummary{}
	served := map[string]map[string]bool{}
	for id, m := range h.model.hives {
		want.Hives.Total++
		*map[Liveness]*int{Online: &want.Hives.Online, Suspect: &want.Hives.Suspect, Offline: &want.Hives.Offline}[m.liveness]++
		if m.available() {
			want.Hives.Available++
		}
		byWorkers, byDevices := [2]int{}, [2]int{}
		for _, w := range m.workers {
			want.Workers.Total++
			*map[Activity]*int{Idle: &want.Workers.Idle, Working: &want.Workers.Busy, UnknownActivity: &want.Workers.Unknown}[w.activity]++
			byWorkers[0] += int(w.VRAMTotalMB.Value)
			byWorkers[1] += int(w.VRAMUsedMB.Value)
			s := models[string(w.Model)]
			if s == nil {
				s = &ModelSummary{Model: string(w.Model)}
				models[s.Model], served[s.Model] = s, map[string]bool{}
			}
			s.Workers++
			served[s.Model][id] = true
			if w.activity == Idle {
				s.Idle++
			}
			if m.available() {
				want.Workers.Available++
				s.Available++
				if w.free.Known {
					want.LargestFreeVRAMMB = max(want.LargestFreeVRAMMB, int(w.free.Value))
					s.LargestFreeVRAMMB = Int(max(s.LargestFreeVRAMMB.Value, w.free.Value))
				}
			}
		}
		for _, d := range m.devices {
			if d.Kind == GPU {
				byDevices[0] += int(d.MemoryTotalMB.Value)
				byDevices[1] += int(d.MemoryUsedMB.Value)
			}
		}
		if m.liveness == Online {
			if byDevices[0] > 0 {
				byWorkers = byDevices
			}
			want.VRAMTotalMB += byWorkers[0]
			want.VRAMUsedMB += byWorkers[1]
		}
	}
	got := snap.Fleet()
	got.snap = nil
	if *got != want {
		t.Fatalf("fleet %+v, want %+v", *got, want)
	}
	var summaries []*ModelSummary
	for name, s := range models {
		if name != "" {
			s.Hives = len(served[name])
			summaries = append(summaries, s)
		}
	}
	slices.SortFunc(summaries, func(a, b *ModelSummary) int {
		return cmp.Or(b.Workers-a.Workers, cmp.Compare(a.Model, b.Model))
	})
	for first := 1; first <= 3; first++ {
		gotModels, err := snap.Fleet().Models(first)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(page(summaries, 0, first), gotModels); diff != "" && len(gotModels)+len(summaries) > 0 {
			t.Fatalf("models (-want +got):\n%s", diff)
		}
	}
}

// looks writes a whole snapshot down, with all that its methods say.
func looks(snap *Snapshot) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %+v\n", snap.Revision, snap.Fleet().Workers)
	for hive := range snap.AllHives() {
		plain := *hive
		plain.Workers, plain.models = nil, nil
		fmt.Fprintf(&b, "%+v\n", plain)
		for _, w := range hive.Workers {
			worker := *w
			worker.Hive = nil
			fmt.Fprintf(&b, "  %+v\n", worker)
		}
	}
	for w := range snap.WorkersWhere(&WorkerFilter{Idle: new(true)}) {
		fmt.Fprintln(&b, "idle", w.ID)
	}
	return b.String()
}

// registryCopy is kept right by nothing but the log of changes, taking over only the fields that it says have changed: one
// that it forgot to name is missing here.
type registryCopy struct {
	counter uint64
	hives   map[string]Hive // Workers not kept
	workers map[string]Worker
	living  map[string]Hive // of each worker: what it shows of its hive
}

func newRegistryCopy() *registryCopy {
	return &registryCopy{hives: map[string]Hive{}, workers: map[string]Worker{}, living: map[string]Hive{}}
}

func (c *registryCopy) follow(reg *TelemetryRegistry) error {
	snap := reg.Snapshot()
	hives, workers := map[string]Fields{}, map[string]Fields{}
	number := c.counter
	err := reg.Changes().After(c.counter, snap.Revision.Counter, func(ch Change) {
		number++
		if ch.Gone {
			delete(c.hives, ch.HiveID)
		}
		hives[ch.HiveID] |= ch.Hive
		for _, w := range ch.Workers {
			if w.Gone {
				delete(c.workers, w.ID)
			}
			workers[w.ID] |= w.Changed
		}
	})
	if err != nil || number != snap.Revision.Counter {
		return fmt.Errorf("followed to %d of %d: %w", number, snap.Revision.Counter, err)
	}
	c.counter = number
	for id, f := range hives {
		if h := snap.Hive(id); h != nil {
			c.hives[id] = patchHive(c.hives[id], h, f)
		}
	}
	for id, f := range workers {
		if w := snap.Worker(id); w != nil {
			c.workers[id], c.living[id] = patchWorker(c.workers[id], c.living[id], w, f)
		}
	}
	return nil
}

func patchHive(old Hive, h *Hive, f Fields) Hive {
	old.ID = h.ID
	take(&old.Hostname, h.Hostname, f, HiveHostname)
	take(&old.Port, h.Port, f, HivePort)
	take(&old.Version, h.Version, f, HiveVersion)
	take(&old.OperationalStatus, h.OperationalStatus, f, HiveOperationalStatus)
	take(&old.Health, h.Health, f, HiveHealth)
	take(&old.Liveness, h.Liveness, f, HiveLiveness)
	take(&old.Available, h.Available, f, HiveAvailable)
	take(&old.Cordoned, h.Cordoned, f, HiveCordoned)
	take(&old.Devices, h.Devices, f, HiveDevices)
	take(&old.FirstSeenAt, h.FirstSeenAt, f, HiveFirstSeenAt)
	take(&old.LastSeenAt, h.LastSeenAt, f, HiveLastSeenAt)
	take(&old.HeartbeatIntervalMS, h.HeartbeatIntervalMS, f, HiveHeartbeatInterval)
	take(&old.ClockSkewMS, h.ClockSkewMS, f, HiveClockSkew)
	take(&old.Revision, h.Revision, f, HiveRevision)
	return old
}

func patchWorker(old Worker, living Hive, w *Worker, f Fields) (Worker, Hive) {
	old.ID, old.HiveID, old.Group, old.Instance = w.ID, w.HiveID, w.Group, w.Instance
	take(&old.PID, w.PID, f, WorkerPID)
	take(&old.Model, w.Model, f, WorkerModel)
	take(&old.Endpoint, w.Endpoint, f, WorkerEndpoint)
	take(&old.Activity, w.Activity, f, WorkerActivity)
	take(&old.ActivitySince, w.ActivitySince, f, WorkerActivitySince)
	take(&old.GPUUtilizationPercent, w.GPUUtilizationPercent, f, WorkerGPUUtilization)
	take(&old.VRAMUsedMB, w.VRAMUsedMB, f, WorkerVRAMUsed)
	take(&old.VRAMTotalMB, w.VRAMTotalMB, f, WorkerVRAMTotal)
	take(&old.VRAMFreeMB, w.VRAMFreeMB, f, WorkerVRAMFree)
	take(&old.CPUPercent, w.CPUPercent, f, WorkerCPU)
	take(&old.RSSMB, w.RSSMB, f, WorkerRSS)
	take(&old.IOReadMBPerSecond, w.IOReadMBPerSecond, f, WorkerIORead)
	take(&old.IOWriteMBPerSecond, w.IOWriteMBPerSecond, f, WorkerIOWrite)
	take(&old.UptimeSeconds, w.UptimeSeconds, f, WorkerUptime)
	take(&old.RequestsRunning, w.RequestsRunning, f, WorkerRequestsRunning)
	take(&old.RequestsQueued, w.RequestsQueued, f, WorkerRequestsQueued)
	take(&old.Revision, w.Revision, f, WorkerRevision)
	take(&living.Liveness, w.Liveness(), f, WorkerLiveness)
	take(&living.Available, w.Available(), f, WorkerAvailable)
	take(&living.LastSeenAt, w.LastSeenAt(), f, WorkerLastSeenAt)
	return old, living
}

func take[T any](to *T, from T, changed, field Fields) {
	if changed&field != 0 {
		*to = from
	}
}

// differs says how the copy differs from a snapshot of the same revision.
func (c *registryCopy) differs(snap *Snapshot) error {
	hives, workers := 0, 0
	for h := range snap.AllHives() {
		hives++
		got, ok := c.hives[h.ID]
		want := patchHive(Hive{}, h, AllFields)
		if !ok || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			return fmt.Errorf("the copy has hive\n%+v, the snapshot\n%+v", got, want)
		}
		for _, w := range h.Workers {
			workers++
			got, living := c.workers[w.ID], c.living[w.ID]
			want, wantLiving := patchWorker(Worker{}, Hive{}, w, AllFields)
			if got != want || fmt.Sprintf("%+v", living) != fmt.Sprintf("%+v", wantLiving) {
				return fmt.Errorf("the copy has worker\n%+v\n%+v, the snapshot\n%+v\n%+v", got, living, want, wantLiving)
			}
		}
	}
	if hives != len(c.hives) || workers != len(c.workers) {
		return fmt.Errorf("the copy has %d hives and %d workers, the snapshot %d and %d", len(c.hives), len(c.workers), hives, workers)
	}
	return nil
}
