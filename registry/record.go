package registry

// newRecord returns the memory of a hive's record and those of its workers. It is one piece for most hives: to make one is cheaper than
// three, and the next heartbeat finds it all in one place.
func newRecord(workers int) (*Hive, []Worker) {
	var hive *Hive
	var records []Worker
	var list []*Worker
	switch {
	case workers <= 2:
		room := &struct {
			Hive
			list    [2]*Worker
			workers [2]Worker
		}{}
		hive, records, list = &room.Hive, room.workers[:workers], room.list[:workers]
	case workers <= 8:
		room := &struct {
			Hive
			list    [8]*Worker
			workers [8]Worker
		}{}
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
