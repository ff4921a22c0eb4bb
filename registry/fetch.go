package registry

// In a large fleet hardly anything that a heartbeat needs is in a cache, and a visit to memory takes as long as some 500
// instructions. A processor makes many visits at once, but only those that it sees coming: where they are needed, far apart, it waits for each. So
// accept first reads a little of each place, one right after the other. What is read is kept in fields that nobody reads, else the
// compiler would leave it out.

// fetch reads what taking in the next heartbeat of a hive needs: its record, and where the trees have it. The caller holds mu.
func (reg *TelemetryRegistry) fetch(st *hiveState) {
	reg.fetched = st.hive.Revision.Counter + uint64(len(st.hive.ID))
	reg.records.items.fetch(st.place)
	reg.index.all.fetch(st.seats.place)
	for i := range st.seats.models {
		s := &st.seats.models[i]
		s.index.byHive.fetch(s.place)
	}
}

// fetch reads the value at a place, if it is still that.
func (w *treeWriter[V, A]) fetch(p place) {
	if w.has(p) {
		w.fetched = w.stems[p.leaf].node.vals[p.at]
	}
}
