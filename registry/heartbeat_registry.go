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

// HeartbeatRegistry holds items by id, in the order of their ids, and counts them. It is an immutable
// value: a change returns a changed copy in O(log n), so a copy is a snapshot and needs no lock. The zero value is empty.
type HeartbeatRegistry[T HeartbeatItem] struct {
	items tree[heartbeatEntry[T], heartbeatCounts]
}

type heartbeatEntry[T HeartbeatItem] struct {
	item   T
	counts heartbeatCounts
}

type heartbeatCounts struct{ total, online, available int32 }

func (e heartbeatEntry[T]) sum() heartbeatCounts { return e.counts }

func (c heartbeatCounts) plus(d heartbeatCounts) heartbeatCounts {
	return heartbeatCounts{c.total + d.total, c.online + d.online, c.available + d.available}
}

// Update returns a registry that holds the item, in place of one with the same id.
func (r HeartbeatRegistry[T]) Update(item T) HeartbeatRegistry[T] {
	counts := heartbeatCounts{total: 1}
	if item.Recent() {
		counts.online = 1
		if item.Available() {
			counts.available = 1
		}
	}
	return HeartbeatRegistry[T]{r.items.put(item.ID(), heartbeatEntry[T]{item, counts})}
}

// Get returns the item with this id, recent or not, and whether there is one.
func (r HeartbeatRegistry[T]) Get(id string) (T, bool) {
	e, ok := r.items.get(id)
	return e.item, ok
}

// Remove returns a registry without the item with this id, and whether there was one.
func (r HeartbeatRegistry[T]) Remove(id string) (HeartbeatRegistry[T], bool) {
	items := r.items.remove(id)
	return HeartbeatRegistry[T]{items}, items != r.items
}

// All yields all items, recent or not.
func (r HeartbeatRegistry[T]) All() iter.Seq[T] { return r.where(nil) }

// Online yields the recent items.
func (r HeartbeatRegistry[T]) Online() iter.Seq[T] {
	return r.where(func(c heartbeatCounts) bool { return c.online > 0 })
}

// Available yields the items that are recent and available.
func (r HeartbeatRegistry[T]) Available() iter.Seq[T] {
	return r.where(func(c heartbeatCounts) bool { return c.available > 0 })
}

func (r HeartbeatRegistry[T]) where(some func(heartbeatCounts) bool) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, e := range r.items.where(some) {
			if !yield(e.item) {
				return
			}
		}
	}
}

// CountTotal counts all items, in O(1).
func (r HeartbeatRegistry[T]) CountTotal() int { return int(r.items.sum().total) }

// CountOnline counts the recent items, in O(1).
func (r HeartbeatRegistry[T]) CountOnline() int { return int(r.items.sum().online) }

// CountAvailable counts the items that are recent and available, in O(1).
func (r HeartbeatRegistry[T]) CountAvailable() int { return int(r.items.sum().available) }

// Cleanup returns a registry without those items that are not recent and that expired says are to go, and
// these items. It looks only at items that are not recent.
func (r HeartbeatRegistry[T]) Cleanup(expired func(T) bool) (HeartbeatRegistry[T], []T) {
	var gone []T
	for item := range r.where(func(c heartbeatCounts) bool { return c.online < c.total }) {
		if expired(item) {
			gone = append(gone, item)
		}
	}
	for _, item := range gone {
		r, _ = r.Remove(item.ID())
	}
	return r, gone
}
