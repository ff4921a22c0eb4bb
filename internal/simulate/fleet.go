package simulate

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
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
	// Unordered leaves out incarnations and sequence numbers, so that a report may be sent more than once.
	Unordered bool
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

// ID returns a hive's id.
func (f *Fleet) ID(i int) string { return f.hives[i].id }

// Beat lets one second pass for a hive and tells whether it is heard then. What it reports is for AppendInput and AppendLegacy to say, until the
// next second.
func (f *Fleet) Beat(i int) bool { return f.hives[i].beat() }

// hive is a machine with its workers.
type hive struct {
	dice    *rand.Rand
	kind    machineKind
	trouble float64
	run     uint64
	ordered bool
	id      string
	host    string
	gpus    []gpu
	workers []*worker

	second      int    // of its life
	incarnation string // empty: reports are not ordered
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
	h := &hive{dice: dice, kind: kind, trouble: cfg.Trouble, run: cfg.Run, ordered: !cfg.Unordered, second: dice.IntN(100_000), id: id, host: id + ".sim"}
	count := cmp.Or(cfg.Workers, 1+dice.IntN(kind.gpus))
	h.gpus = make([]gpu, min(kind.gpus, count))
	for i := range count {
		h.workers = append(h.workers, newWorker(h, i))
	}
	h.begin()
	return h
}

// begin is what an agent does when it starts.
func (h *hive) begin() {
	if number := h.dice.Uint64() ^ h.run; h.ordered {
		h.incarnation, h.sequence = fmt.Sprintf("%016x", number), 0
	}
}

// chance reports whether something happens that does so once in so many seconds, if troubles are as usual.
func (h *hive) chance(seconds float64) bool {
	return h.trouble > 0 && h.dice.Float64()*seconds < h.trouble
}

func (h *hive) beat() bool {
	h.second++
	h.befall()
	for i := range h.gpus {
		h.gpus[i] = gpu{}
	}
	for _, w := range h.workers {
		w.live(h)
		h.gpus[w.gpu].add(w)
	}
	if h.silent > 0 {
		h.silent--
		return false
	}
	h.sequence++
	for i := range h.gpus {
		h.gpus[i].measure(h, i)
	}
	return true
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

// gpu is what its workers do to it, and how it takes that.
type gpu struct {
	percent float64
	usedMB  int
	celsius int
	watts   float64
}

func (g *gpu) add(w *worker) {
	g.percent = min(g.percent+w.percent, 100)
	g.usedMB += w.vramMB
}

func (g *gpu) measure(h *hive, number int) {
	g.usedMB = min(g.usedMB+420, h.kind.memoryMB)
	heat := 34 + g.percent*0.42 + h.dice.Float64()
	if h.unwell > 0 && number == 0 {
		heat += 12
	}
	g.celsius = int(math.Round(heat))
	g.watts = h.kind.watts * (0.15 + 0.8*g.percent/100 + 0.02*h.dice.Float64())
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
