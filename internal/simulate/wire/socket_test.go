package wire_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"waggle/internal/simulate/wire"
)

// talk runs a server that acknowledges and then does as told.
func talk(t *testing.T, token string, do func(ws *websocket.Conn)) wire.Address {
	t.Helper()
	upgrader := websocket.Upgrader{Subprotocols: []string{"graphql-transport-ws"}}
	return serve(t, token, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/graphql" || token != "" && r.Header.Get("Authorization") != "Bearer "+token {
			t.Errorf("got %s with %v", r.URL, r.Header)
		}
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = ws.Close() }()
		if ws.Subprotocol() != "graphql-transport-ws" {
			t.Errorf("subprotocol %q", ws.Subprotocol())
		}
		if got := hear(ws); got != `{"type":"connection_init","payload":{"gatherMs":50}}` {
			t.Errorf("got %s", got)
		}
		if say(ws, `{"type":"connection_ack"}`) {
			do(ws)
		}
	})
}

func hear(ws *websocket.Conn) string {
	_, data, err := ws.ReadMessage()
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func say(ws *websocket.Conn, text string) bool { // unheard, it will be missed
	return ws.WriteMessage(websocket.TextMessage, []byte(text)) == nil
}

func open(t *testing.T, to wire.Address) *wire.Socket {
	t.Helper()
	s, err := wire.OpenSocket(t.Context(), to, 50*time.Millisecond, 512)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestMessagesOfAllSizesAreSentTakenAndSkipped(t *testing.T) {
	sizes := []int{1, 15, 16, 17, 125, 126, 127, 1000, 65_535, 65_536, 200_000}
	s := open(t, talk(t, "secret", func(ws *websocket.Conn) {
		for range sizes {
			text := hear(ws)
			for range 2 {
				say(ws, text)
			}
		}
		hear(ws) // that it closes
	}))
	for _, size := range sizes {
		want := strings.Repeat("x", size)
		if err := s.Send([]byte(want)); err != nil {
			t.Fatal(err)
		}
		for _, take := range []bool{false, true} {
			head, err := s.Wait()
			if err != nil || string(head) != want[:min(size, 16)] {
				t.Fatalf("%d bytes: got %q, %v", size, head, err)
			}
			if !take {
				continue
			}
			if text, err := s.Text(); err != nil || string(text) != want {
				t.Fatalf("%d bytes: got %d, %v", size, len(text), err)
			}
		}
	}
}

func TestSubscribeSendsWhatTheProtocolHas(t *testing.T) {
	heard := make(chan string, 2)
	s := open(t, talk(t, "", func(ws *websocket.Conn) {
		heard <- hear(ws)
		heard <- hear(ws)
	}))
	if err := errors.Join(s.Subscribe("7", "{ \"a\"\n}", nil), s.Subscribe("8", "{ b }", []byte(`{"v":[1]}`))); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`{"id":"7","type":"subscribe","payload":{"query":"{ \"a\"\n}"}}`, `{"id":"8","type":"subscribe","payload":{"query":"{ b }","variables":{"v":[1]}}}`} {
		if got := <-heard; got != want || !json.Valid([]byte(got)) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestPingsAreAnsweredWhileMessagesAreWaitedFor(t *testing.T) {
	var ponged atomic.Value
	s := open(t, talk(t, "", func(ws *websocket.Conn) {
		ws.SetPongHandler(func(data string) error {
			ponged.Store(data)
			say(ws, "after")
			return nil
		})
		if ws.WriteControl(websocket.PingMessage, []byte("are you there"), time.Now().Add(time.Second)) == nil {
			hear(ws)
		}
	}))
	if head, err := s.Wait(); err != nil || string(head) != "after" || ponged.Load() != "are you there" {
		t.Errorf("got %q, %v, and the server %v", head, err, ponged.Load())
	}
}

func TestASocketThatTheServerClosesSaysWhy(t *testing.T) {
	s := open(t, talk(t, "", func(ws *websocket.Conn) {
		_ = ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4429, "too fast"), time.Now().Add(time.Second))
		hear(ws)
	}))
	if _, err := s.Wait(); !errors.Is(err, wire.ErrClosed) || !strings.Contains(err.Error(), "4429") || !strings.Contains(err.Error(), "too fast") {
		t.Errorf("got %v", err)
	}
}

func TestAnAnswerEndsWhenItsIDIsFree(t *testing.T) {
	s := open(t, talk(t, "", func(ws *websocket.Conn) {
		for range 2 {
			hear(ws)
			say(ws, `{"id":"1","type":"next","payload":{"data":{"a":1}}}`)
			say(ws, `{"id":"1","type":"complete"}`)
		}
		hear(ws)
		say(ws, `{"id":"1","type":"error","payload":[]}`)
		hear(ws)
	}))
	for range 2 {
		if answer, err := s.Ask([]byte("q")); err != nil || !strings.Contains(string(answer), `{"a":1}`) {
			t.Fatalf("got %s, %v", answer, err)
		}
	}
	if answer, err := s.Ask([]byte("q")); err == nil {
		t.Errorf("got %s", answer)
	}
}

func TestADeadlineEndsTheWait(t *testing.T) {
	s := open(t, talk(t, "", func(ws *websocket.Conn) { hear(ws) }))
	s.SetDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := s.Wait(); err == nil {
		t.Error("no error")
	}
}

func TestAServerThatDoesNotUpgradeIsRefused(t *testing.T) {
	to := serve(t, "", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	_, err := wire.OpenSocket(t.Context(), to, 0, 512)
	if refused, ok := errors.AsType[*wire.StatusError](err); !ok || refused.Status != http.StatusForbidden {
		t.Errorf("got %v", err)
	}
}
