package graphqlws

import (
	"bytes"
	"net"
	"sync"
	"syscall"

	"waggle/internal/graphqlexec"
)

// attempt is a write that does not wait: it leaves to the caller what the kernel has no room for. A delivery written by the
// goroutine that fans out saves waking the socket's writer, which was a quarter of what a delivery cost.
type attempt struct {
	frame []byte
	// What it is the frame of. Most clients choose the same id, so that of the next socket is often the same.
	message *graphqlexec.Message
	suffix  []byte

	taken int              // how much of frame the kernel took
	write func(fd uintptr) // writes frame and sets taken; made once, since it is made on the heap
}

// attempts is a pool of *attempt.
type attempts struct{ pool sync.Pool }

func newAttempts() *attempts {
	return &attempts{sync.Pool{New: func() any {
		a := &attempt{frame: make([]byte, 0, copiedBytes+maxHeaderBytes)}
		a.write = func(fd uintptr) { a.taken = tryWrite(fd, a.frame) }
		return a
	}}}
}

// send writes one shared message in a frame, of which it returns a copy of what is left. The caller must see to it that nobody else writes.
func (p *attempts) send(raw syscall.RawConn, e *entry) (rest []byte) {
	a := p.pool.Get().(*attempt)
	defer p.pool.Put(a)
	if a.message != e.shared || !bytes.Equal(a.suffix, e.op.suffix) {
		a.message, a.suffix = e.shared, e.op.suffix
		a.frame = e.append(appendHeader(a.frame[:0], opText, e.size()))
	}
	return a.try(raw)
}

// sendAll is send for messages that may be of one socket alone, a frame for each.
func (p *attempts) sendAll(raw syscall.RawConn, messages []entry) (rest []byte) {
	a := p.pool.Get().(*attempt)
	defer p.pool.Put(a)
	a.message, a.suffix, a.frame = nil, nil, a.frame[:0]
	for i := range messages {
		a.frame = messages[i].append(appendHeader(a.frame, opText, messages[i].size()))
	}
	return a.try(raw)
}

// try writes the frame, of which it returns a copy of what is left.
func (a *attempt) try(raw syscall.RawConn) (rest []byte) {
	a.taken = 0
	_ = raw.Control(a.write) // If the socket is closed nothing is taken, and the writer finds out. Unlike Write, it knows no deadline.
	if a.taken == len(a.frame) {
		return nil
	}
	return append([]byte(nil), a.frame[a.taken:]...)
}

// rawConn is nil for a connection that is more than a descriptor, such as TLS or a pipe: all is left to its writer.
func rawConn(nc net.Conn) syscall.RawConn {
	t, ok := nc.(*net.TCPConn)
	if !ok || !canWriteAtOnce {
		return nil
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}
