package httpserver

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"waggle/internal/pipenet"
)

// ask serves the handler to one client, which has asked and not read yet. It is to be called in a bubble; end waits until all is over.
func ask(t *testing.T, handler http.HandlerFunc) (client net.Conn, end func()) {
	t.Helper()
	policy, err := NewPolicy(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	network := pipenet.Listen()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	server := New(Config{Policy: policy, Logger: slog.New(slog.DiscardHandler)}, handler)
	go func() { ended <- server.Serve(ctx, network) }()
	if client, err = network.Dial(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	return client, func() {
		_ = client.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// Whoever asks and does not read must not hold a goroutine and a connection for as long as it likes.
func TestAClientThatDoesNotReadIsCutAfterAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cut := make(chan time.Duration, 1)
		_, end := ask(t, func(w http.ResponseWriter, _ *http.Request) {
			began := time.Now()
			_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
			cut <- time.Since(began)
		})
		defer end()
		if after := <-cut; after != time.Minute {
			t.Errorf("cut after %s, want a minute", after)
		}
	})
}

func TestAStreamWithDeadlinesOfItsOwnGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, end := ask(t, func(w http.ResponseWriter, _ *http.Request) {
			control := http.NewResponseController(w)
			for range 3 {
				time.Sleep(2 * time.Minute)
				_ = control.SetWriteDeadline(time.Now().Add(time.Second))
				_, _ = io.WriteString(w, ".")
				_ = control.Flush()
			}
		})
		defer end()
		resp, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "..." {
			t.Errorf("got %q, %v", body, err)
		}
	})
}
