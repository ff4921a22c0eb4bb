package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// errProtocol is a server that does not speak graphql-transport-ws.
var errProtocol = errors.New("the server does not speak " + subprotocol)

// errHungUp ends a socket that nobody needs any more.
var errHungUp = errors.New("the connection was closed, for nobody used it")

// socket is one connection. Any number of subscriptions share it; one goroutine reads, one pings.
type socket struct {
	conn *websocket.Conn
	cfg  *Config
	done chan struct{} // closed when the connection has ended; err is set then
	room int           // for the next message; belongs to whoever reads

	writing sync.Mutex // gorilla allows one writer at a time

	mu     sync.Mutex // guards what follows; never held while the network is waited for
	subs   map[string]*subscription
	lastID uint64
	useful bool // something was delivered
	err    error
}

// dial connects and waits until the server acknowledged.
func dial(ctx context.Context, c *Client) (*socket, error) {
	ctx, cancel := context.WithTimeout(ctx, c.http.Timeout)
	defer cancel()
	header := http.Header{}
	if c.token != "" {
		header.Set("Authorization", "Bearer "+c.token)
	}
	conn, resp, err := c.dialer.DialContext(ctx, "ws"+strings.TrimPrefix(c.url, "http"), header)
	if resp != nil && resp.Body != nil {
		defer resp.Body.Close()
	}
	if errors.Is(err, websocket.ErrBadHandshake) && resp != nil {
		return nil, &StatusError{Status: resp.StatusCode}
	}
	if err != nil {
		return nil, err
	}
	s := &socket{conn: conn, cfg: &c.cfg, done: make(chan struct{}), subs: map[string]*subscription{}}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if err := s.greet(); err != nil {
		_ = conn.Close()
		return nil, cmpErr(ctx.Err(), err)
	}
	if !stop() {
		return nil, ctx.Err()
	}
	go s.read()
	go s.ping()
	return s, nil
}

// newDialer returns a dialer that connects as the HTTP transport does.
func newDialer(transport http.RoundTripper) *websocket.Dialer {
	d := &websocket.Dialer{Subprotocols: []string{subprotocol}, ReadBufferSize: 64 << 10, WriteBufferSize: 4 << 10, Proxy: http.ProxyFromEnvironment}
	if t, ok := transport.(*http.Transport); ok {
		t = t.Clone() // A transport in use changes its TLS settings with its first request; Clone waits for that.
		d.NetDialContext, d.Proxy, d.TLSClientConfig = t.DialContext, t.Proxy, t.TLSClientConfig
	}
	if d.TLSClientConfig == nil {
		d.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	d.TLSClientConfig.NextProtos = []string{"http/1.1"} // HTTP/2 has no Upgrade.
	return d
}

// greet sends connection_init and waits for connection_ack. gatherMs is Waggle's: a server that gathers frames to
// save writes need not do so for us.
func (s *socket) greet() error {
	if s.conn.Subprotocol() != subprotocol {
		return errProtocol
	}
	s.conn.SetReadLimit(s.cfg.MaxAnswerBytes)
	s.conn.SetPingHandler(func(data string) error {
		s.heard()
		// A pong that cannot be written means that the connection is dead, which reading finds out.
		_ = s.conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(writePatience))
		return nil
	})
	if err := s.write(sent{Type: typeInit, Payload: map[string]int{"gatherMs": 0}}); err != nil {
		return s.reason(err, true)
	}
	for {
		m, err := s.receive()
		switch {
		case err != nil:
			return s.reason(err, true)
		case m.kind == typeAck:
			return nil
		case m.kind == typePing:
			if err := s.write(sent{Type: typePong}); err != nil {
				return s.reason(err, true)
			}
		case m.kind != typePong:
			return fmt.Errorf("%w: it sent %s before %s", errProtocol, m.kind, typeAck)
		}
	}
}

// writePatience is how long the server may take to accept a message of ours.
const writePatience = 10 * time.Second

func (s *socket) write(m sent) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return s.writeText(data)
}

func (s *socket) writeText(data []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	_ = s.conn.SetWriteDeadline(time.Now().Add(writePatience))
	return s.conn.WriteMessage(websocket.TextMessage, data)
}

// heard notes a sign of life: the server may be silent for two of our pings and a little.
func (s *socket) heard() {
	_ = s.conn.SetReadDeadline(time.Now().Add(2*s.cfg.PingInterval + s.cfg.PingInterval/2))
}

func (s *socket) receive() (received, error) {
	s.heard()
	_, from, err := s.conn.NextReader()
	if err != nil {
		return received{}, err
	}
	// Room for one like the last ones: to grow into the messages of a mirror takes twice their size.
	data := bytes.NewBuffer(make([]byte, 0, s.room+bytes.MinRead))
	if _, err := data.ReadFrom(from); err != nil {
		return received{}, err
	}
	s.room = min(max(data.Len(), s.room/2), mostRoom)
	return parseMessage(data.Bytes())
}

// mostRoom bounds what is kept ready for a message that has not come.
const mostRoom = 1 << 20

func (s *socket) read() {
	for {
		m, err := s.receive()
		if err == nil {
			err = s.handle(m)
		}
		if err != nil {
			_ = s.end(s.reason(err, false))
			return
		}
	}
}

func (s *socket) handle(m received) error {
	switch m.kind {
	case typePing:
		return s.write(sent{Type: typePong})
	case typeNext, typeError, typeComplete:
		sub := s.find(m.id, m.kind != typeNext)
		switch {
		case sub == nil: // It was sent before the server learned that we left.
		case m.kind == typeNext:
			sub.deliver(m.payload, s.cfg.MaxAnswerBytes)
		case m.kind == typeError:
			sub.end(firstError(m.payload))
		default:
			sub.end(errCompleted)
		}
	}
	return nil
}

func (s *socket) find(id []byte, forget bool) *subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.subs[string(id)]
	if forget {
		delete(s.subs, string(id))
	}
	s.useful = s.useful || sub != nil && !forget
	return sub
}

func (s *socket) ping() {
	tick := time.NewTicker(s.cfg.PingInterval)
	defer tick.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-tick.C:
			if err := s.write(sent{Type: typePing}); err != nil {
				_ = s.end(err)
			}
		}
	}
}

// subscribe starts an operation. The caller leaves it in the end.
func (s *socket) subscribe(op operation) (*subscription, error) {
	sub := &subscription{socket: s, wake: make(chan struct{}, 1)}
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return nil, s.err
	}
	s.lastID++
	sub.id = strconv.FormatUint(s.lastID, 36)
	s.subs[sub.id] = sub
	s.mu.Unlock()
	data, err := json.Marshal(sent{ID: sub.id, Type: typeSubscribe, Payload: op})
	if err != nil {
		s.find([]byte(sub.id), true)
		return nil, fmt.Errorf("cannot encode the variables: %w", err)
	}
	if err := s.writeText(data); err != nil {
		return nil, s.end(err)
	}
	return sub, nil
}

// leave ends an operation that the server may still have.
func (s *socket) leave(sub *subscription) {
	s.mu.Lock()
	open := s.err == nil && s.subs[sub.id] != nil
	delete(s.subs, sub.id)
	s.mu.Unlock()
	if !open {
		return
	}
	if err := s.write(sent{ID: sub.id, Type: typeComplete}); err != nil {
		_ = s.end(err)
	}
}

// hangUp closes the connection in good order.
func (s *socket) hangUp() {
	_ = s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
	_ = s.end(errHungUp)
}

// end closes the connection and tells all subscriptions why there will be nothing more. Only the first call counts; all return
// the reason it gave.
func (s *socket) end(why error) error {
	s.mu.Lock()
	if s.err != nil {
		defer s.mu.Unlock()
		return s.err
	}
	s.err = why
	subs := s.subs
	s.subs = nil
	s.mu.Unlock()
	close(s.done)
	_ = s.conn.Close()
	for _, sub := range subs {
		sub.end(why)
	}
	return why
}

// wasUseful reports whether anything was delivered over it.
func (s *socket) wasUseful() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.useful
}

// reason turns what gorilla says into what we say.
func (s *socket) reason(err error, beforeAck bool) error {
	if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
		return &CloseError{Code: closed.Code, Reason: closed.Text, beforeAck: beforeAck}
	}
	if errors.Is(err, websocket.ErrReadLimit) {
		return fmt.Errorf("a message of the server is longer than %d bytes: %w", s.cfg.MaxAnswerBytes, err)
	}
	return err
}

func cmpErr(first, second error) error {
	if first != nil {
		return first
	}
	return second
}
