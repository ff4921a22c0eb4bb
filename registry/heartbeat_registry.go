package registry

import "iter"

// A HeartbeatItem is something that counts only as long as it is heard from. It must not change
// once it is in a registry: news of it is another item with the same id.
type HeartbeatItem interface {
	// ID is unique in the registry.
	ID() string
	// Info says in a few words what the item is and where, for logs and events.
	Info() string
	// Recent reports whether the item has been heard from in time.
	Recent() bool
	// Available reports whether the item may be given work. An item that is not recent is not available.
	Available() bool
}

// HeartbeatRegistry holds items by id, in the order of their ids, and counts them. It is for one goroutine at a time; what it gives out by
// Snapshot is for all. The zero value is empty.
type HeartbeatRegistry[T HeartbeatItem] struct {
	items treeWriter[heartbeatEntry[T], heartbeatCounts]
}

// HeartbeatSnapshot is what a registry held when it was taken. It never changes and needs no lock. The zero value is empty.
type HeartbeatSnapshot[T HeartbeatItem] struct {
	items tree[heartbeatEntry[T], heartbeatCounts]
}

type heartbeatEntry[T HeartbeatItem] struct{ item T }

type heartbeatCounts struct{ total, online, available int32 }

func (e heartbeatEntry[T]) sum() heartbeatCounts {
	counts := heartbeatCounts{total: 1}
	if e.item.Recent() {
		counts.online = 1
		if e.item.Available() {
			counts.available = 1
		}
	}
	return counts
}

func (c heartbeatCounts) plus(d heartbeatCounts) heartbeatCounts {
	return heartbeatCounts{c.total + d.total, c.online + d.online, c.available + d.available}
}

func (c heartbeatCounts) swap(was, is heartbeatCounts) (heartbeatCounts, bool) {
	return heartbeatCounts{c.total - was.total + is.total, c.online - was.online + is.online, c.available - was.available + is.available}, true
}

// Update puts an item into the registry, in place of one with the same id.
func (r *HeartbeatRegistry[T]) Update(item T) { r.update(item, new(place)) }

// update is Update for a caller that remembers where the item is, which spares the search.
func (r *HeartbeatRegistry[T]) update(item T, p *place) {
	r.items.put(item.ID(), heartbeatEntry[T]{item}, p)
}

// Remove takes out the item with this id, and reports whether there was one.
func (r *HeartbeatRegistry[T]) Remove(id string) bool {
	before := r.items.peek().len()
	r.items.remove(id)
	return r.items.peek().len() < before
}

// Cleanup removes those items that are not recent and that expired says are to go, and returns them. It looks only at items
// that are not recent.
func (r *HeartbeatRegistry[T]) Cleanup(expired func(T) bool) []T {
	var gone []T
	for _, e := range r.items.peek().where(func(c heartbeatCounts) bool { return c.online < c.total }) {
		if expired(e.item) {
			gone = append(gone, e.item)
		}
	}
	for _, item := range gone {
		r.items.remove(item.ID())
	}
	return gone
}

// Snapshot returns what the registry holds now, in O(1). The first change of an item after it costs O(log n), all others O(1) where the
// place of the item is known.
func (r *HeartbeatRegistry[T]) Snapshot() HeartbeatSnapshot[T] {
	return HeartbeatSnapshot[T]{r.items.state()}
}

// Get returns the item with this id, recent or not, and whether there is one.
func (s HeartbeatSnapshot[T]) Get(id string) (T, bool) {
	e, ok := s.items.get(id)
	return e.item, ok
}

// All yields all items, recent or not.
func (s HeartbeatSnapshot[T]) All() iter.Seq[T] { return s.where(nil) }

// Online yields the recent items.
func (s HeartbeatSnapshot[T]) Online() iter.Seq[T] {
	return s.where(func(c heartbeatCounts) bool { return c.online > 0 })
}

// Available yields the items that are recent and available.
func (s HeartbeatSnapshot[T]) Available() iter.Seq[T] {
	return s.where(func(c heartbeatCounts) bool { return c.available > 0 })
}

func (s HeartbeatSnapshot[T]) where(some func(heartbeatCounts) bool) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, e := range s.items.where(some) {
			if !yield(e.item) {
				return
			}
		}
	}
}

// CountTotal counts all items, in O(1).
func (s HeartbeatSnapshot[T]) CountTotal() int { return int(s.items.sum().total) }

// CountOnline counts the recent items, in O(1).
func (s HeartbeatSnapshot[T]) CountOnline() int { return int(s.items.sum().online) }

// CountAvailable counts the items that are recent and available, in O(1).
func (s HeartbeatSnapshot[T]) CountAvailable() int { return int(s.items.sum().available) }
