package client

import "unique"

// update is what one message of the mirror's subscription says. Its slices are used again for the next one.
type update struct {
	revision string
	reset    ResetReason // empty: none
	complete bool
	hives    []*MirrorHive
	workers  []*MirrorWorker
	goneHive []string
	goneWork []string
}

// decoder reads updates. Strings that an entry had before are used again, for most of an entry never changes.
type decoder struct {
	hives   *table[MirrorHive]
	workers *table[MirrorWorker]
	update  update
}

// decode reads the payload of a message, an execution result, in one pass: to look for its data first would take as long as to read that. The result is good
// until the next call.
func (d *decoder) decode(payload []byte) (*update, error) {
	u := &d.update
	clear(u.hives)
	clear(u.workers)
	*u = update{hives: u.hives[:0], workers: u.workers[:0], goneHive: u.goneHive[:0], goneWork: u.goneWork[:0]}
	s := scanner{data: payload}
	var problems []byte
	for key, ok := s.openObject(); ok; key, ok = s.nextKey() {
		switch string(key) {
		case "data":
			if !s.null() {
				d.data(&s, u)
			}
		case "errors":
			problems = s.skip()
		default:
			s.skip()
		}
	}
	if err := s.end(); err != nil {
		return nil, err
	}
	if problems != nil {
		return nil, firstError(problems)
	}
	if u.revision == "" {
		return nil, errNotJSON
	}
	return u, nil
}

func (d *decoder) data(s *scanner, u *update) {
	for key, ok := s.openObject(); ok; key, ok = s.nextKey() {
		if string(key) == "changes" {
			d.changes(s, u)
		} else {
			s.skip()
		}
	}
}

func (d *decoder) changes(s *scanner, u *update) {
	for key, ok := s.openObject(); ok; key, ok = s.nextKey() {
		switch string(key) {
		case "revision":
			u.revision = string(s.text())
		case "reset":
			u.reset = ResetReason(s.optText())
		case "complete":
			u.complete = s.boolean()
		case "hives":
			for ok := s.openArray(); ok; ok = s.nextElement() {
				u.hives = append(u.hives, d.hive(s))
			}
		case "workers":
			for ok := s.openArray(); ok; ok = s.nextElement() {
				u.workers = append(u.workers, d.worker(s))
			}
		case "removed":
			for ok := s.openArray(); ok; ok = s.nextElement() {
				removal(s, u)
			}
		default:
			s.skip()
		}
	}
}

func removal(s *scanner, u *update) {
	var id string
	var kind EntryKind
	for key, ok := s.openObject(); ok; key, ok = s.nextKey() {
		switch string(key) {
		case "id":
			id = string(s.text())
		case "kind":
			kind = EntryKind(s.text())
		default:
			s.skip()
		}
	}
	switch kind {
	case EntryKindHive:
		u.goneHive = append(u.goneHive, id)
	case EntryKindWorker:
		u.goneWork = append(u.goneWork, id)
	default:
		s.fail() // Not to drop what should be dropped would be a lie.
	}
}

func (d *decoder) worker(s *scanner) *MirrorWorker {
	var w MirrorWorker
	var id, model, endpoint []byte
	for key, ok := s.openObject(); ok; key, ok = s.nextKey() {
		switch string(key) {
		case "id":
			id = s.text()
		case "model":
			model = s.optText()
		case "endpoint":
			endpoint = s.optText()
		case "activity":
			w.Activity = known(s.text(), ActivityIdle, ActivityBusy, ActivityUnknown)
		case "liveness":
			w.Liveness = known(s.text(), LivenessOnline, LivenessSuspect, LivenessOffline)
		case "available":
			w.Available = s.boolean()
		case "vramTotalMb":
			w.VRAMTotalMB = s.optInt()
		case "vramFreeMb":
			w.VRAMFreeMB = s.optInt()
		case "requestsRunning":
			w.RequestsRunning = s.optInt()
		case "requestsQueued":
			w.RequestsQueued = s.optInt()
		default:
			s.skip()
		}
	}
	if len(id) == 0 {
		s.fail()
	}
	owned, before := d.workers.latest(id)
	if before == nil {
		before = &MirrorWorker{}
	}
	w.ID = owned
	if owned == "" {
		w.ID = string(id)
	}
	w.Model, w.Endpoint = before.Model, before.Endpoint
	if w.Model != string(model) {
		w.Model = unique.Make(string(model)).Value()
	}
	if w.Endpoint != string(endpoint) {
		w.Endpoint = string(endpoint)
	}
	if w == *before {
		return before
	}
	changed := w // so that only what changed is allocated
	return &changed
}

func (d *decoder) hive(s *scanner) *MirrorHive {
	var h MirrorHive
	for key, ok := s.openObject(); ok; key, ok = s.nextKey() {
		switch string(key) {
		case "id":
			h.ID = string(s.text())
		case "hostname":
			h.Hostname = string(s.text())
		case "operationalStatus":
			h.OperationalStatus = known(s.text(), OperationalStatusReady, OperationalStatusBusy, OperationalStatusStarting,
				OperationalStatusStopping, OperationalStatusStopped)
		case "health":
			health(s, &h)
		case "liveness":
			h.Liveness = known(s.text(), LivenessOnline, LivenessSuspect, LivenessOffline)
		case "available":
			h.Available = s.boolean()
		case "cordoned":
			h.Cordoned = s.boolean()
		default:
			s.skip()
		}
	}
	if h.ID == "" {
		s.fail()
	}
	return &h
}

func health(s *scanner, h *MirrorHive) {
	for key, ok := s.openObject(); ok; key, ok = s.nextKey() {
		switch string(key) {
		case "status":
			h.HealthStatus = known(s.text(), HealthStatusHealthy, HealthStatusDegraded, HealthStatusUnhealthy)
		case "reason":
			h.HealthReason = string(s.optText())
		default:
			s.skip()
		}
	}
}

// known returns the enum value with this name, without a copy where it is one of those we know.
func known[E ~string](name []byte, values ...E) E {
	for _, v := range values {
		if string(v) == string(name) {
			return v
		}
	}
	return E(name)
}
