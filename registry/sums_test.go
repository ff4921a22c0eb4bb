package registry

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
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
			sumsOf := func(reg *TelemetryRegistry) []sums {
				seats := &reg.hives["h"].seats
				all := []sums{seats.sums}
				for i := range seats.models {
					all = append(all, seats.models[i].sums)
				}
				return all
			}
			want := sumsOf(fresh)
			if got := sumsOf(reg); !slices.Equal(got, want) {
				t.Errorf("beat %d of %d workers: got %v, want %v", beat, workers, got, want)
			}
			reg.Cordon("h", true)
			reg.Cordon("h", false)
			if got := sumsOf(reg); !slices.Equal(got, want) {
				t.Errorf("beat %d of %d workers, amended: got %v, want %v", beat, workers, got, want)
			}
		}
	}
}

// TestIndexFollowsTheModelsOfAHive from none to many and back, with others that have some of them, too.
func TestIndexFollowsTheModelsOfAHive(t *testing.T) {
	steps := [][]OptString{
		{}, {"a"}, {"a", ""}, {"b", "a"}, {"b", "a"}, {"a", "b", "c"}, {"c", "b", "a", "d", "e"}, {"e", "d"}, {"e", "e", "e"}, {"", ""}, {"a", "b"}, {},
	}
	beat := func(id string, models []OptString) *Heartbeat {
		hb := &Heartbeat{Hive: HiveReport{ID: id, Hostname: id}}
		for i, model := range models {
			hb.Workers = append(hb.Workers, WorkerReport{Group: "llm", Instance: strconv.Itoa(i), Model: model, Telemetry: Telemetry{
				GPUUtilizationPercent: Float(float64(i % 2)), VRAMTotalMB: Int(100), VRAMUsedMB: Int(int32(i)),
			}})
		}
		return hb
	}
	apply := func(reg *TelemetryRegistry, hb *Heartbeat) {
		if terms, err := reg.Apply(hb); err != nil || terms.Outcome != Accepted {
			t.Fatal(terms, err)
		}
	}
	for _, others := range [][]OptString{{}, {"a", "e"}} {
		reg := New(Config{})
		apply(reg, beat("other", others))
		for i, models := range steps {
			apply(reg, beat("h", models))
			fresh := New(Config{})
			apply(fresh, beat("other", others))
			apply(fresh, beat("h", models))
			if got, want := indexOf(reg), indexOf(fresh); got != want {
				t.Errorf("others with %q, step %d, %q:\n%s\nwant\n%s", others, i, models, got, want)
			}
		}
		reg.Remove("h")
		fresh := New(Config{})
		apply(fresh, beat("other", others))
		if got, want := indexOf(reg), indexOf(fresh); got != want {
			t.Errorf("others with %q, removed:\n%s\nwant\n%s", others, got, want)
		}
	}
}

// TestIndexLearnsOfEachThingThatIsSearchedFor though nothing else changes with it.
func TestIndexLearnsOfEachThingThatIsSearchedFor(t *testing.T) {
	beat := func() *Heartbeat {
		worker := WorkerReport{Group: "llm", Instance: "1", Model: "a", Telemetry: Telemetry{
			GPUUtilizationPercent: Float(0), VRAMTotalMB: Int(100), VRAMUsedMB: Int(10), RequestsRunning: Int(0), RequestsQueued: Int(1),
		}}
		return &Heartbeat{
			Hive: HiveReport{ID: "h", Hostname: "h"}, Workers: []WorkerReport{worker},
			Devices: []Device{{ID: "GPU-0", Kind: GPU, MemoryTotalMB: Int(100), MemoryUsedMB: Int(10)}},
		}
	}
	for name, change := range map[string]func(*Heartbeat){
		"operational status": func(hb *Heartbeat) { hb.Hive.OperationalStatus = Stopping },
		"health":             func(hb *Heartbeat) { hb.Hive.HealthStatus = Unhealthy },
		"devices":            func(hb *Heartbeat) { hb.Devices[0].MemoryUsedMB = Int(20) },
		"a worker more": func(hb *Heartbeat) {
			hb.Workers = append(hb.Workers, WorkerReport{Group: "llm", Instance: "2", Model: "a"})
		},
		"a worker less":         func(hb *Heartbeat) { hb.Workers = nil },
		"model":                 func(hb *Heartbeat) { hb.Workers[0].Model = "b" },
		"gpuUtilizationPercent": func(hb *Heartbeat) { hb.Workers[0].GPUUtilizationPercent = Float(1) },
		"requestsRunning":       func(hb *Heartbeat) { hb.Workers[0].RequestsRunning = Int(1) },
		"requestsQueued":        func(hb *Heartbeat) { hb.Workers[0].RequestsQueued = Int(2) },
		"vramUsedMb":            func(hb *Heartbeat) { hb.Workers[0].VRAMUsedMB = Int(20) },
		"vramTotalMb":           func(hb *Heartbeat) { hb.Workers[0].VRAMTotalMB = Int(200) },
		"vramUsedMb, of no device known": func(hb *Heartbeat) {
			hb.Devices = []Device{}
			hb.Workers[0].VRAMUsedMB = Int(20)
		},
		"vramTotalMb, of no device known": func(hb *Heartbeat) {
			hb.Devices = []Device{}
			hb.Workers[0].VRAMTotalMB = Int(200)
		},
	} {
		changed := beat()
		change(changed)
		reg, fresh := New(Config{}), New(Config{})
		for to, beats := range map[*TelemetryRegistry][]*Heartbeat{reg: {beat(), changed}, fresh: {changed}} {
			for _, hb := range beats {
				if terms, err := to.Apply(hb); err != nil || terms.Outcome != Accepted {
					t.Fatal(terms, err)
				}
			}
		}
		if got, want := indexOf(reg), indexOf(fresh); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}

// indexOf is what the indexes of a registry say: of each model its counts and its offer, and who has it.
func indexOf(reg *TelemetryRegistry) string {
	x := &reg.Snapshot().index
	var text strings.Builder
	fmt.Fprintf(&text, "%+v %+v", x.total, x.all.sum())
	for name, m := range x.models.all() {
		fmt.Fprintf(&text, "\n%s %+v %+v", name, m.total, m.byHive.sum())
		for id, o := range m.byHive.all() {
			fmt.Fprintf(&text, " %s %+v", id, o)
		}
	}
	return text.String()
}
