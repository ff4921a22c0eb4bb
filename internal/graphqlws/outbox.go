package graphqlws

import (
	"errors"
	"net"
	"sync"
	"time"

	"waggle/internal/graphqlexec"
)

const (
	writeBytes  = 64 << 10 // what one write carries at most
	copiedBytes = 16 << 10 // messages up to here are copied together, larger ones are written from where they are
)

// entry is one message that waits to be written.
type entry struct {
	own    []byte               // a message of this socket alone
	shared *graphqlexec.Message // or a shared one, that op's suffix completes
	op     *operation
}

func (e *entry) size() int {
	body, suffix := e.parts()
	return len(body) + len(suffix)
}

func (e *entry) parts() (body, suffix []byte) {
	if e.shared != nil {
		return e.shared.Envelope(), e.op.suffix
	}
	return e.own, nil
}

func (e *entry) append(b []byte) []byte {
	body, suffix := e.parts()
	return append(append(b, body...), suffix...)
}

// outbox is what waits to be written to one socket.
type outbox struct {
	rest     []byte // of a frame that was begun; before anything else
	queue    []entry
	bytes    int  // of rest, and of the entries that are not joining
	writing  int  // the same of what the writer has taken and not yet written
	joining  int  // bytes of the entries that bring subscriptions up to date
	answers  load // those of the entries that answer what the client asked
	replying int  // bytes of the answers that the writer has taken and not yet written
	behind   []*operation
	pong     []byte // the newest ping frame's answer, nil if none is due
	closing  bool
	code     int
	reason   string
	// answered tells that the client has sent its close frame, sent that ours was written.
	answered, sent bool
}

// load is so many messages, of so many bytes together.
type load struct{ messages, bytes int }

// roomFor tells whether a message of a subscription may wait. A single one of its kind always may, so that large ones can follow each other.
func (o *outbox) roomFor(m *graphqlexec.Message, size int, cfg *Config) bool {
	if m.Joining() {
		return o.joining == 0 || o.joining+size <= cfg.MaxJoiningBytes
	}
	return len(o.queue) < cfg.MaxQueuedMessages && (o.bytes == 0 || o.writing+o.bytes+size <= cfg.MaxQueuedBytes)
}

// roomForOwn tells whether a message that cannot be put off may wait. There is far more room, for the answers to all that a client may have
// asked before it is read from no more.
func (o *outbox) roomForOwn(size int, cfg *Config) bool {
	return o.bytes == 0 || o.writing+o.bytes+size <= cfg.MaxAnswerBytes
}

// isOver tells whether the client has asked for more than it reads. What its subscriptions bring does not count: it is bounded by itself, and a client
// that cannot follow must be heard when it completes them.
func (o *outbox) isOver(cfg *Config) bool {
	return o.answers.messages > cfg.MaxQueuedMessages || o.replying+o.answers.bytes > cfg.MaxQueuedBytes
}

// answer is push for what answers the client.
func (o *outbox) answer(e entry) bool {
	o.answers.messages++
	o.answers.bytes += e.size()
	return o.push(e)
}

// drop empties the queue of a socket that is written to by others than the writer, or no more. What is left of a frame stays.
func (o *outbox) drop(queue []entry) {
	o.queue, o.bytes, o.joining, o.answers = queue, len(o.rest), 0, load{}
}

// push queues an entry and tells whether the writer must be woken for it.
func (o *outbox) push(e entry) bool {
	if e.shared != nil && e.shared.Joining() {
		o.joining += e.size()
	} else {
		o.bytes += e.size()
	}
	o.queue = append(o.queue, e)
	return len(o.queue) == 1
}

// take empties the outbox into a copy. Spare is a slice to queue into from here on.
func (o *outbox) take(spare []entry) outbox {
	taken := *o
	o.writing, o.replying = o.bytes, o.answers.bytes
	o.rest, o.queue, o.bytes, o.joining, o.answers, o.behind, o.pong = nil, spare, 0, 0, load{}, nil, nil
	return taken
}

// frameWriter writes frames to a network connection, many in one write.
type frameWriter struct {
	net     net.Conn
	timeout time.Duration
	buffers *sync.Pool // of *[]byte with room for writeBytes

	deadline time.Time
}

// write writes all that was taken, the close frame last.
func (w *frameWriter) write(o *outbox, ping bool) error {
	bp := w.buffers.Get().(*[]byte)
	defer w.buffers.Put(bp)
	buf, err := w.large((*bp)[:0], o.rest)
	if err != nil {
		return err
	}
	for i := range o.queue {
		e := &o.queue[i]
		if e.op != nil && e.op.muted.Load() {
			continue
		}
		size := e.size()
		if size > copiedBytes || len(buf)+size+maxHeaderBytes > writeBytes {
			if buf, err = w.flush(buf); err != nil {
				return err
			}
		}
		buf = appendHeader(buf, opText, size)
		if size <= copiedBytes {
			buf = e.append(buf)
			continue
		}
		body, suffix := e.parts()
		if buf, err = w.large(buf, body); err != nil {
			return err
		}
		buf = append(buf, suffix...)
	}
	if o.pong != nil {
		buf = append(appendHeader(buf, opPong, len(o.pong)), o.pong...)
	}
	if ping {
		buf = appendHeader(buf, opPing, 0)
	}
	if o.closing {
		buf = appendClose(buf, o.code, o.reason)
	}
	_, err = w.flush(buf)
	return err
}

// large writes a message in pieces, so that its size does not decide whether it is written in time.
func (w *frameWriter) large(buf, body []byte) ([]byte, error) {
	buf, err := w.flush(buf)
	for err == nil && len(body) > 0 {
		n := min(len(body), writeBytes)
		_, err = w.flush(body[:n])
		body = body[n:]
	}
	return buf, err
}

func (w *frameWriter) flush(buf []byte) ([]byte, error) {
	if len(buf) == 0 {
		return buf, nil
	}
	if now := time.Now(); w.deadline.Sub(now) < w.timeout/2 { // Sparingly: it costs a timer each time.
		w.deadline = now.Add(w.timeout)
		if err := w.net.SetWriteDeadline(w.deadline); err != nil {
			return nil, err
		}
	}
	_, err := w.net.Write(buf)
	return buf[:0], err
}

// isTimeout tells whether a deadline has passed. gorilla hides what errors.Is would look for.
func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}
