package registry

import (
	"container/heap"
	"context"
	"fmt"
	"maps"
	"runtime"
	"time"
)

const (
	sweepEvery    = 100 * time.Millisecond
	sweepBite     = 64   // hives that are moved, or forgotten, before the lock is let go: a large fleet can fall silent at once, and others wait for it
	forgetMost    = 1024 // hives that are forgotten by one sweep: the next one is not to be late
	cleanupEvery  = time.Second
	lateTolerance = time.Second // a sweep that is later says that the server itself was paused
	protectFrom   = 3           // a fleet of fewer hives is too small to tell its silence from ours
)

// watch is what the judgement of liveness needs. TelemetryRegistry.mu guards it.
type watch struct {
	deadlines   deadlineQueue
	lastSweep   time.Time
	lastCleanup time.Time
	expired     []string             // hives that the last cleanup found to be forgotten, and that are left for the next sweeps
	resumedAt   time.Time            // the end of the last pause of the server: silence before it is not held against a hive
	fallen      map[string]time.Time // hives that lately went OFFLINE and, as one timeout of each, until when that is lately; empty when protected
	protection  protection
}

// protection is the state in which the registry suspects itself.
type protection struct {
	silent map[string]bool // hives that fell silent and have not returned; nil when not protected
	peak   int             // the most there were
}

// Run judges liveness and records history until ctx ends.
func (reg *TelemetryRegistry) Run(ctx context.Context) error {
	sweeps, steps := time.NewTicker(sweepEvery), time.NewTicker(historyStep)
	defer sweeps.Stop()
	defer steps.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-sweeps.C:
			reg.sweep(time.Now())
		case <-steps.C:
			reg.recordHistory()
		}
	}
}

// Mode is PROTECTED or SERVING.
type Mode uint8

// The values of Mode.
const (
	Serving   Mode = iota
	Protected      // so much of the fleet fell silent at once that the registry suspects itself
)

func (m Mode) String() string { return [...]string{"SERVING", "PROTECTED"}[m] }

// Mode says whether the registry trusts its own ears.
func (reg *TelemetryRegistry) Mode() Mode {
	reg.mu.Lock()
	defer reg.mu.Unlock()
	if reg.watch.protection.silent != nil {
		return Protected
	}
	return Serving
}

// EndProtection tells a protected registry that the silence is real. It reports whether it was protected.
func (reg *TelemetryRegistry) EndProtection() bool {
	reg.mu.Lock()
	defer reg.mu.Unlock()
	was := reg.watch.protection.silent != nil
	reg.watch.protection = protection{}
	clear(reg.watch.fallen)
	return was
}

// sweep moves the liveness of all hives whose time has come.
func (reg *TelemetryRegistry) sweep(now time.Time) {
	reg.mu.Lock()
	defer reg.mu.Unlock()
	w := &reg.watch
	w.noticePause(now)
	for moved := 1; len(w.deadlines) > 0 && !w.deadlines[0].deadline.After(now); {
		st := w.deadlines[0]
		// Heartbeats do not touch the queue; what has been heard since is counted only here.
		if due := w.due(reg.cfg, st); due.After(now) {
			w.deadlines.move(st, due)
			continue
		}
		reg.degrade(st, now)
		if moved++; moved%sweepBite == 0 {
			reg.giveWay()
		}
	}
	w.protect(reg.cfg, len(reg.hives)-int(reg.index.total.offlineHives), now)
	reg.cleanup(now)
}

// giveWay lets others have the lock. The caller holds mu.
func (reg *TelemetryRegistry) giveWay() {
	reg.mu.Unlock()
	runtime.Gosched()
	reg.mu.Lock()
}

// degrade moves a silent hive one step down. The caller holds mu.
func (reg *TelemetryRegistry) degrade(st *hiveState, now time.Time) {
	to, kind, message := Suspect, HiveSuspect, "%s is overdue: nothing heard for %s."
	if st.hive.Liveness == Suspect {
		to, kind, message = Offline, HiveOffline, "%s was given up: nothing heard for %s."
		reg.watch.fallen[st.hive.ID] = now.Add(patience(reg.cfg, st).offline)
	}
	silence := now.Sub(st.hive.LastSeenAt).Round(100 * time.Millisecond)
	reg.amend(st, now, func(h *Hive) { h.Liveness = to }, Event{Kind: kind, Message: fmt.Sprintf(message, st.hive.ID, silence)})
	if to == Offline {
		reg.watch.deadlines.remove(st) // what remains is to be forgotten, by cleanup
	} else {
		reg.watch.deadlines.move(st, reg.watch.due(reg.cfg, st))
	}
}

// cleanup forgets hives that have been silent for too long: it looks for them once in a while, and leaves to the next sweeps what takes longer. The
// caller holds mu.
func (reg *TelemetryRegistry) cleanup(now time.Time) {
	w := &reg.watch
	if len(w.expired) == 0 && now.Sub(w.lastCleanup) >= cleanupEvery {
		w.lastCleanup = now
		reg.records.Cleanup(func(item hiveItem) bool { // Only to find them: others may look at the registry before all are forgotten.
			if reg.isExpired(reg.hives[item.ID()], now) {
				w.expired = append(w.expired, item.ID())
			}
			return false
		})
	}
	n := min(len(w.expired), forgetMost)
	for i, id := range w.expired[:n] {
		if st := reg.hives[id]; st != nil && reg.isExpired(st, now) { // It may have been heard since.
			reg.forget(st, now, fmt.Sprintf("%s was forgotten after %s of silence.", id, now.Sub(st.hive.LastSeenAt).Round(time.Second)))
		}
		if (i+1)%sweepBite == 0 {
			reg.giveWay()
		}
	}
	if w.expired = w.expired[n:]; len(w.expired) == 0 {
		w.expired = nil
	}
}

func (reg *TelemetryRegistry) isExpired(st *hiveState, now time.Time) bool {
	return reg.watch.protection.silent == nil && st.hive.Liveness == Offline && !st.hive.Cordoned &&
		!now.Before(reg.watch.since(st).Add(patience(reg.cfg, st).forget))
}

// thresholds are for how long a hive may be silent.
type thresholds struct{ suspect, offline, forget time.Duration }

// patience stretches the thresholds for a hive that beats more slowly, so that a 30 s sender does not flap.
func patience(cfg Config, st *hiveState) thresholds {
	c := min(st.cadence.estimate(), cfg.ForgetAfter)
	t := thresholds{suspect: max(cfg.SuspectAfter, 3*c), offline: max(cfg.OfflineAfter, 10*c), forget: cfg.ForgetAfter}
	if t.offline > cfg.OfflineAfter {
		t.forget = max(cfg.ForgetAfter, 3*t.offline)
	}
	return t
}

// since returns from when on silence counts against a hive.
func (w *watch) since(st *hiveState) time.Time {
	if heard := st.hive.LastSeenAt; !w.resumedAt.After(heard) {
		return heard
	}
	return w.resumedAt
}

// due returns when a hive's liveness has to move if nothing is heard of it.
func (w *watch) due(cfg Config, st *hiveState) time.Time {
	t := patience(cfg, st)
	if st.hive.Liveness == Online {
		return w.since(st).Add(t.suspect)
	}
	return w.since(st).Add(t.offline)
}

// heard takes note of an accepted heartbeat. The queue is only touched when the hive's time could come earlier than the queue knows.
func (w *watch) heard(cfg Config, st *hiveState, old *Hive) {
	if old != nil && old.Liveness == Offline {
		w.returned(old.ID)
	}
	if due := w.due(cfg, st); st.position < 0 || due.Before(st.deadline) {
		w.deadlines.move(st, due)
	}
}

// noticePause extends all deadlines when the server itself was not there to listen: its sweep is late, or its
// wall clock went on while the monotonic one stood still, as on a suspended machine.
func (w *watch) noticePause(now time.Time) {
	gap := max(now.Sub(w.lastSweep), now.Round(0).Sub(w.lastSweep.Round(0)))
	if gap > sweepEvery+lateTolerance {
		w.resumedAt = now
	}
	w.lastSweep = now
}

// protect begins protection when most of the fleet fell silent within one timeout. Alive is how many hives are not OFFLINE.
func (w *watch) protect(cfg Config, alive int, now time.Time) {
	maps.DeleteFunc(w.fallen, func(_ string, until time.Time) bool { return now.After(until) })
	p := &w.protection
	if p.silent == nil {
		alive += len(w.fallen)
		if len(w.fallen) < protectFrom || float64(len(w.fallen)) < cfg.ProtectShare*float64(alive) {
			return
		}
		p.silent = map[string]bool{}
	}
	for id := range w.fallen {
		p.silent[id] = true
	}
	clear(w.fallen)
	p.peak = max(p.peak, len(p.silent))
}

// returned takes note of a silent hive that is heard again or removed. Protection ends when half of them are back.
func (w *watch) returned(hiveID string) {
	delete(w.fallen, hiveID)
	p := &w.protection
	delete(p.silent, hiveID)
	if p.silent != nil && 2*len(p.silent) <= p.peak {
		*p = protection{}
		clear(w.fallen)           // a sweep that gave way may be in the middle of its falls
		w.resumedAt = w.lastSweep // the others get a whole patience to return, too
	}
}

// deadlineQueue is a heap of hives by deadline.
type deadlineQueue []*hiveState

// move puts a hive where its deadline belongs, and into the queue if it is not there.
func (q *deadlineQueue) move(st *hiveState, deadline time.Time) {
	st.deadline = deadline
	if st.position < 0 {
		heap.Push(q, st)
	} else {
		heap.Fix(q, int(st.position))
	}
}

func (q *deadlineQueue) remove(st *hiveState) {
	if st.position >= 0 {
		heap.Remove(q, int(st.position))
	}
}

// Len is for package heap.
func (q deadlineQueue) Len() int { return len(q) }

// Less is for package heap.
func (q deadlineQueue) Less(i, j int) bool { return q[i].deadline.Before(q[j].deadline) }

// Swap is for package heap.
func (q deadlineQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].position, q[j].position = int32(i), int32(j)
}

// Push is for package heap.
func (q *deadlineQueue) Push(x any) {
	st := x.(*hiveState)
	st.position = int32(len(*q))
	*q = append(*q, st)
}

// Pop is for package heap.
func (q *deadlineQueue) Pop() any {
	last := len(*q) - 1
	st := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	st.position = -1
	return st
}
