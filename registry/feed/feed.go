// Package feed is a numbered log of the newest entries, for one writer and any number of readers.
//
// Its promises:
//   - Entries are numbered 1, 2, 3 … without holes, in the order in which they were appended.
//   - A reader is nothing but a position. It registers nowhere, so there is nothing to unsubscribe
//     and nothing to leak, and it can neither slow the writer nor another reader.
//   - A reader sees every entry exactly once, or is told by [ErrGap] that some are gone for good.
//   - It remembers as many entries as it has room for, in number and in bytes, and always the newest.
//
// etcd, Nomad and centrifuge agree on this shape.
package feed

import (
	"errors"
	"math"
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

	// For Append alone.
	oldest   uint64 // number of the oldest entry that is remembered
	bytes    int    // of all that are
	maxBytes int
	sizes    []int32 // of each, in bytes, as the slots; apart, since the entry that makes room has long left the processor's caches

	mu   sync.Mutex    // guards wake
	wake chan struct{} // closed by the next Append; nil while nobody waits
}

type entry[T any] struct {
	number uint64
	item   T
}

// New returns an empty feed that remembers the newest entries: at most so many, and at most so many bytes of them, but one at least.
func New[T any](entries, bytes int) *Feed[T] {
	entries = max(entries, 1)
	return &Feed[T]{slots: make([]atomic.Pointer[entry[T]], entries), sizes: make([]int32, entries), oldest: 1, maxBytes: bytes}
}

// Append adds an entry that takes so many bytes of memory, wakes all readers and returns the entry's number.
func (f *Feed[T]) Append(item T, bytes int) uint64 {
	number := f.last.Load() + 1
	bytes = min(bytes, math.MaxInt32)
	f.bytes += bytes
	for f.oldest < number && (f.bytes > f.maxBytes || number-f.oldest == uint64(len(f.slots))) {
		f.forgetOldest()
	}
	at := number % uint64(len(f.slots))
	f.slots[at].Store(&entry[T]{number, item})
	f.sizes[at] = int32(bytes)
	f.last.Store(number)
	f.mu.Lock()
	if f.wake != nil {
		close(f.wake)
		f.wake = nil
	}
	f.mu.Unlock()
	return number
}

func (f *Feed[T]) forgetOldest() {
	at := f.oldest % uint64(len(f.slots))
	f.slots[at].Store(nil)
	f.bytes -= int(f.sizes[at])
	f.oldest++
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
