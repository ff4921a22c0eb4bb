package registry

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error)
		go func() { ended <- New(Config{}).Run(ctx) }()
		time.Sleep(time.Minute)
		cancel(why)
		if err := <-ended; !errors.Is(err, why) {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestThresholdsMustNotContradictEachOther(t *testing.T) {
	f := func(cfg Config, ok bool) {
		t.Helper()
		if err := cfg.Check(); (err == nil) != ok {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	f(Config{}, true)
	f(Config{SuspectAfter: time.Second, OfflineAfter: 2 * time.Second, ForgetAfter: 3 * time.Second}, true)
	f(Config{SuspectAfter: 10 * time.Second}, false) // as long as the default of the next
	f(Config{SuspectAfter: -time.Second}, false)
	f(Config{OfflineAfter: 2 * time.Second}, false)
	f(Config{ForgetAfter: 10 * time.Second}, false)
}

func TestTwoRunsHaveTwoEpochs(t *testing.T) {
	if a, b := New(Config{}), New(Config{}); a.Epoch() == b.Epoch() || a.Epoch() == "" {
		t.Errorf("epochs %q and %q", a.Epoch(), b.Epoch())
	}
}

func TestHistoryIsTheLastFiveMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := New(Config{ProtectShare: 2})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = reg.Run(ctx) }()
		beat := func(gpu OptFloat) {
			t.Helper()
			hb := fullHeartbeat()
			hb.Incarnation, hb.Workers[0].GPUUtilizationPercent, hb.Workers[0].VRAMUsedMB = "", gpu, Int(7)
			if _, err := reg.Apply(hb); err != nil {
				t.Fatal(err)
			}
		}
		expect := func(gpu []OptFloat, vram []OptInt) {
			t.Helper()
			synctest.Wait()
			want := &WorkerHistory{StepMS: 5000, GPUUtilizationPercent: gpu, VRAMUsedMB: vram}
			if diff := cmp.Diff(want, reg.History("gpu-1/llm/8080"), figures); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
		}
		expect([]OptFloat{}, []OptInt{})
		time.Sleep(4 * time.Second)
		beat(Float(33.333333))
		time.Sleep(time.Second) // 5 s
		expect([]OptFloat{Float(33.33)}, []OptInt{Int(7)})
		time.Sleep(4 * time.Second)
		beat(OptFloat{})
		time.Sleep(time.Second) // 10 s
		expect([]OptFloat{Float(33.33), {}}, []OptInt{Int(7), Int(7)})
		time.Sleep(15 * time.Second) // 25 s: it is SUSPECT after 24 s, and what a silent hive last said is not known to be still so
		expect([]OptFloat{Float(33.33), {}, {}, {}, {}}, []OptInt{Int(7), Int(7), Int(7), Int(7), {}})
		time.Sleep(10 * time.Minute)
		if got := reg.History("gpu-1/llm/8080"); len(got.GPUUtilizationPercent) != 60 || len(got.VRAMUsedMB) != 60 {
			t.Errorf("%d and %d steps, want 60", len(got.GPUUtilizationPercent), len(got.VRAMUsedMB))
		}
	})
}

// A broken or hostile hive, whose workers are all others with each heartbeat and have texts as long as they may be.
func TestAHiveThatChangesAllTheTimeTakesLittleMemory(t *testing.T) {
	memory := func() int {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	before := memory()
	reg := New(Config{ChangeLogBytes: 1 << 20, EventLog: 40 * DefaultMaxWorkers})
	for beat := range 2 * historySteps {
		hb := &Heartbeat{Hive: HiveReport{ID: "gpu-1", Hostname: "gpu-1", Port: 1}}
		for i := range DefaultMaxWorkers {
			hb.Workers = append(hb.Workers, WorkerReport{
				Group: "llm", Instance: fmt.Sprintf("%d-%d", beat, i), Model: OptString(strings.Repeat("m", MaxTextLength)),
				Endpoint: OptString("http://gpu-1/" + strings.Repeat("e", MaxReasonLength-len("http://gpu-1/"))),
			})
		}
		if _, err := reg.Apply(hb); err != nil {
			t.Fatal(err)
		}
		reg.recordHistory()
	}
	const figures = historySteps * 2 * 4 * DefaultMaxWorkers * historySteps
	took := memory() - before - figures
	if took > 10<<20 {
		t.Errorf("%d MB beside what the figures of the last steps take, want at most 10", took>>20)
	}
	runtime.KeepAlive(reg)
}

func TestLatestEventsAreNewestFirst(t *testing.T) {
	reg := New(Config{EventLog: 4})
	for i := range 5 {
		hb := fullHeartbeat()
		hb.Hive.ID, hb.Workers, hb.Incarnation = "h"+itoa(i%2), nil, ""
		if i > 1 {
			hb.Hive.HealthStatus = HealthStatus(i % 3)
		}
		if _, err := reg.Apply(hb); err != nil {
			t.Fatal(err)
		}
	}
	snap := reg.Snapshot()
	f := func(n int, hiveID *string, want string) {
		t.Helper()
		got := []string{}
		for _, e := range reg.LatestEvents(snap, n, hiveID) {
			got = append(got, fmt.Sprintf("%d %s %s", e.Revision.Counter, e.HiveID, e.Kind))
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("%d: %s, want %s", n, s, want)
		}
	}
	f(2, nil, "5 h0 HIVE_HEALTH_CHANGED, 3 h0 HIVE_HEALTH_CHANGED")
	f(9, nil, "5 h0 HIVE_HEALTH_CHANGED, 3 h0 HIVE_HEALTH_CHANGED, 2 h1 HIVE_JOINED, 1 h0 HIVE_JOINED")
	f(9, new("h1"), "2 h1 HIVE_JOINED")
	f(0, nil, "")
	f(9, new(""), "")
	reg.Remove("h1") // pushes the oldest out
	f(9, nil, "5 h0 HIVE_HEALTH_CHANGED, 3 h0 HIVE_HEALTH_CHANGED, 2 h1 HIVE_JOINED")
	snap = reg.Snapshot()
	f(9, nil, "6 h1 HIVE_REMOVED, 5 h0 HIVE_HEALTH_CHANGED, 3 h0 HIVE_HEALTH_CHANGED, 2 h1 HIVE_JOINED")
}

func TestFleetMap(t *testing.T) {
	reg := New(Config{ProtectShare: 2})
	start := reg.watch.lastSweep
	apply := func(id string, at time.Duration, figures ...Telemetry) {
		t.Helper()
		hb := &Heartbeat{Hive: HiveReport{ID: id, Hostname: id}, ReceivedAt: start.Add(at)}
		for i, f := range figures {
			hb.Workers = append(hb.Workers, WorkerReport{Group: "llm", Instance: itoa(i), Telemetry: f})
		}
		if _, err := reg.Apply(hb); err != nil {
			t.Fatal(err)
		}
	}
	gpu := func(percent float64) Telemetry { return Telemetry{GPUUtilizationPercent: Float(percent)} }
	draw := func(metric FleetMapMetric, f *WorkerFilter) *FleetMap {
		t.Helper()
		m, err := reg.Snapshot().FleetMap(metric, f)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	if m := draw(MapGPUUtilization, nil); m.Cells != "" || m.Layout == nil || len(m.Layout.Groups) != 0 {
		t.Errorf("of no workers: %+v", m)
	}
	apply("a", 0, gpu(0), gpu(2.7), gpu(50), gpu(99.9), gpu(100), Telemetry{})
	before := draw(MapGPUUtilization, nil)
	if before.Cells != "00izz-" {
		t.Errorf("cells %q", before.Cells)
	}
	apply("b", 0, Telemetry{VRAMUsedMB: Int(1), VRAMTotalMB: Int(2)}, Telemetry{VRAMUsedMB: Int(3), VRAMTotalMB: Int(2)},
		Telemetry{VRAMUsedMB: Int(1)}, Telemetry{VRAMUsedMB: Int(0), VRAMTotalMB: Int(0)}, Telemetry{VRAMTotalMB: Int(2)})
	m := draw(MapVRAMUsed, &WorkerFilter{HiveIDs: []string{"b"}})
	if m.Cells != "iz---" {
		t.Errorf("cells %q", m.Cells)
	}
	if diff := cmp.Diff(&FleetMapLayout{[]*FleetMapGroup{{"b", []string{"b/llm/0", "b/llm/1", "b/llm/2", "b/llm/3", "b/llm/4"}}}}, m.Layout); diff != "" {
		t.Errorf("layout (-want +got):\n%s", diff)
	}
	both := draw(MapGPUUtilization, nil)
	if both.LayoutVersion == before.LayoutVersion {
		t.Error("another layout has the same version")
	}
	apply("a", 2*time.Second, gpu(1), gpu(2.7), gpu(50), gpu(99.9), gpu(100), Telemetry{})
	if again := draw(MapGPUUtilization, nil); again.LayoutVersion != both.LayoutVersion {
		t.Error("the same layout has another version")
	}
	for s := range 12 {
		reg.sweep(start.Add(time.Duration(s) * time.Second))
		if s == 4 {
			if m := draw(MapGPUUtilization, nil); m.Cells != "00izz-~~~~~" {
				t.Errorf("b is SUSPECT: %q", m.Cells)
			}
		}
	}
	if m := draw(MapGPUUtilization, nil); m.Cells != "~~~~~~!!!!!" {
		t.Errorf("a is SUSPECT, b OFFLINE: %q", m.Cells)
	}
	if _, err := reg.Snapshot().FleetMap(MapVRAMUsed, &WorkerFilter{MinFreeVRAMMB: new(int32(-1))}); err == nil {
		t.Error("a bad filter was taken")
	}
}

// Everything that can be asked for is bounded, and a refusal names the field and the bound.
func TestQueriesAreBounded(t *testing.T) {
	snap := New(Config{}).Snapshot()
	long, many := strings.Repeat("x", MaxSearchLength+1), make([]string, MaxFilterValues+1)
	hives := func(q HiveQuery) error { _, err := snap.Hives(q); return err }
	workers := func(q WorkerQuery) error { _, err := snap.Workers(q); return err }
	f := func(err error, field, why string) {
		t.Helper()
		var invalid *InvalidError
		if !errors.As(err, &invalid) || invalid.Field != field || !strings.Contains(invalid.Why, why) {
			t.Errorf("got %v, want %s and %q", err, field, why)
		}
	}
	f(hives(HiveQuery{First: MaxFirst + 1}), "first", "1001 must be 0 to 1000")
	f(hives(HiveQuery{First: -1}), "first", "-1 must be")
	f(hives(HiveQuery{Offset: -1}), "offset", "-1 must be 0 to 2147483647")
	f(workers(WorkerQuery{Offset: math.MaxInt32 + 1}), "offset", "2147483648 must be 0 to 2147483647")
	f(hives(HiveQuery{Filter: &HiveFilter{Search: &long}}), "filter.search", "257")
	f(hives(HiveQuery{Filter: &HiveFilter{IDs: many}}), "filter.ids", "1001")
	f(workers(WorkerQuery{First: MaxFirst + 1}), "first", "1001")
	f(workers(WorkerQuery{Filter: &WorkerFilter{Search: &long}}), "filter.search", "257")
	f(workers(WorkerQuery{Filter: &WorkerFilter{MinFreeVRAMMB: new(int32(-1))}}), "filter.minFreeVramMb", "-1")
	f(workers(WorkerQuery{Filter: &WorkerFilter{IDs: many}}), "filter.ids", "1000")
	f(workers(WorkerQuery{Filter: &WorkerFilter{HiveIDs: many}}), "filter.hiveIds", "1000")
	f(workers(WorkerQuery{Filter: &WorkerFilter{Groups: many}}), "filter.groups", "1000")
	f(workers(WorkerQuery{Filter: &WorkerFilter{Models: many}}), "filter.models", "1000")
	if err := workers(WorkerQuery{First: MaxFirst, Offset: math.MaxInt32, Filter: &WorkerFilter{IDs: many[1:]}}); err != nil {
		t.Errorf("just allowed: %v", err)
	}
}

// TestAHiveThatIsBackIsAnother to a follower that compares snapshots, though it says of itself what it did before.
func TestAHiveThatIsBackIsAnother(t *testing.T) {
	reg := New(Config{})
	appear := func(at time.Time, hostname, version string) *Hive {
		hb := &Heartbeat{Hive: HiveReport{ID: "h", Hostname: hostname, Version: version}, ReceivedAt: at}
		if terms, err := reg.Apply(hb); err != nil || terms.Outcome != Accepted {
			t.Fatal(terms, err)
		}
		return reg.Snapshot().Hive("h")
	}
	start := time.Now()
	first := appear(start, "a", "1")
	renamed := appear(start.Add(time.Second), "b", "1")
	updated := appear(start.Add(2*time.Second), "b", "2")
	reg.Remove("h")
	back := appear(start.Add(3*time.Second), "b", "2")
	const profile = HiveHostname | HiveVersion | HiveFirstSeenAt
	if got := DiffHive(first, renamed) & profile; got != HiveHostname {
		t.Errorf("renamed: changed %b, want the hostname", got)
	}
	if got := DiffHive(renamed, updated) & profile; got != HiveVersion || updated.Version != "2" || !updated.FirstSeenAt.Equal(start) {
		t.Errorf("updated: changed %b, %+v, want the version", got, *updated.HiveProfile)
	}
	if got := DiffHive(updated, back) & profile; got != HiveFirstSeenAt {
		t.Errorf("removed and back: changed %b, want when it was first seen", got)
	}
}
