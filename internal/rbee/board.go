package rbee

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"waggle/registry"
)

// board shows the newest telemetry of every hive, rendered once for all dashboards. Time is cut into ticks: whoever has
// read up to the tick before the newest takes what the newest brought, in one piece; whoever is further behind takes what has changed since, of each hive
// only the newest. So nobody who follows costs more than a write, and nobody who does not can make the board keep anything for him.
type board struct {
	reg     *registry.TelemetryRegistry
	arrived chan struct{} // a first dashboard has come; holds one

	mu       sync.Mutex // guards all below
	watching int        // dashboards
	seen     uint64     // the revision that is shown
	tick     uint64
	latest   []byte            // what the newest tick brought; replaced, never changed
	next     chan struct{}     // closed by the next tick
	notices  map[string]notice // by hive
	gone     []string          // hives whose notice says that they have no workers any more, oldest first
	queen    []byte            // the sum up to its timestamp; nil: to be made
	scratch  map[string]bool
}

// notice is what the board shows of a hive.
type notice struct {
	tick     uint64
	lastSeen time.Time
	goneAt   time.Time // when it was given up; zero while it is not
	frame    []byte
}

// goneFor is for how long the board tells that a hive is gone. A dashboard that has not read for so long has been cut off.
const goneFor = 2 * writeTimeout

func newBoard(reg *registry.TelemetryRegistry) *board {
	return &board{
		reg: reg, arrived: make(chan struct{}, 1), next: make(chan struct{}),
		notices: map[string]notice{}, scratch: map[string]bool{},
	}
}

// run brings the board up to date while there are dashboards, until ctx ends.
func (b *board) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.arrived:
		}
		for seen, watched := b.state(); watched; seen, watched = b.state() {
			select {
			case <-ctx.Done():
				return
			case <-b.reg.Changes().Appended(seen):
			}
			pause(ctx, gather)
			b.update(time.Now())
		}
	}
}

func (b *board) state() (seen uint64, watched bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen, b.watching > 0
}

func (b *board) update(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.catchUp(now)
}

// join returns the present telemetry of every hive, and where to read on.
func (b *board) join(now time.Time) (frames []byte, at place) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watching++
	select {
	case b.arrived <- struct{}{}:
	default:
	}
	b.catchUp(now)
	return b.collect(func(n notice) bool { return n.goneAt.IsZero() }), place{b.tick, b.next}
}

func (b *board) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watching--
}

// place is how far a dashboard has read.
type place struct {
	tick uint64
	next <-chan struct{} // closed when there is more
}

// since returns what changed since a place, and where to read on.
func (b *board) since(p place) (frames []byte, at place) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch at = (place{b.tick, b.next}); {
	case p.tick == b.tick:
		return nil, at
	case p.tick+1 == b.tick:
		return b.latest, at
	default:
		return b.collect(func(n notice) bool { return n.tick > p.tick }), at
	}
}

// sum returns the frame that sums up the fleet.
func (b *board) sum(now time.Time) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.catchUp(now)
	if b.queen == nil {
		b.queen = appendQueen(nil, b.reg.Snapshot())
	}
	return appendQueenTime(slices.Clip(b.queen), now)
}

// collect returns the frames of the notices that match, by hive. The caller holds mu.
func (b *board) collect(match func(notice) bool) []byte {
	var frames []byte
	for _, id := range slices.Sorted(maps.Keys(b.notices)) {
		if n := b.notices[id]; match(n) {
			frames = append(frames, n.frame...)
		}
	}
	return frames
}

// catchUp shows what the registry has accepted since the last time, as one tick. The caller holds mu.
func (b *board) catchUp(now time.Time) {
	snap := b.reg.Snapshot()
	if snap.Revision.Counter == b.seen {
		return
	}
	clear(b.scratch)
	err := b.reg.Changes().After(b.seen, snap.Revision.Counter, func(c registry.Change) {
		b.scratch[c.HiveID] = true
		if c.Hive&(registry.HiveLiveness|registry.HiveAvailable|registry.HiveWorkerSet) != 0 {
			b.queen = nil
		}
	})
	if err != nil { // the log does not go back that far, so all may have changed
		b.queen = nil
		for id := range b.notices {
			b.scratch[id] = true
		}
		for h := range snap.AllHives() {
			b.scratch[h.ID] = true
		}
	}
	b.seen = snap.Revision.Counter
	var frames []byte
	for _, id := range slices.Sorted(maps.Keys(b.scratch)) {
		frames = append(frames, b.post(snap, id, now)...)
	}
	b.forget(now)
	if frames == nil {
		return
	}
	b.tick++
	b.latest = frames
	close(b.next)
	b.next = make(chan struct{})
}

// post renews the notice of a hive if there is news of it, and returns its frame. Dashboards never remove a hive and believe whatever
// they were told last, so when a hive is given up they are told that it has no workers. The caller holds mu.
func (b *board) post(snap *registry.Snapshot, id string, now time.Time) []byte {
	old, shown := b.notices[id]
	n := notice{tick: b.tick + 1}
	switch h := snap.Hive(id); {
	case h == nil || h.Liveness == registry.Offline:
		if !shown || !old.goneAt.IsZero() {
			return nil
		}
		n.goneAt = now
		n.frame = appendTelemetry(nil, id, now, nil)
		b.gone = append(b.gone, id)
	case shown && old.goneAt.IsZero() && h.LastSeenAt.Equal(old.lastSeen):
		return nil
	default:
		n.lastSeen = h.LastSeenAt
		n.frame = appendTelemetry(make([]byte, 0, cap(old.frame)), id, h.LastSeenAt, h.Workers)
	}
	b.notices[id] = n
	return n.frame
}

// forget removes the notices of hives that were given up long ago. The caller holds mu.
func (b *board) forget(now time.Time) {
	for len(b.gone) > 0 {
		id := b.gone[0]
		if n := b.notices[id]; !n.goneAt.IsZero() {
			if now.Sub(n.goneAt) < goneFor {
				return
			}
			delete(b.notices, id)
		}
		b.gone = b.gone[1:]
	}
}
