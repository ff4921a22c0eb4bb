package graphqlhttp_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"waggle/internal/graphqlhttp"
	"waggle/internal/pipenet"
)

// inTime runs f in a bubble, with a server and the network that it listens on. All goroutines must have ended afterwards.
func inTime(t *testing.T, cfg graphqlhttp.Config, f func(t *testing.T, s *server, network *pipenet.Listener)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, network := newHandler(cfg), pipenet.Listen()
		srv := &http.Server{Handler: s.Handler, ReadTimeout: time.Second} // Streams must outlive it.
		go func() { _ = srv.Serve(network) }()
		transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return network.Dial() }}
		s.client, s.url = &http.Client{Transport: transport}, "http://pipe/"
		t.Cleanup(func() {
			s.Drain()
			transport.CloseIdleConnections()
			_ = srv.Close()
			synctest.Wait()
			s.leavesNoGroups(t)
		})
		f(t, s, network)
	})
}

func TestAStreamOutlivesTheReadTimeoutAndIsPinged(t *testing.T) {
	t.Parallel()
	inTime(t, graphqlhttp.Config{}, func(t *testing.T, s *server, _ *pipenet.Listener) {
		t.Helper()
		next, start := s.events(t.Context(), t, `subscription{changes{revision}}`), time.Now()
		wantEvents(t, next, ":", `event: next|data: {"data":{"changes":{"revision":0}}}`, ":", ":", ":", ":")
		if after := time.Since(start); after != time.Minute {
			t.Errorf("four pings in %v", after)
		}
		s.log.Append("a")
		wantEvents(t, next, `event: next|data: {"data":{"changes":{"revision":1}}}`)
	})
}

func TestAStreamEndsWhenItsClientLeaves(t *testing.T) {
	t.Parallel()
	inTime(t, graphqlhttp.Config{}, func(t *testing.T, s *server, _ *pipenet.Listener) {
		t.Helper()
		ctx, leave := context.WithCancel(t.Context())
		next := s.events(ctx, t, `subscription{size}`)
		wantEvents(t, next, ":", `event: next|data: {"data":{"size":0}}`)
		s.log.Append("a")
		wantEvents(t, next, `event: next|data: {"data":{"size":1}}`)
		leave()
		synctest.Wait()
		if got := s.Stats().Streams; got != 0 {
			t.Errorf("%d streams are left", got)
		}
	})
}

// What ends a response, too, is to be written in time, however long ago the last message was.
func TestAQuietStreamEndsInGoodOrder(t *testing.T) {
	t.Parallel()
	f := func(name string, expiry time.Duration, end func(s *server)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scope := func(context.Context) (string, time.Time) { return "x", time.Now().Add(expiry) }
			inTime(t, graphqlhttp.Config{Scope: scope, PingInterval: time.Hour}, func(t *testing.T, s *server, _ *pipenet.Listener) {
				t.Helper()
				next, start := s.events(t.Context(), t, `subscription{size}`), time.Now()
				wantEvents(t, next, ":", `event: next|data: {"data":{"size":0}}`)
				time.AfterFunc(time.Minute, func() { end(s) })
				wantEvents(t, next, "")
				if after := time.Since(start); after != time.Minute {
					t.Errorf("it ended after %v", after)
				}
			})
		})
	}
	f("when the credentials expire", time.Minute, func(*server) {})
	f("when the server drains", time.Hour, func(s *server) { s.Drain() })
}

// unread asks for so many bytes, of which nothing was read yet. A pipe holds none of them.
func unread(t *testing.T, network *pipenet.Listener, accept string, size int) net.Conn {
	t.Helper()
	c, err := network.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	body := fmt.Sprintf(`{"query":"query($t:String!){echo(text:$t)}","variables":{"t":%q}}`, strings.Repeat("x", size))
	_, err = fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nAccept: %s\r\nContent-Length: %d\r\n\r\n%s",
		accept, len(body), body)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// inEachForm runs a test in a bubble for a single answer and for a stream.
func inEachForm(t *testing.T, test func(t *testing.T, network *pipenet.Listener, accept string)) {
	t.Helper()
	for _, accept := range []string{"application/json", "text/event-stream"} {
		t.Run(accept, func(t *testing.T) {
			t.Parallel()
			inTime(t, graphqlhttp.Config{}, func(t *testing.T, _ *server, network *pipenet.Listener) {
				t.Helper()
				test(t, network, accept)
			})
		})
	}
}

// One that does not read would hold a goroutine and an answer for as long as it likes.
func TestAClientThatDoesNotReadIsCut(t *testing.T) {
	t.Parallel()
	inEachForm(t, func(t *testing.T, network *pipenet.Listener, accept string) {
		t.Helper()
		c := unread(t, network, accept, 900_000)
		time.Sleep(5*time.Second + time.Millisecond)
		if b, err := io.ReadAll(c); err != nil || len(b) > 0 {
			t.Errorf("it was waited for: %d bytes, %v", len(b), err)
		}
	})
}

// One that is slow but steady is not.
func TestAClientThatReadsSlowlyGetsAll(t *testing.T) {
	t.Parallel()
	inEachForm(t, func(t *testing.T, network *pipenet.Listener, accept string) {
		t.Helper()
		const size = 900_000
		c := unread(t, network, accept, size)
		got, part := 0, make([]byte, 32<<10)
		for {
			n, err := io.ReadFull(c, part)
			got += n
			if err != nil {
				break
			}
			time.Sleep(2 * time.Second) // 64 KiB in 4 s
		}
		if got < size {
			t.Errorf("it got %d bytes of %d", got, size)
		}
	})
}
