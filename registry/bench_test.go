package registry

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Fleets of 1,000, 10,000 and 100,000 workers, 8 on each hive.
const workersPerHive = 8

func fleetSizes(b *testing.B, run func(b *testing.B, reg *TelemetryRegistry, hives int)) {
	for _, workers := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			hives := workers / workersPerHive
			reg := benchFleet(b, hives)
			b.ResetTimer()
			run(b, reg, hives)
		})
	}
}

func benchFleet(b *testing.B, hives int) *TelemetryRegistry {
	b.Helper()
	reg := New(Config{})
	r := rand.New(rand.NewPCG(1, 2))
	for range 2 { // since places in trees are known for sure from the second heartbeat on
		for i := range hives {
			if _, err := reg.Apply(benchHeartbeat(r, i)); err != nil {
				b.Fatal(err)
			}
		}
	}
	return reg
}

// benchHeartbeat is a beat of a hive that serves two of fifty models. A worker's memory is that of its model and stays; one beat in
// ten it begins or ends to work; its other figures are new each time.
func benchHeartbeat(r *rand.Rand, hive int) *Heartbeat {
	hb := &Heartbeat{
		Hive:        HiveReport{ID: fmt.Sprintf("gpu-%05d", hive), Hostname: "10.0.0.1", Port: 7835, Version: "0.1.0"},
		Workers:     make([]WorkerReport, workersPerHive),
		Incarnation: fmt.Sprintf("2h6f7q5d%05d", hive), Sequence: Int(benchSequence.Add(1)),
	}
	for i := range hb.Workers {
		busy := 0.0
		if i/2%2 == 0 != (r.IntN(20) == 0) { // one in twenty is not what it mostly is, so one in ten changes
			busy = float64(1 + r.IntN(100))
		}
		hb.Workers[i] = WorkerReport{
			Group: "llm", Instance: strconv.Itoa(8080 + i), PID: Int(int32(1000 + i)),
			Model: OptString("model-" + strconv.Itoa((hive+i%2)%50)), Endpoint: OptString("http://10.0.0.1:" + strconv.Itoa(8080+i)),
			Telemetry: Telemetry{
				GPUUtilizationPercent: Float(min(busy, 100)), VRAMUsedMB: Int(int32((hive*7919 + i*104729) % 80_000)), VRAMTotalMB: Int(81_920),
				CPUPercent: Float(r.Float64() * 100), RSSMB: Int(r.Int32N(9000)), UptimeSeconds: Int(r.Int32N(1 << 20)),
			},
		}
	}
	return hb
}

// benchSequence counts the heartbeats of all hives, so that those of each go up.
var benchSequence atomic.Int32

// benchUpheaval is a beat in which everything changed that one can search for.
func benchUpheaval(r *rand.Rand, hive int) *Heartbeat {
	hb := benchHeartbeat(r, hive)
	for i := range hb.Workers {
		hb.Workers[i].GPUUtilizationPercent = Float(float64(r.IntN(2) * r.IntN(100)))
		hb.Workers[i].VRAMUsedMB = Int(r.Int32N(80_000))
	}
	return hb
}

// benchDevices is a beat that tells of a GPU for each worker, as agents do.
func benchDevices(r *rand.Rand, hive int) *Heartbeat {
	hb := benchHeartbeat(r, hive)
	hb.Devices = make([]Device, workersPerHive)
	for i := range hb.Devices {
		hb.Devices[i] = Device{
			ID: fmt.Sprintf("GPU-6f1c0d%02d-58ba-7c27-91ac-3e00d24%05d", i, hive), Name: "NVIDIA H100 80GB HBM3", ComputeCapability: "9.0",
			MemoryTotalMB: Int(81_920), MemoryUsedMB: Int(r.Int32N(80_000)), UtilizationPercent: Float(float64(r.IntN(101))),
			TemperatureCelsius: Float(float64(30 + r.IntN(50))), PowerWatts: Float(float64(70 + r.IntN(600))),
		}
	}
	return hb
}

// BenchmarkApply takes in heartbeats of 8 workers.
func BenchmarkApply(b *testing.B) {
	fleetSizes(b, func(b *testing.B, reg *TelemetryRegistry, hives int) {
		inTurns(b, anyHive(hives, benchHeartbeat), func(hb *Heartbeat) { mustApply(b, reg, hb) }, nil)
	})
}

// BenchmarkApplyUpheaval takes in heartbeats of 8 workers of which every figure changes, the worst case for the indexes.
func BenchmarkApplyUpheaval(b *testing.B) {
	fleetSizes(b, func(b *testing.B, reg *TelemetryRegistry, hives int) {
		inTurns(b, anyHive(hives, benchUpheaval), func(hb *Heartbeat) { mustApply(b, reg, hb) }, nil)
	})
}

// BenchmarkApplyDevices takes in heartbeats of 8 workers and 8 GPUs.
func BenchmarkApplyDevices(b *testing.B) {
	fleetSizes(b, func(b *testing.B, reg *TelemetryRegistry, hives int) {
		inTurns(b, anyHive(hives, benchDevices), func(hb *Heartbeat) { mustApply(b, reg, hb) }, nil)
	})
}

// BenchmarkApplyLookedAt takes in heartbeats of 8 workers, and a snapshot after each, so that nothing may be changed in place.
func BenchmarkApplyLookedAt(b *testing.B) {
	fleetSizes(b, func(b *testing.B, reg *TelemetryRegistry, hives int) {
		inTurns(b, anyHive(hives, benchHeartbeat), func(hb *Heartbeat) {
			mustApply(b, reg, hb)
			reg.Snapshot()
		}, nil)
	})
}

// BenchmarkApplyNew takes in the first heartbeats of hives that come among those of a fleet. They are removed again, so that it stays as large.
func BenchmarkApplyNew(b *testing.B) {
	fleetSizes(b, func(b *testing.B, reg *TelemetryRegistry, hives int) {
		number := 0
		newcomer := anyHive(hives, func(r *rand.Rand, hive int) *Heartbeat {
			hb := benchHeartbeat(r, hive)
			hb.Hive.ID += "-" + strconv.Itoa(number)
			number++
			return hb
		})
		inTurns(b, newcomer, func(hb *Heartbeat) { mustApply(b, reg, hb) }, func(hb *Heartbeat) { reg.Remove(hb.Hive.ID) })
	})
}

// BenchmarkSilence lets a whole fleet fall silent, and half of it return, so that protection ends, and the rest be forgotten. It reports what each takes for
// a hive. At no size may that be much more than at another.
func BenchmarkSilence(b *testing.B) {
	fleetSizes(b, func(b *testing.B, _ *TelemetryRegistry, hives int) {
		var fall, back, forgotten time.Duration
		for range b.N {
			reg := benchFleet(b, hives)
			now := time.Now()
			sweepUntil := func(until time.Duration) time.Duration {
				start := time.Now()
				for reg.sweep(now); until > 0; until -= time.Second {
					now = now.Add(time.Second)
					reg.sweep(now)
				}
				return time.Since(start)
			}
			fall += sweepUntil(reg.cfg.OfflineAfter + time.Second)
			if reg.Mode() != Protected {
				b.Fatal("a fleet that fell silent at once is not protected")
			}
			r := rand.New(rand.NewPCG(1, 2))
			beats := make([]*Heartbeat, (hives+1)/2)
			for i := range beats {
				beats[i] = benchHeartbeat(r, i)
				beats[i].ReceivedAt = now
			}
			start := time.Now()
			for _, hb := range beats {
				mustApply(b, reg, hb)
			}
			back += time.Since(start)
			for _, hb := range beats { // these stay
				reg.Cordon(hb.Hive.ID, true)
			}
			reg.cfg.ProtectShare = 2
			forgotten += sweepUntil(2 * reg.cfg.ForgetAfter)
			if left := reg.Snapshot().Fleet().Hives.Total; reg.Mode() != Serving || left != len(beats) {
				b.Fatalf("%s with %d hives, want %d", reg.Mode(), left, len(beats))
			}
		}
		n := float64(hives * b.N)
		b.ReportMetric(float64(fall.Nanoseconds())/n, "ns/fallen")
		b.ReportMetric(2*float64(back.Nanoseconds())/n, "ns/returned")
		b.ReportMetric(2*float64(forgotten.Nanoseconds())/n, "ns/forgotten")
		b.ReportMetric(0, "ns/op")
	})
}

// anyHive makes a heartbeat of one of so many hives.
func anyHive(hives int, beat func(*rand.Rand, int) *Heartbeat) func() *Heartbeat {
	r := rand.New(rand.NewPCG(3, 4))
	return func() *Heartbeat { return beat(r, r.IntN(hives)) }
}

func mustApply(b *testing.B, reg *TelemetryRegistry, hb *Heartbeat) {
	if terms, _ := reg.Apply(hb); terms.Outcome != Accepted {
		b.Fatal(terms)
	}
}

// inTurns makes some heartbeats, takes them in, and tidies up after each, again and again. It reports what the second takes, by means of its own: the clock of
// testing.B stops the world and empties the allocator's caches whenever it is stopped and started, which every heartbeat would pay for.
func inTurns(b *testing.B, beat func() *Heartbeat, take, tidy func(*Heartbeat)) {
	b.Helper()
	turn := func(n int, begin, end func()) {
		beats := make([]*Heartbeat, n)
		for i := range beats {
			beats[i] = beat()
		}
		begin()
		for _, hb := range beats {
			take(hb)
		}
		end()
		for _, hb := range beats {
			if tidy != nil {
				tidy(hb)
			}
		}
	}
	const some = 16 // few enough to stay in the cache, as a heartbeat is that was read just before
	var start time.Time
	var took time.Duration
	for done := 0; done < b.N; done += some {
		turn(min(some, b.N-done), func() { start = time.Now() }, func() { took += time.Since(start) })
	}
	b.ReportMetric(float64(took.Nanoseconds())/float64(b.N), "ns/op")
	const sample = 500
	var before, after runtime.MemStats
	turn(sample, func() { runtime.ReadMemStats(&before) }, func() { runtime.ReadMemStats(&after) })
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/sample, "B/op")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/sample, "allocs/op")
}

// BenchmarkBestWorker asks for the best worker with a model and 8 GB free.
func BenchmarkBestWorker(b *testing.B) {
	fleetSizes(b, func(b *testing.B, reg *TelemetryRegistry, _ int) {
		models := benchModels()
		for i := range b.N {
			if reg.Snapshot().BestWorker(models[i%len(models)], Int(8192)) == nil {
				b.Fatal("no worker")
			}
		}
	})
}

// BenchmarkFirstIdle asks workers(filter: {idle, model, minFreeVramMb}, first: 1).
func BenchmarkFirstIdle(b *testing.B) {
	fleetSizes(b, func(b *testing.B, reg *TelemetryRegistry, _ int) {
		models := benchModels()
		for i := range b.N {
			page, err := reg.Snapshot().Workers(WorkerQuery{Filter: &WorkerFilter{
				Idle: new(true), Model: &models[i%len(models)], MinFreeVRAMMB: new(int32(8192)),
			}, First: 1})
			if err != nil || len(page.Nodes) != 1 {
				b.Fatal(err, page)
			}
		}
	})
}

// BenchmarkCountLongest counts the workers that the longest filters choose: as many values as may be, and as long a text.
func BenchmarkCountLongest(b *testing.B) {
	values := make([]string, MaxFilterValues)
	for i := range values {
		values[i] = "model-of-nobody-" + strconv.Itoa(i)
	}
	for name, f := range map[string]*WorkerFilter{
		"models": {Models: values}, "groups": {Groups: values}, "search": {Search: new(strings.Repeat("É", MaxSearchLength/2))},
	} {
		b.Run(name, func(b *testing.B) {
			fleetSizes(b, func(b *testing.B, reg *TelemetryRegistry, _ int) {
				for range b.N {
					if n := count(reg.Snapshot().WorkersWhere(f)); n != 0 {
						b.Fatal(n)
					}
				}
			})
		})
	}
}

// BenchmarkMemory reports what a fleet takes whose hives came in no order and have been heard three times: bytes and objects for each
// worker, and how long a collection of garbage takes.
func BenchmarkMemory(b *testing.B) {
	for _, workers := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			hives := workers / workersPerHive
			for range b.N {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				reg := New(Config{ChangeLog: 1}) // the log is as large in any fleet
				r := rand.New(rand.NewPCG(1, 2))
				for range 3 {
					for _, i := range r.Perm(hives) {
						if _, err := reg.Apply(benchHeartbeat(r, i)); err != nil {
							b.Fatal(err)
						}
					}
				}
				runtime.GC()
				start := time.Now()
				runtime.GC()
				b.ReportMetric(float64(time.Since(start).Milliseconds()), "ms/GC")
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(workers), "B/worker")
				b.ReportMetric(float64(after.HeapObjects-before.HeapObjects)/float64(workers), "objects/worker")
				runtime.KeepAlive(reg)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkFleet sums up the fleet.
func BenchmarkFleet(b *testing.B) {
	fleetSizes(b, func(b *testing.B, reg *TelemetryRegistry, _ int) {
		for range b.N {
			_ = reg.Fleet(reg.Snapshot())
		}
	})
}

// BenchmarkTop60ByGPU asks for the first window of a dashboard sorted by utilization.
func BenchmarkTop60ByGPU(b *testing.B) {
	fleetSizes(b, func(b *testing.B, reg *TelemetryRegistry, _ int) {
		for range b.N {
			_, err := reg.Snapshot().Workers(WorkerQuery{Order: WorkerOrder{WorkersByGPUUtilization, Descending}, First: 60})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkApplyBesideReader compares heartbeats beside a reader that lists the fleet all the time with ones beside work that has nothing to do with it: what a
// busy processor costs, whatever it does, the garbage collector most of all, is not the reader's doing. The two take turns, and a machine that is
// shared changes its speed from turn to turn, so each is compared with its neighbour.
func BenchmarkApplyBesideReader(b *testing.B) {
	const hives, turns, beats = 12_500, 40, 4000
	reg := benchFleet(b, hives)
	r := rand.New(rand.NewPCG(5, 6))
	text := strings.Repeat("x", 1<<20)
	var sum atomic.Uint32
	work := func() { sum.Store(fnv(fnvOffset, text)) }
	list := func() { count(reg.Snapshot().WorkersWhere(nil)) }
	for range 30 {
		applyP99(reg, r, hives, beats) // until the heap has grown as large as it gets: a page that is new costs more than a heartbeat
	}
	var others, readers, ratios []float64
	for turn := range b.N * turns {
		var other, reader float64
		if turn%2 == 0 {
			other, reader = applyP99Beside(reg, r, hives, beats, work), applyP99Beside(reg, r, hives, beats, list)
		} else {
			reader, other = applyP99Beside(reg, r, hives, beats, list), applyP99Beside(reg, r, hives, beats, work)
		}
		others, readers, ratios = append(others, other), append(readers, reader), append(ratios, reader/other)
	}
	median := func(d []float64) float64 { slices.Sort(d); return d[len(d)/2] }
	b.ReportMetric(median(others), "p99-other-ns")
	b.ReportMetric(median(readers), "p99-reader-ns")
	b.ReportMetric(median(ratios), "p99-ratio")
	b.ReportMetric(0, "ns/op")
}

// applyP99Beside returns the 99th percentile of so many heartbeats, in nanoseconds, beside work that is done again and again.
func applyP99Beside(reg *TelemetryRegistry, r *rand.Rand, hives, beats int, work func()) float64 {
	var stop atomic.Bool
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for work(); !stop.Load(); { // once at least
			work()
		}
	}()
	p99 := applyP99(reg, r, hives, beats)
	stop.Store(true)
	<-stopped
	return p99
}

// applyP99 returns the 99th percentile of so many heartbeats, in nanoseconds.
func applyP99(reg *TelemetryRegistry, r *rand.Rand, hives, beats int) float64 {
	times := make([]time.Duration, beats)
	for i := range times {
		hb := benchHeartbeat(r, r.IntN(hives))
		start := time.Now()
		_, _ = reg.Apply(hb)
		times[i] = time.Since(start)
	}
	slices.Sort(times)
	return float64(times[beats*99/100].Nanoseconds())
}

func benchModels() []string {
	models := make([]string, 50)
	for i := range models {
		models[i] = "model-" + strconv.Itoa(i)
	}
	return models
}
