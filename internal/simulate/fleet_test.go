package simulate

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waggle/client"
)

// live returns what each hive of a fleet reports in so many seconds, as package client would have sent it; nil where it is silent.
func live(t *testing.T, cfg FleetConfig, seconds int) [][]*client.HeartbeatInput {
	t.Helper()
	fleet := NewFleet(cfg)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	all := make([][]*client.HeartbeatInput, fleet.Len())
	for s := range seconds {
		for i := range all {
			var in *client.HeartbeatInput
			if fleet.Beat(i) {
				in = decodeInput(t, fleet.AppendInput(nil, i, now.Add(time.Duration(s)*time.Second)))
			}
			all[i] = append(all[i], in)
		}
	}
	return all
}

// decodeInput refuses what the schema does not know.
func decodeInput(t *testing.T, data []byte) *client.HeartbeatInput {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	in := &client.HeartbeatInput{}
	if err := dec.Decode(in); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	return in
}

func TestEqualSeedsLiveEqualLives(t *testing.T) {
	cfg := FleetConfig{Hives: 8, Seed: 7, Trouble: 20}
	if diff := cmp.Diff(live(t, cfg, 300), live(t, cfg, 300)); diff != "" {
		t.Errorf("-first +second:\n%s", diff)
	}
	other := cfg
	other.Seed = 8
	if cmp.Equal(live(t, cfg, 3), live(t, other, 3)) {
		t.Error("another seed makes no difference")
	}
}

func TestAnotherRunDiffersByItsIncarnationsOnly(t *testing.T) {
	cfg := FleetConfig{Hives: 8, Seed: 7, Trouble: 20}
	other := cfg
	other.Run = 1
	a, b := live(t, cfg, 100), live(t, other, 100)
	if *a[0][0].Incarnation == *b[0][0].Incarnation {
		t.Error("the same incarnation in another run")
	}
	for _, hives := range [][][]*client.HeartbeatInput{a, b} {
		for _, beat := range slices.Concat(hives...) {
			if beat != nil {
				beat.Incarnation = nil
			}
		}
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("-first +second:\n%s", diff)
	}
}

func TestReportsAreWithinWhatTheSchemaAllows(t *testing.T) {
	for _, beat := range slices.Concat(live(t, FleetConfig{Hives: 30, Seed: 1, Trouble: 50}, 1000)...) {
		if beat == nil {
			continue
		}
		seen := map[string]bool{}
		for _, w := range beat.Workers {
			if seen[w.Instance] {
				t.Fatalf("%s reports %s twice", beat.Hive.Id, w.Instance)
			}
			seen[w.Instance] = true
			if *w.GpuUtilizationPercent < 0 || *w.GpuUtilizationPercent > 100 || *w.VramUsedMb < 0 || *w.VramUsedMb > *w.VramTotalMb ||
				*w.CpuPercent < 0 || *w.UptimeSeconds < 0 || *w.Pid <= 0 {
				t.Fatalf("%s reports %+v", beat.Hive.Id, w)
			}
			if w.RequestsRunning != nil && (*w.RequestsRunning < 0 || *w.RequestsQueued < 0) {
				t.Fatalf("%s reports %d running, %d queued", beat.Hive.Id, *w.RequestsRunning, *w.RequestsQueued)
			}
		}
		for _, d := range beat.Devices {
			if *d.UtilizationPercent > 100 || *d.MemoryUsedMb > *d.MemoryTotalMb {
				t.Fatalf("%s reports %+v", beat.Hive.Id, d)
			}
		}
	}
}

func TestLifeIsBelievable(t *testing.T) {
	hives := live(t, FleetConfig{Hives: 40, Workers: 4, Seed: 3, Trouble: 1}, 1800)
	var silences, restarts, absences, swaps, incarnations, degraded, starting, idle, busy, vramMoved, workMoved, pairs int
	for _, beats := range hives {
		var before *client.HeartbeatInput
		for _, beat := range beats {
			if beat == nil {
				silences++
				continue
			}
			if len(beat.Workers) < 4 {
				absences++
			}
			if beat.Hive.HealthStatus == client.HealthStatusDegraded {
				degraded++
			}
			if beat.Hive.OperationalStatus == client.OperationalStatusStarting {
				starting++
			}
			if before != nil && *before.Incarnation != *beat.Incarnation {
				incarnations++
			}
			for _, w := range beat.Workers {
				if *w.GpuUtilizationPercent == 0 {
					idle++
				} else {
					busy++
				}
				if was := sameWorker(before, w); was != nil {
					pairs++
					restarts += count(*was.Pid != *w.Pid)
					swaps += count(*was.Model != *w.Model)
					vramMoved += count(*was.VramUsedMb != *w.VramUsedMb)
					workMoved += count(*was.CpuPercent != *w.CpuPercent && *was.UptimeSeconds != *w.UptimeSeconds)
				}
			}
			before = beat
		}
	}
	for what, n := range map[string]int{"silences": silences, "restarts": restarts, "absences": absences, "models swapped": swaps,
		"agents restarted": incarnations, "degraded": degraded, "starting": starting} {
		if n == 0 {
			t.Errorf("no %s in half an hour of 40 hives", what)
		}
	}
	share := func(n, of int) float64 { return float64(n) / float64(of) }
	if s := share(idle, idle+busy); s < 0.2 || s > 0.7 {
		t.Errorf("%.2f of the time idle, want 0.2 to 0.7", s)
	}
	if s := share(vramMoved, pairs); s > 0.05 {
		t.Errorf("GPU memory moves in %.3f of all seconds, want rarely", s)
	}
	if s := share(workMoved, pairs); s < 0.7 {
		t.Errorf("figures move in %.2f of all seconds, want in most", s)
	}
}

func sameWorker(beat *client.HeartbeatInput, w *client.WorkerInput) *client.WorkerInput {
	if beat == nil {
		return nil
	}
	for _, was := range beat.Workers {
		if was.Instance == w.Instance {
			return was
		}
	}
	return nil
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestWithoutTroubleNothingFails(t *testing.T) {
	for _, beats := range live(t, FleetConfig{Hives: 10, Workers: 3, Seed: 5}, 600) {
		for s, beat := range beats {
			if beat == nil || len(beat.Workers) != 3 || *beat.Sequence != s+1 || beat.Hive.HealthStatus != client.HealthStatusHealthy {
				t.Fatalf("second %d: %+v", s, beat)
			}
		}
	}
}

func TestUnorderedReportsCarryNoSequence(t *testing.T) {
	for _, beat := range slices.Concat(live(t, FleetConfig{Hives: 3, Seed: 1, Unordered: true}, 3)...) {
		if beat.Incarnation != nil || beat.Sequence != nil {
			t.Fatalf("got %+v", beat)
		}
	}
}

func TestTheLegacyReportSaysTheSame(t *testing.T) {
	fleet := NewFleet(FleetConfig{Hives: 20, Workers: 3, Seed: 4, Trouble: 50})
	for range 200 {
		for i := range fleet.Len() {
			if !fleet.Beat(i) {
				continue
			}
			now := time.Now()
			in := decodeInput(t, fleet.AppendInput(nil, i, now))
			var legacy struct {
				Hive struct {
					ID                string
					OperationalStatus string                  `json:"operational_status"`
					HealthStatus      struct{ Status string } `json:"health_status"`
				}
				Timestamp time.Time
				Workers   []struct {
					PID      int
					Instance string
					Model    string
					GPU      float64 `json:"gpu_util_pct"`
					VRAM     int     `json:"vram_mb"`
				}
			}
			if err := json.Unmarshal(fleet.AppendLegacy(nil, i, now), &legacy); err != nil {
				t.Fatal(err)
			}
			if legacy.Hive.ID != in.Hive.Id || !strings.EqualFold(legacy.Hive.OperationalStatus, string(in.Hive.OperationalStatus)) ||
				!strings.EqualFold(legacy.Hive.HealthStatus.Status, string(in.Hive.HealthStatus)) || !legacy.Timestamp.Equal(*in.SentAt) || len(legacy.Workers) != len(in.Workers) {
				t.Fatalf("got %+v for %+v", legacy, in)
			}
			for n, w := range legacy.Workers {
				if is := in.Workers[n]; w.PID != *is.Pid || w.Instance != is.Instance || w.Model != *is.Model || w.GPU != *is.GpuUtilizationPercent || w.VRAM != *is.VramUsedMb {
					t.Fatalf("got %+v for %+v", w, is)
				}
			}
		}
	}
}

// A second of a hive and its report leave no garbage: the load must not be what is measured.
func TestABeatAllocatesNothing(t *testing.T) {
	fleet := NewFleet(FleetConfig{Hives: 1, Workers: 8, Seed: 1})
	b, now := make([]byte, 0, 8<<10), time.Now()
	if n := testing.AllocsPerRun(1000, func() {
		fleet.Beat(0)
		b = fleet.AppendInput(b[:0], 0, now)
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkBeat(b *testing.B) {
	fleet := NewFleet(FleetConfig{Hives: 100, Workers: 8, Seed: 1, Trouble: 1})
	now := time.Now()
	body := make([]byte, 0, 8<<10)
	b.ReportAllocs()
	for i := range b.N {
		if hive := i % fleet.Len(); fleet.Beat(hive) {
			body = fleet.AppendInput(body[:0], hive, now)
		}
	}
}
