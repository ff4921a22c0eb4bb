package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

const (
	benchHives   = 12_500
	benchWorkers = 8 // of each hive
)

// benchUpdate is the payload of an update about some of the hives as the server sends it, in compact JSON. Of the workers two thirds are busy.
func benchUpdate(reset, complete bool, from, to, revision int) []byte {
	reason := "null"
	if reset {
		reason = `"INITIAL"`
	}
	data := fmt.Appendf(nil, `{"data":{"changes":{"revision":"epoch123456.%d","reset":%s,"complete":%t,"hives":[],"workers":[`, revision, reason, complete)
	for h := from; h < to; h++ {
		for i := range benchWorkers {
			n := h*benchWorkers + i
			activity, running := "IDLE", 0
			if (n+revision)%3 > 0 {
				activity, running = "BUSY", 1+(n+revision)%7
			}
			if n > from*benchWorkers {
				data = append(data, ',')
			}
			data = fmt.Appendf(data, `{"id":"ams-h100-%05d/llm/%d","model":"vendor/model-%d-Instruct","endpoint":"http://ams-h100-%05d.lan:%d",`+
				`"activity":%q,"liveness":"ONLINE","available":true,"vramTotalMb":81559,"vramFreeMb":%d,"requestsRunning":%d,"requestsQueued":%d}`,
				h, 8080+i, n%17, h, 8080+i, activity, 1000+(n*7919)%60_000, running, 0)
		}
	}
	return append(data, `],"removed":[]}}}`...)
}

// benchMirror is a mirror of 100,000 workers, filled as a server does it: in chunks of 1,000.
func benchMirror(tb testing.TB) *Mirror {
	tb.Helper()
	m := NewMirror(&Client{}, MirrorConfig{})
	const chunk = 1000 / benchWorkers
	for h := 0; h < benchHives; h += chunk {
		if err := m.take(message{payload: benchUpdate(h == 0, h+chunk >= benchHives, h, min(h+chunk, benchHives), 0)}); err != nil {
			tb.Fatal(err)
		}
	}
	return m
}

func BenchmarkBestOf100000(b *testing.B) {
	m := benchMirror(b)
	for _, free := range []int{0, 40_000} {
		b.Run(fmt.Sprintf("minFreeMB=%d", free), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if m.Best("vendor/model-5-Instruct", free) == nil {
						b.Error("none")
					}
				}
			})
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	data := benchUpdate(false, true, 0, 125, 1)
	b.Run("scanner", func(b *testing.B) {
		d := decoder{hives: newTable[MirrorHive](), workers: newTable[MirrorWorker]()}
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := d.decode(data); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			var r struct{ Data mirrorResponse }
			if err := json.Unmarshal(data, &r); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkTake takes in updates of a fleet of 100,000 in which the workers of a tenth of all hives changed, as they do in 100 ms of a fleet that
// beats once a second.
func BenchmarkTake(b *testing.B) {
	m := benchMirror(b)
	var updates [][]byte
	for i := range 10 {
		updates = append(updates, benchUpdate(false, true, i*benchHives/10, (i+1)*benchHives/10, i+1))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := m.take(message{payload: updates[i%len(updates)]}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFirstTruth(b *testing.B) {
	for b.Loop() {
		benchMirror(b)
	}
}

// A scheduler keeps a mirror of 100,000 workers in less than 100 MB: it must fit beside the work.
func TestAMirrorOf100000WorkersIsSmall(t *testing.T) {
	if testing.Short() {
		t.Skip("large")
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	m := benchMirror(t)
	for i := range 3 { // and not only at first
		if err := m.take(message{payload: benchUpdate(false, true, 0, benchHives, i+1)}); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.GC() // what pools hold survives one collection
	runtime.ReadMemStats(&after)
	const mostMB = 50 // live; the collector lets a heap grow to twice of that
	if got := float64(after.HeapAlloc-before.HeapAlloc) / (1 << 20); got > mostMB {
		t.Errorf("takes %.1f MB, want at most %d", got, mostMB)
	} else {
		t.Logf("takes %.1f MB", got)
	}
	if m.Snapshot().Len() != benchHives*benchWorkers {
		t.Errorf("holds %d workers", m.Snapshot().Len())
	}
}

// Choosing must leave no garbage: at millions of decisions a second nothing else would matter.
func TestBestAllocatesNothing(t *testing.T) {
	m := NewMirror(&Client{}, MirrorConfig{})
	if err := m.take(message{payload: benchUpdate(true, true, 0, 100, 0)}); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(1000, func() { m.Best("vendor/model-5-Instruct", 10_000) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// An update takes one allocation for each worker that changed, and none for one that did not.
func TestUpdatesAllocateOncePerChangedWorker(t *testing.T) {
	const hives = 100
	d := decoder{hives: newTable[MirrorHive](), workers: newTable[MirrorWorker]()}
	first, second := benchUpdate(false, true, 0, hives, 1), benchUpdate(false, true, 0, hives, 2)
	for _, data := range [][]byte{first, first} {
		u, err := d.decode(data)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range u.workers {
			d.workers.put(w.ID, w)
		}
	}
	const others = 5 // the revision, and what the runtime does meanwhile
	for _, c := range []struct {
		data []byte
		want float64
	}{{first, 0}, {second, hives * benchWorkers}} {
		n := testing.AllocsPerRun(10, func() {
			if _, err := d.decode(c.data); err != nil {
				t.Fatal(err)
			}
		})
		if n > c.want+others {
			t.Errorf("%v allocations, want %v", n, c.want)
		}
	}
}

// BenchmarkEnvelope finds the payload in a message as the server sends it.
func BenchmarkEnvelope(b *testing.B) {
	msg := append(append([]byte(`{"payload":`), benchUpdate(false, true, 0, 125, 1)...), `,"id":"1","type":"next"}`...)
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseMessage(msg); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReceive reads messages of 1,000 workers from a socket.
func BenchmarkReceive(b *testing.B) {
	msg := append(append([]byte(`{"payload":`), benchUpdate(false, true, 0, 125, 1)...), `,"id":"1","type":"next"}`...)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = ws.Close() }()
		for ws.WriteMessage(websocket.TextMessage, msg) == nil { // until the client has gone
		}
	}))
	defer server.Close()
	ws, _, err := newDialer(nil).Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = ws.Close() }()
	s := &socket{conn: ws, cfg: &Config{PingInterval: time.Minute}}
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.receive(); err != nil {
			b.Fatal(err)
		}
	}
}
