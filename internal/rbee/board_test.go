package rbee

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"waggle/registry"
)

// view is what a dashboard shows: the pids of each hive's workers, as it was told last.
type view map[string][]int

// read takes in frames as a dashboard does.
func (v view) read(t *rapid.T, frames []byte) {
	for frame := range strings.SplitSeq(string(frames), frameEnd) {
		if frame == "" {
			continue
		}
		var told struct {
			HiveID  string `json:"hive_id"`
			Workers []struct{ PID int }
		}
		if err := json.Unmarshal([]byte(strings.TrimPrefix(frame, frameBegin)), &told); err != nil {
			t.Fatalf("%q: %v", frame, err)
		}
		v[told.HiveID] = nil
		for _, w := range told.Workers {
			v[told.HiveID] = append(v[told.HiveID], w.PID)
		}
	}
}

// shown returns the hives that have workers.
func (v view) shown() view {
	shown := view{}
	for id, pids := range v {
		if len(pids) > 0 {
			shown[id] = pids
		}
	}
	return shown
}

// TestBoardShowsTheFleet checks that a dashboard shows the fleet as it is once it has caught up, whenever it came, however seldom it read, and whatever
// happened meanwhile, even more than the registry's log holds.
func TestBoardShowsTheFleet(t *testing.T) {
	type watcher struct {
		view
		at place
	}
	rapid.Check(t, func(t *rapid.T) {
		reg := registry.New(registry.Config{ChangeLog: 8})
		b := newBoard(reg)
		var watchers []*watcher
		now := time.Now()
		id := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		t.Repeat(map[string]func(*rapid.T){
			"beat": func(t *rapid.T) {
				now = now.Add(time.Millisecond)
				hb := &registry.Heartbeat{Hive: registry.HiveReport{ID: id.Draw(t, "hive"), Hostname: "h"}, ReceivedAt: now}
				if rapid.Bool().Draw(t, "worker") {
					hb.Workers = []registry.WorkerReport{{Group: "llm", Instance: "1", PID: registry.Int(rapid.Int32Range(1, 99).Draw(t, "pid"))}}
				}
				if _, err := reg.Apply(hb); err != nil {
					t.Fatal(err)
				}
			},
			"remove": func(t *rapid.T) { reg.Remove(id.Draw(t, "hive")) },
			"cordon": func(t *rapid.T) { reg.Cordon(id.Draw(t, "hive"), rapid.Bool().Draw(t, "cordoned")) },
			"tick":   func(*rapid.T) { b.update(now) },
			"join": func(t *rapid.T) {
				w := &watcher{view: view{}}
				var frames []byte
				frames, w.at = b.join(now)
				w.read(t, frames)
				watchers = append(watchers, w)
			},
			"read": func(t *rapid.T) {
				if len(watchers) > 0 {
					w := rapid.SampledFrom(watchers).Draw(t, "watcher")
					var frames []byte
					frames, w.at = b.since(w.at)
					w.read(t, frames)
				}
			},
		})
		b.update(now)
		want := view{}
		for h := range reg.Snapshot().AllHives() {
			for _, w := range h.Workers {
				want[h.ID] = append(want[h.ID], int(w.PID.Value()))
			}
		}
		for _, w := range watchers {
			var frames []byte
			frames, w.at = b.since(w.at)
			w.read(t, frames)
			if diff := cmp.Diff(want, w.shown()); diff != "" {
				t.Fatalf("a dashboard shows (-want +got):\n%s", diff)
			}
		}
	})
}

func TestBoardForgetsHivesThatAreGone(t *testing.T) {
	reg := registry.New(registry.Config{})
	b := newBoard(reg)
	now := time.Now()
	beats(t, reg, 3, 1, 1)
	b.join(now)
	reg.Remove("hive-001")
	b.update(now)
	if n := len(b.notices); n != 3 {
		t.Errorf("%d notices, want 3: those who read late must still be told", n)
	}
	beats(t, reg, 1, 1, 2)
	b.update(now.Add(goneFor))
	if n := len(b.notices); n != 2 {
		t.Errorf("%d notices, want 2", n)
	}
}
