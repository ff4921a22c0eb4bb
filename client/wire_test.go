package client_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"waggle/client"
	"waggle/internal/pipenet"
)

// peer is the server's end of one connection: a script tells it what to expect and what to say.
type peer struct {
	t    *testing.T
	conn *websocket.Conn
	nth  int // of this server's connections, from 1
}

// frame is a message in either direction.
type frame struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// subscribe is the payload of a subscribe message.
type subscribe struct {
	OperationName string
	Query         string
	Variables     map[string]any
}

// speaking starts a server that runs the script on every connection, and returns a client of it. When a script returns, its
// connection breaks off without a word.
func speaking(t *testing.T, cfg client.Config, script func(p *peer)) *client.Client {
	t.Helper()
	srv := httptest.NewServer(scripted(t, script))
	t.Cleanup(srv.Close)
	cfg.URL = srv.URL
	return newClient(t, cfg)
}

// speakingInTime is speaking in a bubble.
func speakingInTime(t *testing.T, cfg client.Config, script func(p *peer)) *client.Client {
	t.Helper()
	network := pipenet.Listen()
	srv := &http.Server{Handler: scripted(t, script), ReadHeaderTimeout: time.Second}
	go func() { _ = srv.Serve(network) }()
	t.Cleanup(func() { _ = srv.Close() })
	cfg.URL = "http://pipe"
	cfg.Transport = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return network.Dial() }}
	return newClient(t, cfg)
}

func scripted(t *testing.T, script func(p *peer)) http.Handler {
	t.Helper()
	var connections atomic.Int32
	upgrader := websocket.Upgrader{Subprotocols: []string{"graphql-transport-ws"}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		script(&peer{t, conn, int(connections.Add(1))})
	})
}

// read returns the next message other than a ping, which it answers; ok is false when the client has gone.
func (p *peer) read() (f frame, ok bool) {
	for {
		if err := p.conn.ReadJSON(&f); err != nil {
			return f, false
		}
		if f.Type != "ping" {
			return f, true
		}
		p.send(frame{Type: "pong"})
	}
}

func (p *peer) send(f frame) {
	if err := p.conn.WriteJSON(f); err != nil {
		p.t.Logf("connection %d: %v", p.nth, err)
	}
}

// greet answers connection_init.
func (p *peer) greet() {
	if f, ok := p.read(); ok && f.Type != "connection_init" {
		p.t.Errorf("connection %d begins with %s", p.nth, f.Type)
	}
	p.send(frame{Type: "connection_ack"})
}

// accept greets and takes the first subscription.
func (p *peer) accept() (id string, sub subscribe) {
	p.greet()
	return p.subscribed()
}

func (p *peer) subscribed() (id string, sub subscribe) {
	f, ok := p.read()
	if !ok {
		return "", sub
	}
	if f.Type != "subscribe" {
		p.t.Errorf("connection %d: got %s, want subscribe", p.nth, f.Type)
	}
	if err := json.Unmarshal(f.Payload, &sub); err != nil {
		p.t.Error(err)
	}
	return f.ID, sub
}

// next sends data on a subscription.
func (p *peer) next(id, data string) {
	p.send(frame{ID: id, Type: "next", Payload: json.RawMessage(`{"data":` + data + `}`)})
}

// close ends the connection with a code.
func (p *peer) close(code int, reason string) {
	_ = p.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(time.Second))
	for { // until the client has answered, so that the code is not lost with the connection
		if _, _, err := p.conn.ReadMessage(); err != nil {
			return
		}
	}
}

// drain reads until the client has gone.
func (p *peer) drain() {
	for {
		if _, ok := p.read(); !ok {
			return
		}
	}
}
