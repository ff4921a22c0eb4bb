package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waggle/client"
)

const ticks = `subscription ticks($from: Int!) { ticks(from: $from) }`

type tick struct{ Ticks int }

// soon makes a client come back at once.
func soon() client.Config { return client.Config{MaxPause: 5 * time.Millisecond} }

func TestWatchYieldsWhatTheServerSendsUntilItCompletes(t *testing.T) {
	c := speaking(t, client.Config{Token: "s3cret"}, func(p *peer) {
		id, sub := p.accept()
		if diff := cmp.Diff(subscribe{"ticks", ticks, map[string]any{"from": 7.0}}, sub); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		p.next(id, `{"ticks":7}`)
		p.next(id, `{"ticks":8}`)
		p.send(frame{ID: id, Type: "complete"})
		p.drain()
	})
	var got []int
	for tick, err := range client.Watch[tick](t.Context(), c, ticks, map[string]any{"from": 7}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, tick.Ticks)
	}
	if diff := cmp.Diff([]int{7, 8}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestWatchTellsTheServerWhenItStops(t *testing.T) {
	completed := make(chan string, 1)
	c := speaking(t, client.Config{}, func(p *peer) {
		id, _ := p.accept()
		p.next(id, `{"ticks":1}`)
		f, _ := p.read()
		completed <- f.Type
		p.drain()
	})
	for _, err := range client.Watch[tick](t.Context(), c, ticks, nil) {
		if err != nil {
			t.Error(err)
		}
		break
	}
	if got := <-completed; got != "complete" {
		t.Errorf("got %q, want complete", got)
	}
}

func TestWatchMayBeStoppedAndCancelledAtOnce(t *testing.T) {
	c := speaking(t, client.Config{}, func(p *peer) {
		id, _ := p.accept()
		p.next(id, `{"ticks":1}`)
		p.drain()
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, err := range client.Watch[tick](ctx, c, ticks, nil) {
		if err != nil {
			t.Error(err)
		}
		cancel()
		break // A second element would be a panic.
	}
}

// What waits may be much: a consumer that is slower than the server would not hear for hours that it is to end.
func TestWatchEndsWithItsContextThoughMessagesWait(t *testing.T) {
	c := speaking(t, client.Config{}, func(p *peer) {
		id, _ := p.accept()
		for i := range 100 {
			p.next(id, fmt.Sprintf(`{"ticks":%d}`, i))
		}
		other, _ := p.subscribed()
		p.next(other, `{"ticks":-1}`)
		p.drain()
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	enough := errors.New("enough")
	taken := 0
	for _, err := range client.Watch[tick](ctx, c, ticks, nil) {
		if err != nil {
			if !errors.Is(err, enough) {
				t.Errorf("got %v, want the context's cause", err)
			}
			break
		}
		if taken++; taken > 1 {
			t.Fatal("another element after the context ended")
		}
		for _, err := range client.Watch[tick](t.Context(), c, ticks, nil) { // what is sent after all of them has come, so they wait
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		cancel(enough)
	}
}

func TestWatchAnswersPings(t *testing.T) {
	c := speaking(t, client.Config{}, func(p *peer) {
		if f, _ := p.read(); f.Type != "connection_init" {
			t.Errorf("got %s", f.Type)
		}
		pinged := func() {
			p.send(frame{Type: "ping"})
			if f, _ := p.read(); f.Type != "pong" {
				t.Errorf("got %s, want pong", f.Type)
			}
		}
		pinged()
		p.send(frame{Type: "connection_ack"})
		id, _ := p.subscribed()
		pinged()
		p.send(frame{ID: id, Type: "complete"})
		p.drain()
	})
	for _, err := range client.Watch[tick](t.Context(), c, ticks, nil) {
		t.Errorf("got %v", err)
	}
}

func TestManyWatchesShareOneSocket(t *testing.T) {
	const many = 20
	var connections atomic.Int32
	c := speaking(t, client.Config{}, func(p *peer) {
		connections.Add(1)
		p.greet()
		from := map[string]any{}
		for range many {
			id, sub := p.subscribed()
			from[id] = sub.Variables["from"]
		}
		for id, n := range from { // in any order
			p.next(id, fmt.Sprintf(`{"ticks":%v}`, n))
		}
		p.drain()
	})
	var wg sync.WaitGroup
	for i := range many {
		wg.Go(func() {
			for tick, err := range client.Watch[tick](t.Context(), c, ticks, map[string]int{"from": i}) {
				if err != nil || tick.Ticks != i {
					t.Errorf("got %v, %v; want %d", tick, err, i)
				}
				break
			}
		})
	}
	wg.Wait()
	if got := connections.Load(); got != 1 {
		t.Errorf("got %d connections, want 1", got)
	}
}

func TestWatchGoesOnAfterAnInterruption(t *testing.T) {
	interruptions := map[string]func(p *peer){
		"the connection breaks":      func(*peer) {},
		"closed 1012, restart":       func(p *peer) { p.close(1012, "restart") },
		"closed 1013, too slow":      func(p *peer) { p.close(1013, "too slow") },
		"closed 4403, right ran out": func(p *peer) { p.close(4403, "expired") },
		"closed 4408":                func(p *peer) { p.close(4408, "") },
	}
	for name, interrupt := range interruptions {
		t.Run(name, func(t *testing.T) {
			var told atomic.Int32
			cfg := soon()
			cfg.Interrupted = func(err error, _ time.Duration) {
				told.Add(1)
				if err == nil {
					t.Error("interrupted without a reason")
				}
			}
			c := speaking(t, cfg, func(p *peer) {
				id, _ := p.accept()
				p.next(id, fmt.Sprintf(`{"ticks":%d}`, p.nth))
				if p.nth == 3 {
					p.drain()
					return
				}
				interrupt(p)
			})
			var got []int
			for tick, err := range client.Watch[tick](t.Context(), c, ticks, nil) {
				if err != nil {
					t.Fatal(err)
				}
				if got = append(got, tick.Ticks); tick.Ticks == 3 {
					break
				}
			}
			if diff := cmp.Diff([]int{1, 2, 3}, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if told.Load() != 2 {
				t.Errorf("told of %d interruptions, want 2", told.Load())
			}
		})
	}
}

func TestWatchEndsWhereTryingAgainIsNoUse(t *testing.T) {
	one := func(t *testing.T, c *client.Client) error {
		t.Helper()
		for _, err := range client.Watch[tick](t.Context(), c, ticks, nil) {
			return err
		}
		return nil
	}
	for _, code := range []int{1002, 1008, 4400, 4401, 4406, 4409, 4429, 4500} {
		t.Run(fmt.Sprintf("closed %d", code), func(t *testing.T) {
			c := speaking(t, soon(), func(p *peer) {
				p.accept()
				p.close(code, "no")
			})
			var closed *client.CloseError
			if err := one(t, c); !errors.As(err, &closed) || closed.Code != code || closed.Temporary() {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("closed 4403 before it was acknowledged", func(t *testing.T) {
		c := speaking(t, soon(), func(p *peer) { p.close(4403, "Forbidden") })
		var closed *client.CloseError
		if err := one(t, c); !errors.As(err, &closed) || closed.Code != 4403 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("refused with 401", func(t *testing.T) {
		var status *client.StatusError
		if err := one(t, answering(t, http.StatusUnauthorized, "")); !errors.As(err, &status) || status.Status != http.StatusUnauthorized {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the operation is refused", func(t *testing.T) {
		c := speaking(t, soon(), func(p *peer) {
			id, _ := p.accept()
			p.send(frame{ID: id, Type: "error", Payload: json.RawMessage(`[{"message":"no such field","extensions":{"code":"BAD_USER_INPUT"}}]`)})
			p.drain()
		})
		var refused *client.Error
		if err := one(t, c); !errors.As(err, &refused) || refused.Code() != "BAD_USER_INPUT" {
			t.Errorf("got %v", err)
		}
	})
	for _, garbage := range []string{`{`, `[]`, `{"type":"next","id":"1"} x`, `{"type":"nonsense"}`, `{"id":"1"}`} {
		t.Run("a message is "+garbage, func(t *testing.T) {
			c := speaking(t, soon(), func(p *peer) {
				p.accept()
				_ = p.conn.WriteMessage(1, []byte(garbage))
				p.drain()
			})
			if err := one(t, c); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestWatchConnectsAgainWhenTheServerIsBusy(t *testing.T) {
	var asked atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer srv.Close()
	cfg := soon()
	cfg.URL = srv.URL
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cfg.Interrupted = func(error, time.Duration) {
		if asked.Load() == 4 {
			cancel(enough)
		}
	}
	for _, err := range client.Watch[tick](ctx, newClient(t, cfg), ticks, nil) {
		if !errors.Is(err, enough) {
			t.Errorf("got %v, want the context's cause", err)
		}
	}
}

func TestASlowWatchHoldsNoOtherUp(t *testing.T) {
	const size = 1000
	bulky := `{"ticks":2,"more":"` + strings.Repeat("x", size) + `"}`
	fast := make(chan struct{})
	cfg := soon()
	cfg.MaxAnswerBytes = 4 * size
	c := speaking(t, cfg, func(p *peer) {
		p.greet()
		slow, _ := p.subscribed()
		p.next(slow, `{"ticks":1}`)
		other, _ := p.subscribed()
		for range 100 {
			p.next(slow, bulky)
		}
		p.next(other, `{"ticks":3}`)
		for { // The slow one is subscribed again: it is sent the newest only.
			f, ok := p.read()
			if !ok {
				return
			}
			if f.Type == "subscribe" {
				p.next(f.ID, `{"ticks":4}`)
			}
		}
	})
	var got []int
	for tk, err := range client.Watch[tick](t.Context(), c, ticks, nil) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, tk.Ticks)
		if tk.Ticks == 1 {
			go func() {
				defer close(fast)
				for tk, err := range client.Watch[tick](t.Context(), c, ticks, nil) {
					if err != nil || tk.Ticks != 3 {
						t.Errorf("got %v, %v", tk, err)
					}
					break
				}
			}()
			<-fast // while this one takes nothing
		}
		if tk.Ticks == 4 {
			break
		}
	}
	if diff := cmp.Diff([]int{1, 4}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
