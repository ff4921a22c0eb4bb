package agent

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"waggle/client"
	"waggle/internal/agent/gpu"
)

// listener takes heartbeats in a bubble and answers as it is told.
type listener struct {
	answer func(n int, input *client.HeartbeatInput) (*client.HeartbeatPayload, error)
	began  time.Time

	mu    sync.Mutex
	beats []*client.HeartbeatInput
	at    []time.Duration // since the run began
	log   bytes.Buffer
}

func (l *listener) Heartbeat(_ context.Context, input *client.HeartbeatInput) (*client.HeartbeatPayload, error) {
	l.mu.Lock()
	l.beats = append(l.beats, input)
	l.at = append(l.at, time.Since(l.began).Round(time.Millisecond))
	n := len(l.beats)
	l.mu.Unlock()
	if l.answer != nil {
		return l.answer(n, input)
	}
	return accepted(1000)
}

// Write takes what is logged.
func (l *listener) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.Write(line)
}

// heard returns the heartbeats so far, and when they came.
func (l *listener) heard() ([]*client.HeartbeatInput, []time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.beats), slices.Clone(l.at)
}

func (l *listener) last() *client.HeartbeatInput {
	beats, _ := l.heard()
	return beats[len(beats)-1]
}

// expectLogged says how often a text must be in the log.
func (l *listener) expectLogged(t *testing.T, what string, times int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if got := strings.Count(l.log.String(), what); got != times {
		t.Errorf("%q is logged %d times, want %d:\n%s", what, got, times, l.log.String())
	}
}

func accepted(nextMs int) (*client.HeartbeatPayload, error) {
	return &client.HeartbeatPayload{Outcome: client.HeartbeatOutcomeAccepted, NextHeartbeatMs: nextMs}, nil
}

// bubble is a run with sources of the test's making.
type bubble struct {
	*listener
	*run
}

// live runs an agent in a bubble for a while, and script beside it.
func live(t *testing.T, prepare func(*bubble), script func(*bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{listener: &listener{}}
		a, err := New(Config{Sender: b.listener, HiveID: "h", Hostname: "h.lan", OpenGPU: noGPU, Logger: slog.New(slog.NewTextHandler(b.listener, nil))})
		if err != nil {
			t.Fatal(err)
		}
		b.run = a.newRun()
		b.processes = newPoller(2*time.Second, func(context.Context) (survey, error) {
			return survey{workers: []*worker{serving(1, "llm-worker-rbee --model x --port 81")}}, nil
		})
		b.gpus = newPoller(2*time.Second, func(context.Context) (gpu.Reading, error) {
			return gpu.Reading{Devices: []gpu.Device{{Utilization: new(50.0)}}, Usages: []gpu.Usage{{PID: 1, Utilization: new(50.0)}}}, nil
		})
		b.host = newPoller(2*time.Second, func(context.Context) (host, error) { return host{name: "CPU", total: 1 << 30}, nil })
		prepare(b)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		b.began = time.Now()
		done := make(chan struct{})
		go func() { b.loop(ctx); close(done) }()
		script(b)
		cancel()
		<-done
	})
}

func (b *bubble) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestHeartbeatsComeInTheirTime(t *testing.T) {
	live(t, func(b *bubble) {
		b.answer = func(int, *client.HeartbeatInput) (*client.HeartbeatPayload, error) {
			time.Sleep(70 * time.Millisecond) // The network's time must not add up.
			return accepted(1000)
		}
	}, func(b *bubble) {
		b.sleep(time.Minute)
		beats, at := b.heard()
		if got := len(beats); got != 60 {
			t.Errorf("got %d heartbeats in a minute, want 60", got)
		}
		for i, in := range beats {
			if *in.Sequence != i+1 || *in.Incarnation != *beats[0].Incarnation {
				t.Fatalf("heartbeat %d has sequence %d of incarnation %s", i, *in.Sequence, *in.Incarnation)
			}
		}
		if at[0] > 200*time.Millisecond {
			t.Errorf("the first one came after %v", at[0])
		}
		b.expectLogged(t, "\n", 2) // A steady state is silent.
	})
}

func TestTheServerSaysHowOften(t *testing.T) {
	for _, c := range []struct {
		nextMs int
		want   time.Duration
	}{{5000, 5 * time.Second}, {1000, time.Second}, {10, time.Second}, {0, time.Second}, {-5, time.Second}, {1 << 30, time.Minute}} {
		live(t, func(b *bubble) {
			b.answer = func(int, *client.HeartbeatInput) (*client.HeartbeatPayload, error) { return accepted(c.nextMs) }
		}, func(b *bubble) {
			b.sleep(c.want + 300*time.Millisecond)
			if _, at := b.heard(); len(at) != 2 || at[1]-at[0] != c.want {
				t.Errorf("nextHeartbeatMs %d: got heartbeats at %v, want them %v apart", c.nextMs, at, c.want)
			}
		})
	}
}

func TestAServerThatIsAwayIsTriedMoreAndMoreSeldom(t *testing.T) {
	live(t, func(b *bubble) {
		b.answer = func(n int, _ *client.HeartbeatInput) (*client.HeartbeatPayload, error) {
			if n <= 8 {
				return nil, errors.New("connection refused")
			}
			return accepted(1000)
		}
	}, func(b *bubble) {
		b.sleep(2 * time.Minute)
		beats, at := b.heard()
		for i, seconds := range []int{1, 2, 4, 8, 10, 10, 10, 10} {
			want := time.Duration(seconds) * time.Second
			if pause := at[i+1] - at[i]; pause < want/2 || pause > want+time.Millisecond {
				t.Errorf("pause %d is %v, want %v to %v", i, pause, want/2, want)
			}
		}
		if pause := at[10] - at[9]; pause != time.Second {
			t.Errorf("once it is back they come every %v, want 1s", pause)
		}
		b.expectLogged(t, "not delivered", 1)
		b.expectLogged(t, "heartbeats are accepted", 1)
		if last := *b.last().Sequence; last != len(beats) {
			t.Errorf("a sequence number was used twice: %d for heartbeat %d", last, len(beats))
		}
	})
}

func TestAServerThatHangsIsGivenUpInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		began := time.Now()
		a, err := New(Config{HiveID: "h", Hostname: "h", OpenGPU: noGPU, Sender: senderFunc(func(ctx context.Context) (*client.HeartbeatPayload, error) {
			at = append(at, time.Since(began))
			<-ctx.Done()
			return nil, ctx.Err()
		})})
		if err != nil {
			t.Fatal(err)
		}
		r := a.newRun()
		r.processes = newPoller(time.Second, func(context.Context) (survey, error) { return survey{}, nil })
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		r.loop(ctx)
		if len(at) < 3 || at[1]-at[0] > 4*time.Second+time.Millisecond {
			t.Errorf("got attempts at %v, want each given up after 3 s", at)
		}
	})
}

type senderFunc func(context.Context) (*client.HeartbeatPayload, error)

func (f senderFunc) Heartbeat(ctx context.Context, _ *client.HeartbeatInput) (*client.HeartbeatPayload, error) {
	return f(ctx)
}

func TestAConflictIsLoggedOncePerTransition(t *testing.T) {
	live(t, func(b *bubble) {
		b.answer = func(n int, _ *client.HeartbeatInput) (*client.HeartbeatPayload, error) {
			p, _ := accepted(1000)
			if n/10%2 == 1 { // 10 to 19, 30 to 39
				p.Outcome, p.Warnings = client.HeartbeatOutcomeConflict, []string{"another agent is alive"}
			}
			return p, nil
		}
	}, func(b *bubble) {
		b.sleep(45 * time.Second)
		b.expectLogged(t, "level=ERROR", 2)
		b.expectLogged(t, "heartbeats are accepted", 3) // The start, and the end of each conflict.
	})
}

// stuck ignores its deadline, as a call into a hanging driver does, once hang is set.
func stuck[T any](p *poller[T], hang *atomic.Bool) (_ *poller[T], release chan struct{}) {
	release = make(chan struct{})
	return newPoller(p.timeout, func(ctx context.Context) (T, error) {
		if hang.Load() {
			<-release
		}
		return p.read(ctx)
	}), release
}

func TestAStuckSourceDelaysNoHeartbeat(t *testing.T) {
	var hang atomic.Bool
	var release chan struct{}
	live(t, func(b *bubble) { b.gpus, release = stuck(b.gpus, &hang) }, func(b *bubble) {
		b.sleep(2500 * time.Millisecond)
		if w := b.last().Workers[0]; w.GpuUtilizationPercent == nil || *w.GpuUtilizationPercent != 50 {
			t.Fatalf("got %+v", w)
		}
		hang.Store(true)
		b.sleep(4 * time.Second) // The newest figures are not yet five heartbeats old.
		if w := b.last().Workers[0]; w.GpuUtilizationPercent == nil {
			t.Error("figures of a moment ago were dropped")
		}
		if h := b.last().Hive; h.HealthStatus != client.HealthStatusDegraded || h.HealthReason == nil || *h.HealthReason != "GPUs: no answer within 2s" {
			t.Errorf("got health %+v", h)
		}
		b.sleep(4 * time.Second)
		if w := b.last().Workers[0]; w.GpuUtilizationPercent != nil || w.RssMb == nil {
			t.Errorf("got GPU utilization %v of long ago; resident memory %v", w.GpuUtilizationPercent, w.RssMb)
		}
		if d := b.last().Devices; len(d) != 2 || d[0].UtilizationPercent != nil {
			t.Errorf("the device stays, its figures do not; got %+v", d)
		}
		_, at := b.heard()
		for i := range at[1:] {
			if pause := at[i+1] - at[i]; pause != time.Second {
				t.Fatalf("heartbeats came at %v", at)
			}
		}
		hang.Store(false)
		close(release)
		b.sleep(2 * time.Second)
		if h := b.last().Hive; h.HealthStatus != client.HealthStatusHealthy || h.HealthReason != nil {
			t.Errorf("it works again, but health is %+v", h)
		}
		b.expectLogged(t, "source=GPUs", 2) // Its failure and its return.
	})
}

func TestAFailedSurveyIsNotReportedAsNoWorkers(t *testing.T) {
	var failing atomic.Bool
	live(t, func(b *bubble) {
		good := b.processes.read
		b.processes = newPoller(2*time.Second, func(ctx context.Context) (survey, error) {
			if failing.Load() {
				return survey{}, errors.New("too many open files")
			}
			return good(ctx)
		})
	}, func(b *bubble) {
		b.sleep(2500 * time.Millisecond)
		before := b.last().Workers
		failing.Store(true)
		b.sleep(2 * time.Second)
		if diff := cmp.Diff(before, b.last().Workers); diff != "" {
			t.Errorf("the workers found last are kept, -before +after:\n%s", diff)
		}
		if h := b.last().Hive; h.HealthStatus != client.HealthStatusDegraded || *h.HealthReason != "processes: too many open files" {
			t.Errorf("got health %+v", h)
		}
		b.sleep(time.Minute)
		w := b.last().Workers
		if len(w) != 1 || w[0].Instance != "81" || w[0].RssMb != nil || w[0].UptimeSeconds != nil {
			t.Errorf("the workers stay and lose their figures; got %+v", w)
		}
		failing.Store(false)
		b.sleep(2 * time.Second)
		if diff := cmp.Diff(before, b.last().Workers); diff != "" {
			t.Errorf("after it works again, -before +after:\n%s", diff)
		}
	})
}

func TestAProcessThatIsStuckIsToldAndHidesNothing(t *testing.T) {
	var jammed atomic.Bool
	live(t, func(b *bubble) {
		good := b.processes.read
		b.processes = newPoller(2*time.Second, func(ctx context.Context) (survey, error) {
			found, err := good(ctx)
			if jammed.Load() {
				found.trouble = errors.New("stuck, and cannot be read: 7 (python3)")
			}
			return found, err
		})
	}, func(b *bubble) {
		b.sleep(2500 * time.Millisecond)
		before := b.last().Workers
		jammed.Store(true)
		b.sleep(time.Minute)
		b.expectHealth(t, "processes: stuck, and cannot be read: 7 (python3)")
		if diff := cmp.Diff(before, b.last().Workers); diff != "" {
			t.Errorf("-before +after:\n%s", diff)
		}
		jammed.Store(false)
		b.sleep(2 * time.Second)
		b.expectHealth(t, "")
		b.expectLogged(t, "source=processes", 2)
	})
}

func TestNothingIsSentBeforeTheProcessesAreKnown(t *testing.T) {
	var failing atomic.Bool
	failing.Store(true)
	live(t, func(b *bubble) {
		good := b.processes.read
		b.processes = newPoller(2*time.Second, func(ctx context.Context) (survey, error) {
			if failing.Load() {
				return survey{}, errors.New("no proc file system")
			}
			return good(ctx)
		})
	}, func(b *bubble) {
		b.sleep(10 * time.Second)
		if beats, _ := b.heard(); len(beats) != 0 {
			t.Errorf("got %d heartbeats", len(beats))
		}
		b.expectLogged(t, "no proc file system", 1)
		failing.Store(false)
		b.sleep(2 * time.Second)
		if beats, _ := b.heard(); len(beats) == 0 || len(beats[0].Workers) != 1 || *beats[0].Sequence != 1 {
			t.Errorf("got %d heartbeats once they are", len(beats))
		}
	})
}

func TestDevicesAreLeftAsTheyAreUntilTheGPUsAreKnown(t *testing.T) {
	var hang atomic.Bool
	var release chan struct{}
	hang.Store(true)
	live(t, func(b *bubble) { b.gpus, release = stuck(b.gpus, &hang) }, func(b *bubble) {
		b.sleep(3 * time.Second)
		if b.last().Devices != nil {
			t.Errorf("got %+v", b.last().Devices)
		}
		close(release)
		b.sleep(2 * time.Second)
		if len(b.last().Devices) != 2 {
			t.Errorf("got %+v", b.last().Devices)
		}
	})
}

func TestASourceThatPanicsIsAFailedSource(t *testing.T) {
	live(t, func(b *bubble) {
		b.gpus = newPoller(time.Second, func(context.Context) (gpu.Reading, error) { panic("index out of range") })
	}, func(b *bubble) {
		b.sleep(3 * time.Second)
		if h := b.last().Hive; h.HealthStatus != client.HealthStatusDegraded || !strings.Contains(*h.HealthReason, "GPUs: ") {
			t.Errorf("got health %+v", h)
		}
	})
}

func TestConfigThatMakesNoSenseIsRefused(t *testing.T) {
	good := Config{Sender: &listener{}, HiveID: "h", Hostname: "h"}
	for name, spoil := range map[string]func(*Config){
		"no sender":       func(c *Config) { c.Sender = nil },
		"id with a slash": func(c *Config) { c.HiveID = "a/b" },
		"id too long":     func(c *Config) { c.HiveID = strings.Repeat("a", 129) },
		"port":            func(c *Config) { c.Port = 65536 },
		"interval":        func(c *Config) { c.Interval = time.Millisecond },
		"timeout":         func(c *Config) { c.SendTimeout = -1 },
	} {
		cfg := good
		spoil(&cfg)
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	a, err := New(Config{Sender: &listener{}})
	if err != nil || mend(a.HiveID(), maxHiveID, false) != a.HiveID() || a.HiveID() == "" {
		t.Errorf("got hive id %q, %v", a.HiveID(), err)
	}
}
