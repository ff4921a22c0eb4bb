package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waggle/client"
)

// listed is what a query says of the workers, as a mirror would show it.
func listed(t *testing.T, c *client.Client) map[string]client.MirrorWorker {
	t.Helper()
	page, err := c.Workers(t.Context(), client.WorkersQuery{First: 1000})
	if err != nil {
		t.Fatal(err)
	}
	opt := func(n *int) client.OptInt {
		if n == nil {
			return client.OptInt{}
		}
		return client.OptInt{Value: int32(*n), Known: true}
	}
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	all := map[string]client.MirrorWorker{}
	for _, w := range page.Nodes {
		all[w.Id] = client.MirrorWorker{ID: w.Id, Model: text(w.Model), Endpoint: text(w.Endpoint), Activity: w.Activity, Liveness: w.Liveness,
			Available: w.Available, VRAMTotalMB: opt(w.VramTotalMb), VRAMFreeMB: opt(w.VramFreeMb), RequestsRunning: opt(w.RequestsRunning),
			RequestsQueued: opt(w.RequestsQueued)}
	}
	return all
}

// settle waits until a mirror of a fleet that does not change any more equals what a query says.
func settle(t *testing.T, c *client.Client, m *client.Mirror) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		v := m.Snapshot()
		got := map[string]client.MirrorWorker{}
		for w := range v.All() {
			got[w.ID] = *w
		}
		diff := cmp.Diff(listed(t, c), got)
		if diff == "" {
			return
		}
		select {
		case <-v.Superseded():
		case <-ctx.Done():
			t.Fatalf("the mirror differs from the server: -server +mirror:\n%s", diff)
		}
	}
}

// The mirror is right at a real server, and right again after the server was killed and another one took its address.
func TestAMirrorSurvivesAServerThatIsKilled(t *testing.T) {
	server, err := startWaggle("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	interrupted := make(chan error, 100)
	cfg := soon()
	cfg.URL = server.URL()
	cfg.Interrupted = func(err error, _ time.Duration) { interrupted <- err }
	c := newClient(t, cfg)
	for i := range 30 {
		if err := report(t.Context(), c, fmt.Sprintf("h%d", i), fmt.Sprintf("model-%d", i%3)); err != nil {
			t.Fatal(err)
		}
	}
	m := mirroring(t, c, client.MirrorConfig{})
	settle(t, c, m)
	if _, err := c.Cordon(t.Context(), "h3"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.RemoveHive(t.Context(), "h4"); err != nil {
		t.Fatal(err)
	}
	settle(t, c, m)
	if w := m.Get("h3/llm/8080"); w.Available {
		t.Error("a cordoned hive's worker is available")
	}
	if m.Get("h4/llm/8080") != nil || m.Snapshot().Len() != 29 {
		t.Errorf("%d workers, and h4 may be among them", m.Snapshot().Len())
	}

	server.Kill()
	if err := <-interrupted; err == nil {
		t.Error("interrupted without a reason")
	}
	if m.Snapshot().Len() != 29 {
		t.Error("an interruption took the last truth away")
	}
	again, err := startWaggle(server.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Kill()
	for i := range 5 {
		if err := report(t.Context(), c, fmt.Sprintf("n%d", i), "model-9"); err != nil {
			t.Fatal(err)
		}
	}
	settle(t, c, m)
	if m.Snapshot().Len() != 5 {
		t.Errorf("%d workers of the new server, want 5", m.Snapshot().Len())
	}
}

// A filtered mirror drops what leaves the filter, and agrees with the server about which worker is best.
func TestAFilteredMirrorAgreesWithTheServer(t *testing.T) {
	server, err := startWaggle("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Kill()
	c := newClient(t, client.Config{URL: server.URL()})
	model, yes := "model-1", true
	m := mirroring(t, c, client.MirrorConfig{Workers: &client.WorkerFilter{Model: &model, Available: &yes}})
	for i := range 6 {
		if err := report(t.Context(), c, fmt.Sprintf("h%d", i), fmt.Sprintf("model-%d", i%2)); err != nil {
			t.Fatal(err)
		}
	}
	until := func(what string, holds func(v *client.View) bool) {
		t.Helper()
		ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Second, errors.New(what))
		defer cancel()
		for {
			v := m.Snapshot()
			if holds(v) {
				return
			}
			select {
			case <-v.Superseded():
			case <-ctx.Done():
				t.Fatalf("not within 20 s: %v", context.Cause(ctx))
			}
		}
	}
	until("three workers have the model", func(v *client.View) bool { return v.Len() == 3 })
	best, err := c.BestWorker(t.Context(), model, 16_384)
	if err != nil || best == nil || m.Best(model, 16_384) == nil {
		t.Fatalf("the server says %v, %v, the mirror %v", best, err, m.Best(model, 16_384))
	}
	if none, err := c.BestWorker(t.Context(), model, 16_385); err != nil || none != nil || m.Best(model, 16_385) != nil {
		t.Errorf("the server says %v, %v, the mirror %v", none, err, m.Best(model, 16_385))
	}
	if _, err := c.Cordon(t.Context(), "h1"); err != nil {
		t.Fatal(err)
	}
	until("the cordoned hive's worker is gone", func(v *client.View) bool { return v.Len() == 2 && v.Get("h1/llm/8080") == nil })
	if err := report(t.Context(), c, "h3", "another"); err != nil {
		t.Fatal(err)
	}
	until("the worker with another model is gone", func(v *client.View) bool { return v.Len() == 1 && v.Get("h5/llm/8080") != nil })
}
