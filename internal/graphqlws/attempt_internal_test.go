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

func TestWhoWritesAMessage(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		size   int
		before func(c *conn)
		atOnce bool
	}{
		{"an idle socket's is written at once", 100, func(*conn) {}, true},
		{"one of the largest size that is written at once", copiedBytes - 100, func(*conn) {}, true},
		{"a larger one is left to the writer", copiedBytes, func(*conn) {}, false},
		{"so is one that is to be gathered", 100, func(c *conn) { c.gather = time.Millisecond }, false},
		{"so is one that comes while the writer writes", 100, func(c *conn) { c.signal() }, false},
		{"so is one behind another", 100, func(c *conn) { c.out.push(entry{own: []byte("{}")}) }, false},
		{"so is one behind a frame that was begun", 100, func(c *conn) { c.out.rest = []byte("{") }, false},
		{"so is one of a connection that is no descriptor", 100, func(c *conn) { c.raw = nil }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			near, far := tcpPair(t)
			_ = near.SetWriteBuffer(1 << 20)
			_ = far.SetReadBuffer(1 << 20)
			c, o := idle(t, near)
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
			got := make([]byte, len(want))
			if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, want) {
				t.Errorf("the client got %q, %v", got, err)
			}
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
