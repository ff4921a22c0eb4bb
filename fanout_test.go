package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/gorilla/websocket"
	"github.com/vektah/gqlparser/v2/ast"

	"waggle/graph"
	"waggle/internal/httpserver"
	"waggle/registry"
)

// watchers is how many dashboards follow one hive of 8 workers, all by the same subscription.
const watchers = 1000

const watchQuery = `subscription { changes(intervalMs: 0) { revision reset complete workers { id model activity gpuUtilizationPercent ` +
	`vramUsedMb vramTotalMb requestsRunning requestsQueued } removed { id reason } } }`

func watchMessage(id string) string {
	payload, _ := json.Marshal(map[string]string{"query": watchQuery})
	return fmt.Sprintf(`{"id":%q,"type":"subscribe","payload":%s}`, id, payload)
}

// rival is one way of telling all dashboards of an event.
type rival struct {
	name   string
	crowd  crowd
	opened int64 // messages to each before the first event
	events int   // in one round
	ahead  int   // how many events may be under way at once
	send   func(tb testing.TB)

	seconds, cpu []float64 // a delivery, of each round
}

// BenchmarkFanout tells 1,000 dashboards of one hive about its heartbeats, as many as go, in rounds that the rivals take by turns. Each has one
// core, and the dashboards another: run it with -cpu 1, on the first core. The processor's share does not depend on what else the machine does.
func BenchmarkFanout(b *testing.B) {
	waggle, gathered := newWaggleRival(b, "waggle", ""), newWaggleRival(b, "waggle, 50 ms gathered", `,"payload":{"gatherMs":50}`)
	gathered.events, gathered.ahead = 300, 40
	loop, goroutines := newRawRival(b, "raw, one after the other", inTurn), newRawRival(b, "raw, a goroutine each", atOnce(b))
	rivals := []*rival{waggle, gathered, loop, goroutines, newStockRival(b)}
	crowds := make([]crowd, len(rivals))
	for i, r := range rivals {
		crowds[i] = r.crowd
	}
	a := seat(b, crowds...)
	for i, r := range rivals {
		a.wait(b, i, r.opened*watchers)
	}
	for b.Loop() {
		for i, r := range rivals {
			r.round(b, a, i)
		}
	}
	report(b, rivals)
	seconds := func(r *rival) []float64 { return r.seconds }
	cpu := func(r *rival) []float64 { return r.cpu }
	b.ReportMetric(ratio(seconds, waggle, loop, goroutines), "x-raw")
	b.ReportMetric(ratio(cpu, waggle, loop, goroutines), "cpu-x-raw")
	b.ReportMetric(ratio(seconds, gathered, loop, goroutines), "gathered-x-raw")
	b.ReportMetric(ratio(seconds, waggle, rivals[4]), "x-stock")
	b.ReportMetric(0, "ns/op")
}

// round sends one event to get going, and then measures.
func (r *rival) round(b *testing.B, a *audience, crowd int) {
	base := a.received[crowd].Load()
	r.send(b)
	base += watchers
	a.wait(b, crowd, base)
	runtime.GC()
	began, cpu := time.Now(), cpuTime(b)
	for i := range r.events {
		r.send(b)
		if i >= r.ahead {
			a.wait(b, crowd, base+int64(i-r.ahead+1)*watchers)
		}
	}
	a.wait(b, crowd, base+int64(r.events)*watchers)
	deliveries := float64(r.events) * watchers
	r.seconds = append(r.seconds, time.Since(began).Seconds()/deliveries)
	r.cpu = append(r.cpu, (cpuTime(b)-cpu).Seconds()/deliveries)
}

// report prints what the rivals reached, as medians of their rounds.
func report(b *testing.B, rivals []*rival) {
	var text bytes.Buffer
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(table, "\nmedians of %d rounds\tdeliveries/s\tcpu us each\n", len(rivals[0].seconds))
	for _, r := range rivals {
		_, _ = fmt.Fprintf(table, "%s\t%.0f\t%.2f\n", r.name, 1/median(r.seconds), median(r.cpu)*1e6)
	}
	_ = table.Flush()
	b.Log(text.String())
}

// ratio is the median of how many times less a rival took for a delivery than the best of others in the same round.
func ratio(of func(*rival) []float64, r *rival, others ...*rival) float64 {
	ratios := make([]float64, len(r.seconds))
	for i := range ratios {
		best := of(others[0])[i]
		for _, o := range others[1:] {
			best = min(best, of(o)[i])
		}
		ratios[i] = best / of(r)[i]
	}
	return median(ratios)
}

func median(values []float64) float64 {
	sorted := slices.SortedFunc(slices.Values(values), cmp.Compare[float64])
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// beats is a hive whose heartbeats all change every worker.
type beats struct {
	reg *registry.TelemetryRegistry
	n   int
}

func (h *beats) next(tb testing.TB) {
	h.n++
	hb := &registry.Heartbeat{Hive: registry.HiveReport{ID: "gpu-00001", Hostname: "10.0.0.1"}}
	for i := range 8 {
		hb.Workers = append(hb.Workers, registry.WorkerReport{
			Group: "llm", Instance: strconv.Itoa(8080 + i), Model: registry.OptString("meta-llama/Llama-3.1-8B-Instruct"),
			Telemetry: registry.Telemetry{
				GPUUtilizationPercent: registry.Float(float64(20 + (h.n+i)%70)), VRAMUsedMB: registry.Int(16_384), VRAMTotalMB: registry.Int(81_920),
				RequestsRunning: registry.Int(int32(1 + h.n%9)), RequestsQueued: registry.Int(0),
			},
		})
	}
	if _, err := h.reg.Apply(hb); err != nil {
		tb.Fatal(err)
	}
}

func newBeats(tb testing.TB) *beats {
	h := &beats{reg: registry.New(registry.Config{})}
	h.next(tb)
	return h
}

func newWaggleRival(b *testing.B, name, init string) *rival {
	hive := newBeats(b)
	policy, err := httpserver.NewPolicy(nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	api := newAPI(hive.reg, policy, slog.New(slog.DiscardHandler))
	server := httptest.NewServer(api)
	b.Cleanup(server.Close)
	return &rival{
		name: name, opened: 2, events: 50, ahead: 10,
		crowd: crowd{webSocket(server), watchers, []string{`{"type":"connection_init"` + init + `}`, watchMessage("s")}},
		send: func(tb testing.TB) {
			before := api.exec.Stats().Elements
			hive.next(tb)
			for api.exec.Stats().Elements == before { // events that are not taken up one by one would become one message
				time.Sleep(50 * time.Microsecond)
			}
		},
	}
}

// newStockRival is the same schema and resolvers on gqlgen's own transport.
func newStockRival(b *testing.B) *rival {
	hive := newBeats(b)
	srv := handler.New(graph.NewExecutableSchema(graph.Config{Resolvers: &graph.Resolver{Registry: hive.reg}}))
	srv.AddTransport(transport.Websocket{})
	srv.SetQueryCache(lru.New[*ast.QueryDocument](10))
	server := httptest.NewServer(srv)
	b.Cleanup(server.Close)
	return &rival{
		name: "gqlgen's own transport", opened: 2, events: 3, send: func(tb testing.TB) { hive.next(tb) },
		crowd: crowd{webSocket(server), watchers, []string{`{"type":"connection_init"}`, watchMessage("s")}},
	}
}

func webSocket(s *httptest.Server) string { return "ws" + strings.TrimPrefix(s.URL, "http") }

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
	_, msg, err := ws.ReadMessage()
	if err != nil {
		return
	}
	r.mu.Lock()
	r.conns = append(r.conns, ws)
	r.mu.Unlock()
	_ = ws.WriteMessage(websocket.TextMessage, msg) // so that the dashboards can be counted
	_, _ = io.Copy(io.Discard, ws.NetConn())
}

// newRawRival sends what Waggle does, by write.
func newRawRival(b *testing.B, name string, write func(conns []*websocket.Conn, pm *websocket.PreparedMessage)) *rival {
	r := &broadcast{}
	server := httptest.NewServer(r)
	b.Cleanup(server.Close)
	msg := oneMessage(b)
	return &rival{
		name: name, opened: 1, events: 50, ahead: 10, crowd: crowd{webSocket(server), watchers, []string{`hello`}},
		send: func(tb testing.TB) {
			pm, err := websocket.NewPreparedMessage(websocket.TextMessage, msg)
			if err != nil {
				tb.Fatal(err)
			}
			write(r.conns, pm)
		},
	}
}

func inTurn(conns []*websocket.Conn, pm *websocket.PreparedMessage) {
	for _, c := range conns {
		_ = c.WritePreparedMessage(pm)
	}
}

// atOnce has a writing goroutine for each socket.
func atOnce(b *testing.B) func([]*websocket.Conn, *websocket.PreparedMessage) {
	var queues []chan *websocket.PreparedMessage
	b.Cleanup(func() {
		for _, q := range queues {
			close(q)
		}
	})
	return func(conns []*websocket.Conn, pm *websocket.PreparedMessage) {
		for len(queues) < len(conns) {
			c, q := conns[len(queues)], make(chan *websocket.PreparedMessage, 256)
			queues = append(queues, q)
			go func() {
				for pm := range q {
					_ = c.WritePreparedMessage(pm)
				}
			}()
		}
		for _, q := range queues {
			q <- pm
		}
	}
}

// oneMessage is what Waggle sends for an event.
func oneMessage(b *testing.B) []byte {
	r := newWaggleRival(b, "", "")
	d := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}}
	ws, resp, err := d.Dial(r.crowd.URL, nil)
	if err != nil {
		b.Fatal(err)
	}
	_ = resp.Body.Close()
	defer func() { _ = ws.Close() }()
	for _, msg := range r.crowd.Say {
		_ = ws.WriteMessage(websocket.TextMessage, []byte(msg))
	}
	var msg []byte
	for i := range r.opened + 1 {
		if i == r.opened {
			r.send(b)
		}
		if _, msg, err = ws.ReadMessage(); err != nil {
			b.Fatal(err)
		}
	}
	return msg
}
