package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"waggle/client"
)

// engine is a model server that only pretends: it repeats the last message.
type engine struct {
	server  *http.Server
	port    int
	running atomic.Int32
	gone    atomic.Bool // it does not listen any more, but the registry may not know yet
}

// hive reports engines to the registry, as the agent of a machine does.
type hive struct {
	id, model string
	engines   []*engine
}

func startHive(id, model string, engines int) (*hive, error) {
	h := &hive{id: id, model: model}
	for range engines {
		e, err := startEngine()
		if err != nil {
			h.close()
			return nil, err
		}
		h.engines = append(h.engines, e)
	}
	return h, nil
}

func startEngine() (*engine, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		return nil, err
	}
	e := &engine{port: listener.Addr().(*net.TCPAddr).Port}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chat/completions", e.complete)
	e.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = e.server.Serve(listener) }()
	return e, nil
}

func (e *engine) complete(w http.ResponseWriter, r *http.Request) {
	e.running.Add(1)
	defer e.running.Add(-1)
	var job struct {
		Model    string
		Messages []struct{ Content string }
	}
	if err := json.NewDecoder(r.Body).Decode(&job); err != nil || len(job.Messages) == 0 {
		http.Error(w, "not a chat completion", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	message := map[string]string{"role": "assistant", "content": job.Messages[len(job.Messages)-1].Content}
	_ = json.NewEncoder(w).Encode(map[string]any{"object": "chat.completion", "model": job.Model,
		"choices": []any{map[string]any{"index": 0, "finish_reason": "stop", "message": message}}})
}

func (e *engine) stop() {
	e.gone.Store(true)
	_ = e.server.Close()
}

func (h *hive) close() {
	for _, e := range h.engines {
		e.stop()
	}
}

// report sends a heartbeat a second until ctx is done.
func (h *hive) report(ctx context.Context, registry *client.Client, log *slog.Logger) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if _, err := registry.Heartbeat(ctx, h.beat()); err != nil && ctx.Err() == nil {
			log.Warn("no heartbeat", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (h *hive) beat() *client.HeartbeatInput {
	now := time.Now()
	in := &client.HeartbeatInput{SentAt: &now, Workers: []*client.WorkerInput{}, Hive: &client.HiveInput{Id: h.id, Hostname: "127.0.0.1",
		OperationalStatus: client.OperationalStatusReady, HealthStatus: client.HealthStatusHealthy}}
	for _, e := range h.engines {
		running, queued := int(e.running.Load()), 0
		used, total, load := 2048, 8192, 0.0
		if running > 0 {
			load = 90
		}
		endpoint := fmt.Sprintf("http://127.0.0.1:%d", e.port)
		in.Workers = append(in.Workers, &client.WorkerInput{Group: "fake", Instance: strconv.Itoa(e.port), Model: &h.model, Endpoint: &endpoint,
			GpuUtilizationPercent: &load, VramUsedMb: &used, VramTotalMb: &total, RequestsRunning: &running, RequestsQueued: &queued})
	}
	return in
}
