package rbee

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"waggle/registry"
)

// beats applies one heartbeat of each of so many hives, whose workers have this pid.
func beats(tb testing.TB, reg *registry.TelemetryRegistry, hives, workers int, pid int32) {
	tb.Helper()
	for i := range hives {
		hb := &registry.Heartbeat{Hive: registry.HiveReport{ID: fmt.Sprintf("hive-%03d", i), Hostname: "h"}}
		for j := range workers {
			hb.Workers = append(hb.Workers, registry.WorkerReport{Group: "llm", Instance: strconv.Itoa(8080 + j), PID: registry.Int(pid), Model: "llama-3.2-1b"})
		}
		if _, err := reg.Apply(hb); err != nil {
			tb.Fatal(err)
		}
	}
}

// smallBuffers serves a handler over sockets that hold little, so that who does not read is noticed soon.
func smallBuffers(tb testing.TB, h http.Handler) string {
	tb.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ConnState = func(c net.Conn, s http.ConnState) {
		if s == http.StateNew {
			_ = c.(*net.TCPConn).SetWriteBuffer(16 << 10)
		}
	}
	server.Start()
	tb.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.Listener.Addr().String()
}

// dial opens an event stream on a socket of its own. It keeps the receive buffer that the kernel gives it: from one that is smaller than what loopback sends in
// one piece, the kernel drops pieces, and repeats them ever more slowly.
func dial(tb testing.TB, address string) *net.TCPConn {
	tb.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.Write([]byte("GET /v1/heartbeats/stream HTTP/1.1\r\nHost: q\r\n\r\n")); err != nil {
		tb.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// reader reads an event stream and remembers the newest round it saw of each hive.
type reader struct {
	rounds []atomic.Int64 // by hive; the pid of its workers
	frames atomic.Int64   // of telemetry
}

func (r *reader) read(conn net.Conn) {
	lines := bufio.NewScanner(conn)
	lines.Buffer(make([]byte, 64<<10), 1<<20)
	for lines.Scan() {
		_, rest, ok := bytes.Cut(lines.Bytes(), []byte(`"hive_id":"hive-`))
		if !ok {
			continue
		}
		hive, _ := strconv.Atoi(string(rest[:3]))
		_, rest, _ = bytes.Cut(rest, []byte(`"pid":`))
		digits, _, _ := bytes.Cut(rest, []byte(","))
		if round, err := strconv.ParseInt(string(digits), 10, 64); err == nil {
			r.rounds[hive].Store(round)
			r.frames.Add(1)
		}
	}
}

func (r *reader) has(round int64) bool {
	for i := range r.rounds {
		if r.rounds[i].Load() < round {
			return false
		}
	}
	return true
}

// TestStalledDashboards is the bar of the wire: 200 dashboards of which 50 stall, and the others get every hive's newest state each second.
func TestStalledDashboards(t *testing.T) {
	const hives, workers, dashboards, stalled, rounds = 50, 4, 200, 50, 5
	reg := registry.New(registry.Config{})
	door, err := New(Config{Registry: reg})
	if err != nil {
		t.Fatal(err)
	}
	door.patience = 2 * time.Second
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	running.Go(func() { _ = door.Run(ctx) })
	address := smallBuffers(t, door.Handler())
	beats(t, reg, hives, workers, 1)

	readers := make([]*reader, dashboards-stalled)
	for range stalled {
		_ = dial(t, address).SetReadBuffer(16 << 10)
	}
	for i := range readers {
		r := &reader{rounds: make([]atomic.Int64, hives)}
		readers[i] = r
		conn := dial(t, address)
		running.Go(func() { r.read(conn) })
	}
	eventually(t, "all are served", func() bool { return door.Stats().Dashboards == dashboards })
	var took []time.Duration
	for round := int64(2); round < 2+rounds; round++ {
		began := time.Now()
		beats(t, reg, hives, workers, int32(round))
		eventually(t, "all who read have the newest", func() bool {
			for _, r := range readers {
				if !r.has(round) {
					return false
				}
			}
			return true
		})
		took = append(took, time.Since(began))
		pause(t.Context(), time.Until(began.Add(time.Second)))
	}
	slices.Sort(took)
	if took[rounds/2] > time.Second { // one slow round may be the machine's
		t.Errorf("rounds took %v, want at most 1 s", took)
	}
	eventually(t, "those who do not read are cut off", func() bool { return door.Stats().DashboardsCut == stalled })
	if n := door.Stats().Dashboards; n != dashboards-stalled {
		t.Errorf("%d are still served, want %d", n, dashboards-stalled)
	}
}

// TestSlowDashboard stalls for a while, but not for too long: it skips what was replaced meanwhile and gets the newest.
func TestSlowDashboard(t *testing.T) {
	const hives, workers, rounds = 50, 32, 30
	f := openPatient(t, Config{}, time.Minute) // "not for too long" must hold on a busy machine, too
	address := smallBuffers(t, f.door.Handler())
	slow, quick := dial(t, address), dial(t, address)
	r, q := &reader{rounds: make([]atomic.Int64, hives)}, &reader{rounds: make([]atomic.Int64, hives)}
	var reading sync.WaitGroup
	t.Cleanup(func() {
		_, _ = slow.Close(), quick.Close()
		reading.Wait()
	})
	reading.Go(func() { q.read(quick) })
	for round := int64(1); round <= rounds; round++ {
		beats(t, f.reg, hives, workers, int32(round))
		eventually(t, "the quick one keeps up", func() bool { return q.has(round) })
	}
	reading.Go(func() { r.read(slow) })
	eventually(t, "the slow one has the newest", func() bool { return r.has(rounds) })
	if n := r.frames.Load(); n > hives*rounds/2 {
		t.Errorf("the slow one was sent %d frames, want it to skip most of %d", n, hives*rounds)
	}
	if n := f.door.Stats().DashboardsCut; n != 0 {
		t.Errorf("%d were cut off, want none", n)
	}
}
