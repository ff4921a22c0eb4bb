package rbee

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"waggle/registry"
)

// These environment variables turn the test program into the other side of a benchmark, so that only our side is measured.
const (
	playHives      = "RBEE_TEST_HIVES"      // how many hives to be
	playDashboards = "RBEE_TEST_DASHBOARDS" // the address to read from; every fourth of 200 does not read
)

// play is the other side, if the environment says so. It ends with its standard input.
func play() bool {
	hives, address := os.Getenv(playHives), os.Getenv(playDashboards)
	switch {
	case hives != "":
		server := httptest.NewServer(http.HandlerFunc(serveManyHives))
		_, _ = fmt.Fprintln(os.Stdout, server.URL)
	case address != "":
		for i := range 200 {
			resp, err := http.Get(address + "/v1/heartbeats/stream")
			if err != nil {
				panic(err)
			}
			if i%4 != 0 {
				go func() { _, _ = io.Copy(io.Discard, resp.Body) }()
			}
		}
		_, _ = fmt.Fprintln(os.Stdout, "reading")
	default:
		return false
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return true
}

// serveManyHives is a thousand hives in one server: the first part of the path is the id of the hive, which beats each second.
func serveManyHives(w http.ResponseWriter, r *http.Request) {
	id, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if path != "v1/heartbeats/stream" {
		http.NotFound(w, r)
		return
	}
	workers := make([]string, 8)
	for i := range workers {
		workers[i] = strings.Replace(workerJSON, "8080", strconv.Itoa(8080+i), 1)
	}
	event := "event: heartbeat\ndata: " + (&fakeHive{id: id}).event(workers...) + "\n\n"
	w.Header().Set("Content-Type", "text/event-stream")
	pause(r.Context(), rand.N(time.Second))
	for r.Context().Err() == nil {
		_, _ = io.WriteString(w, event)
		_ = http.NewResponseController(w).Flush()
		pause(r.Context(), time.Second)
	}
}

// spawn starts the other side, and returns the first line it says.
func spawn(b *testing.B, environment string) string {
	b.Helper()
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), environment)
	stdin, err := other.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := other.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := other.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = stdin.Close()
		_ = other.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// cpu returns the time that this process has used processors for.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measure reports which share of one core this process uses.
func measure(b *testing.B) {
	b.Helper()
	used, began := cpu(), time.Now()
	for b.Loop() {
		time.Sleep(time.Second)
	}
	b.ReportMetric(100*float64(cpu()-used)/float64(time.Since(began)), "%core")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkPulledHives is a thousand hives of 8 workers that are pulled at 1 Hz. The bar is 25 % of one core.
func BenchmarkPulledHives(b *testing.B) {
	f := open(b, Config{})
	server := spawn(b, playHives+"=1000")
	for i := range 1000 {
		id := fmt.Sprintf("hive-%03d", i)
		if status, body := f.ready(id, server+"/"+id); status != 200 {
			b.Fatalf("got %d %s", status, body)
		}
	}
	eventually(b, "all are heard", func() bool { return f.door.Stats().Heard == 1000 })
	pulled, began := f.door.Stats().Pulled, time.Now()
	measure(b)
	b.ReportMetric(float64(f.door.Stats().Pulled-pulled)/time.Since(began).Seconds(), "beats/s")
}

// BenchmarkDashboards is 200 dashboards of which 50 do not read, and 100 hives of 8 workers that beat at 1 Hz.
func BenchmarkDashboards(b *testing.B) {
	f := open(b, Config{})
	spawn(b, playDashboards+"="+f.url)
	var beating sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	beating.Go(func() {
		for pid := int32(1); ctx.Err() == nil; pid++ {
			beats(b, f.reg, 100, 8, pid)
			pause(ctx, time.Second)
		}
	})
	defer beating.Wait()
	defer cancel()
	measure(b)
}

// BenchmarkTick is what it costs to render the heartbeats of 100 hives of 8 workers, once for all dashboards.
func BenchmarkTick(b *testing.B) {
	reg := registry.New(registry.Config{})
	board := newBoard(reg)
	board.join(time.Now())
	b.ReportAllocs()
	for pid := int32(1); b.Loop(); pid++ {
		b.StopTimer()
		beats(b, reg, 100, 8, pid)
		b.StartTimer()
		board.update(time.Now())
	}
}

// BenchmarkPushedHeartbeat is one heartbeat of 8 workers from the request to the answer, without the socket.
func BenchmarkPushedHeartbeat(b *testing.B) {
	door, err := New(Config{Registry: registry.New(registry.Config{})})
	if err != nil {
		b.Fatal(err)
	}
	workers := make([]string, 8)
	for i := range workers {
		workers[i] = strings.Replace(workerJSON, "8080", strconv.Itoa(8080+i), 1)
	}
	body, handler := heartbeatJSON(workers...), door.Handler()
	b.ReportAllocs()
	for b.Loop() {
		req := httptest.NewRequest(http.MethodPost, "/v1/hive-heartbeat", strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		if handler.ServeHTTP(w, req); w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}
