package simulate

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waggle/client"
)

// live returns what each hive of a fleet reports in so many seconds.
func live(cfg FleetConfig, seconds int) [][]*client.HeartbeatInput {
	fleet := NewFleet(cfg)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	all := make([][]*client.HeartbeatInput, fleet.Len())
	for s := range seconds {
		for i := range fleet.Len() {
			all[i] = append(all[i], fleet.Beat(i, now.Add(time.Duration(s)*time.Second)))
		}
	}
	return all
}

func TestEqualSeedsLiveEqualLives(t *testing.T) {
	cfg := FleetConfig{Hives: 8, Seed: 7, Trouble: 20}
	if diff := cmp.Diff(live(cfg, 300), live(cfg, 300)); diff != "" {
		t.Errorf("-first +second:\n%s", diff)
	}
	other := cfg
	other.Seed = 8
	if cmp.Equal(live(cfg, 3), live(other, 3)) {
		t.Error("another seed makes no difference")
	}
}

func TestAnotherRunDiffersByItsIncarnationsOnly(t *testing.T) {
	cfg := FleetConfig{Hives: 8, Seed: 7, Trouble: 20}
	other := cfg
	other.Run = 1
	a, b := live(cfg, 100), live(other, 100)
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
	for _, beat := range slices.Concat(live(FleetConfig{Hives: 30, Seed: 1, Trouble: 50}, 1000)...) {
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
	hives := live(FleetConfig{Hives: 40, Workers: 4, Seed: 3, Trouble: 1}, 1800)
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
	for _, beats := range live(FleetConfig{Hives: 10, Workers: 3, Seed: 5}, 600) {
		for s, beat := range beats {
			if beat == nil || len(beat.Workers) != 3 || *beat.Sequence != s+1 || beat.Hive.HealthStatus != client.HealthStatusHealthy {
				t.Fatalf("second %d: %+v", s, beat)
			}
		}
	}
}

func BenchmarkBeat(b *testing.B) {
	fleet := NewFleet(FleetConfig{Hives: 100, Workers: 8, Seed: 1, Trouble: 1})
	now := time.Now()
	b.ReportAllocs()
	for i := range b.N {
		fleet.Beat(i%fleet.Len(), now)
	}
}
