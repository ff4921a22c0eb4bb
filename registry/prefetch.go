package registry

import "unsafe"

// In a large fleet hardly anything that a heartbeat needs is in a cache, and a visit to memory takes as long as some 500 instructions. So Apply says
// early what it will need, and does meanwhile what needs only the heartbeat: it makes its digest while the state of the hive comes, and the new
// record while the old one comes and the leaves of the trees.

// cacheLine is what memory is read in. Where it is larger, some of it is asked for twice.
const cacheLine = 64

// prefetch asks for so many bytes of memory and does not wait. It reads nothing, so it does not matter what they are.
func prefetch[T any](p *T, bytes uintptr) {
	prefetchLines(unsafe.Pointer(p), (bytes+cacheLine-1)/cacheLine) //nolint:gosec // G103: only the address is of interest
}

func (st *hiveState) prefetch() { prefetch(st, unsafe.Sizeof(*st)) }

// prefetch asks for what the next heartbeat of a hive needs that has as many workers as before: its record, and where the trees have it. The caller holds mu.
func (reg *TelemetryRegistry) prefetch(st *hiveState, workers int) {
	prefetch(st.hive, recordBytes(workers))
	reg.records.items.prefetch(st.place)
	reg.index.all.prefetch(st.seats.place)
	for i := range st.seats.models {
		s := &st.seats.models[i]
		s.index.byHive.prefetch(s.place)
	}
}

// prefetch asks for a value and the leaf that has it, if it is still there.
func (w *treeWriter[V, A]) prefetch(p place) {
	if !w.has(p) {
		return
	}
	room := (*leafRoom[V, A])(unsafe.Pointer(w.stems[p.leaf].node)) //nolint:gosec // G103: newLeaf and copyFor make all nodes that have values so
	prefetch(&room.node, unsafe.Sizeof(room.node))
	prefetch(&room.vals[p.at], unsafe.Sizeof(room.vals[0]))
}
