package rbee

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fakeHive is a hive of generation E or F: a server that streams its telemetry, tells its devices, and announces itself.
type fakeHive struct {
	t   testing.TB
	id  string
	url string

	// stream sends events until ctx ends. Nil means one each 100 ms, as event has it.
	stream       func(ctx context.Context, h *fakeHive, send func(text string) error)
	capabilities string // the answer; empty: the page that hives show for unknown paths

	opened, streaming, most atomic.Int64 // streams ever, now, and the most at once
	asked                   atomic.Int64 // requests for what it can compute on
}

// hatch starts a hive at an address, such as 127.0.0.1:0.
func hatch(tb testing.TB, address string, h *fakeHive) *fakeHive {
	tb.Helper()
	h.t = tb
	listener, err := net.Listen("tcp", address)
	if err != nil {
		tb.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/heartbeats/stream", h.serveStream)
	mux.HandleFunc("GET /v1/capabilities", h.serveCapabilities)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprint(w, "<html>")
	})
	ctx, cancel := context.WithCancel(context.Background())
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: mux, BaseContext: func(net.Listener) context.Context { return ctx }}}
	server.Start()
	tb.Cleanup(func() {
		cancel() // ends the streams, for which Close would wait
		server.CloseClientConnections()
		server.Close()
	})
	h.url = server.URL
	return h
}

// event is what the hive sends, with these workers.
func (h *fakeHive) event(workers ...string) string {
	return `{"type":"telemetry","hive_id":"` + h.id + `","hive_info":` + strings.NewReplacer("gpu-server-1", h.id, "192.168.1.100", "127.0.0.1").Replace(hiveJSON) +
		`,"timestamp":"` + time.Now().UTC().Format("2006-01-02T15:04:05.000000000") + `+00:00","workers":[` + strings.Join(workers, ",") + `]}`
}

func (h *fakeHive) serveStream(w http.ResponseWriter, r *http.Request) {
	h.opened.Add(1)
	now := h.streaming.Add(1)
	defer h.streaming.Add(-1)
	for most := h.most.Load(); now > most && !h.most.CompareAndSwap(most, now); most = h.most.Load() {
	}
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	send := func(text string) error {
		if text != "" {
			if _, err := fmt.Fprintf(w, "event: heartbeat\ndata: %s\n\n", text); err != nil {
				return err
			}
		}
		return control.Flush()
	}
	if h.stream != nil {
		h.stream(r.Context(), h, send)
		return
	}
	steady(100*time.Millisecond, workerJSON)(r.Context(), h, send)
}

// steady sends an event at once and then at an interval.
func steady(interval time.Duration, workers ...string) func(context.Context, *fakeHive, func(string) error) {
	return func(ctx context.Context, h *fakeHive, send func(string) error) {
		for send(h.event(workers...)) == nil {
			pause(ctx, interval)
			if ctx.Err() != nil {
				return
			}
		}
	}
}

// once sends texts and then nothing more.
func once(texts ...string) func(context.Context, *fakeHive, func(string) error) {
	return func(ctx context.Context, _ *fakeHive, send func(string) error) {
		for _, text := range texts {
			_ = send(text)
		}
		_ = send("")
		<-ctx.Done()
	}
}

// serveCapabilities tells the devices, and announces the hive to the queen it is told of.
func (h *fakeHive) serveCapabilities(w http.ResponseWriter, r *http.Request) {
	h.asked.Add(1)
	if h.capabilities == "" {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprint(w, "<html>")
		return
	}
	if queen := r.FormValue("queen_url"); queen != "" {
		body := `{"hive_id":"` + h.id + `","hive_url":"` + h.url + `"}`
		var announcing sync.WaitGroup
		announcing.Go(func() {
			resp, err := http.Post(queen+"/v1/hive/ready", "application/json", strings.NewReader(body))
			if err == nil {
				_ = resp.Body.Close()
			}
		})
		defer announcing.Wait()
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprint(w, h.capabilities)
}

// ready announces a hive at an address, and returns the answer.
func (f *fleet) ready(id, url string) (int, string) {
	f.t.Helper()
	return f.post("/v1/hive/ready", `{"hive_id":"`+id+`","hive_url":"`+url+`"}`)
}

// follow announces a hive, which must be accepted.
func (f *fleet) follow(h *fakeHive) {
	f.t.Helper()
	if status, body := f.ready(h.id, h.url); status != 200 {
		f.t.Fatalf("got %d %s", status, body)
	}
}

// online waits until a hive is there.
func (f *fleet) online(id string) {
	f.t.Helper()
	eventually(f.t, id+" is there", func() bool { return f.reg.Snapshot().Hive(id) != nil })
}
