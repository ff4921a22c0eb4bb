// Package feed is a numbered log of the newest entries, for one writer and any number of readers.
//
// Its promises:
//   - Entries are numbered 1, 2, 3 … without holes, in the order in which they were appended.
//   - A reader is nothing but a position. It registers nowhere, so there is nothing to unsubscribe
//     and nothing to leak, and it can neither slow the writer nor another reader.
//   - A reader sees every entry exactly once, or is told by [ErrGap] that some are gone for good.
//
// etcd, Nomad and centrifuge agree on this shape.
package feed

import (
	"errors"
	"sync"
	"sync/atomic"
)

// ErrGap says that entries after the given position are no longer, or not yet, in the log: the
// reader must start over from a snapshot.
var ErrGap = errors.New("feed: entries after this position are not in the log")

// Feed holds the newest entries. It must be made by [New].
//
// Append is for one goroutine at a time; all else may be called from anywhere at any time.
type Feed[T any] struct {
	slots []atomic.Pointer[entry[T]]
	last  atomic.Uint64

	mu   sync.Mutex    // guards wake
	wake chan struct{} // closed by the next Append; nil while nobody waits
}

type entry[T any] struct {
	number uint64
	item   T
}

// New returns an empty feed that remembers the newest size entries, at least one.
func New[T any](size int) *Feed[T] {
	return &Feed[T]{slots: make([]atomic.Pointer[entry[T]], max(size, 1))}
}

// Append adds an entry, wakes all readers and returns the entry's number.
func (f *Feed[T]) Append(item T) uint64 {
	number := f.last.Load() + 1
	f.slots[number%uint64(len(f.slots))].Store(&entry[T]{number, item})
	f.last.Store(number)
	f.mu.Lock()
	if f.wake != nil {
		close(f.wake)
		f.wake = nil
	}
	f.mu.Unlock()
	return number
}

// Last returns the number of the newest entry; 0 when there is none yet.
func (f *Feed[T]) Last() uint64 { return f.last.Load() }

// After calls visit with the entries numbered after+1 up to and including upTo, in order.
// It returns ErrGap, perhaps after some calls, when one of them is not in the log.
func (f *Feed[T]) After(after, upTo uint64, visit func(T)) error {
	for number := after + 1; number <= upTo; number++ {
		e := f.slots[number%uint64(len(f.slots))].Load()
		if e == nil || e.number != number {
			return ErrGap
		}
		visit(e.item)
	}
	return nil
}

// Appended returns a channel that is closed as soon as there is an entry numbered above after.
func (f *Feed[T]) Appended(after uint64) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	// Append stores the number before it takes the lock, so no entry can slip in between.
	if f.last.Load() > after {
		closed := make(chan struct{})
		close(closed)
		return closed
	}
	if f.wake == nil {
		f.wake = make(chan struct{})
	}
	return f.wake
}
