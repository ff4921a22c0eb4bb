package simulate

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"waggle/client"
)

// FleetConfig says what fleet to make up. The zero value is ready for use.
type FleetConfig struct {
	// Hives is how many there are. Zero means 20.
	Hives int
	// Workers is how many each hive has, at most 256. Zero means one to eight, as the machine has room.
	Workers int
	// Seed decides all that happens. Equal seeds make equal fleets.
	Seed uint64
	// Run tells one run from another with the same seed: it is part of the incarnations, and of nothing else, so that a server that
	// knows the first run does not take the second for its repetition.
	Run uint64
	// Trouble is how often things go wrong: 1 is a fleet in which each hive has some failure every ten minutes or so, 0 one in which none
	// ever fails.
	Trouble float64
}

// Fleet is a made-up fleet. Each of its hives lives by itself, so that different ones may be asked at the same time; one
// hive must be asked by one goroutine at a time.
type Fleet struct {
	hives []*hive
}

// NewFleet makes a fleet up.
func NewFleet(cfg FleetConfig) *Fleet {
	f := &Fleet{hives: make([]*hive, cmp.Or(cfg.Hives, 20))}
	for i := range f.hives {
		f.hives[i] = newHive(cfg, i)
	}
	return f
}

// Len returns how many hives there are.
func (f *Fleet) Len() int { return len(f.hives) }

// Beat lets one second pass for a hive and returns what it reports then; nil when it is silent. Nothing keeps what it
// returns.
func (f *Fleet) Beat(i int, now time.Time) *client.HeartbeatInput { return f.hives[i].beat(now) }

// hive is a machine with its workers.
type hive struct {
	dice    *rand.Rand
	kind    machineKind
	trouble float64
	run     uint64
	report  client.HiveInput
	gpus    int
	workers []*worker

	second      int // of its life
	incarnation string
	sequence    int
	silent      int // seconds for which nothing will be heard
	starting    int // seconds until it takes work
	unwell      int // seconds for which it is not healthy
}

func newHive(cfg FleetConfig, number int) *hive {
	dice := rand.New(rand.NewPCG(cfg.Seed, uint64(number))) //nolint:gosec // made up, and repeatable
	kind := pick(dice, machines(), func(m machineKind) int { return m.weight })
	where := sites()[dice.IntN(len(sites()))]
	id := fmt.Sprintf("%s-%s-%05d", where, kind.label, number)
	h := &hive{dice: dice, kind: kind, trouble: cfg.Trouble, run: cfg.Run, gpus: kind.gpus, second: dice.IntN(100_000),
		report: client.HiveInput{Id: id, Hostname: id + ".sim", Port: 7835, Version: "0.1.0"}}
	count := cmp.Or(cfg.Workers, 1+dice.IntN(kind.gpus))
	h.gpus = min(kind.gpus, max(count, 1))
	for i := range count {
		h.workers = append(h.workers, newWorker(h, i))
	}
	h.begin()
	return h
}

// begin is what an agent does when it starts.
func (h *hive) begin() {
	h.incarnation, h.sequence = fmt.Sprintf("%016x", h.dice.Uint64()^h.run), 0
}

// chance reports whether something happens that does so once in so many seconds, if troubles are as usual.
func (h *hive) chance(seconds float64) bool {
	return h.dice.Float64()*seconds < h.trouble
}

func (h *hive) beat(now time.Time) *client.HeartbeatInput {
	h.second++
	h.befall()
	load := make([]gpuLoad, h.gpus)
	for _, w := range h.workers {
		w.live(h)
		load[w.gpu].add(w)
	}
	if h.silent > 0 {
		h.silent--
		return nil
	}
	h.sequence++
	sequence, incarnation := h.sequence, h.incarnation
	report := h.report
	h.condition(&report)
	in := &client.HeartbeatInput{Hive: &report, SentAt: &now, Incarnation: &incarnation, Sequence: &sequence,
		Devices: make([]*client.DeviceInput, h.gpus), Workers: make([]*client.WorkerInput, 0, len(h.workers))}
	for i := range in.Devices {
		in.Devices[i] = h.device(i, load[i])
	}
	for _, w := range h.workers {
		if w.absent == 0 {
			in.Workers = append(in.Workers, w.report(h))
		}
	}
	return in
}

// befall lets happen what goes wrong with machines.
func (h *hive) befall() {
	h.unwell = max(h.unwell-1, 0)
	if h.silent == 0 {
		h.starting = max(h.starting-1, 0)
	}
	switch {
	case h.silent > 0:
	case h.chance(1200): // a network that flaps: suspected, then heard again
		h.silent = 4 + h.dice.IntN(5)
	case h.chance(3600): // long enough to be given up
		h.silent = 12 + h.dice.IntN(60)
	case h.chance(3600): // the machine restarts, and all workers with it
		h.silent, h.starting = 6+h.dice.IntN(15), 5+h.dice.IntN(10)
		h.begin()
		for _, w := range h.workers {
			w.restart(h)
		}
	case h.chance(1800):
		h.unwell = 20 + h.dice.IntN(60)
	}
}

func (h *hive) condition(r *client.HiveInput) {
	r.OperationalStatus, r.HealthStatus = client.OperationalStatusReady, client.HealthStatusHealthy
	if h.starting > 0 {
		r.OperationalStatus = client.OperationalStatusStarting
	}
	if h.unwell > 0 {
		r.HealthStatus, r.HealthReason = client.HealthStatusDegraded, new("GPU-0: temperature near its limit")
	}
}

// gpuLoad is what the workers of one GPU do to it.
type gpuLoad struct {
	percent float64
	usedMB  int
}

func (g *gpuLoad) add(w *worker) {
	g.percent = min(g.percent+w.percent, 100)
	g.usedMB += w.vramMB
}

func (h *hive) device(i int, load gpuLoad) *client.DeviceInput {
	heat := 34 + load.percent*0.42 + h.dice.Float64()
	if h.unwell > 0 && i == 0 {
		heat += 12
	}
	return &client.DeviceInput{
		Id: fmt.Sprintf("GPU-%d", i), Name: h.kind.gpu, Kind: client.DeviceKindGpu,
		MemoryTotalMb: new(h.kind.memoryMB), MemoryUsedMb: new(min(load.usedMB+420, h.kind.memoryMB)),
		UtilizationPercent: new(round(load.percent)), TemperatureCelsius: new(math.Round(heat)),
		PowerWatts:        new(round(h.kind.watts * (0.15 + 0.8*load.percent/100 + 0.02*h.dice.Float64()))),
		ComputeCapability: new(h.kind.compute),
	}
}

// pick chooses one by weight.
func pick[T any](dice *rand.Rand, all []T, weight func(T) int) T {
	total := 0
	for _, one := range all {
		total += weight(one)
	}
	n := dice.IntN(total)
	for _, one := range all {
		if n -= weight(one); n < 0 {
			return one
		}
	}
	return all[len(all)-1]
}

// round keeps one digit after the point, as the tools do that measure such figures.
func round(v float64) float64 { return math.Round(v*10) / 10 }
