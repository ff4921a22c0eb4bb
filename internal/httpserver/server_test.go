package httpserver

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"
)

// serving serves the handler, with little patience, until the test ends, and returns its address.
func serving(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	policy, err := NewPolicy(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	server := New(Config{Policy: policy, Logger: slog.New(slog.DiscardHandler), WriteTimeout: 100 * time.Millisecond, DrainTimeout: time.Second}, handler)
	go func() { ended <- server.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// Whoever asks and does not read must not hold a goroutine and a connection for as long as it likes.
func TestAClientThatDoesNotReadIsCut(t *testing.T) {
	cut := make(chan error, 1)
	handler := func(w http.ResponseWriter, _ *http.Request) {
		piece := make([]byte, 1<<20)
		for range 100 { // more than any system takes in for nobody
			if _, err := w.Write(piece); err != nil {
				cut <- err
				return
			}
		}
		cut <- nil
	}
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", serving(t, handler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-cut:
		if err == nil {
			t.Error("all was written though nothing was read")
		}
	case <-time.After(10 * time.Second):
		t.Error("it is not cut")
	}
}

func TestAStreamWithDeadlinesOfItsOwnGoesOn(t *testing.T) {
	address := serving(t, func(w http.ResponseWriter, _ *http.Request) {
		control := http.NewResponseController(w)
		for range 3 {
			time.Sleep(100 * time.Millisecond)
			_ = control.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = io.WriteString(w, ".")
			_ = control.Flush()
		}
	})
	resp, err := http.Get("http://" + address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if got, err := io.ReadAll(resp.Body); err != nil || string(got) != "..." {
		t.Errorf("got %q, %v", got, err)
	}
}
