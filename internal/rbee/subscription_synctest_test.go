package rbee

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"waggle/registry"
)

// wire stands for the network: it answers requests for a hive's stream.
type wire struct {
	mu       sync.Mutex      // guards attempts
	attempts []time.Duration // since the beginning
	began    time.Time
	answer   func(ctx context.Context, body *io.PipeWriter) error // returns the error of connecting
}

var errUnreachable = errors.New("unreachable")

func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.attempts)
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Path != "/v1/heartbeats/stream" {
		return nil, errUnreachable
	}
	w.mu.Lock()
	w.attempts = append(w.attempts, time.Since(w.began))
	w.mu.Unlock()
	body, feed := io.Pipe()
	if err := w.answer(req.Context(), feed); err != nil {
		return nil, err
	}
	if err := req.Context().Err(); err != nil {
		feed.CloseWithError(err) // or it would wait for a reader
		return nil, err
	}
	context.AfterFunc(req.Context(), func() { feed.CloseWithError(req.Context().Err()) })
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: body, Request: req}, nil
}

// follow follows a hive over a wire in virtual time. It returns the subscription and a channel that is closed when it has ended.
func (w *wire) follow(ctx context.Context, t *testing.T, forgetAfter time.Duration) (*subscription, <-chan struct{}) {
	t.Helper()
	door, err := New(Config{Registry: registry.New(registry.Config{}), ForgetAfter: forgetAfter})
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse("http://hive")
	s := newSubscription(door, announcement{hiveID: "gpu-1", url: u, peer: netip.MustParseAddr("127.0.0.1")})
	s.client = &http.Client{Transport: w}
	w.began = time.Now()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.follow(ctx)
	}()
	return s, ended
}

func TestSubscriptionOverTime(t *testing.T) {
	refuse := func(context.Context, *io.PipeWriter) error { return errUnreachable }
	beat := []byte("event: heartbeat\ndata: " + (&fakeHive{id: "gpu-1"}).event() + "\n\n")

	t.Run("attempts come at growing, jittered intervals from 0.5 to 30 s", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := &wire{answer: refuse}
			ctx, cancel := context.WithCancel(t.Context())
			_, ended := w.follow(ctx, t, time.Hour)
			time.Sleep(10 * time.Minute)
			cancel()
			<-ended
			most := time.Second
			for i := 1; i < len(w.attempts); i++ {
				wait := w.attempts[i] - w.attempts[i-1]
				if wait < most/2 || wait > most {
					t.Errorf("wait %d: got %s, want %s to %s", i, wait, most/2, most)
				}
				most = min(2*most, 30*time.Second)
			}
			if len(w.attempts) < 20 {
				t.Errorf("got %d attempts in 10 min, want at least 20", len(w.attempts))
			}
		})
	})
	t.Run("a hive that was never heard is given up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := &wire{answer: refuse}
			_, ended := w.follow(t.Context(), t, 90*time.Second)
			<-ended
			if took := time.Since(w.began); took != 90*time.Second {
				t.Errorf("given up after %s, want 90 s", took)
			}
		})
	})
	t.Run("an attempt to connect takes 5 s at most", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			w := &wire{answer: func(ctx context.Context, _ *io.PipeWriter) error {
				<-ctx.Done()
				return ctx.Err()
			}}
			_, ended := w.follow(ctx, t, time.Hour)
			time.Sleep(7 * time.Second)
			cancel()
			<-ended
			if len(w.attempts) < 2 || w.attempts[1] < 5500*time.Millisecond || w.attempts[1] > 6*time.Second {
				t.Errorf("got attempts at %v, want the second 0.5 to 1 s after 5 s", w.attempts)
			}
		})
	})
	t.Run("a stream without heartbeats is given up after 10 s, and the waits begin anew", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := &wire{answer: func(_ context.Context, body *io.PipeWriter) error {
				go func() {
					for range 3 {
						_, _ = body.Write(beat)
						time.Sleep(5 * time.Second)
					}
					for {
						if _, err := body.Write([]byte(":\n\n")); err != nil { // noise is no heartbeat
							return
						}
						time.Sleep(time.Second)
					}
				}()
				return nil
			}}
			ctx, cancel := context.WithCancel(t.Context())
			_, ended := w.follow(ctx, t, 90*time.Second)
			time.Sleep(10 * time.Minute)
			cancel()
			<-ended
			time.Sleep(20 * time.Second) // for the hive to notice
			for i := 1; i < len(w.attempts); i++ {
				if lasted := w.attempts[i] - w.attempts[i-1]; lasted < 20500*time.Millisecond || lasted > 21*time.Second {
					t.Errorf("attempt %d came after %s, want 20 s and 0.5 to 1 s", i, lasted)
				}
			}
			if len(w.attempts) < 20 {
				t.Errorf("got %d attempts in 10 min, want more", len(w.attempts))
			}
		})
	})
	t.Run("a hive that announces itself again is tried at once, for as long as a new one", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := &wire{answer: refuse}
			s, ended := w.follow(t.Context(), t, 90*time.Second)
			time.Sleep(80 * time.Second)
			synctest.Wait()
			if time.Since(w.began)-w.attempts[len(w.attempts)-1] <= shortestBackoff { // which "at once" respects
				time.Sleep(2 * shortestBackoff)
				synctest.Wait()
			}
			announced, before := time.Now(), w.count()
			for range 50 {
				s.nudge()
			}
			synctest.Wait()
			if n := w.count() - before; n != 1 {
				t.Errorf("%d attempts at once, want 1", n)
			}
			<-ended
			if took := time.Since(announced); took != 90*time.Second {
				t.Errorf("given up %s after it was announced again, want 90 s", took)
			}
		})
	})
}
