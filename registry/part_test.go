package registry

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

// TestWhatAHiveBringsToTheIndexDoesNotDependOnWhatCameBefore though who has which model is only found out when it changes, and only
// written down of the first workers.
func TestWhatAHiveBringsToTheIndexDoesNotDependOnWhatCameBefore(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for _, workers := range []int{0, 1, 7, partWorkers - 1, partWorkers, partWorkers + 1, 3 * partWorkers} {
		models := make([]OptString, workers)
		for i := range models {
			models[i] = [...]OptString{"", "a", "b", "c", "d", "e", "f"}[r.IntN(7)]
		}
		reg := New(Config{})
		for beat := range 4 {
			if beat == 2 && workers > 0 {
				models[r.IntN(workers)] = "another"
			}
			reports := make([]WorkerReport, workers)
			for i := range reports {
				reports[i] = WorkerReport{Group: "llm", Instance: strconv.Itoa(i), Model: models[i], Telemetry: Telemetry{
					GPUUtilizationPercent: Float(float64(r.IntN(2))), VRAMTotalMB: Int(100), VRAMUsedMB: Int(r.Int32N(100)), RequestsQueued: Int(r.Int32N(3)),
				}}
			}
			fresh := New(Config{})
			for _, to := range []*TelemetryRegistry{reg, fresh} {
				if _, err := to.Apply(&Heartbeat{Hive: HiveReport{ID: "h", Hostname: "h"}, Workers: slices.Clone(reports)}); err != nil {
					t.Fatal(err)
				}
			}
			want := fresh.Snapshot().Hive("h")
			amended := func() *Hive { reg.Cordon("h", true); return reg.Cordon("h", false) }
			for _, got := range []*Hive{reg.Snapshot().Hive("h"), amended()} {
				if got.total != want.total || got.offer != want.offer || !slices.Equal(got.models, want.models) {
					t.Errorf("beat %d of %d workers: got %v, want %v", beat, workers, got.models, want.models)
				}
			}
		}
	}
}
