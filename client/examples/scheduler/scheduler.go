package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"waggle/client"
)

const (
	maxRequestBytes = 1 << 20
	maxTries        = 3
	// maxWait is how long a request waits for a worker before it is answered 503.
	maxWait = 10 * time.Second
	// maxStale is how old the newest truth may be. The registry speaks at least every 10 s.
	maxStale = 15 * time.Second
)

// scheduler forwards requests to workers that it picks from the mirror.
type scheduler struct {
	mirror *client.Mirror
	log    *slog.Logger
	engine http.Client

	mu    sync.Mutex      // guards what follows
	busy  map[string]bool // workers that we gave work to; their hives may not have reported it yet
	freed chan struct{}   // closed and replaced when one of them is free again
}

func newScheduler(mirror *client.Mirror, log *slog.Logger) http.Handler {
	s := &scheduler{mirror: mirror, log: log, busy: map[string]bool{}, freed: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chat/completions", s.forward)
	return mux
}

// forward is one job: pick, send, and if that worker is gone, pick another one.
func (s *scheduler) forward(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	if err != nil {
		http.Error(w, "the request is too long", http.StatusRequestEntityTooLarge)
		return
	}
	var job struct{ Model string }
	if err := json.Unmarshal(body, &job); err != nil || job.Model == "" {
		http.Error(w, "the request must be JSON and name a model", http.StatusBadRequest)
		return
	}
	if s.mirror.Stale() > maxStale {
		http.Error(w, "the registry is out of reach: nobody knows which workers there are", http.StatusServiceUnavailable)
		return
	}
	failed := map[string]bool{}
	for range maxTries {
		worker, err := s.pick(r.Context(), job.Model, failed)
		if err != nil {
			http.Error(w, "no worker for this model is free", http.StatusServiceUnavailable)
			return
		}
		err = s.send(w, r, worker, body)
		s.release(worker)
		if err == nil {
			return
		}
		failed[worker.ID] = true
		s.log.Warn("trying elsewhere", "worker", worker.ID, "error", err)
	}
	http.Error(w, "no worker could be reached", http.StatusBadGateway)
}

// pick takes the best worker that we have not just given work to ourselves, and waits for one if there is none.
func (s *scheduler) pick(ctx context.Context, model string, failed map[string]bool) (*client.MirrorWorker, error) {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	for {
		view, freed := s.mirror.Snapshot(), s.nextFreed()
		for worker := range view.Candidates(model, 0) {
			if worker.Endpoint != "" && !failed[worker.ID] && s.claim(worker) {
				return worker, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-view.Superseded():
		case <-freed:
		}
	}
}

func (s *scheduler) nextFreed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.freed
}

func (s *scheduler) claim(w *client.MirrorWorker) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	claimed := !s.busy[w.ID]
	s.busy[w.ID] = true
	return claimed
}

func (s *scheduler) release(w *client.MirrorWorker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.busy, w.ID)
	close(s.freed)
	s.freed = make(chan struct{})
}

// errEngine is a worker that cannot do its work; nothing of its answer was passed on.
var errEngine = errors.New("the engine failed")

// send forwards the request and passes the answer on. Errors mean that it may be sent elsewhere.
func (s *scheduler) send(w http.ResponseWriter, r *http.Request, worker *client.MirrorWorker, body []byte) error {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, worker.Endpoint+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.engine.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 500 {
		return fmt.Errorf("%w: it answered %d", errEngine, resp.StatusCode)
	}
	w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
	w.Header().Set("X-Worker", worker.ID)
	w.WriteHeader(resp.StatusCode)
	if _, err := io.Copy(flushing{w, http.NewResponseController(w)}, resp.Body); err != nil {
		s.log.Warn("an answer broke off", "worker", worker.ID, "error", err)
	}
	return nil
}

// flushing passes on what comes as it comes: engines answer word by word.
type flushing struct {
	w       io.Writer
	control *http.ResponseController
}

// Write implements io.Writer.
func (f flushing) Write(b []byte) (int, error) {
	n, err := f.w.Write(b)
	if err != nil {
		return n, err
	}
	return n, f.control.Flush()
}
