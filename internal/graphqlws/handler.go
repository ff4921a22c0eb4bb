package graphqlws

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/time/rate"

	"waggle/internal/graphqlexec"
)

const subprotocol = "graphql-transport-ws"

// messageBytes is room for a client's message of the usual size: a heartbeat, or an operation.
const messageBytes = 8 << 10

// Handler upgrades requests to sockets. It is safe for concurrent use.
type Handler struct {
	exec        *graphqlexec.Executor
	cfg         Config
	upgrader    websocket.Upgrader
	messages    sync.Pool // of *bytes.Buffer, for clients' messages
	tasks       sync.Pool // of *task
	buffers     sync.Pool
	attempts    *attempts
	gatherer    gatherer
	runners     runners     // kept while there are sockets
	startWriter func(*conn) // on a goroutine of its own, but in tests
	stats       counters

	mu       sync.Mutex // guards all below; taken before conn.mu
	conns    map[*conn]struct{}
	draining bool
	empty    chan struct{} // while draining: closed when the last socket is gone
}

// New makes a handler that executes on exec.
func New(exec *graphqlexec.Executor, cfg Config) *Handler {
	h := &Handler{exec: exec, cfg: cfg.withDefaults(), conns: map[*conn]struct{}{}, attempts: newAttempts(), gatherer: gatherer{due: map[time.Duration][]*conn{}}}
	h.startWriter = func(c *conn) { h.runners.run(c.write) }
	h.upgrader = websocket.Upgrader{
		ReadBufferSize:  256, // Each socket has one. A message that is longer is read past it.
		WriteBufferSize: 256, // Nothing is written through gorilla.
		WriteBufferPool: &sync.Pool{},
		Subprotocols:    []string{subprotocol},
		CheckOrigin:     h.cfg.CheckOrigin,
	}
	h.messages.New = func() any { return bytes.NewBuffer(make([]byte, 0, messageBytes)) }
	h.tasks.New = newTask
	h.buffers.New = func() any {
		b := make([]byte, 0, writeBytes)
		return &b
	}
	return h
}

// IsUpgrade tells whether a request is one for this handler.
func IsUpgrade(r *http.Request) bool { return websocket.IsWebSocketUpgrade(r) }

// ServeHTTP upgrades the request and returns; the socket lives on. The values of the request's context are handed to
// Config.Init and to the operations, its end is not.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &conn{
		h:       h,
		limiter: rate.NewLimiter(rate.Limit(h.cfg.MessagesPerSecond), h.cfg.MessageBurst),
		gather:  h.cfg.Gather,
	}
	c.room.L = &c.mu
	c.writer.Store(writerRuns) // Until there is a connection to write to.
	if !h.admit(c) {
		h.stats.refused.Add(1)
		http.Error(w, "the server takes no more connections now", http.StatusServiceUnavailable)
		return
	}
	hijacker := &hijacker{ResponseWriter: w}
	ws, err := h.upgrader.Upgrade(hijacker, r, nil)
	if err != nil {
		h.stats.refused.Add(1)
		h.dismiss(c)
		return
	}
	hijacker.conn.muted.Store(true)
	h.mu.Lock() // A drain may cut it from here on.
	c.net = hijacker.conn.Conn
	h.mu.Unlock()
	c.ws = ws
	c.raw = rawConn(c.net)
	limitKernelBuffer(c.net, h.cfg.KernelBufferBytes)
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(r.Context()))
	c.start() //nolint:contextcheck // A socket outlives its request.
}

// admit counts the connection in, unless there are too many or the server is going.
func (h *Handler) admit(c *conn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining || len(h.conns) >= h.cfg.MaxConnections {
		return false
	}
	if len(h.conns) == 0 {
		h.runners.open()
	}
	h.conns[c] = struct{}{}
	h.stats.accepted.Add(1)
	return true
}

func (h *Handler) dismiss(c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, c)
	if len(h.conns) > 0 {
		return
	}
	h.runners.close()
	if h.empty != nil {
		close(h.empty)
		h.empty = nil
	}
}

// Drain closes all sockets with 1012, so that clients come back, and refuses new ones. What is queued is written
// first. It returns when all are gone, or, when ctx ends first, cuts those that are left and returns the reason.
func (h *Handler) Drain(ctx context.Context) error {
	h.mu.Lock()
	h.draining = true
	if len(h.conns) == 0 {
		h.mu.Unlock()
		return nil
	}
	if h.empty == nil {
		h.empty = make(chan struct{})
	}
	empty := h.empty
	for c := range h.conns {
		c.shut(closeServiceRestart, reasonRestart)
	}
	h.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
	}
	h.mu.Lock()
	for c := range h.conns {
		c.cut()
	}
	h.mu.Unlock()
	return context.Cause(ctx)
}

// hijacker hands gorilla a connection that can be muted: after the handshake nothing may be written past the outbox,
// neither gorilla's own control frames nor its deadlines.
type hijacker struct {
	http.ResponseWriter
	conn *mutableConn
}

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, brw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.conn = &mutableConn{Conn: nc}
	return h.conn, brw, nil
}

type mutableConn struct {
	net.Conn
	muted atomic.Bool
}

func (c *mutableConn) Write(b []byte) (int, error) {
	if c.muted.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}
