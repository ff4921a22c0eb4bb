package client

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// updateJSON is what a server sends; written with encoding/json, so that the scanner is checked against another reader's idea of JSON.
type updateJSON struct {
	Revision string           `json:"revision"`
	Reset    *string          `json:"reset"`
	Complete bool             `json:"complete"`
	Hives    []map[string]any `json:"hives"`
	Workers  []map[string]any `json:"workers"`
	Removed  []map[string]any `json:"removed"`
}

func (u updateJSON) payload() []byte {
	data, err := json.Marshal(map[string]any{"data": map[string]any{"changes": u}})
	if err != nil {
		panic(err)
	}
	return data
}

func optional(o OptInt) any {
	if o.Known {
		return o.Value
	}
	return nil
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func workerJSON(w MirrorWorker) map[string]any {
	return map[string]any{"id": w.ID, "model": orNull(w.Model), "endpoint": orNull(w.Endpoint), "activity": w.Activity, "liveness": w.Liveness,
		"available": w.Available, "vramTotalMb": optional(w.VRAMTotalMB), "vramFreeMb": optional(w.VRAMFreeMB),
		"requestsRunning": optional(w.RequestsRunning), "requestsQueued": optional(w.RequestsQueued), "unheardOf": []any{1, "]", nil}}
}

func hiveJSON(h MirrorHive) map[string]any {
	return map[string]any{"id": h.ID, "hostname": h.Hostname, "operationalStatus": h.OperationalStatus,
		"health":   map[string]any{"status": h.HealthStatus, "reason": orNull(h.HealthReason)},
		"liveness": h.Liveness, "available": h.Available, "cordoned": h.Cordoned}
}

func drawOpt(t *rapid.T, most int32) OptInt {
	if rapid.IntRange(0, 4).Draw(t, "known") == 0 {
		return OptInt{}
	}
	return OptInt{rapid.Int32Range(0, most).Draw(t, "value"), true}
}

func drawWorker(t *rapid.T) MirrorWorker {
	return MirrorWorker{
		ID:              fmt.Sprintf("h%d/llm/%d", rapid.IntRange(0, 5).Draw(t, "hive"), rapid.IntRange(0, 9).Draw(t, "instance")),
		Model:           rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "model"),
		Endpoint:        rapid.SampledFrom([]string{"", "http://h:1", "http://\"quoted\"\\\u2028/"}).Draw(t, "endpoint"),
		Activity:        rapid.SampledFrom(AllActivity).Draw(t, "activity"),
		Liveness:        rapid.SampledFrom(AllLiveness).Draw(t, "liveness"),
		Available:       rapid.Bool().Draw(t, "available"),
		VRAMTotalMB:     drawOpt(t, math.MaxInt32),
		VRAMFreeMB:      drawOpt(t, 3),
		RequestsRunning: drawOpt(t, 2),
		RequestsQueued:  drawOpt(t, 2),
	}
}

func drawHive(t *rapid.T) MirrorHive {
	return MirrorHive{ID: fmt.Sprintf("h%d", rapid.IntRange(0, 5).Draw(t, "hive")), Hostname: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "hostname"),
		OperationalStatus: OperationalStatusReady, HealthStatus: HealthStatusDegraded, HealthReason: rapid.SampledFrom([]string{"", "hot"}).Draw(t, "reason"),
		Liveness: LivenessOnline, Cordoned: rapid.Bool().Draw(t, "cordoned")}
}

// mirrorModel is what a mirror should show, kept as simply as can be: the truth, and what will be true when the snapshot is complete.
type mirrorModel struct {
	workers, nextWorkers map[string]MirrorWorker
	hives, nextHives     map[string]MirrorHive
	revision             string
	steps                int
}

func (m *mirrorModel) begin() {
	m.nextWorkers, m.nextHives = maps.Clone(m.workers), maps.Clone(m.hives)
}

// Whatever a server sends, and however often the connection breaks, the mirror shows what was true at the last complete message, ranks it as a
// scan would, and has told of every step on the way there.
func TestMirrorEqualsItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		told := mirrorModel{workers: map[string]MirrorWorker{}, hives: map[string]MirrorHive{}}
		m := NewMirror(&Client{}, MirrorConfig{OnChange: func(c Change) { told.apply(t, c) }})
		want := mirrorModel{workers: map[string]MirrorWorker{}, hives: map[string]MirrorHive{}}
		want.begin()
		send := func(t *rapid.T, reset *string) {
			u := updateJSON{Revision: fmt.Sprintf("e.%d", want.steps), Reset: reset, Complete: rapid.IntRange(0, 2).Draw(t, "complete") > 0}
			want.steps++
			if reset != nil {
				want.nextWorkers, want.nextHives = map[string]MirrorWorker{}, map[string]MirrorHive{}
			}
			for _, w := range rapid.SliceOfNDistinct(rapid.Custom(drawWorker), 0, 12, func(w MirrorWorker) string { return w.ID }).Draw(t, "workers") {
				u.Workers = append(u.Workers, workerJSON(w))
				want.nextWorkers[w.ID] = w
			}
			for _, h := range rapid.SliceOfNDistinct(rapid.Custom(drawHive), 0, 3, func(h MirrorHive) string { return h.ID }).Draw(t, "hives") {
				u.Hives = append(u.Hives, hiveJSON(h))
				want.nextHives[h.ID] = h
			}
			for _, w := range rapid.SliceOfN(rapid.Custom(drawWorker), 0, 4).Draw(t, "removed") {
				u.Removed = append(u.Removed, map[string]any{"id": w.ID, "kind": "WORKER", "reason": "GONE"})
				delete(want.nextWorkers, w.ID)
			}
			for _, h := range rapid.SliceOfN(rapid.Custom(drawHive), 0, 1).Draw(t, "removed hives") {
				u.Removed = append(u.Removed, map[string]any{"id": h.ID, "kind": "HIVE", "reason": "FILTERED_OUT"})
				delete(want.nextHives, h.ID)
			}
			u.Hives, u.Workers, u.Removed = notNil(u.Hives), notNil(u.Workers), notNil(u.Removed)
			if err := m.take(message{payload: u.payload()}); err != nil {
				t.Fatal(err)
			}
			if u.Complete {
				want.workers, want.hives, want.revision = want.nextWorkers, want.nextHives, u.Revision
				want.begin()
			}
		}
		reason := "INITIAL"
		send(t, &reason)
		t.Repeat(map[string]func(*rapid.T){
			"changes": func(t *rapid.T) {
				if m.position == "" && !m.partial {
					t.Skip("nothing to change yet")
				}
				send(t, nil)
			},
			"reset": func(t *rapid.T) {
				reason := rapid.SampledFrom([]string{"INITIAL", "EXPIRED", "RESTARTED", "TOO_SLOW"}).Draw(t, "reason")
				send(t, &reason)
			},
			"interruption": func(t *rapid.T) {
				op := m.subscription()
				want.begin()
				since := op.Variables.(*__mirrorInput).Since
				if (since == nil) != (want.revision == "") || since != nil && *since != want.revision {
					t.Fatalf("goes on since %v, want %q", since, want.revision)
				}
			},
			"": func(t *rapid.T) {
				want.check(t, m.Snapshot())
				if diff := cmp.Diff(want.workers, told.workers); diff != "" {
					t.Fatalf("told of changes: -want +got:\n%s", diff)
				}
				if diff := cmp.Diff(want.hives, told.hives); diff != "" {
					t.Fatalf("told of changes: -want +got:\n%s", diff)
				}
			},
		})
	})
}

// A scheduler asks Stale whether to believe the mirror, so what waited behind a slow OnChange must not look new.
func TestWhatWaitedIsAsOldAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, sub := NewMirror(nil, MirrorConfig{}), &subscription{wake: make(chan struct{}, 1)}
		sub.deliver(benchUpdate(true, true, 0, 10, 0), 1<<20)
		time.Sleep(time.Minute) // OnChange of the message before, say
		msg, err := sub.next(t.Context())
		if err == nil {
			err = m.take(msg)
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Stale(); got != time.Minute {
			t.Errorf("it says %s, want a minute", got)
		}
	})
}

// A machine that slept has a steady clock that knows nothing of it.
func TestWhatWasHeardBeforeTheMachineSleptIsOld(t *testing.T) {
	now := time.Now()
	h := heardAt(now.Add(-time.Second))
	if got := h.age(now); got != time.Second {
		t.Errorf("a second ago was %s ago", got)
	}
	h.wall = h.wall.Add(-time.Hour) // as if the wall clock had gone on by an hour meanwhile
	if got := h.age(now); got != time.Hour+time.Second {
		t.Errorf("got %s, want the hour of sleep too", got)
	}
	h.wall = now.Add(time.Hour).Round(0) // set back since
	if got := h.age(now); got != time.Second {
		t.Errorf("got %s after the wall clock was set back, want 1s", got)
	}
}

func notNil[T any](s []T) []T { return append([]T{}, s...) }

func (m *mirrorModel) apply(t *rapid.T, c Change) {
	if was, is := c.OldWorker, c.NewWorker; was != nil || is != nil {
		applyStep(t, m.workers, was, is, func(w *MirrorWorker) string { return w.ID })
		return
	}
	applyStep(t, m.hives, c.OldHive, c.NewHive, func(h *MirrorHive) string { return h.ID })
}

func applyStep[T comparable](t *rapid.T, all map[string]T, was, is *T, id func(*T) string) {
	if was != nil {
		if got, ok := all[id(was)]; !ok || got != *was {
			t.Fatalf("told that %+v changed, of which it was never told", was)
		}
		delete(all, id(was))
	} else if _, ok := all[id(is)]; ok {
		t.Fatalf("told twice that %+v is new", is)
	}
	if is != nil {
		if was != nil && *was == *is {
			t.Fatalf("told of a change that is none: %+v", is)
		}
		all[id(is)] = *is
	}
}

func (m *mirrorModel) check(t *rapid.T, v *View) {
	if v.Revision() != m.revision {
		t.Fatalf("shows revision %q, want %q", v.Revision(), m.revision)
	}
	workers := map[string]MirrorWorker{}
	last := ""
	for w := range v.All() {
		if w.ID <= last {
			t.Fatalf("%q after %q", w.ID, last)
		}
		last = w.ID
		workers[w.ID] = *w
		if v.Get(w.ID) != w {
			t.Fatalf("cannot get %s", w.ID)
		}
	}
	if diff := cmp.Diff(m.workers, workers); diff != "" {
		t.Fatalf("-want +got:\n%s", diff)
	}
	hives := map[string]MirrorHive{}
	for h := range v.Hives() {
		hives[h.ID] = *h
		if v.Hive(h.ID) != h {
			t.Fatalf("cannot get %s", h.ID)
		}
	}
	if diff := cmp.Diff(m.hives, hives); diff != "" {
		t.Fatalf("-want +got:\n%s", diff)
	}
	for _, model := range []string{"", "a", "b", "c", "none"} {
		for _, free := range []int{-1, 0, 1, 2, 3, 4} {
			m.checkCandidates(t, v, model, free)
		}
	}
}

// better is the order of the schema's bestWorker, in words: fewest waiting requests, then most free memory, unknown last.
func better(a, b MirrorWorker) int {
	if a.RequestsQueued.Or(0) != b.RequestsQueued.Or(0) {
		return int(a.RequestsQueued.Or(0) - b.RequestsQueued.Or(0))
	}
	return int(b.VRAMFreeMB.Or(-1) - a.VRAMFreeMB.Or(-1))
}

func (m *mirrorModel) checkCandidates(t *rapid.T, v *View, model string, free int) {
	var want []MirrorWorker
	for _, w := range m.workers {
		if model != "" && w.Model == model && w.Available && w.Activity == ActivityIdle && (free <= 0 || w.VRAMFreeMB.Known && int(w.VRAMFreeMB.Value) >= free) {
			want = append(want, w)
		}
	}
	slices.SortFunc(want, better)
	var got []MirrorWorker
	for w := range v.Candidates(model, free) {
		got = append(got, *w)
	}
	if !slices.IsSortedFunc(got, better) {
		t.Fatalf("candidates for %q with %d MB are not best first: %+v", model, free, got)
	}
	byID := func(a, b MirrorWorker) int { return slices.Compare([]byte(a.ID), []byte(b.ID)) }
	sorted := slices.SortedFunc(slices.Values(want), byID)
	if diff := cmp.Diff(sorted, slices.SortedFunc(slices.Values(got), byID)); diff != "" {
		t.Fatalf("candidates for %q with %d MB: -want +got:\n%s", model, free, diff)
	}
	best := v.Best(model, free)
	if (best == nil) != (len(want) == 0) || best != nil && better(*best, want[0]) != 0 {
		t.Fatalf("best for %q with %d MB is %+v, want one like %+v", model, free, best, want)
	}
}
