package graphqlws_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/gorilla/websocket"
	"github.com/vektah/gqlparser/v2/ast"

	"waggle/internal/graphqlexec/exectest"
	"waggle/internal/graphqlws"
)

// Run with -cpu 1: the server has one processor and the process of clients another.

const (
	subscribers = 1000
	eventTexts  = 8 // as a hive with eight workers has, of some 150 bytes each
)

// load is a process of clients, so that what the server takes can be told from what they take.
type load struct{ frames atomic.Int64 }

// clientsEnv makes the test binary such a process: its value is "<url> <number of sockets>", and each line of its input
// is sent by every socket. It prints how many frames came.
const clientsEnv = "GRAPHQLWS_BENCH_CLIENTS"

func startLoad(b *testing.B, url string, say ...string) *load {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", clientsEnv, url, subscribers), "GOMAXPROCS=1")
	cmd.Stdin = strings.NewReader(strings.Join(say, "\n"))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	n := &load{}
	var wg sync.WaitGroup
	wg.Go(func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			frames, _ := strconv.ParseInt(lines.Text(), 10, 64)
			n.frames.Store(frames)
		}
	})
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		wg.Wait()
		_ = cmd.Wait()
	})
	return n
}

// runClients is the process of clients.
func runClients(args string) error {
	var url string
	var sockets int
	if _, err := fmt.Sscan(args, &url, &sockets); err != nil {
		return err
	}
	say, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	var frames atomic.Int64
	for range sockets {
		d := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}, ReadBufferSize: 256, WriteBufferSize: 256}
		ws, resp, err := d.Dial(url, nil)
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		for msg := range strings.Lines(string(say)) {
			if err := ws.WriteMessage(websocket.TextMessage, []byte(msg)); err != nil {
				return err
			}
		}
		go countFrames(ws.NetConn(), &frames)
	}
	for last := int64(-1); ; time.Sleep(200 * time.Microsecond) {
		if n := frames.Load(); n != last {
			last = n
			if _, err := fmt.Println(n); err != nil { //nolint:forbidigo // Its output is what it is for.
				return err
			}
		}
	}
}

// countFrames reads frames as cheaply as can be.
func countFrames(nc net.Conn, frames *atomic.Int64) {
	br := bufio.NewReaderSize(nc, 16<<10)
	for {
		head, err := br.Peek(2)
		if err != nil {
			return
		}
		opcode, size, skip := head[0]&0x0F, int(head[1]), 2 // What Peek returned is gone after Discard.
		switch size {
		case 126:
			if head, err = br.Peek(4); err != nil {
				return
			}
			size, skip = int(binary.BigEndian.Uint16(head[2:])), 4
		case 127:
			if head, err = br.Peek(10); err != nil {
				return
			}
			size, skip = int(binary.BigEndian.Uint64(head[2:])), 10
		}
		if _, err = br.Discard(skip + size); err != nil {
			return
		}
		if opcode == websocket.TextMessage {
			frames.Add(1)
		}
	}
}

func (n *load) wait(b *testing.B, frames int64) {
	b.Helper()
	for deadline := time.Now().Add(time.Minute); n.frames.Load() < frames; time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			b.Fatalf("%d frames of %d", n.frames.Load(), frames)
		}
	}
}

// measure sends b.N events to all subscribers, at most ahead of them unread. It reports deliveries a second, and what one
// costs this process, which does not depend on what else the machine does.
func measure(b *testing.B, n *load, ahead int, send func()) {
	b.Helper()
	runtime.GC()
	base := n.frames.Load()
	var m0, m1 runtime.MemStats
	runtime.ReadMemStats(&m0)
	cpu := cpuTime(b)
	b.ResetTimer()
	for i := range b.N {
		send()
		if i >= ahead {
			n.wait(b, base+int64(i-ahead+1)*subscribers)
		}
	}
	n.wait(b, base+int64(b.N)*subscribers)
	b.StopTimer()
	cpu = cpuTime(b) - cpu
	runtime.ReadMemStats(&m1)
	deliveries := float64(b.N) * subscribers
	b.ReportMetric(deliveries/b.Elapsed().Seconds(), "deliveries/s")
	b.ReportMetric(float64(cpu.Nanoseconds())/deliveries/1e3, "cpu-us/delivery")
	b.ReportMetric(float64(m1.Mallocs-m0.Mallocs)/deliveries, "allocs/delivery")
	b.ReportMetric(0, "ns/op")
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

const fanoutQuery = `subscription{changes{revision reset complete texts}}`

var (
	initMsg   = `{"type":"connection_init"}`
	eventText = strings.Repeat("w", 150)
)

// BenchmarkFanoutShared is this package: one execution for all.
func BenchmarkFanoutShared(b *testing.B) { benchmarkShared(b, graphqlws.Config{}, 4) }

// BenchmarkFanoutSharedGather50ms gathers for 50 ms; a stream of events fills each write.
func BenchmarkFanoutSharedGather50ms(b *testing.B) {
	benchmarkShared(b, graphqlws.Config{Gather: 50 * time.Millisecond, MaxQueuedMessages: 10_000, MaxQueuedBytes: 16 << 20}, 100)
}

func benchmarkShared(b *testing.B, cfg graphqlws.Config, ahead int) {
	b.Helper()
	s := newServer(b, cfg)
	n := startLoad(b, s.url, initMsg, subscribeMsg("s", fanoutQuery))
	n.wait(b, 2*subscribers)
	measure(b, n, ahead, func() { s.event(b) })
}

// event appends what one element of eventTexts texts carries, and waits until it was taken up, so that none coalesce.
func (s *server) event(b *testing.B) {
	b.Helper()
	before := s.exec.Stats().Elements
	s.log.AppendAll(eventText, eventTexts)
	for s.exec.Stats().Elements == before {
		time.Sleep(50 * time.Microsecond)
	}
}

// BenchmarkFanoutStock is gqlgen's own transport with its default library, one execution for each subscriber.
func BenchmarkFanoutStock(b *testing.B) {
	log := &exectest.Log{}
	srv := handler.New(exectest.NewExecutableSchema(exectest.Config{Resolvers: &exectest.Resolver{Log: log}}))
	srv.AddTransport(transport.Websocket{})
	srv.SetQueryCache(lru.New[*ast.QueryDocument](10))
	ts := httptest.NewServer(srv)
	b.Cleanup(ts.Close)
	n := startLoad(b, "ws"+strings.TrimPrefix(ts.URL, "http"), initMsg, subscribeMsg("s", fanoutQuery))
	n.wait(b, 2*subscribers)
	measure(b, n, 0, func() { log.AppendAll(eventText, eventTexts) })
}

// broadcast is the floor: sockets without GraphQL, to which gorilla writes prepared messages.
type broadcast struct {
	mu    sync.Mutex
	conns []*websocket.Conn
}

func (r *broadcast) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	up := websocket.Upgrader{Subprotocols: []string{"graphql-transport-ws"}, ReadBufferSize: 1024, WriteBufferSize: 256, WriteBufferPool: &sync.Pool{}}
	ws, err := up.Upgrade(w, req, nil)
	if err != nil {
		return
	}
	r.mu.Lock()
	r.conns = append(r.conns, ws)
	r.mu.Unlock()
	_, _ = io.Copy(io.Discard, ws.NetConn())
}

// BenchmarkFanoutRaw is a raw gorilla broadcast of the same bytes: a loop over the sockets.
func BenchmarkFanoutRaw(b *testing.B) {
	benchmarkRaw(b, func(conns []*websocket.Conn) func(*websocket.PreparedMessage) {
		return func(pm *websocket.PreparedMessage) {
			for _, c := range conns {
				_ = c.WritePreparedMessage(pm)
			}
		}
	})
}

// BenchmarkFanoutRawGoroutines is the same with a writing goroutine for each socket.
func BenchmarkFanoutRawGoroutines(b *testing.B) {
	benchmarkRaw(b, func(conns []*websocket.Conn) func(*websocket.PreparedMessage) {
		var chans []chan *websocket.PreparedMessage
		for _, c := range conns {
			ch := make(chan *websocket.PreparedMessage, 256)
			chans = append(chans, ch)
			go func() {
				for pm := range ch {
					_ = c.WritePreparedMessage(pm)
				}
			}()
		}
		b.Cleanup(func() {
			for _, ch := range chans {
				close(ch)
			}
		})
		return func(pm *websocket.PreparedMessage) {
			for _, ch := range chans {
				ch <- pm
			}
		}
	})
}

func benchmarkRaw(b *testing.B, start func([]*websocket.Conn) func(*websocket.PreparedMessage)) {
	b.Helper()
	r := &broadcast{}
	ts := httptest.NewServer(r)
	b.Cleanup(ts.Close)
	n := startLoad(b, "ws"+strings.TrimPrefix(ts.URL, "http"))
	waitFor(b, "the sockets", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.conns) == subscribers
	})
	texts := strings.Repeat(`,"`+eventText+`"`, eventTexts)[1:]
	msg := fmt.Appendf(nil, `{"payload":{"data":{"changes":{"revision":8,"reset":null,"complete":true,"texts":[%s]}}},"id":"s","type":"next"}`, texts)
	send := start(r.conns)
	measure(b, n, 4, func() {
		pm, err := websocket.NewPreparedMessage(websocket.TextMessage, msg)
		if err != nil {
			b.Fatal(err)
		}
		send(pm)
	})
	for _, c := range r.conns {
		_ = c.Close()
	}
}

// BenchmarkIdleSubscriber reports what a subscriber that gets nothing costs the server in heap and stacks. The clients,
// in the same process, are the difference between a socket of each side and a bare connection.
func BenchmarkIdleSubscriber(b *testing.B) {
	const n = 1000
	size := func() float64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapInuse + m.StackInuse)
	}
	for b.Loop() {
		s := newServer(b, graphqlws.Config{})
		conns := make([]net.Conn, n)
		before := size()
		for i := range conns {
			conns[i] = bareSubscriber(b, s.url)
		}
		waitFor(b, "the deliveries", func() bool { return s.exec.Stats().Deliveries == n })
		waitFor(b, "the writes", func() bool { return s.Stats().MessagesOut >= 2*n })
		b.ReportMetric((size()-before)/n, "bytes/subscriber")
		for _, c := range conns {
			_ = c.Close()
		}
		_ = s.Drain(context.Background())
	}
}

// bareSubscriber speaks WebSocket by hand and keeps nothing but the connection.
func bareSubscriber(b *testing.B, url string) net.Conn {
	b.Helper()
	nc, err := net.Dial("tcp", strings.TrimPrefix(url, "ws://"))
	if err != nil {
		b.Fatal(err)
	}
	_, _ = io.WriteString(nc, "GET / HTTP/1.1\r\nHost: "+nc.RemoteAddr().String()+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n")
	buf := make([]byte, 512)
	if _, err := nc.Read(buf); err != nil {
		b.Fatal(err)
	}
	for _, msg := range []string{initMsg, subscribeMsg("s", fanoutQuery)} {
		frame := []byte{0x81, 0x80 | byte(len(msg)), 0, 0, 0, 0} // A mask of zeros changes nothing.
		if len(msg) > 125 {
			frame = []byte{0x81, 0x80 | 126, byte(len(msg) >> 8), byte(len(msg)), 0, 0, 0, 0}
		}
		_, _ = nc.Write(append(frame, msg...))
	}
	return nc
}
