package graphqlws

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"waggle/internal/graphqlexec"
)

// tcpPair is a socket of which the kernel holds little, and its other end.
func tcpPair(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	d := net.Dialer{}
	out, err := d.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = in.Close(), out.Close() })
	near, far = in.(*net.TCPConn), out.(*net.TCPConn)
	_, _ = near.SetWriteBuffer(4096), far.SetReadBuffer(4096)
	return near, far
}

// idle is a connection that nobody serves, and an operation of it.
func idle(t *testing.T, nc net.Conn) (*conn, *operation) {
	t.Helper()
	h := New(graphqlexec.New(nil, graphqlexec.Config{}), Config{})
	h.startWriter = func(*conn) {}
	c := &conn{h: h, net: nc, raw: rawConn(nc)}
	return c, &operation{c: c, id: "s", suffix: suffixOf("s")}
}

func message(t *testing.T, text string) *graphqlexec.Message {
	t.Helper()
	m, err := graphqlexec.NewMessage(&graphql.Response{Data: []byte(`"` + text + `"`)})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func frameOf(m *graphqlexec.Message, o *operation) []byte {
	e := entry{shared: m, op: o}
	return e.append(appendHeader(nil, opText, e.size()))
}

// writing is a message of a size to a connection that something was done to before, and whether it is written at once.
type writing struct {
	name   string
	size   int
	before func(c *conn)
	atOnce bool
}

// busyWriters are the reasons for which nothing at all is written at once.
func busyWriters() []writing {
	return []writing{
		{"one that comes while the writer writes is queued", 100, func(c *conn) { c.signal() }, false},
		{"so is one behind another", 100, func(c *conn) { c.out.push(entry{own: []byte("{}")}) }, false},
		{"so is one behind a frame that was begun", 100, func(c *conn) { c.out.rest = []byte("{") }, false},
		{"so is one of a connection that is no descriptor", 100, func(c *conn) { c.raw = nil }, false},
	}
}

// roomy is idle for a socket of which the kernel holds all that a test writes, and its other end.
func roomy(t *testing.T) (*conn, *operation, net.Conn) {
	t.Helper()
	near, far := tcpPair(t)
	_ = near.SetWriteBuffer(1 << 20)
	_ = far.SetReadBuffer(1 << 20)
	c, o := idle(t, near)
	return c, o, far
}

func arrives(t *testing.T, far net.Conn, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the client got %q, %v", got, err)
	}
}

func TestWhoWritesAMessage(t *testing.T) {
	t.Parallel()
	for _, tc := range append([]writing{
		{"an idle socket's is written at once", 100, func(*conn) {}, true},
		{"one of the largest size that is written at once", copiedBytes - 100, func(*conn) {}, true},
		{"a larger one is left to the writer", copiedBytes, func(*conn) {}, false},
		{"one after a pause as long as messages are gathered for is written at once", 100, func(c *conn) { c.gather = time.Millisecond }, true},
		{"one that is to be gathered is queued", 100, func(c *conn) { c.gather, c.written = time.Hour, time.Now() }, false},
	}, busyWriters()...) {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c, o, far := roomy(t)
			tc.before(c)
			queued := len(c.out.queue)
			m := message(t, strings.Repeat("x", tc.size))
			if !o.Next(m) {
				t.Fatal("it was refused")
			}
			if got := len(c.out.queue) == queued; got != tc.atOnce {
				t.Fatalf("written at once: %v", got)
			}
			if !tc.atOnce {
				return
			}
			if c.writer.Load() != writerIdle {
				t.Error("the writer was started")
			}
			want := frameOf(m, o)
			arrives(t, far, want)
		})
	}
	t.Run("nor is there a descriptor in a pipe", func(t *testing.T) {
		t.Parallel()
		near, _ := net.Pipe()
		if rawConn(near) != nil {
			t.Error("it has one")
		}
	})
}

func TestWhoWritesAnAnswer(t *testing.T) {
	t.Parallel()
	for _, tc := range append([]writing{
		{"an idle socket's is written at once", 100, func(*conn) {}, true},
		{"a large one is left to the writer", copiedBytes, func(*conn) {}, false},
		{"so is one that may be gathered", 100, func(c *conn) { c.gather = time.Millisecond }, false},
	}, busyWriters()...) {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c, o, far := roomy(t)
			c.ops = map[string]*operation{o.id: o}
			tc.before(c)
			queued := len(c.out.queue)
			resp := &graphql.Response{Data: []byte(`"` + strings.Repeat("x", tc.size) + `"`)}
			o.answer(resp)
			if !o.done || len(c.ops) > 0 {
				t.Error("its id is not free")
			}
			m := message(t, strings.Repeat("x", tc.size))
			complete := completeMessage(o.suffix)
			if !tc.atOnce {
				q := c.out.queue[queued:]
				if len(q) != 2 || !bytes.Equal(q[0].append(nil), append(m.Envelope(), o.suffix...)) || !bytes.Equal(q[1].own, complete) {
					t.Errorf("%d messages are queued", len(q))
				}
				return
			}
			if len(c.out.queue) > 0 || c.writer.Load() != writerIdle {
				t.Error("the writer was started")
			}
			want := append(appendHeader(frameOf(m, o), opText, len(complete)), complete...)
			arrives(t, far, want)
		})
	}
}

// fill writes messages until the kernel does not take all of a frame, and returns all frames.
func fill(t *testing.T, c *conn, o *operation) []byte {
	t.Helper()
	var frames []byte
	for i := range 10_000 {
		m := message(t, strings.Repeat("x", 1000+i%997))
		frames = append(frames, frameOf(m, o)...)
		if !o.Next(m) {
			t.Fatal("it was refused")
		}
		if len(c.out.rest) > 0 {
			return frames
		}
	}
	t.Fatal("the kernel takes everything")
	return nil
}

func TestAFrameThatTheKernelTakesInPartIsEndedByTheWriter(t *testing.T) {
	t.Parallel()
	near, far := tcpPair(t)
	c, o := idle(t, near)
	want := fill(t, c, o)
	if c.writer.Load() != writerRuns || c.out.bytes != len(c.out.rest) {
		t.Errorf("writer %d, %d bytes counted of %d", c.writer.Load(), c.out.bytes, len(c.out.rest))
	}
	next := message(t, "next")
	want = append(want, frameOf(next, o)...)
	if !o.Next(next) {
		t.Fatal("it was refused")
	}
	o.muted.Store(true) // The rest of a frame goes out even if nobody wants it any more.
	c.shut(closeServiceRestart, reasonRestart)
	want = want[:len(want)-len(frameOf(next, o))]
	want = appendClose(want, closeServiceRestart, reasonRestart)
	flushed(t, c, far, want)
}

func TestASlowConsumersCloseComesBehindTheFrameThatWasBegun(t *testing.T) {
	t.Parallel()
	near, far := tcpPair(t)
	c, o := idle(t, near)
	want := fill(t, c, o)
	o.Next(message(t, "dropped"))
	c.shut(closeSlowConsumer, reasonSlowConsumer)
	flushed(t, c, far, appendClose(want, closeSlowConsumer, reasonSlowConsumer))
}

// flushed lets the writer's part be done while the client reads, and wants the client to have got these bytes in all.
func flushed(t *testing.T, c *conn, far net.Conn, want []byte) {
	t.Helper()
	got := make(chan []byte, 1)
	go func() {
		b, _ := io.ReadAll(far)
		got <- b
	}()
	batch := c.out.take(nil)
	w := frameWriter{net: c.net, timeout: 5 * time.Second, buffers: &c.h.buffers}
	if err := w.write(&batch, false); err != nil {
		t.Error(err)
	}
	_ = c.net.Close()
	if b := <-got; !bytes.Equal(b, want) {
		t.Errorf("the client got %d bytes, want %d", len(b), len(want))
	}
}

// gathering is two sockets that gather, of which one chose another id, with messages queued for both.
func gathering(t *testing.T, messages ...*graphqlexec.Message) (conns []*conn, ops []*operation, far []net.Conn) {
	t.Helper()
	for _, id := range []string{"s", "s", "another"} {
		near, end := tcpPair(t)
		c, o := idle(t, near)
		o.id, o.suffix = id, suffixOf(id)
		if len(conns) > 0 {
			c.h = conns[0].h
		}
		c.gather, c.written = time.Hour, time.Now()
		for _, m := range messages {
			if !o.Next(m) {
				t.Fatal("it was refused")
			}
		}
		conns, ops, far = append(conns, c), append(ops, o), append(far, end)
	}
	return conns, ops, far
}

func TestWhatIsGatheredIsWrittenTogether(t *testing.T) {
	t.Parallel()
	first, second := message(t, "first"), message(t, "second")
	conns, ops, far := gathering(t, first, second)
	ops[1].muted.Store(true) // Nobody wants it any more, not even what is queued.
	conns[0].h.gatherer.write(time.Hour)
	for i, c := range conns {
		if c.writer.Load() != writerIdle || len(c.out.queue) > 0 || c.out.bytes != 0 {
			t.Errorf("socket %d: writer %d, %d messages and %d bytes are left", i, c.writer.Load(), len(c.out.queue), c.out.bytes)
		}
		_ = c.net.Close()
		want := append(frameOf(first, ops[i]), frameOf(second, ops[i])...)
		if i == 1 {
			want = nil
		}
		if got, _ := io.ReadAll(far[i]); !bytes.Equal(got, want) {
			t.Errorf("socket %d got %q, want %q", i, got, want)
		}
	}
}

func TestWhatOfTheGatheredTheKernelDoesNotTakeIsLeftToTheWriter(t *testing.T) {
	t.Parallel()
	messages := make([]*graphqlexec.Message, 40)
	for i := range messages {
		messages[i] = message(t, strings.Repeat("x", 1400+i))
	}
	conns, ops, far := gathering(t, messages...)
	c := conns[0]
	_ = c.net.(*net.TCPConn).SetWriteBuffer(4096)
	c.h.gatherer.write(time.Hour)
	if len(c.out.rest) == 0 || c.writer.Load() != writerRuns || c.out.bytes != len(c.out.rest) {
		t.Fatalf("%d bytes are left, %d counted, writer %d", len(c.out.rest), c.out.bytes, c.writer.Load())
	}
	var want []byte
	for _, m := range messages {
		want = append(want, frameOf(m, ops[0])...)
	}
	flushed(t, c, far[0], want)
}

func TestTheGathererLeavesToTheWriterWhatIsTheWriters(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(c *conn, o *operation){
		"while it writes":                   func(c *conn, _ *operation) { c.signal() },
		"behind a frame that was begun":     func(c *conn, _ *operation) { c.out.rest = []byte("{") },
		"a subscription is to be caught up": func(c *conn, o *operation) { c.out.behind = append(c.out.behind, o) },
		"what is too large":                 func(c *conn, _ *operation) { c.out.joining = writeBytes },
	} {
		conns, ops, _ := gathering(t, message(t, "x"))
		before(conns[0], ops[0])
		conns[0].h.gatherer.write(time.Hour)
		if c := conns[0]; c.writer.Load() == writerIdle || len(c.out.queue) != 1 {
			t.Errorf("%s: writer %d, %d queued", name, c.writer.Load(), len(c.out.queue))
		}
	}
	conns, ops, _ := gathering(t, message(t, "x"))
	conns[0].shut(closeServiceRestart, reasonRestart)
	conns[0].h.gatherer.write(time.Hour)
	if c := conns[0]; len(c.out.queue) != 1 || ops[0].done {
		t.Error("a socket that is closing was written to past its writer")
	}
}

func TestAnAttemptOnAClosedSocketTakesNothing(t *testing.T) {
	t.Parallel()
	near, _ := tcpPair(t)
	c, o := idle(t, near)
	_ = near.Close()
	m := message(t, "x")
	if !o.Next(m) || !bytes.Equal(c.out.rest, frameOf(m, o)) || c.writer.Load() != writerRuns {
		t.Errorf("%d bytes are left to the writer, whose state is %d", len(c.out.rest), c.writer.Load())
	}
}

func TestADeliveryAllocatesNothing(t *testing.T) {
	near, far := tcpPair(t)
	go func() { _, _ = io.Copy(io.Discard, far) }()
	c, o := idle(t, near)
	m := message(t, "x")
	got := testing.AllocsPerRun(1000, func() {
		if o.Next(m); len(c.out.rest) > 0 { // The reader was late: what the writer would do.
			_, _ = near.Write(c.out.rest)
			c.out.rest, c.out.bytes = nil, 0
		}
	})
	if got >= 1 {
		t.Errorf("%v allocations", got)
	}
}
