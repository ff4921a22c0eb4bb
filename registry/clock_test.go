package registry

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"
	"unsafe"
)

// clock makes times whose wall clock and monotonic clock run apart, as those of a suspended or adjusted machine do. The layout of
// time.Time is checked by TestClock.
type clock struct{ now time.Time }

type timeLayout struct {
	wall uint64
	ext  int64
	loc  *time.Location
}

// run lets both clocks go on.
func (c *clock) run(d time.Duration) time.Time {
	c.now = c.now.Add(d)
	return c.now
}

// jump moves the wall clock alone.
func (c *clock) jump(d time.Duration) time.Time {
	c.now = c.now.Add(d)
	(*timeLayout)(unsafe.Pointer(&c.now)).ext -= int64(d)
	return c.now
}

func TestClock(t *testing.T) {
	start := time.Now()
	c := clock{start}
	c.run(time.Second)
	c.jump(time.Hour)
	if mono, wall := c.now.Sub(start), c.now.Round(0).Sub(start.Round(0)); mono != time.Second || wall != time.Second+time.Hour {
		t.Fatalf("monotonic %s, wall %s", mono, wall)
	}
}

func (c *clock) sweepFor(reg *TelemetryRegistry, d time.Duration, eachSecond func()) {
	for i := range int(d / sweepEvery) {
		reg.sweep(c.run(sweepEvery))
		if i%10 == 9 && eachSecond != nil {
			eachSecond()
		}
	}
}

func clockedRegistry(t *testing.T) (*TelemetryRegistry, *clock, func()) {
	t.Helper()
	reg := New(Config{ProtectShare: 2})
	c := &clock{reg.watch.lastSweep}
	beat := func() {
		t.Helper()
		hb := fullHeartbeat()
		hb.Incarnation, hb.ReceivedAt = "", c.now
		if terms, err := reg.Apply(hb); err != nil {
			t.Fatal(terms, err)
		}
	}
	beat()
	return reg, c, beat
}

func livenessOf(reg *TelemetryRegistry) Liveness { return reg.Snapshot().Hive("gpu-1").Liveness }

func TestAWallClockThatJumpsExpiresNobody(t *testing.T) {
	for _, jump := range []time.Duration{2 * time.Hour, -24 * time.Hour, 500 * time.Millisecond} {
		t.Run(jump.String(), func(t *testing.T) {
			reg, c, beat := clockedRegistry(t)
			c.sweepFor(reg, 5*time.Second, beat)
			events := reg.Events().Last()
			c.jump(jump)
			c.sweepFor(reg, 5*time.Second, beat)
			if reg.Events().Last() != events {
				t.Errorf("%v", reg.LatestEvents(reg.Snapshot(), 1, nil)[0].Message)
			}
			if rate := reg.beats.perSecond(c.now); rate != 1 {
				t.Errorf("%g heartbeats per second, want 1", rate)
			}
			// And nobody lives for ever by it.
			c.sweepFor(reg, 2800*time.Millisecond, nil)
			if l := livenessOf(reg); l != Online {
				t.Errorf("%s before its time", l)
			}
			c.sweepFor(reg, 400*time.Millisecond, nil)
			if l := livenessOf(reg); l != Suspect {
				t.Errorf("%s after 3.2 s of silence", l)
			}
		})
	}
}

// A suspended machine: its wall clock goes on, its monotonic clock does not.
func TestASuspendedServerExpiresNobodyOnItsReturn(t *testing.T) {
	reg, c, beat := clockedRegistry(t)
	c.sweepFor(reg, 5*time.Second, beat)
	c.sweepFor(reg, 2*time.Second, nil)
	c.jump(time.Hour)
	c.sweepFor(reg, 2900*time.Millisecond, nil)
	if l := livenessOf(reg); l != Online {
		t.Errorf("%s: the silence before the suspension was held against it", l)
	}
	c.sweepFor(reg, 300*time.Millisecond, nil)
	if l := livenessOf(reg); l != Suspect {
		t.Errorf("%s: the suspension gave it more than one patience", l)
	}
}

// The sweeps did not run for 30 s, as on an overloaded or paused machine.
func TestALateSweepExpiresNobody(t *testing.T) {
	reg, c, beat := clockedRegistry(t)
	c.sweepFor(reg, 5*time.Second, beat)
	c.run(30 * time.Second)
	c.sweepFor(reg, 2900*time.Millisecond, nil)
	if l := livenessOf(reg); l != Online {
		t.Errorf("%s after a pause of the server", l)
	}
	// A sweep that is a little late is no pause: it must not give time again and again.
	for range 5 {
		reg.sweep(c.run(time.Second))
	}
	if l := livenessOf(reg); l != Suspect {
		t.Errorf("%s although sweeps were hardly late", l)
	}
}

// A fleet that is larger than what is moved or forgotten at a time.
func TestALargeFleetIsForgottenAtOnce(t *testing.T) {
	const hives = 3*sweepBite + 1
	reg := New(Config{ProtectShare: 2})
	c := &clock{reg.watch.lastSweep}
	for i := range hives {
		hb := benchHeartbeat(rand.New(rand.NewPCG(1, 2)), i)
		hb.ReceivedAt = c.now
		if _, err := reg.Apply(hb); err != nil {
			t.Fatal(err)
		}
	}
	counts := func() HiveCounts { return reg.Snapshot().Fleet().Hives }
	c.sweepFor(reg, 3100*time.Millisecond, nil)
	if got := counts(); got.Suspect != hives {
		t.Errorf("after 3.1 s of silence %+v", got)
	}
	c.sweepFor(reg, 86*time.Second, nil)
	if got := counts(); got.Offline != hives {
		t.Errorf("after 89 s of silence %+v", got)
	}
	c.sweepFor(reg, 3*time.Second, nil)
	if got := counts(); got.Total != 0 {
		t.Errorf("after 92 s of silence %+v", got)
	}
}

func TestForgettingALargeFleetIsNoPauseOfTheServer(t *testing.T) {
	reg := New(Config{ProtectShare: 2})
	now := reg.watch.lastSweep
	for i := range 10 * forgetMost {
		if _, err := reg.Apply(&Heartbeat{ReceivedAt: now, Hive: HiveReport{ID: "h" + strconv.Itoa(i), Hostname: "h"}}); err != nil {
			t.Fatal(err)
		}
	}
	hives := func() int { return reg.Snapshot().Fleet().Hives.Total }
	for at := reg.cfg.OfflineAfter; hives() == 10*forgetMost; at += time.Second {
		now = now.Add(time.Second)
		reg.sweep(now)
		if at > 2*reg.cfg.ForgetAfter {
			t.Fatal("nothing is forgotten")
		}
	}
	for left := hives(); left > 0; left = hives() {
		now = now.Add(sweepEvery)
		if reg.sweep(now); left-hives() == 0 || left-hives() > forgetMost {
			t.Fatalf("of %d, a sweep has forgotten %d, want at most %d", left, left-hives(), forgetMost)
		}
	}
}

func TestHeartbeatsThatOvertakeEachOtherTurnNoClockBack(t *testing.T) {
	reg, c, beat := clockedRegistry(t)
	c.run(10 * time.Second)
	beat()
	seen := reg.Snapshot().Hive("gpu-1").LastSeenAt
	c.run(-9 * time.Second)
	beat()
	h := reg.Snapshot().Hive("gpu-1")
	if !h.LastSeenAt.Equal(seen) {
		t.Errorf("last seen at %s, before that %s", h.LastSeenAt, seen)
	}
	if h.HeartbeatIntervalMS.Value() < 0 {
		t.Errorf("an interval of %d ms", h.HeartbeatIntervalMS.Value())
	}
}

func TestHeartbeatRate(t *testing.T) {
	start := time.Now()
	f := func(want float64, after time.Duration, counts ...time.Duration) {
		t.Helper()
		r := rate{start: start}
		for _, at := range counts {
			r.count(start.Add(at))
		}
		if got := r.perSecond(start.Add(after)); math.Abs(got-want) > 1e-9 {
			t.Errorf("%g per second, want %g", got, want)
		}
	}
	ms := time.Millisecond
	f(0, 0)
	f(0, time.Hour)
	f(0, 900*ms, 100*ms, 200*ms)                                                       // no second is complete yet
	f(2, 1100*ms, 100*ms, 200*ms)                                                      // the first is
	f(1, 2100*ms, 100*ms, 200*ms)                                                      //
	f(0.1, 10900*ms, 500*ms)                                                           // still within the window
	f(0, 11100*ms, 500*ms)                                                             // not any more
	f(0, time.Hour, 500*ms, 600*ms)                                                    // long ago
	f(3, 3601*time.Second, 3600*time.Second+1, 3600*time.Second+2, 3600*time.Second+3) // counted from the first event on
}
