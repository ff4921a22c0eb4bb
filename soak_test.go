package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
	"golang.org/x/sync/errgroup"

	"waggle/internal/httpserver"
	"waggle/internal/jsonwalk"
	"waggle/registry"
)

// soakFilters are the parts of the fleet that the copies of TestCopiesStayRightThroughCuts hold.
func soakFilters() []registry.WorkerFilter {
	return []registry.WorkerFilter{{}, {Idle: new(true)}, {Model: new("model-3")}, {MinFreeVRAMMB: new(int32(40_000))}}
}

const soakVariables = `[null, {"idle": true}, {"model": "model-3"}, {"minFreeVramMb": 40000}]`

// TestCopiesStayRightThroughCuts keeps 100 copies of the registry, or of a part, by `changes` alone, while 250 hives beat 2,000 times a second and
// sockets are cut all the time, and compares every copy with the registry in the end. WAGGLE_SOAK=10m runs it for longer.
func TestCopiesStayRightThroughCuts(t *testing.T) {
	duration := 4 * time.Second
	if s := os.Getenv("WAGGLE_SOAK"); s != "" {
		var err error
		if duration, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	reg := registry.New(registry.Config{})
	policy, err := httpserver.NewPolicy(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	api := newAPI(reg, policy, slog.New(slog.DiscardHandler))
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)

	var variables []any
	if err := json.Unmarshal([]byte(soakVariables), &variables); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	group, ctx := errgroup.WithContext(ctx)
	copies := make([]*fleetCopy, 100)
	for i := range copies {
		copies[i] = &fleetCopy{workers: map[string]copiedWorker{}}
		group.Go(func() error {
			return copies[i].follow(ctx, strings.Replace(server.URL, "http", "ws", 1), variables[i%len(variables)])
		})
	}

	resumed := func() (n int32) {
		for _, c := range copies {
			n += c.resumed.Load()
		}
		return n
	}
	const beatsPerSecond = 2000
	began := time.Now()
	end := began.Add(duration)
	giveUp := end.Add(time.Minute) // a busy machine may need longer to come to a few resumptions
	beat := time.NewTicker(time.Second / 200)
	defer beat.Stop()
	r := rand.New(rand.NewPCG(1, 2))
	beats, cuts := 0, 0
	for now := time.Now(); (now.Before(end) || resumed() < 10 && now.Before(giveUp)) && ctx.Err() == nil; now = <-beat.C {
		due := int(now.Sub(began).Seconds()*beatsPerSecond) - beats
		for range min(due, 50) { // a machine that was busy makes up for it, in bites
			beats++
			if _, err := reg.Apply(soakBeat(r, r.IntN(250))); err != nil {
				t.Fatal(err)
			}
		}
		if r.IntN(3) == 0 && copies[r.IntN(len(copies))].cut() {
			cuts++
		}
	}
	last := reg.Snapshot().Revision.Counter
	eventually(t, "every copy reached the last revision", func() bool {
		return ctx.Err() != nil || !slices.ContainsFunc(copies, func(c *fleetCopy) bool { return c.revision.Load() < last })
	})
	stop()
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	resets := 0
	for i, c := range copies {
		want := map[string]copiedWorker{}
		for w := range reg.Snapshot().WorkersWhere(&soakFilters()[i%len(variables)]) {
			want[w.ID] = copiedWorker{w.ID, w.Activity.String(), w.VRAMFreeMB.Value(), string(w.Model)}
		}
		if diff := cmp.Diff(want, c.workers); diff != "" {
			t.Errorf("copy %d differs (-registry +copy):\n%s", i, diff)
		}
		resets += c.resets
	}
	t.Logf("%d heartbeats, %d cuts, %d resumed, %d started over", beats, cuts, resumed(), resets)
	if resumed() < 10 {
		t.Errorf("%d cuts and %d resumptions prove nothing", cuts, resumed())
	}
}

func soakBeat(r *rand.Rand, hive int) *registry.Heartbeat {
	hb := &registry.Heartbeat{Hive: registry.HiveReport{ID: fmt.Sprintf("gpu-%03d", hive), Hostname: "10.0.0.1"}}
	for i := range 8 {
		if r.IntN(50) == 0 {
			continue // it is gone for now
		}
		hb.Workers = append(hb.Workers, registry.WorkerReport{
			Group: "llm", Instance: strconv.Itoa(8080 + i), Model: registry.OptString("model-" + strconv.Itoa((hive+i+r.IntN(20)/19)%7)),
			Telemetry: registry.Telemetry{
				GPUUtilizationPercent: registry.Float(float64(r.IntN(2) * 50)), VRAMUsedMB: registry.Int(r.Int32N(4) * 20_000), VRAMTotalMB: registry.Int(81_920),
			},
		})
	}
	return hb
}

// fleetCopy is kept by the rules of `changes` and nothing else.
type fleetCopy struct {
	workers  map[string]copiedWorker
	since    string
	revision atomic.Uint64
	resumed  atomic.Int32
	resets   int

	mu sync.Mutex // guards ws
	ws *websocket.Conn
}

type copiedWorker struct {
	ID         string
	Activity   string
	VRAMFreeMB int32
	Model      string
}

// copyUpdate is one answer of `changes`.
type copyUpdate struct {
	Revision string
	Reset    string
	Complete bool
	Workers  []copiedWorker
	Removed  []string
}

// readUpdate reads a message of the server; nil when it brings no answer. With encoding/json a hundred copies would need a machine of their own.
func readUpdate(text []byte) (*copyUpdate, error) {
	var update *copyUpdate
	w := jsonwalk.New(text)
	w.SkipUnknown = true
	w.Object([]string{"payload?"}, func(string) {
		w.Object([]string{"data?"}, func(string) {
			w.Object([]string{"changes"}, func(string) {
				update = &copyUpdate{}
				update.read(&w)
			})
		})
	})
	return update, w.End()
}

func (u *copyUpdate) read(w *jsonwalk.Walker) {
	w.Object([]string{"revision", "reset", "complete", "workers", "removed"}, func(name string) {
		switch name {
		case "revision":
			u.Revision = string(w.Text())
		case "reset":
			u.Reset = optionalText(w)
		case "complete":
			u.Complete = string(w.Raw()) == "true"
		case "workers":
			w.Array(func(int) { u.Workers = append(u.Workers, readCopied(w)) })
		case "removed":
			w.Array(func(int) {
				w.Object([]string{"id"}, func(string) { u.Removed = append(u.Removed, string(w.Text())) })
			})
		}
	})
}

func readCopied(w *jsonwalk.Walker) (c copiedWorker) {
	w.Object([]string{"id", "activity", "vramFreeMb", "model"}, func(name string) {
		switch name {
		case "id":
			c.ID = string(w.Text())
		case "activity":
			c.Activity = string(w.Text())
		case "vramFreeMb":
			free, _ := w.PlainInt()
			c.VRAMFreeMB = int32(free)
		case "model":
			c.Model = optionalText(w)
		}
	})
	return c
}

func optionalText(w *jsonwalk.Walker) string {
	if w.Null() {
		return ""
	}
	return string(w.Text())
}

// cut closes the socket as a network does that breaks: without a word.
func (c *fleetCopy) cut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ws == nil {
		return false
	}
	_ = c.ws.NetConn().(*net.TCPConn).SetLinger(0)
	_ = c.ws.NetConn().Close()
	c.ws = nil
	return true
}

// follow subscribes again, from where it was, until ctx ends.
func (c *fleetCopy) follow(ctx context.Context, url string, filter any) error {
	for ctx.Err() == nil {
		dialer := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}}
		ws, resp, err := dialer.DialContext(ctx, url, http.Header{})
		if err != nil {
			continue
		}
		_ = resp.Body.Close()
		c.mu.Lock()
		c.ws = ws
		c.mu.Unlock()
		ended := context.AfterFunc(ctx, func() { _ = ws.Close() })
		err = c.read(ws, filter)
		ended()
		_ = ws.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// read follows one socket until it is cut. An error is a broken promise.
func (c *fleetCopy) read(ws *websocket.Conn, filter any) error {
	variables := map[string]any{"filter": filter}
	if c.since != "" {
		variables["since"] = c.since
		c.resumed.Add(1)
	}
	_ = ws.WriteJSON(map[string]any{"type": "connection_init"})
	_ = ws.WriteJSON(map[string]any{"type": "subscribe", "id": "c", "payload": map[string]any{
		"query": `subscription($since: Revision, $filter: WorkerFilter) {
			changes(since: $since, workers: $filter, intervalMs: 500) { revision reset complete workers { id activity vramFreeMb model } removed { id } } }`,
		"variables": variables,
	}})
	for {
		_, text, err := ws.ReadMessage()
		if err != nil {
			return nil //nolint:nilerr // it was cut, that is what this is about
		}
		update, err := readUpdate(text)
		if err != nil {
			return err
		}
		if update == nil {
			continue
		}
		if err := c.apply(update); err != nil {
			return err
		}
	}
}

func (c *fleetCopy) apply(u *copyUpdate) error {
	_, digits, _ := strings.Cut(u.Revision, ".")
	revision, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return err
	}
	if before := c.revision.Load(); u.Reset == "" && revision <= before && u.Complete && len(u.Workers)+len(u.Removed) > 0 {
		return fmt.Errorf("revision %d after %d: repeated or out of order", revision, before)
	}
	if u.Reset != "" {
		c.resets++
		clear(c.workers)
	}
	for _, w := range u.Workers {
		c.workers[w.ID] = w
	}
	for _, gone := range u.Removed {
		delete(c.workers, gone)
	}
	if u.Complete {
		c.since = u.Revision
		c.revision.Store(revision)
	}
	return nil
}

// A copy that is kept wrongly must not pass: each planted fault breaks a rule of `changes`, and is seen.
func TestTheCopyFindsPlantedFaults(t *testing.T) {
	c := &fleetCopy{workers: map[string]copiedWorker{}}
	step := func(revision int, workers ...copiedWorker) error {
		return c.apply(&copyUpdate{Revision: fmt.Sprintf("E.%d", revision), Complete: true, Workers: workers})
	}
	if err := step(5, copiedWorker{ID: "a/l/1"}); err != nil {
		t.Fatal(err)
	}
	if step(5, copiedWorker{ID: "a/l/1"}) == nil {
		t.Error("a repeated update is not seen")
	}
	if step(4, copiedWorker{ID: "a/l/1"}) == nil {
		t.Error("an update out of order is not seen")
	}
	if err := step(6); err != nil || len(c.workers) != 1 {
		t.Errorf("an empty update: %v", err)
	}
}
