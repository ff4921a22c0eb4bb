package registry

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

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
		if gpu := opt(0, 0, 50, 100); gpu.Known() {
			w.GPUUtilizationPercent = Float(float64(gpu.Value()))
		}
		if cpu := opt(1, 2); cpu.Known() {
			w.CPUPercent = Float(float64(cpu.Value()))
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
	overfull := slices.ContainsFunc(hb.Workers, func(w WorkerReport) bool {
		return w.VRAMTotalMB.Known() && w.VRAMUsedMB.Value() > w.VRAMTotalMB.Value()
	})
	if terms, err := h.reg.Apply(hb); err != nil || len(terms.Warnings) > 0 != overfull {
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
		for _, minFree := range []OptInt{{}, Int(0), Int(10), Int(60), Int(110), Int(200)} {
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
				t.Fatalf("best for %s with %s MB: got %v, want each of %v once", name, minFree, got, best)
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
				w.Activity != mw.activity || !w.ActivitySince().Equal(mw.activitySince) || w.VRAMFreeMB != mw.free {
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
			byWorkers[0] += int(w.VRAMTotalMB.Value())
			byWorkers[1] += int(w.VRAMUsedMB.Value())
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
				if w.free.Known() {
					want.LargestFreeVRAMMB = max(want.LargestFreeVRAMMB, int(w.free.Value()))
					s.LargestFreeVRAMMB = Int(max(s.LargestFreeVRAMMB.Value(), w.free.Value()))
				}
			}
		}
		for _, d := range m.devices {
			if d.Kind == GPU {
				byDevices[0] += int(d.MemoryTotalMB.Value())
				byDevices[1] += int(d.MemoryUsedMB.Value())
			}
		}
		if m.liveness == Online {
			if byDevices[0] > 0 {
				byWorkers = byDevices
			}
			want.VRAMTotalMB += int64(byWorkers[0])
			want.VRAMUsedMB += int64(byWorkers[1])
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
		if diff := gocmp.Diff(page(summaries, 0, first), gotModels, figures); diff != "" && len(gotModels)+len(summaries) > 0 {
			t.Fatalf("models (-want +got):\n%s", diff)
		}
	}
}

// looks writes a whole snapshot down, with what its indexes say.
func looks(snap *Snapshot) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %+v\n", snap.Revision, snap.Fleet().Workers)
	for hive := range snap.AllHives() {
		plain := *hive
		plain.Workers, plain.HiveProfile = nil, nil
		fmt.Fprintf(&b, "%+v %+v\n", *hive.HiveProfile, plain)
		for _, w := range hive.Workers {
			worker := *w
			worker.Hive = nil
			fmt.Fprintf(&b, "  %+v\n", worker)
		}
	}
	for w := range snap.WorkersWhere(&WorkerFilter{Idle: new(true)}) {
		fmt.Fprintln(&b, "idle", w.ID)
	}
	models, _ := snap.Fleet().Models(MaxFirst)
	for _, m := range models {
		fmt.Fprintf(&b, "%+v:", *m)
		for w := range snap.WorkersWhere(&WorkerFilter{Model: &m.Model, Idle: new(true)}) {
			fmt.Fprint(&b, " ", w.ID)
		}
		fmt.Fprintln(&b)
	}
	return b.String()
}
