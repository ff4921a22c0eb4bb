package client

import (
	"slices"
	"strings"
)

// table keeps the entries of one kind: what is shown, and what will be with the next commit. It belongs to the mirror's goroutine;
// readers see only the slices that commit returns, which are never changed.
type table[T comparable] struct {
	slots   map[string]*slot[T]
	order   []*slot[T] // those that are shown, by id
	touched []*slot[T]
	last    *slot[T] // asked for
}

type slot[T comparable] struct {
	id          string
	shown, next *T
	touched     bool
	at          int // in order and in what is shown; only if shown
}

// step is what one commit did to one entry.
type step[T comparable] struct{ old, now *T }

func newTable[T comparable]() *table[T] { return &table[T]{slots: map[string]*slot[T]{}} }

// latest returns the entry as it will be with the next commit, and the id in memory that we own already; id is empty when there
// was never such an entry.
func (t *table[T]) latest(id []byte) (owned string, entry *T) {
	s := t.following()
	if s == nil || s.id != string(id) {
		s = t.slots[string(id)]
	}
	if s == nil {
		return "", nil
	}
	t.last = s
	return s.id, s.next
}

func (t *table[T]) put(id string, entry *T) {
	s := t.following()
	if s == nil || s.id != id {
		s = t.slots[id]
	}
	if s == nil {
		s = &slot[T]{id: id}
		t.slots[id] = s
	}
	t.last = s
	t.touch(s, entry)
}

// following returns the slot after the one that was last asked for, or nil. Workers come hive by hive in the order of their ids, so that it is mostly the next one that is
// wanted, and to look at it costs less than to look one up among 100,000.
func (t *table[T]) following() *slot[T] {
	if t.last == nil || t.last.shown == nil || t.last.at+1 >= len(t.order) {
		return nil
	}
	return t.order[t.last.at+1]
}

func (t *table[T]) drop(id string) {
	if s := t.slots[id]; s != nil {
		t.touch(s, nil)
	}
}

// dropAll drops everything, put or shown.
func (t *table[T]) dropAll() {
	for _, s := range t.slots {
		t.touch(s, nil)
	}
}

func (t *table[T]) touch(s *slot[T], entry *T) {
	s.next = entry
	if !s.touched {
		s.touched = true
		t.touched = append(t.touched, s)
	}
}

// discard forgets all since the last commit.
func (t *table[T]) discard() {
	for _, s := range t.touched {
		s.next, s.touched = s.shown, false
		if s.shown == nil {
			delete(t.slots, s.id)
		}
	}
	t.touched = t.touched[:0]
}

// commit shows what was put and dropped. It returns what is shown from now on, by id, and what that changed.
func (t *table[T]) commit(shown []*T) ([]*T, []step[T]) {
	steps := make([]step[T], 0, len(t.touched))
	var added []*slot[T]
	members := len(t.order)
	for _, s := range t.touched {
		s.touched = false
		switch {
		case s.shown == nil && s.next == nil:
			delete(t.slots, s.id)
			continue
		case s.shown == nil:
			added = append(added, s)
		case s.next == nil:
			members--
			delete(t.slots, s.id)
		case *s.shown == *s.next:
			s.next = s.shown
			continue
		}
		steps = append(steps, step[T]{s.shown, s.next})
	}
	touched := t.touched
	t.touched = t.touched[:0]
	if len(steps) == 0 {
		return shown, nil
	}
	if len(added) == 0 && members == len(t.order) {
		shown = slices.Clone(shown)
		for _, s := range touched {
			if s.next != nil { // else it came and went between two commits
				s.shown = s.next
				shown[s.at] = s.next
			}
		}
		return shown, steps
	}
	return t.arrange(added, members+len(added)), steps
}

// arrange merges the added slots into the order and leaves out those that are gone.
func (t *table[T]) arrange(added []*slot[T], members int) []*T {
	slices.SortFunc(added, func(a, b *slot[T]) int { return strings.Compare(a.id, b.id) })
	order := make([]*slot[T], 0, members)
	shown := make([]*T, 0, members)
	show := func(s *slot[T]) {
		s.shown, s.at = s.next, len(order)
		order, shown = append(order, s), append(shown, s.next)
	}
	for _, s := range t.order {
		for len(added) > 0 && added[0].id < s.id {
			show(added[0])
			added = added[1:]
		}
		if s.next != nil {
			show(s)
		}
	}
	for _, s := range added {
		show(s)
	}
	t.order = order
	return shown
}
