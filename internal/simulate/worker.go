package simulate

import "math"

// worker is a model server.
type worker struct {
	gpu      int
	instance int
	pid      int
	model    modelKind

	up       int // seconds since it started
	loading  int // seconds until the model is loaded
	absent   int // seconds until it is started again
	vramMB   int
	running  int
	queued   int
	percent  float64 // of its GPU
	cpu      float64
	readMBps float64
}

// slotsOf is how many requests an engine works on at the same time.
const slotsOf = 16

func newWorker(h *hive, i int) *worker {
	w := &worker{gpu: i % len(h.gpus), instance: 8080 + i}
	w.load(h)
	w.loading, w.up = 0, h.dice.IntN(500_000)
	w.vramMB = w.model.sizeMB
	return w
}

// load makes it serve a model that fits its share of the GPU, or the smallest there is.
func (w *worker) load(h *hive) {
	share := h.kind.memoryMB / max((len(h.workers)+len(h.gpus))/len(h.gpus), 1)
	all := models()
	fits := make([]modelKind, 0, len(all))
	smallest := all[0]
	for _, m := range all {
		if m.sizeMB <= share {
			fits = append(fits, m)
		}
		if m.sizeMB < smallest.sizeMB {
			smallest = m
		}
	}
	w.model = smallest
	if len(fits) > 0 {
		w.model = pick(h.dice, fits, func(m modelKind) int { return m.weight })
	}
	w.begin(h)
}

// begin is what happens when its process starts.
func (w *worker) begin(h *hive) {
	w.pid, w.up, w.loading = 1000+h.dice.IntN(4_000_000), 0, 4+h.dice.IntN(12)
	w.vramMB, w.running, w.queued, w.percent = 0, 0, 0, 0
}

func (w *worker) restart(h *hive) {
	w.begin(h)
	w.absent = 0
}

// live lets one second pass.
func (w *worker) live(h *hive) {
	switch {
	case w.absent > 0:
		if w.absent--; w.absent == 0 {
			w.begin(h)
		}
		return
	case h.chance(7200): // it crashes, and somebody has to see it
		w.begin(h)
		w.absent = 3 + h.dice.IntN(30)
		return
	case h.chance(7200): // it crashes, and is started again at once
		w.restart(h)
	case h.chance(14400): // somebody wants another model
		w.load(h)
	}
	w.up++
	w.readMBps = 0
	if w.loading > 0 {
		w.loading--
		w.vramMB += (w.model.sizeMB - w.vramMB) / (w.loading + 1)
		w.cpu, w.readMBps = 80+20*h.dice.Float64(), 900+400*h.dice.Float64()
		return
	}
	w.work(h)
}

// work answers requests: they come in waves, for each model in its own, and popular models are asked for more.
func (w *worker) work(h *hive) {
	phase := float64(len(w.model.name)) + float64(w.model.sizeMB)/1000
	wave := max(0, 0.3+math.Sin(2*math.Pi*float64(h.second)/600+phase)) / 1.3 // with quiet hours
	demand := wave * (0.3 + 0.7*float64(w.model.weight)/30) * slotsOf * 0.6
	done := 0
	for range w.running {
		if h.dice.Float64() < 0.35 {
			done++
		}
	}
	waiting := w.queued + h.poisson(demand*0.35)
	w.running -= done
	start := min(waiting, slotsOf-w.running)
	w.running += start
	w.queued = min(waiting-start, 64)
	if w.running == 0 {
		w.percent, w.cpu = 0, 1+h.dice.Float64()
		return
	}
	aim := min(99, 22+70*float64(w.running)/slotsOf)
	w.percent = min(100, max(1, w.percent+0.6*(aim-w.percent)+8*(h.dice.Float64()-0.5)))
	w.cpu = 12 + 9*float64(w.running) + 5*h.dice.Float64()
	if h.dice.IntN(300) == 0 { // caches grow now and then
		w.vramMB = min(w.vramMB+64*(1+h.dice.IntN(8)), w.model.sizeMB*11/10, h.kind.memoryMB-500)
	}
}

// poisson draws how many of many independent things happen, if so many do on average.
func (h *hive) poisson(mean float64) int {
	n, p, limit := 0, h.dice.Float64(), math.Exp(-mean)
	for p > limit && n < 100 {
		n++
		p *= h.dice.Float64()
	}
	return n
}
