package wire_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"waggle/internal/simulate/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs a server and returns its address.
func serve(t *testing.T, token string, handle http.HandlerFunc) wire.Address {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	a, err := wire.ParseAddress(server.URL, token)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestRequestsGoOverOneConnection(t *testing.T) {
	connections := map[string]bool{}
	to := serve(t, "secret", func(w http.ResponseWriter, r *http.Request) {
		connections[r.RemoteAddr] = true
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.URL.Path != "/graphql" || r.Header.Get("Authorization") != "Bearer secret" ||
			r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("got %s %s with %v: %v", r.Method, r.URL, r.Header, err)
		}
		if len(body) > 1000 {
			w.(http.Flusher).Flush() // makes it chunked
		}
		_, _ = w.Write(body)
	})
	r := wire.NewRequester(to, http.MethodPost)
	defer r.Close()
	for _, body := range []string{`{"a":1}`, "", strings.Repeat("long", 100_000), `{"b":2}`} {
		got, err := r.Do(t.Context(), []byte(body))
		if err != nil || string(got) != body {
			t.Fatalf("got %.50q, %v, want %.50q", got, err, body)
		}
	}
	if len(connections) != 1 {
		t.Errorf("%d connections, want 1", len(connections))
	}
}

func TestAnAnswerThatIsNot200IsAnError(t *testing.T) {
	status := http.StatusTeapot
	to := serve(t, "", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RequestURI() != "/other?x=1" || r.Header.Get("Authorization") != "" {
			t.Errorf("got %s with %v", r.URL, r.Header)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "short and stout")
	})
	r := wire.NewRequester(to.At("/other?x=1"), http.MethodGet)
	defer r.Close()
	_, err := r.Do(t.Context(), nil)
	if refused, ok := errors.AsType[*wire.StatusError](err); !ok || refused.Status != status || refused.Begin != "short and stout" {
		t.Errorf("got %v", err)
	}
	status = http.StatusOK // The connection is as good as before.
	if got, err := r.Do(t.Context(), nil); err != nil || string(got) != "short and stout" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestARequesterConnectsAgain(t *testing.T) {
	to := serve(t, "", func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 0 {
			panic(http.ErrAbortHandler)
		}
	})
	r := wire.NewRequester(to, http.MethodPost)
	defer r.Close()
	if _, err := r.Do(t.Context(), []byte("die")); err == nil {
		t.Fatal("no error")
	}
	if _, err := r.Do(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNotHTTPIsRefused(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing":            "",
		"words":              "hello there\r\n\r\n",
		"no length":          "HTTP/1.1 200 OK\r\n\r\n",
		"a length of nobody": "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
		"a bad status":       "HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
		"cut short":          "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
		"a bad chunk":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n",
		"trailers":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: 1\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := wire.NewRequester(answering(t, answer), http.MethodPost)
			defer r.Close()
			if got, err := r.Do(t.Context(), nil); err == nil {
				t.Errorf("got %q", got)
			}
		})
	}
}

// answering is the address of a server that reads one request's head, says these bytes and hangs up.
func answering(t *testing.T, answer string) wire.Address {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			_, _ = io.WriteString(conn, answer)
		}
	}()
	to, err := wire.ParseAddress("http://"+listener.Addr().String(), "")
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func TestTheContextEndsARequest(t *testing.T) {
	asked, end := make(chan struct{}), make(chan struct{})
	to := serve(t, "", func(http.ResponseWriter, *http.Request) {
		close(asked)
		<-end
	})
	defer close(end)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	r := wire.NewRequester(to, http.MethodPost)
	defer r.Close()
	if _, err := r.Do(ctx, nil); err == nil {
		t.Error("no error")
	}
}

func TestAddressesThatCannotBeMeantAreRefused(t *testing.T) {
	for _, f := range []struct{ server, token string }{{"127.0.0.1:7833", ""}, {"ftp://host", ""}, {"http://", ""}, {"http://a b", ""}, {"http://host", "two words"}} {
		if _, err := wire.ParseAddress(f.server, f.token); err == nil {
			t.Errorf("%q with token %q is taken", f.server, f.token)
		}
	}
}

// An exchange leaves no garbage on this side; what there is comes from the server, in this process as well.
func TestAnExchangeAllocatesNothing(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		request, answer := make([]byte, 4096), []byte("HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: 2\r\n\r\n{}")
		for {
			if _, err := conn.Read(request); err != nil {
				return
			}
			if _, err := conn.Write(answer); err != nil {
				return
			}
		}
	}()
	to, err := wire.ParseAddress("http://"+listener.Addr().String(), "")
	if err != nil {
		t.Fatal(err)
	}
	r := wire.NewRequester(to, http.MethodPost)
	body := []byte(`{"query":"{ a }"}`)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := r.Do(t.Context(), body); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations, want none", n)
	}
	r.Close()
	<-ended
}
