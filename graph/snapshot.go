package graph

import (
	"context"
	"sync"

	"waggle/registry"
)

type snapshotKey struct{}

// operationSnapshot is the snapshot of one operation, taken when it is first asked for: heartbeats never ask, and the registry
// copies nothing for nobody.
type operationSnapshot struct {
	once sync.Once
	snap *registry.Snapshot
}

// Begin makes the context of one operation: all its queries read one snapshot, so that all their fields agree.
func (r *Resolver) Begin(ctx context.Context) context.Context {
	return context.WithValue(ctx, snapshotKey{}, &operationSnapshot{})
}

// snapshot returns the snapshot of the operation, or the newest one if it has none.
func (r *Resolver) snapshot(ctx context.Context) *registry.Snapshot {
	s, ok := ctx.Value(snapshotKey{}).(*operationSnapshot)
	if !ok {
		return r.Registry.Snapshot()
	}
	s.once.Do(func() { s.snap = r.Registry.Snapshot() })
	return s.snap
}
