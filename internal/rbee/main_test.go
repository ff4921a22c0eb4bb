package rbee

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"waggle/registry"
)

func TestMain(m *testing.M) {
	if !play() {
		goleak.VerifyTestMain(m)
	}
}

// fleet is a real registry behind a real door on a real socket.
type fleet struct {
	t    testing.TB
	reg  *registry.TelemetryRegistry
	door *Door
	url  string
	logs *logBuffer
}

// open starts a fleet, with the background parts of its door and registry running.
func open(tb testing.TB, cfg Config) *fleet {
	tb.Helper()
	return openPatient(tb, cfg, writeTimeout)
}

// openPatient is open with a door that has so much patience with dashboards.
func openPatient(tb testing.TB, cfg Config, patience time.Duration) *fleet {
	tb.Helper()
	f := &fleet{t: tb, logs: &logBuffer{}}
	if cfg.Registry == nil {
		cfg.Registry = registry.New(registry.Config{})
	}
	if cfg.Logger == nil {
		cfg.Logger = f.logs.logger()
	}
	door, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	door.patience = patience
	f.reg, f.door = cfg.Registry, door
	f.url = serve(tb, f.door.Handler())
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = f.reg.Run(ctx) })
	running.Go(func() { _ = f.door.Run(ctx) })
	tb.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return f
}

// serve serves a handler until the test ends, and returns its address.
func serve(tb testing.TB, h http.Handler) string {
	tb.Helper()
	server := httptest.NewServer(h)
	tb.Cleanup(server.Close)
	return server.URL
}

// post sends a JSON body and returns the status and the body of the answer.
func (f *fleet) post(path, body string) (int, string) {
	f.t.Helper()
	return f.send(http.MethodPost, path, "application/json", strings.NewReader(body))
}

func (f *fleet) send(method, path, contentType string, body io.Reader) (int, string) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.url+path, body)
	if err != nil {
		f.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Close = true // so that no test finds a connection of another
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return resp.StatusCode, string(bytes.TrimSpace(answer))
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited 30 s in vain: %s", what)
		}
	}
}

// hive returns a hive's record, which must be there.
func (f *fleet) hive(id string) *registry.Hive {
	f.t.Helper()
	h := f.reg.Snapshot().Hive(id)
	if h == nil {
		f.t.Fatalf("the registry has no hive %s", id)
	}
	return h
}
