// Package history keeps rings of past figures: for every key a few columns, a fixed number of steps back.
package history

import (
	"math"
	"strings"
	"sync"
)

// Unknown is the figure of a step at which nothing was known. It is a NaN: test it by [IsUnknown].
func Unknown() float32 { return float32(math.NaN()) }

// IsUnknown reports whether nothing was known.
func IsUnknown(f float32) bool { return f != f }

// Store keeps the last steps of all keys. It must be made by [New]. All methods may be called from
// anywhere at any time.
type Store struct {
	steps, columns int

	mu    sync.RWMutex // guards what follows
	now   int          // number of the newest step; the first is 1
	rings map[string]*ring
}

// ring holds columns of figures, step n in slot n%steps.
type ring struct {
	latest  int // the newest step written
	figures []float32
}

// New returns an empty store of so many steps and columns.
func New(steps, columns int) *Store {
	return &Store{steps: steps, columns: columns, rings: map[string]*ring{}}
}

// Step begins a new step and calls fill, which records the figures of each key, one a column. Keys that were not
// recorded for as long as the store reaches back are dropped.
func (s *Store) Step(fill func(record func(key string, figures ...float32))) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now++
	fill(s.record)
	for key, r := range s.rings {
		if s.now-r.latest >= s.steps {
			delete(s.rings, key)
		}
	}
}

func (s *Store) record(key string, figures ...float32) {
	r := s.rings[key]
	if r == nil {
		r = &ring{latest: max(s.now-s.steps, 0), figures: make([]float32, s.steps*s.columns)}
		s.rings[strings.Clone(key)] = r // a part of a larger text would keep all of it in memory
	}
	for r.latest < s.now { // steps that this key missed are unknown
		r.latest++
		for c := range s.columns {
			r.figures[c*s.steps+r.latest%s.steps] = Unknown()
		}
	}
	for c := range s.columns {
		r.figures[c*s.steps+s.now%s.steps] = figures[c]
	}
}

// Columns returns the figures of a key, oldest first: as many as there were steps since the store began, at most
// all it keeps, so that the columns of all keys are of equal length. They are the caller's to keep.
func (s *Store) Columns(key string) [][]float32 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	oldest := max(s.now-s.steps, 0) + 1
	r := s.rings[key]
	columns := make([][]float32, s.columns)
	for c := range columns {
		columns[c] = make([]float32, 0, s.steps)
		for step := oldest; step <= s.now; step++ {
			figure := Unknown()
			if r != nil && step <= r.latest && step > r.latest-s.steps {
				figure = r.figures[c*s.steps+step%s.steps]
			}
			columns[c] = append(columns[c], figure)
		}
	}
	return columns
}
