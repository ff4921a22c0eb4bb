package history_test

import (
	"math"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"waggle/registry/history"
)

type figures = map[string][]float32

func step(s *history.Store, all figures) {
	s.Step(func(record func(string, ...float32)) {
		for key, f := range all {
			record(key, f...)
		}
	})
}

// shown writes unknown as -1, which no test records.
func shown(columns [][]float32) [][]float32 {
	for _, c := range columns {
		for i := range c {
			if history.IsUnknown(c[i]) {
				c[i] = -1
			}
		}
	}
	return columns
}

func TestColumnsAreOldestFirstAndOfEqualLength(t *testing.T) {
	s := history.New(3, 2)
	check := func(key string, want ...[]float32) {
		t.Helper()
		if diff := cmp.Diff(want, shown(s.Columns(key))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", key, diff)
		}
	}
	check("a", []float32{}, []float32{})
	step(s, figures{"a": {1, 10}})
	check("a", []float32{1}, []float32{10})
	check("stranger", []float32{-1}, []float32{-1})
	step(s, figures{"a": {2, 20}, "b": {5, 50}})
	check("a", []float32{1, 2}, []float32{10, 20})
	check("b", []float32{-1, 5}, []float32{-1, 50})
	step(s, figures{"b": {6, 60}})
	check("a", []float32{1, 2, -1}, []float32{10, 20, -1})
	step(s, figures{"a": {4, 40}, "b": {7, 70}})
	check("a", []float32{2, -1, 4}, []float32{20, -1, 40})
	check("b", []float32{5, 6, 7}, []float32{50, 60, 70})
	for range 3 {
		step(s, nil)
	}
	check("a", []float32{-1, -1, -1}, []float32{-1, -1, -1})
}

func TestUnknownIsNoFigure(t *testing.T) {
	for _, f := range []float32{0, -1, math.MaxFloat32, float32(math.Inf(1))} {
		if history.IsUnknown(f) {
			t.Errorf("%g is a figure", f)
		}
	}
	if !history.IsUnknown(history.Unknown()) {
		t.Error("Unknown is unknown")
	}
}

func TestHistoryAgainstFullRecord(t *testing.T) {
	keys := []string{"a", "b", "c"}
	rapid.Check(t, func(t *rapid.T) {
		steps := rapid.IntRange(1, 5).Draw(t, "steps")
		s := history.New(steps, 1)
		var record []figures
		for range rapid.IntRange(0, 20).Draw(t, "n") {
			now := figures{}
			for _, key := range keys {
				if rapid.Bool().Draw(t, key) {
					now[key] = []float32{float32(rapid.IntRange(0, 100).Draw(t, "figure"))}
				}
			}
			record = append(record, now)
			step(s, now)
			for _, key := range keys {
				want := []float32{}
				for _, past := range record[max(len(record)-steps, 0):] {
					if f, ok := past[key]; ok {
						want = append(want, f[0])
					} else {
						want = append(want, -1)
					}
				}
				if diff := cmp.Diff([][]float32{want}, shown(s.Columns(key))); diff != "" {
					t.Fatalf("%s (-want +got):\n%s", key, diff)
				}
			}
		}
	})
}

func TestReadersBesideTheWriter(t *testing.T) {
	s := history.New(4, 2)
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 500 {
				columns := s.Columns("a")
				if len(columns[0]) != len(columns[1]) || len(columns[0]) > 4 {
					t.Errorf("columns of %d and %d steps", len(columns[0]), len(columns[1]))
				}
			}
		})
	}
	for i := range 500 {
		step(s, figures{"a": {float32(i), 1}})
	}
	readers.Wait()
}
