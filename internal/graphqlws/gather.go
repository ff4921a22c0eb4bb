package graphqlws

import (
	"bytes"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
)

// gatherBite is how many sockets are written to before others may use the processor.
const gatherBite = 16

// gatherer writes to sockets that gather, all that have the same interval one after the other on one goroutine: a goroutine and a timer for each
// would cost as much as the writing.
type gatherer struct {
	mu  sync.Mutex                // taken after conn.mu
	due map[time.Duration][]*conn // those that have something to write, by their interval
}

// add sees to it that what is queued for a socket is written within its interval. It is called with conn.mu held.
func (g *gatherer) add(c *conn) {
	interval := c.gather
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.due[interval]) == 0 {
		time.AfterFunc(interval, func() { g.write(interval) })
	}
	g.due[interval] = append(g.due[interval], c)
}

func (g *gatherer) write(interval time.Duration) {
	g.mu.Lock()
	conns := g.due[interval]
	delete(g.due, interval)
	g.mu.Unlock()
	frames := newGatheredFrames()
	for i, c := range conns {
		c.writeGathered(frames)
		if (i+1)%gatherBite == 0 {
			runtime.Gosched()
		}
	}
}

// gatheredFrames are the frames of what is queued for one socket after the other. Dashboards that watch the same have the same.
type gatheredFrames struct {
	attempt
	queue []entry // what the frame is made of
}

func newGatheredFrames() *gatheredFrames {
	f := &gatheredFrames{}
	f.write = func(fd uintptr) { f.taken = tryWrite(fd, f.frame) }
	return f
}

// send writes a queue, of which it returns a copy of what is left.
func (f *gatheredFrames) send(raw syscall.RawConn, queue []entry) (rest []byte) {
	if !slices.EqualFunc(f.queue, queue, sameBytes) {
		f.frame = f.frame[:0]
		for i := range queue {
			f.frame = queue[i].append(appendHeader(f.frame, opText, queue[i].size()))
		}
		f.queue = append(f.queue[:0], queue...)
	}
	return f.try(raw)
}

// sameBytes tells that two entries are the same on the wire, as far as can be told at a glance.
func sameBytes(a, b entry) bool {
	return a.shared != nil && a.shared == b.shared && bytes.Equal(a.op.suffix, b.op.suffix)
}

// writeGathered writes what is queued, if that is for the gatherer to do; else the writer does it.
func (c *conn) writeGathered(frames *gatheredFrames) {
	defer func() { c.failed(recover()) }()
	c.mu.Lock()
	defer c.mu.Unlock()
	queue := c.out.queue
	switch {
	case c.ended, c.out.closing, len(queue) == 0: // The writer has been told, or has been here.
		return
	case c.writer.Load() != writerIdle, len(c.out.rest) > 0, len(c.out.behind) > 0, c.out.bytes+c.out.joining > writeBytes:
		c.signal()
		return
	}
	queue = slices.DeleteFunc(queue, func(e entry) bool { return e.op != nil && e.op.muted.Load() })
	if len(queue) > 0 {
		c.h.stats.messagesOut.Add(int64(len(queue)))
		c.out.rest = frames.send(c.raw, queue)
	}
	c.out.drop(recycle(c.out.queue))
	c.room.Signal()
	c.written = time.Now()
	if len(c.out.rest) > 0 {
		c.signal()
	}
}
