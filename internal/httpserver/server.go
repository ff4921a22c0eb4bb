// Package httpserver is the outside of the server: whom it answers, its limits, its health, and how it ends.
package httpserver

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/cors"
)

// Config sets a server up. Zero values mean the defaults.
type Config struct {
	Policy       *Policy       // whom it answers; must be given
	MaxBodyBytes int64         // of any request; handlers may bound theirs more tightly; zero means 2 MiB
	WriteTimeout time.Duration // for an answer, unless its handler sets deadlines of its own, as streams do; zero means 60 s
	DrainTimeout time.Duration // how long requests in flight may take at the end; zero means 5 s
	Logger       *slog.Logger  // must be given

	// Drain ends connections that net/http does not know of any more, such as WebSockets. It should return when they are
	// closed or the context ends. Nil: there are none.
	Drain func(context.Context)
}

// Server serves a handler. It must be made by [New].
type Server struct {
	cfg   Config
	http  *http.Server
	ready atomic.Bool
}

// New returns a server for the handler.
func New(cfg Config, handler http.Handler) *Server {
	cfg.MaxBodyBytes = cmp.Or(cfg.MaxBodyBytes, 2<<20)
	cfg.WriteTimeout = cmp.Or(cfg.WriteTimeout, 60*time.Second)
	cfg.DrainTimeout = cmp.Or(cfg.DrainTimeout, 5*time.Second)
	s := &Server{cfg: cfg}
	s.http = &http.Server{
		Handler:           s.guard(handler),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      cfg.WriteTimeout,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug),
	}
	return s
}

// Serve answers on the listener until ctx ends, then lets what is in flight end. It returns nil after an orderly end.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ended := make(chan error, 1)
	go func() { ended <- s.http.Serve(l) }()
	s.ready.Store(true)
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	s.ready.Store(false) // balancers look elsewhere before connections are closed
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.DrainTimeout)
	defer cancel()
	if s.cfg.Drain != nil {
		s.cfg.Drain(drain)
	}
	err := s.http.Shutdown(drain)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	if cause := <-ended; !errors.Is(cause, http.ErrServerClosed) {
		return cause
	}
	return err
}

// guard puts host and origin checks, limits, headers and health in front of a handler.
func (s *Server) guard(next http.Handler) http.Handler {
	p := s.cfg.Policy
	if origins := p.Origins(); len(origins) > 0 {
		next = cors.New(cors.Options{
			AllowedOrigins: origins,
			AllowedMethods: []string{http.MethodGet, http.MethodPost},
			AllowedHeaders: []string{"Content-Type", "Accept", "Authorization"},
			MaxAge:         600,
		}).Handler(next)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		switch {
		case !p.AllowsHost(r):
			http.Error(w, "This server does not go by that name; allow it with --allow-host.", http.StatusMisdirectedRequest)
			return
		case !p.AllowsOrigin(r):
			http.Error(w, "Pages of that origin may not use this server; allow it with --allow-origin.", http.StatusForbidden)
			return
		}
		switch r.URL.Path {
		case "/healthz":
			answerHealth(w, r, true)
		case "/readyz":
			answerHealth(w, r, s.ready.Load())
		default:
			if !isStream(r) {
				r.Body = http.MaxBytesReader(w, r.Body, s.cfg.MaxBodyBytes)
			}
			next.ServeHTTP(w, r)
		}
	})
}

func answerHealth(w http.ResponseWriter, r *http.Request, well bool) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Ask by GET.", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if !well {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte("not ready\n"))
		return
	}
	_, _ = w.Write([]byte("ok\n"))
}

// isStream reports whether the connection will be taken over, so that its body is none.
func isStream(r *http.Request) bool { return strings.EqualFold(r.Header.Get("Upgrade"), "websocket") }
