package graphqlws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"
	"golang.org/x/time/rate"

	"waggle/internal/graphqlexec"
)

// conn is one socket: a goroutine that reads, one that writes as long as there is something to write, and the outbox between the operations
// and the writer.
type conn struct {
	h       *Handler
	ws      *websocket.Conn // only read from
	net     net.Conn
	raw     syscall.RawConn // of net, nil if all writing is left to the writer
	limiter *rate.Limiter

	touched time.Time // the reader's: when the read deadline was last renewed

	writer   atomic.Int32 // writerIdle, writerRuns or writerRunsOn
	frames   frameWriter  // the writer's, and so are the others here
	written  time.Time    // when it last wrote
	nextPing time.Time
	due      time.Time // when timer fires
	timer    *time.Timer

	mu      sync.Mutex      // guards all below; nothing that waits is called with it held, and group locks are taken before it
	room    sync.Cond       // of mu: the reader waits for it in awaitRoom
	ctx     context.Context //nolint:containedctx // the socket's own life, with what Init put into it
	out     outbox
	ops     map[string]*operation
	inits   int
	acked   bool
	cancel  context.CancelFunc // ends ctx
	ended   bool               // the reader has
	scope   string
	gather  time.Duration
	expires time.Time
}

// What the writer does. An idle socket has no writing goroutine: with one it takes 23 kB in place of 16.
const (
	writerIdle   = iota
	writerRuns   // it runs, or must not yet or never again
	writerRunsOn // and there is more to do than when it last looked
)

func (c *conn) start() {
	_ = c.net.SetReadDeadline(time.Now().Add(c.h.cfg.InitTimeout)) // If it fails, so does the first read. A close sets an earlier one.
	c.frames = frameWriter{net: c.net, timeout: c.h.cfg.WriteTimeout, buffers: &c.h.buffers}
	c.nextPing = time.Now().Add(c.h.cfg.PingInterval)
	c.due = c.nextPing
	c.timer = time.AfterFunc(c.h.cfg.PingInterval, c.signal)
	if !c.writer.CompareAndSwap(writerRuns, writerIdle) { // A drain has something for it already.
		c.writer.Store(writerRuns)
		c.h.startWriter(c)
	}
	if c.ws.Subprotocol() != subprotocol {
		c.shut(closeSubprotocol, reasonSubprotocol)
	}
	go c.read()
}

// shut queues a close frame behind what is queued; the first reason counts. Nothing is queued after it.
func (c *conn) shut(code int, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shutLocked(code, reason)
}

func (c *conn) shutLocked(code int, reason string) {
	if c.out.closing {
		return
	}
	c.out.closing, c.out.code, c.out.reason = true, code, reason
	if code == closeSlowConsumer {
		c.out.drop(nil)
	}
	c.h.stats.closed(code)
	c.room.Signal()
	c.signal()
}

// cut ends the socket without a word.
func (c *conn) cut() {
	if c.net != nil { // Nil in the middle of the handshake.
		_ = c.net.Close()
	}
}

// signal tells the writer that it has something to do.
func (c *conn) signal() {
	for {
		switch {
		case c.writer.CompareAndSwap(writerIdle, writerRuns):
			c.h.startWriter(c)
			return
		case c.writer.CompareAndSwap(writerRuns, writerRunsOn), c.writer.Load() == writerRunsOn:
			return
		}
	}
}

func (c *conn) closing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.closing
}

// read is the reader goroutine. It ends the socket when it ends.
func (c *conn) read() {
	defer c.end()
	defer func() { c.failed(recover()) }()
	c.ws.SetReadLimit(int64(c.h.cfg.MaxMessageBytes))
	c.ws.SetPingHandler(c.pinged)
	c.ws.SetPongHandler(c.ponged)
	for {
		c.awaitRoom()
		kind, message, err := c.ws.NextReader()
		var data *bytes.Buffer
		if err == nil { // Room is only taken when there is something to put into it.
			data = c.h.messages.Get().(*bytes.Buffer)
			data.Reset()
			_, err = data.ReadFrom(message)
		}
		if err != nil {
			c.readFailed(err)
			return
		}
		if !c.closing() {
			c.touch()
			c.received(kind, data)
		}
	}
}

// awaitRoom waits while too many answers wait: who asks for more than it reads is not read from meanwhile. The writer ends the wait, if only
// because it cannot write.
func (c *conn) awaitRoom() {
	c.mu.Lock()
	waits := false
	for c.out.isOver(&c.h.cfg) && !c.out.closing {
		waits = true
		c.room.Wait()
	}
	c.mu.Unlock()
	if waits {
		c.touch() // The client may have said much meanwhile.
	}
}

// task is the handling of one message, which is used again.
type task struct {
	c       *conn
	data    *bytes.Buffer
	handled chan struct{} // of no size: whoever waits for one message must not be told of the next one
	do      func()        // run, made once
}

func newTask() any {
	t := &task{handled: make(chan struct{})}
	t.do = t.run
	return t
}

// run handles the message and then executes the operation that it may have begun.
func (t *task) run() {
	h := t.c.h
	graphqlexec.NextStage()
	if execute := t.handle(); execute != nil {
		execute()
	}
	h.messages.Put(t.data) // What was made of the message has copies of what it keeps.
	t.c, t.data = nil, nil
	h.tasks.Put(t)
}

func (t *task) handle() (execute func()) {
	defer func() { t.handled <- struct{}{} }()
	defer func() { t.c.failed(recover()) }()
	return t.c.handle(t.data.Bytes())
}

// received handles one message on a goroutine of its own and waits for it, which keeps this one's stack small: there
// are as many readers as sockets. An operation goes on there without being waited for.
func (c *conn) received(kind int, data *bytes.Buffer) {
	c.h.stats.messagesIn.Add(1)
	switch {
	case !c.allowed():
	case kind != websocket.TextMessage:
		c.shut(closeInvalidMessage, "Invalid message: it must be text")
	case !utf8.Valid(data.Bytes()):
		c.shut(closeInvalidUTF8, "Invalid UTF-8")
	default:
		t := c.h.tasks.Get().(*task)
		t.c, t.data = c, data
		c.h.runners.run(t.do)
		<-t.handled
	}
}

// pinged answers a ping frame. Only the newest is answered, as RFC 6455, 5.5.3 allows, so that pings queue nothing.
func (c *conn) pinged(payload string) error {
	c.touch()
	if !c.allowed() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.pong = []byte(payload)
	c.signal()
	return nil
}

// ponged takes a pong frame, which may come without having been asked for.
func (c *conn) ponged(string) error {
	c.touch()
	c.allowed()
	return nil
}

// allowed tells whether the client may send as fast as it does, and closes the socket if not.
func (c *conn) allowed() bool {
	if c.limiter.Allow() {
		return true
	}
	c.shut(closeTooMany, reasonTooManyMessage)
	return false
}

// touch puts the read deadline off, once the client has made itself known. It is called by the reader.
func (c *conn) touch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.acked && !c.out.closing && now.Sub(c.touched) > c.h.cfg.PingInterval/4 {
		c.touched = now
		_ = c.net.SetReadDeadline(now.Add(c.h.cfg.PingInterval * 5 / 2)) // If it fails, so does the read.
	}
}

// readFailed answers the end of reading with the close code for it, and waits until the client has gone.
func (c *conn) readFailed(err error) {
	c.mu.Lock()
	sent, acked := c.out.sent, c.acked
	c.mu.Unlock()
	closed, isClose := errors.AsType[*websocket.CloseError](err)
	switch {
	case sent && (isClose || isTimeout(err)):
		return // Our close frame was answered, or was not in time.
	case isClose && closed.Code == websocket.CloseAbnormalClosure: // The connection was closed without a close frame.
		c.cut()
		return
	case isClose:
		c.mu.Lock()
		c.out.answered = true
		c.mu.Unlock()
		c.shut(replyCode(closed.Code), "")
	case errors.Is(err, websocket.ErrReadLimit):
		c.shut(closeTooBig, reasonTooBig)
	case isTimeout(err) && !acked:
		c.shut(closeInitTimeout, reasonInitTimeout)
	case isNetwork(err): // Nobody is there.
		c.cut()
		return
	default:
		c.shut(closeProtocolError, "Protocol error")
	}
	c.awaitClose()
}

// awaitClose reads on past gorilla, which reads no more after an error, until the client closes or the time for that is
// over: unread bytes would make the kernel reset the connection, and the close frame would be lost.
func (c *conn) awaitClose() {
	c.mu.Lock()
	if !c.out.sent {
		_ = c.net.SetReadDeadline(time.Time{}) // The writer sets the one for closing.
	}
	c.mu.Unlock()
	_, _ = io.Copy(io.Discard, c.net)
}

// closeSent is called by the writer when it has written the close frame.
func (c *conn) closeSent() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.sent = true
	if c.out.answered { // The server closes first (RFC 6455, 7.1.1).
		c.cut()
		return
	}
	_ = c.net.SetReadDeadline(time.Now().Add(c.h.cfg.CloseTimeout)) // If it fails, so does the read.
}

// replyCode is what answers a client's close code: the same, where one can be sent (RFC 6455, 7.4.1).
func replyCode(code int) int {
	switch code {
	case websocket.CloseNoStatusReceived:
		return closeNormal
	default:
		return code
	}
}

func isNetwork(err error) bool {
	_, ok := errors.AsType[net.Error](err)
	return ok
}

// end gives back all that the socket held.
func (c *conn) end() {
	c.mu.Lock()
	c.cancel()
	c.out.closing, c.ended = true, true
	ops := c.ops
	c.ops = nil
	for _, o := range ops {
		o.done = true
	}
	c.mu.Unlock()
	c.timer.Stop()
	for _, o := range ops {
		o.leave()
	}
	_ = c.net.Close()
	c.h.dismiss(c)
}

// write is the writer goroutine: it writes what is queued, pings, and closes when the credentials expire. It ends when there is nothing left to
// do, and for good with the reader or after a close frame.
func (c *conn) write() {
	defer func() {
		if c.failed(recover()) { // Nobody is left to write the close frame.
			c.cut()
		}
	}()
	var spare []entry
	for {
		queue, more := c.writeQueued(spare)
		if !more {
			return
		}
		if c.writer.CompareAndSwap(writerRuns, writerIdle) {
			return
		}
		c.writer.Store(writerRuns)
		spare = recycle(queue)
	}
}

// writeQueued writes what is due, and returns the queue that is written. It is false when nothing may be written any more.
func (c *conn) writeQueued(spare []entry) (queue []entry, more bool) {
	c.mu.Lock()
	gather := c.gather
	c.mu.Unlock()
	c.pause(time.Until(c.written.Add(gather)))
	now := time.Now()
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return nil, false
	}
	if !c.expires.IsZero() && !now.Before(c.expires) {
		c.shutLocked(closeForbidden, reasonExpired)
	}
	expires := c.expires
	batch := c.out.take(spare)
	c.mu.Unlock()
	ping := !now.Before(c.nextPing)
	if ping {
		c.nextPing = now.Add(c.h.cfg.PingInterval)
	}
	if err := c.frames.write(&batch, ping); err != nil {
		c.h.stats.writeFailed(err)
		c.giveUp()
		return nil, false
	}
	c.mu.Lock()
	c.out.writing, c.out.replying = 0, 0
	c.room.Signal()
	c.mu.Unlock()
	c.h.stats.messagesOut.Add(int64(len(batch.queue)))
	if batch.closing {
		c.closeSent()
		return nil, false
	}
	for _, o := range batch.behind {
		o.catchUp()
	}
	c.written = now
	if next := earliest(c.nextPing, expires); !next.Equal(c.due) {
		c.due = next
		c.timer.Reset(time.Until(next))
	}
	return batch.queue, true
}

// giveUp ends a socket that cannot be written to.
func (c *conn) giveUp() {
	c.mu.Lock()
	c.out.closing = true
	c.room.Signal()
	c.mu.Unlock()
	c.cut()
}

// writeAtOnce writes a message past the writer, if that has nothing to write, it is not to be gathered, and is not so large that others
// would wait for it. What the kernel does not take is left to the writer. It is false if the message must be queued. It is called with mu held.
func (c *conn) writeAtOnce(e *entry) bool {
	if !c.isIdle() || e.size() > copiedBytes {
		return false
	}
	if c.gather > 0 {
		now := time.Now()
		if now.Sub(c.written) < c.gather {
			return false
		}
		c.written = now
	}
	c.h.stats.messagesOut.Add(1)
	c.leaveRest(c.h.attempts.send(c.raw, e))
	return true
}

// answerAtOnce is writeAtOnce for the messages of one socket alone, all of them or none. Where they may be gathered they are the writer's.
func (c *conn) answerAtOnce(messages []entry) bool {
	size := 0
	for i := range messages {
		size += messages[i].size()
	}
	if !c.isIdle() || c.gather > 0 || size > copiedBytes {
		return false
	}
	c.h.stats.messagesOut.Add(int64(len(messages)))
	c.leaveRest(c.h.attempts.sendAll(c.raw, messages))
	return true
}

// leaveRest leaves to the writer what the kernel has not taken of a frame.
func (c *conn) leaveRest(rest []byte) {
	if len(rest) > 0 {
		c.out.rest, c.out.bytes = rest, len(rest)
		c.signal()
	}
}

// isIdle tells that nothing waits to be written, and that it could be written without the writer. It is called with mu held.
func (c *conn) isIdle() bool {
	return c.raw != nil && c.writer.Load() == writerIdle && len(c.out.queue) == 0 && len(c.out.rest) == 0
}

// pause waits for the rest of the gather interval. It does not end with the socket: to wait for both costs as much as what gathering saves.
func (c *conn) pause(d time.Duration) {
	if d > 0 {
		time.Sleep(d)
	}
}

// recycle clears a slice to queue into again; one that a burst has made large is given up.
func recycle(queue []entry) []entry {
	if cap(queue) > 16 {
		return nil
	}
	clear(queue)
	return queue[:0]
}

func earliest(a, b time.Time) time.Time {
	if b.IsZero() || a.Before(b) {
		return a
	}
	return b
}

// failed turns a panic of one of the socket's goroutines into the socket's end. It is to be deferred with recover().
func (c *conn) failed(p any) bool {
	if p == nil {
		return false
	}
	c.h.stats.panics.Add(1)
	c.h.cfg.Logger.Error("socket failed", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	c.shut(closeInternalError, "Internal error")
	return true
}
