package registry

import "unsafe"

// smallRecord and usualRecord are records of hives with few workers.
type (
	smallRecord struct {
		Hive
		list    [2]*Worker
		workers [2]Worker
	}
	usualRecord struct {
		Hive
		list    [8]*Worker
		workers [8]Worker
	}
)

// newRecord returns the memory of a hive's record and those of its workers. It is one piece for most hives: to make one is cheaper than
// three, and the next heartbeat finds it all in one place.
func newRecord(workers int) (*Hive, []Worker) {
	var hive *Hive
	var records []Worker
	var list []*Worker
	switch {
	case workers <= len(smallRecord{}.workers):
		room := &smallRecord{}
		hive, records, list = &room.Hive, room.workers[:workers], room.list[:workers]
	case workers <= len(usualRecord{}.workers):
		room := &usualRecord{}
		hive, records, list = &room.Hive, room.workers[:workers], room.list[:workers]
	default:
		hive, records, list = &Hive{}, make([]Worker, workers), make([]*Worker, workers)
	}
	hive.Workers = list
	for i := range records {
		records[i].Hive, list[i] = hive, &records[i]
	}
	return hive, records
}

// recordBytes returns how much memory, from the hive's on, a record takes; without that of its workers if they are many.
func recordBytes(workers int) uintptr {
	records := uintptr(workers) * unsafe.Sizeof(Worker{})
	switch {
	case workers <= len(smallRecord{}.workers):
		return unsafe.Offsetof(smallRecord{}.workers) + records
	case workers <= len(usualRecord{}.workers):
		return unsafe.Offsetof(usualRecord{}.workers) + records
	default:
		return unsafe.Sizeof(Hive{})
	}
}
