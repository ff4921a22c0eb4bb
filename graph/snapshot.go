package graph

import (
	"context"

	"waggle/registry"
)

type snapshotKey struct{}

// Begin makes the context of one operation: all its queries read one snapshot, so that all their fields agree.
func (r *Resolver) Begin(ctx context.Context) context.Context {
	return context.WithValue(ctx, snapshotKey{}, r.Registry.Snapshot())
}

// snapshot returns the snapshot of the operation, or the newest one if it has none.
func (r *Resolver) snapshot(ctx context.Context) *registry.Snapshot {
	if snap, ok := ctx.Value(snapshotKey{}).(*registry.Snapshot); ok {
		return snap
	}
	return r.Registry.Snapshot()
}
