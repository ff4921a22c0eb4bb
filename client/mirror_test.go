package client_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waggle/client"
)

// workerAt is an idle, available worker as the server sends it.
func workerAt(id, model string, freeMB int) string {
	return fmt.Sprintf(`{"id":%q,"model":%q,"endpoint":"http://%s.lan:8080","activity":"IDLE","liveness":"ONLINE","available":true,
		"vramTotalMb":24576,"vramFreeMb":%d,"requestsRunning":0,"requestsQueued":0}`, id, model, strings.Split(id, "/")[0], freeMB)
}

// changes is an update as the server sends it. An empty reset means null.
func changes(revision, reset string, complete bool, workers, removed []string) string {
	reason := "null"
	if reset != "" {
		reason = `"` + reset + `"`
	}
	gone := make([]string, len(removed))
	for i, id := range removed {
		gone[i] = fmt.Sprintf(`{"id":%q,"kind":"WORKER"}`, id)
	}
	return fmt.Sprintf(`{"changes":{"revision":%q,"reset":%s,"complete":%t,"hives":[],"workers":[%s],"removed":[%s]}}`,
		revision, reason, complete, strings.Join(workers, ","), strings.Join(gone, ","))
}

// mirroring runs a mirror until the test ends.
func mirroring(t *testing.T, c *client.Client, cfg client.MirrorConfig) *client.Mirror {
	t.Helper()
	m := client.NewMirror(c, cfg)
	ctx, cancel := context.WithCancelCause(context.Background())
	ended := make(chan error)
	stop := errors.New("the test is over")
	go func() { ended <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel(stop)
		if err := <-ended; !errors.Is(err, stop) {
			t.Errorf("the mirror ended: %v", err)
		}
	})
	return m
}

func ids(v *client.View) []string {
	all := []string{}
	for w := range v.All() {
		all = append(all, w.ID)
	}
	return all
}

// await waits for the view that has this revision.
func await(t *testing.T, m *client.Mirror, revision string) *client.View {
	t.Helper()
	for {
		v := m.Snapshot()
		if v.Revision() == revision {
			return v
		}
		select {
		case <-v.Superseded():
		case <-t.Context().Done():
			t.Fatalf("still at %s, want %s", v.Revision(), revision)
		case <-time.After(30 * time.Second):
			t.Fatalf("still at %s, want %s", v.Revision(), revision)
		}
	}
}

func TestAMirrorShowsWholeSnapshotsOnly(t *testing.T) {
	more := make(chan struct{})
	c := speaking(t, soon(), func(p *peer) {
		id, sub := p.accept()
		workers, _ := sub.Variables["workers"].(map[string]any)
		got := []any{sub.Variables["since"], sub.Variables["hives"], sub.Variables["intervalMs"], workers["groups"], workers["model"]}
		if diff := cmp.Diff([]any{nil, nil, 250.0, []any{"llm"}, nil}, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		p.next(id, changes("e.1", "INITIAL", false, []string{workerAt("a/llm/1", "m", 10)}, nil))
		<-more
		p.next(id, changes("e.1", "", true, []string{workerAt("b/llm/1", "m", 20)}, nil))
		p.drain()
	})
	m := mirroring(t, c, client.MirrorConfig{Workers: &client.WorkerFilter{Groups: []string{"llm"}}, Interval: 250 * time.Millisecond})
	if got := m.Stale(); got != math.MaxInt64 {
		t.Errorf("the truth is %s old before there is one", got)
	}
	if w := m.Best("m", 0); w != nil {
		t.Errorf("shows %s of an incomplete snapshot", w.ID)
	}
	close(more)
	<-m.Ready()
	if diff := cmp.Diff([]string{"a/llm/1", "b/llm/1"}, ids(m.Snapshot())); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := m.Best("m", 15); got == nil || got.ID != "b/llm/1" || got.HiveID() != "b" || got.Group() != "llm" || got.Instance() != "1" {
		t.Errorf("best is %+v", got)
	}
	if got := m.Stale(); got < 0 || got > time.Minute {
		t.Errorf("the truth is %s old", got)
	}
}

// What a client must never do is to show a gap as truth: not after a broken connection, not after half a snapshot, not after a restart.
func TestAMirrorGoesOnWhereItStopped(t *testing.T) {
	since := make(chan any, 10)
	next := make(chan struct{})
	c := speaking(t, soon(), func(p *peer) {
		id, sub := p.accept()
		since <- sub.Variables["since"]
		switch p.nth {
		case 1:
			p.next(id, changes("e.1", "INITIAL", true, []string{workerAt("a/llm/1", "m", 10), workerAt("b/llm/1", "m", 20)}, nil))
		case 2: // half of a snapshot, then the connection breaks
			p.next(id, changes("e.9", "EXPIRED", false, []string{workerAt("c/llm/1", "m", 99)}, nil))
			<-next
		case 3: // resumed
			p.next(id, changes("e.4", "", true, []string{workerAt("d/llm/1", "m", 30)}, []string{"a/llm/1"}))
			<-next
		case 4: // another epoch
			p.next(id, changes("f.1", "RESTARTED", false, []string{workerAt("b/llm/1", "m", 20)}, nil))
			p.next(id, changes("f.1", "", true, []string{workerAt("e/llm/1", "m", 5)}, nil))
			p.drain()
		}
	})
	m := mirroring(t, c, client.MirrorConfig{})
	if got := <-since; got != nil {
		t.Errorf("the first subscription goes on since %v", got)
	}
	<-m.Ready()
	if got := <-since; got != "e.1" {
		t.Errorf("goes on since %v, want e.1", got)
	}
	next <- struct{}{}
	if got := <-since; got != "e.1" {
		t.Errorf("after half a snapshot it goes on since %v, want e.1", got)
	}
	if diff := cmp.Diff([]string{"b/llm/1", "d/llm/1"}, ids(await(t, m, "e.4"))); diff != "" {
		t.Errorf("resumed: -want +got:\n%s", diff)
	}
	next <- struct{}{}
	if got := <-since; got != "e.4" {
		t.Errorf("goes on since %v, want e.4", got)
	}
	if diff := cmp.Diff([]string{"b/llm/1", "e/llm/1"}, ids(await(t, m, "f.1"))); diff != "" {
		t.Errorf("restarted: -want +got:\n%s", diff)
	}
}

func TestAMirrorSurvivesTroubleOfTheServer(t *testing.T) {
	told := make(chan error, 10)
	cfg := soon()
	cfg.Interrupted = func(err error, _ time.Duration) { told <- err }
	c := speaking(t, cfg, func(p *peer) {
		id, _ := p.accept()
		p.send(frame{ID: id, Type: "error", Payload: []byte(`[{"message":"not now","extensions":{"code":"INTERNAL"}}]`)})
		id, _ = p.subscribed()
		p.send(frame{ID: id, Type: "complete"})
		id, _ = p.subscribed()
		p.next(id, changes("e.1", "INITIAL", true, nil, nil))
		p.drain()
	})
	await(t, mirroring(t, c, client.MirrorConfig{}), "e.1")
	if n := len(told); n != 2 {
		t.Fatalf("told of %d interruptions, want 2", n)
	}
	var refused *client.Error
	if err := <-told; !errors.As(err, &refused) || refused.Message != "not now" {
		t.Errorf("told of %v", err)
	}
}

func TestAMirrorEndsWhenItIsRefused(t *testing.T) {
	c := speaking(t, soon(), func(p *peer) {
		p.accept()
		p.close(4401, "Unauthorized")
	})
	m := client.NewMirror(c, client.MirrorConfig{})
	err := m.Run(t.Context())
	var closed *client.CloseError
	if !errors.As(err, &closed) || closed.Code != 4401 {
		t.Errorf("got %v", err)
	}
	if _, waitErr := m.Wait(t.Context(), nil); !errors.Is(waitErr, err) {
		t.Errorf("Wait says %v, want %v", waitErr, err)
	}
	if err := m.Run(t.Context()); err == nil {
		t.Error("it runs a second time")
	}
}

func TestAMirrorWithNegativeTimesDoesNotRun(t *testing.T) {
	c := newClient(t, client.Config{URL: "http://127.0.0.1:1"})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	for _, cfg := range []client.MirrorConfig{{Silence: -1}, {Interval: -1}} {
		if err := client.NewMirror(c, cfg).Run(ctx); err == nil || ctx.Err() != nil {
			t.Errorf("%+v: got %v", cfg, err)
		}
	}
}

func TestUpdatesThatAreNotWhatWasAskedForEndAMirror(t *testing.T) {
	for _, data := range []string{
		`{"changes":null}`, `{}`, `{"changes":{"revision":"e.1"}}`,
		changes("e.1", "", true, nil, nil), // without a snapshot before it
		changes("e.1", "INITIAL", true, []string{`{"model":"m"}`}, nil),
		changes("e.1", "INITIAL", true, []string{strings.Replace(workerAt("a/b/c", "m", 1), ":1,", ":1.5,", 1)}, nil),
		changes("e.1", "INITIAL", true, []string{strings.Replace(workerAt("a/b/c", "m", 1), ":1,", ":5000000000,", 1)}, nil),
		strings.Replace(changes("e.1", "INITIAL", true, nil, []string{"a/b/c"}), "WORKER", "QUEEN", 1),
	} {
		t.Run(data, func(t *testing.T) {
			c := speaking(t, soon(), func(p *peer) {
				id, _ := p.accept()
				p.next(id, data)
				p.drain()
			})
			if err := client.NewMirror(c, client.MirrorConfig{}).Run(t.Context()); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestWait(t *testing.T) {
	more := make(chan struct{})
	c := speaking(t, soon(), func(p *peer) {
		id, _ := p.accept()
		p.next(id, changes("e.1", "INITIAL", true, []string{workerAt("a/llm/1", "small", 10)}, nil))
		<-more
		p.next(id, changes("e.2", "", true, []string{workerAt("b/llm/1", "large", 10), workerAt("b/llm/2", "large", 30), workerAt("b/tts/1", "large", 40)}, nil))
		p.drain()
	})
	m := mirroring(t, c, client.MirrorConfig{})
	yes := true
	large := "large"
	place := &client.WorkerFilter{Model: &large, Idle: &yes, Available: &yes, Groups: []string{"llm"}}
	ctx, cancel := context.WithCancel(t.Context())
	<-m.Ready()
	cancel()
	if w, err := m.Wait(ctx, place); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v", w, err)
	}
	close(more)
	w, err := m.Wait(t.Context(), place)
	if err != nil || w.ID != "b/llm/2" {
		t.Errorf("got %+v, %v; want b/llm/2", w, err)
	}
	place.Model = nil // no index helps now
	if w, err := m.Wait(t.Context(), place); err != nil || w.ID != "b/llm/2" {
		t.Errorf("got %+v, %v; want b/llm/2", w, err)
	}
}

func TestBestSpreadsOverEquals(t *testing.T) {
	const equals, picks = 8, 8000
	c := speaking(t, soon(), func(p *peer) {
		id, _ := p.accept()
		all := []string{workerAt("z/llm/1", "m", 50)}
		for i := range equals {
			all = append(all, workerAt(fmt.Sprintf("h%d/llm/1", i), "m", 100))
		}
		p.next(id, changes("e.1", "INITIAL", true, all, nil))
		p.drain()
	})
	m := mirroring(t, c, client.MirrorConfig{})
	<-m.Ready()
	picked := map[string]int{}
	for range picks {
		picked[m.Best("m", 0).ID]++
	}
	if len(picked) != equals {
		t.Errorf("picked %d workers, want the %d equals", len(picked), equals)
	}
	for id, n := range picked {
		if n < picks/equals/2 || n > picks/equals*2 {
			t.Errorf("%s was picked %d times of %d", id, n, picks)
		}
	}
}
