package graphqlws_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"waggle/internal/graphqlws"
)

func TestAReaderThatStopsHarmsNobody(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes as long as a write may")
	}
	t.Parallel()
	const others, rounds = 8, 400
	s := newServer(t, graphqlws.Config{}) // On a busy machine, one who reads may well be kept from it for two seconds, but not for the default timeout.
	stopped := s.open(t)
	stopped.say(subscribeMsg("s", `subscription{changes{revision texts}}`))
	var wg sync.WaitGroup
	counts := make([]int, others)
	for i := range others {
		c := s.open(t)
		c.say(subscribeMsg("s", `subscription{changes{revision texts}}`))
		c.hear(`{"id":"s","type":"next","payload":{"data":{"changes":{"revision":0,"texts":[]}}}}`)
		_ = c.SetReadDeadline(time.Now().Add(time.Minute)) // A busy machine takes long for 64 MB.
		wg.Go(func() {
			for counts[i] < rounds {
				_, msg, err := c.ReadMessage()
				if err != nil {
					t.Error(err)
					return
				}
				counts[i] += strings.Count(string(msg), "zz")
			}
		})
	}
	text := strings.Repeat("x", 20_000) + "zz" // 8 MB in all: more than the kernel holds for one that does not read.
	for range rounds {
		s.log.Append(text)
		runtime.Gosched()
	}
	wg.Wait()
	if want := slices.Repeat([]int{rounds}, others); !slices.Equal(counts, want) {
		t.Errorf("the others got %v", counts)
	}
	start := time.Now()
	waitFor(t, "the one that stopped to be cut", func() bool { return s.Stats().Connections == others })
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it was held for %v", took)
	}
	if got := s.Stats(); got.WriteTimeouts != 1 {
		t.Errorf("stats %+v", got)
	}
}

// Bursts of messages of all sizes fill the kernel's buffer again and again, so that messages are written at once, in part, by the writer, in
// pieces, and after the subscription was put aside, in any succession. Frames out of order or torn would break the client's reading.
func TestMessagesStayInOrderWhoeverWritesThem(t *testing.T) {
	t.Parallel()
	const rounds, burst = 20, 60
	s := newServer(t, graphqlws.Config{MaxQueuedMessages: 20, MessageBurst: 10_000})
	c := s.open(t)
	_ = c.NetConn().(*net.TCPConn).SetReadBuffer(128 << 10)
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
	c.say(subscribeMsg("s", `subscription{changes{revision texts}}`))
	r := rand.New(rand.NewPCG(1, 2))
	var want, got []string
	pings, pongs := 0, 0
	for range rounds {
		for range 1 + r.IntN(burst) {
			size := []int{10, 1000, 10_000, 30_000, 80_000}[r.IntN(5)]
			text := strconv.Itoa(len(want)) + strings.Repeat("x", r.IntN(size))
			want = append(want, text)
			before := s.exec.Stats().Elements
			s.log.Append(text)
			if r.IntN(3) > 0 { // Else it may become one message with the next.
				waitFor(t, "it to be taken up", func() bool { return s.exec.Stats().Elements > before || s.Stats().SlowConsumers > 0 })
			}
			if r.IntN(4) == 0 {
				pings++
				c.say(`{"type":"ping"}`)
			}
		}
		for len(got) < len(want) || pongs < pings {
			_, data, err := c.ReadMessage()
			if err != nil {
				t.Fatalf("after %d of %d texts: %v", len(got), len(want), err)
			}
			var m struct {
				Type    string
				Payload struct {
					Data struct{ Changes struct{ Texts []string } }
				}
			}
			if err := json.Unmarshal(data, &m); err != nil {
				t.Fatal(err)
			}
			if m.Type == "pong" {
				pongs++
			}
			got = append(got, m.Payload.Data.Changes.Texts...)
		}
		if !slices.Equal(got, want) {
			t.Fatal("the texts differ")
		}
	}
	if s.Stats().SlowConsumers == 0 {
		t.Error("it was never put aside: the bursts are too small")
	}
}

// Refused, it would only be sent again, and refused again, for ever.
func TestWhatBringsAJoinerUpToDateMayBeLargerThanItsBound(t *testing.T) {
	t.Parallel()
	s := newServer(t, graphqlws.Config{MaxJoiningBytes: 1})
	for range 3 {
		s.log.Append("a")
	}
	c := s.open(t)
	for _, id := range []string{"1", "2"} {
		c.say(subscribeMsg(id, `subscription{changes{revision texts}}`))
		c.hear(`{"id":"` + id + `","type":"next","payload":{"data":{"changes":{"revision":3,"texts":["a","a","a"]}}}}`)
	}
	if got := s.Stats().SlowConsumers; got != 0 {
		t.Errorf("put aside %d times", got)
	}
}

func TestSocketsThatAreCutLeaveNothingBehind(t *testing.T) {
	cycles := 2000
	switch {
	case testing.Short():
		cycles = 200
	case os.Getenv("WAGGLE_SOAK") != "":
		cycles = 10_000
	}
	s := newServer(t, graphqlws.Config{})
	keep := s.open(t) // So that the group lives on.
	keep.say(subscribeMsg("s", `subscription{changes{revision}}`))
	keep.hear(`{"id":"s","type":"next","payload":{"data":{"changes":{"revision":0}}}}`)
	cycle := func(i int) {
		d := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}}
		ws, resp, err := d.DialContext(t.Context(), s.url, nil)
		if err != nil {
			t.Error(err)
			return
		}
		_ = resp.Body.Close()
		_ = ws.WriteMessage(websocket.TextMessage, []byte(`{"type":"connection_init"}`))
		_ = ws.WriteMessage(websocket.TextMessage, []byte(subscribeMsg(strconv.Itoa(i), `subscription{changes{revision}}`)))
		_ = ws.WriteMessage(websocket.TextMessage, []byte(subscribeMsg("q", `{echo(text:"a")}`)))
		if i%2 == 0 {
			_, _, _ = ws.ReadMessage()
		}
		_ = ws.Close() // Without a close frame.
	}
	run := func(n int) {
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for i := range n / 4 {
					cycle(w*n + i)
				}
			})
		}
		wg.Wait()
		waitFor(t, "the sockets to be gone", func() bool { return s.Stats().Connections == 1 })
	}
	run(100)
	goroutines, heap := runtime.NumGoroutine(), liveHeap()
	run(cycles)
	const kept = 32 // for the next messages, by maxIdleRunners
	waitFor(t, "the goroutines to return", func() bool { return runtime.NumGoroutine() <= goroutines+kept+2 })
	if grown := int64(liveHeap()) - int64(heap); grown > 1<<20 {
		t.Errorf("%d cycles left %d bytes", cycles, grown)
	}
	s.log.Append("a")
	_ = keep.SetReadDeadline(time.Now().Add(30 * time.Second))
	keep.hear(`{"id":"s","type":"next","payload":{"data":{"changes":{"revision":1}}}}`)
}

func liveHeap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestAnIdleSubscriberCostsOneGoroutine(t *testing.T) {
	const n, kept = 100, 32 // kept for the next messages, by maxIdleRunners
	type key struct{}
	s := newServer(t, graphqlws.Config{Init: func(ctx context.Context, _ json.RawMessage) (context.Context, string, time.Time, error) {
		return context.WithValue(ctx, key{}, "who"), "", time.Time{}, nil
	}})
	subscribe := func() {
		c := s.open(t)
		c.say(subscribeMsg("s", `subscription{changes{revision}}`))
		c.hear(`{"id":"s","type":"next","payload":{"data":{"changes":{"revision":0}}}}`)
	}
	subscribe() // The group has goroutines of its own.
	before := runtime.NumGoroutine()
	for range n {
		subscribe()
	}
	waitFor(t, "the goroutines of the handshakes to return", func() bool { return runtime.NumGoroutine() <= before+n+kept })
}
