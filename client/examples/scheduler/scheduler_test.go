package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"waggle/client"
	"waggle/internal/realwaggle"
)

// registry runs the real waggle and returns its URL.
func registry(t *testing.T) string {
	t.Helper()
	var program realwaggle.Program
	t.Cleanup(func() { _ = program.Remove() })
	server, err := program.Serve(t.Context(), "127.0.0.1:0", "--no-agent")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	return server.URL()
}

// chat sends a job and returns the answer's text and the worker that gave it.
func chat(t *testing.T, url, text string) (answer, worker string, status int) {
	t.Helper()
	body := `{"model":"tiny-1b","messages":[{"role":"user","content":"` + text + `"}]}`
	resp, err := http.Post(url+"/v1/chat/completions", "application/json", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return "", "", 0
	}
	defer resp.Body.Close()
	var out struct {
		Choices []struct{ Message struct{ Content string } }
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err == nil && len(out.Choices) == 1 {
		answer = out.Choices[0].Message.Content
	}
	return answer, resp.Header.Get("X-Worker"), resp.StatusCode
}

func TestJobsAreDoneByTheFleetEvenWhenWorkersVanish(t *testing.T) {
	const engines, jobs = 3, 60
	c, err := client.New(client.Config{URL: registry(t)})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	h, err := startHive("fake-hive", "tiny-1b", engines)
	if err != nil {
		t.Fatal(err)
	}
	defer h.close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go h.report(ctx, c, log)
	mirror := client.NewMirror(c, client.MirrorConfig{})
	go func() { _ = mirror.Run(ctx) }()
	model, idle, available := "tiny-1b", true, true
	waiting, stop := context.WithTimeout(ctx, 20*time.Second)
	defer stop()
	if _, err := mirror.Wait(waiting, &client.WorkerFilter{Model: &model, Idle: &idle, Available: &available}); err != nil {
		t.Fatalf("the engines do not appear: %v", err)
	}
	front := httptest.NewServer(newScheduler(mirror, log))
	defer front.Close()

	var mu sync.Mutex
	workers := map[string]int{}
	round := func() {
		var wg sync.WaitGroup
		for range jobs {
			wg.Go(func() {
				answer, worker, status := chat(t, front.URL, "hello")
				if status != http.StatusOK || answer != "hello" {
					t.Errorf("got %d %q", status, answer)
				}
				mu.Lock()
				defer mu.Unlock()
				workers[worker]++
			})
		}
		wg.Wait()
	}
	round()
	if len(workers) != engines {
		t.Errorf("the work went to %v, want all %d engines", workers, engines)
	}
	// One engine dies. The registry still has it, for its hive goes on reporting it: only the scheduler can notice.
	h.engines[0].stop()
	clear(workers)
	round()
	for worker := range workers {
		if w := mirror.Get(worker); w == nil || w.Endpoint == "" {
			t.Errorf("work went to %q", worker)
		}
	}
	if len(workers) != engines-1 {
		t.Errorf("the work went to %v, want the %d engines that are left", workers, engines-1)
	}
}

// Engines answer word by word; a word that waits for the next ones is of no use to who reads along.
func TestAnAnswerIsPassedOnAsItComes(t *testing.T) {
	read := make(chan struct{})
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "data: hello\n\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-read:
		case <-r.Context().Done():
		}
	}))
	defer engine.Close()
	s := &scheduler{log: slog.New(slog.DiscardHandler)}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.send(w, r, &client.MirrorWorker{ID: "a/llm/1", Endpoint: engine.URL}, nil); err != nil {
			t.Error(err)
		}
	}))
	defer front.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, front.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadFull(resp.Body, make([]byte, len("data: hello\n\n"))); err != nil {
		t.Errorf("while the engine goes on: %v", err)
	}
	close(read)
}

// A registry that will not have us is no reason to answer 503 for ever without saying why.
func TestTheSchedulerEndsWhenTheRegistryRefusesIt(t *testing.T) {
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusMisdirectedRequest)
	}))
	defer refusing.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := run(ctx, []string{"--server", refusing.URL, "--listen", "127.0.0.1:0"}, io.Discard)
	var status *client.StatusError
	if !errors.As(err, &status) || status.Status != http.StatusMisdirectedRequest {
		t.Errorf("got %v", err)
	}
}

func TestJobsThatCannotBeDoneAreRefused(t *testing.T) {
	c, err := client.New(client.Config{URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(newScheduler(client.NewMirror(c, client.MirrorConfig{}), slog.New(slog.DiscardHandler)))
	defer front.Close()
	for body, want := range map[string]int{
		`{"model":"tiny-1b"}`: http.StatusServiceUnavailable, // there is no truth yet
		`{"model":""}`:        http.StatusBadRequest,
		`not JSON`:            http.StatusBadRequest,
		strings.Repeat(" ", maxRequestBytes) + `{}`: http.StatusRequestEntityTooLarge,
	} {
		resp, err := http.Post(front.URL+"/v1/chat/completions", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%.20s: got %d, want %d", body, resp.StatusCode, want)
		}
	}
}
