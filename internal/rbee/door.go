package rbee

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"waggle/registry"
)

// Door takes in what rbee's hives send, and serves what rbee's dashboards read. It must be made by [New]; its methods may be called from
// anywhere at any time, but Run only once.
type Door struct {
	cfg   Config
	reg   *registry.TelemetryRegistry
	log   *slog.Logger
	stats counters

	guard   *guard
	roster  *roster
	board   *board
	stopped chan struct{} // closed when Run ends

	patience time.Duration // with a dashboard: writeTimeout, but in tests
}

// New returns a Door, or an error that says what is wrong with the configuration.
func New(cfg Config) (*Door, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	guard, err := newGuard(cfg.PullAllow)
	if err != nil {
		return nil, err
	}
	d := &Door{cfg: cfg, reg: cfg.Registry, log: cfg.Logger, guard: guard, board: newBoard(cfg.Registry), stopped: make(chan struct{}), patience: writeTimeout}
	d.roster = newRoster(d)
	return d, nil
}

// Handler serves everything under /v1/, and /heartbeat and /health. Announcements of hives wait for Run to begin, and dashboards get no
// news without it.
func (d *Door) Handler() http.Handler {
	generationA := d.accept(d.takeGenerationA)
	mux := http.NewServeMux()
	mux.Handle("/heartbeat", generationA)
	mux.Handle("/v1/heartbeat", generationA)
	mux.Handle("/v1/hive-heartbeat", d.accept(d.takeHiveHeartbeat))
	mux.Handle("/v1/worker-heartbeat", d.accept(d.takeWorkerHeartbeat))
	mux.Handle("/v1/hive/ready", d.accept(d.takeReady))
	mux.Handle("/v1/heartbeats/stream", methods{http.MethodGet: d.serveDashboard})
	mux.Handle("/v1/info", methods{http.MethodGet: d.serveFacts})
	mux.Handle("/health", methods{http.MethodGet: func(http.ResponseWriter, *http.Request) {}})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusNotFound, answer{"error", "there is nothing at this path"})
	})
	return mux
}

// Run keeps up what goes on without a request (subscriptions to hives, discovery, the streams to dashboards) until ctx ends.
func (d *Door) Run(ctx context.Context) error {
	var running sync.WaitGroup
	running.Go(func() { d.board.run(ctx) })
	running.Go(func() { d.roster.run(ctx) })
	running.Go(func() { d.discover(ctx) })
	<-ctx.Done()
	close(d.stopped)
	running.Wait()
	return context.Cause(ctx)
}

// serveFacts answers what rbee's tools ask a queen about herself. The fields and their order are rbee's.
func (d *Door) serveFacts(w http.ResponseWriter, r *http.Request) {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	base := &url.URL{Scheme: scheme, Host: r.Host}
	if d.cfg.PublicURL != "" {
		base, _ = baseURL(d.cfg.PublicURL) // New has checked it
	}
	text := append([]byte(`{"base_url":`), quoted(base.String())...)
	text = append(append(text, `,"port":`...), portOf(base)...)
	text = append(append(text, `,"version":`...), quoted(d.cfg.Version)...)
	text = append(text, `,"features":[],"build_timestamp":"unknown"}`...)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text)
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	default:
		return "80"
	}
}
