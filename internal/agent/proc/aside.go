package proc

import (
	"context"
	"slices"
	"time"
)

// Reading the command line or the environment of a process waits for a lock of its memory, and one that waits for a disk or
// a driver may hold it for ever. No deadline ends such a read, so it is left behind, and what else there is of that process
// is not read until it has ended. All other processes are read as ever.

const (
	// patience is how long one read may take, and patienceInAll how long all reads that do not end may take in one look.
	// Beyond that each has leastPatience, which is still many times what one takes that ends.
	patience      = 100 * time.Millisecond
	patienceInAll = 500 * time.Millisecond
	leastPatience = 5 * time.Millisecond
	// stuckAfter is how long a read that was left behind is taken for slow, as on a busy machine.
	stuckAfter = time.Second
	// maxStuck bounds the reads that are left behind: each holds a thread.
	maxStuck = 64
)

// left is a read that was left behind.
type left struct {
	since time.Time
	done  <-chan struct{}
}

func (l left) ended() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// aside reads something of a process, and returns false when that does not end, or when nothing of it can be read now.
func aside[T any](ctx context.Context, s *Scanner, pid int, read func() T) (T, bool) {
	var none T
	if l, behind := s.behind[pid]; behind {
		if !l.ended() {
			return none, false
		}
		delete(s.behind, pid)
	}
	if len(s.behind) >= maxStuck {
		return none, false
	}
	var value T
	var panicked any
	done := make(chan struct{})
	began := time.Now()
	go func() {
		defer close(done)
		defer func() { panicked = recover() }()
		value = read()
	}()
	timer := time.NewTimer(max(leastPatience, min(patience, s.patience)))
	defer timer.Stop()
	select {
	case <-done:
		if panicked != nil {
			panic(panicked)
		}
		return value, true
	case <-timer.C:
	case <-ctx.Done():
	}
	s.patience -= time.Since(began)
	s.behind[pid] = left{began, done}
	return none, false // What is still being read is nobody's.
}

// Stuck returns the processes, by pid, of which nothing can be read because they wait for something themselves.
func (s *Scanner) Stuck() []int {
	var pids []int
	for pid, l := range s.behind {
		switch {
		case l.ended():
			delete(s.behind, pid)
		case time.Since(l.since) >= stuckAfter:
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}
