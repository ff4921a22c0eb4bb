package graph

import (
	"context"

	"waggle/registry"
)

type snapshotKey struct{}

// WithSnapshot makes all queries of an operation read one snapshot, so that all their fields agree.
func WithSnapshot(ctx context.Context, snap *registry.Snapshot) context.Context {
	return context.WithValue(ctx, snapshotKey{}, snap)
}

// snapshot returns the snapshot of the operation, or the newest one if it has none.
func (r *Resolver) snapshot(ctx context.Context) *registry.Snapshot {
	if snap, ok := ctx.Value(snapshotKey{}).(*registry.Snapshot); ok {
		return snap
	}
	return r.Registry.Snapshot()
}
