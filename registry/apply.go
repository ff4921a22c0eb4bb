package registry

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// conflictWarned is for how long after a conflict the owner of an id is warned.
const conflictWarned = 10 * time.Second

// Apply takes in a heartbeat: the hive and all its workers in one step and one revision. It is the only door by which anything
// about a hive gets in. A heartbeat that is not accepted changes nothing; with Invalid comes an *InvalidError.
//
// Apply does not change the heartbeat, but the registry may keep parts of it, so nobody else may change it afterwards either. To apply
// it again, or to apply one heartbeat from several goroutines, is fine. The cost does not depend on the size of the fleet.
func (reg *TelemetryRegistry) Apply(reported *Heartbeat) (Terms, error) {
	beat := *reported // for check to mend
	hb := &beat
	now := hb.ReceivedAt
	if now.IsZero() {
		now = time.Now()
	}
	reg.mu.Lock()
	defer reg.mu.Unlock()
	st := reg.byHash[reg.hash(hb.Hive.ID)]
	if st != nil {
		st.prefetch()
	}
	var digest uint64
	digest, reg.room = hb.digest(reg.seed, reg.room)
	textsKnown := st != nil && st.digest == digest
	if textsKnown {
		reg.prefetch(st, len(hb.Workers))
	} else {
		st = reg.hives[hb.Hive.ID]
	}
	order, warnings, invalid := check(hb, reg.cfg.MaxWorkers, textsKnown)
	if invalid == nil && st == nil && len(reg.hives) >= reg.cfg.MaxHives {
		invalid = &InvalidError{"hive.id", fmt.Sprintf("the registry holds %d hives, as many as it may; remove some, or raise the limit", len(reg.hives))}
	}
	if invalid != nil {
		return reg.terms(Invalid, hb, []string{invalid.Error()}), invalid
	}

	outcome := Accepted
	if st == nil {
		st = &hiveState{incarnation: hb.Incarnation, sequence: hb.Sequence, position: -1}
	} else {
		outcome = st.admit(hb, textsKnown)
	}
	switch outcome {
	case Accepted:
		if textsKnown {
			reg.accept(st, hb, nil, now)
		} else {
			st.digest, st.order = digest, order
			reg.accept(st, hb, newProfiles(hb.Hive.ID, hb.Hive.Hostname, hb.Workers, order), now)
		}
		if r := st.rivals; r != nil && now.Sub(r.conflictAt) < conflictWarned {
			warnings = slices.Insert(warnings, 0, "hive.id: another agent that was replaced by this one still sends heartbeats with this id")
		}
	case Conflict:
		reg.conflict(st, hb, now)
		warnings = slices.Insert(warnings, 0, "hive.id: another agent took over this id and is alive; give one of the two another id")
	case Duplicate, Stale, Invalid:
	}
	return reg.terms(outcome, hb, warnings), nil
}

func (reg *TelemetryRegistry) terms(outcome Outcome, hb *Heartbeat, warnings []string) Terms {
	if warnings == nil {
		warnings = []string{}
	}
	return Terms{
		Outcome:         outcome,
		HiveID:          hb.Hive.ID,
		Revision:        Revision{reg.epoch, reg.changes.Last()},
		NextHeartbeatMS: int32(reg.cfg.NextBeat.Milliseconds()),
		Warnings:        warnings[:min(len(warnings), MaxWarnings)],
	}
}

// accept makes a heartbeat the truth. Profiles are those of its workers; nil: the same as before, and so is the hive's own. The caller holds mu.
func (reg *TelemetryRegistry) accept(st *hiveState, hb *Heartbeat, profiles []WorkerProfile, now time.Time) {
	old := st.hive
	hive := newHive(hb)
	if old != nil && now.Before(old.LastSeenAt) {
		now = old.LastSeenAt // two heartbeats overtook each other on their way here
	}
	if st.follows {
		st.cadence.observe(now.Sub(old.LastSeenAt))
	} else if hb.Cadence > 0 { // known of this agent, so what was observed of the one before it does not count
		st.cadence = cadence{}
		st.cadence.observe(hb.Cadence)
	}
	st.follows = true
	hive.LastSeenAt = now
	hive.ClockSkewMS = skewMS(hb.SentAt, now)
	if old != nil {
		hive.succeed(old, st.cadence.estimate())
	}
	if profiles != nil {
		hive.HiveProfile = newHiveProfile(old, &hb.Hive, now)
	}
	hive.decideAvailable()
	hive.work(old, profiles, hb.Workers, st.order)
	change := settle(old, hive, reg.nextRevision(), now)
	st.hive = hive
	if old == nil {
		reg.hives[hive.ID], reg.byHash[reg.hash(hive.ID)] = st, st
	}
	reg.watch.heard(reg.cfg, st, old)
	reg.beats.count(now)
	var events []Event
	if change.Hive&(HiveLiveness|HiveHealth|HiveWorkerSet) != 0 || anyWorkerChanged(change.Workers, WorkerPID|WorkerModel) {
		events = eventsOf(old, hive)
	}
	reg.publish(st, old, hive, change, now, events...)
}

// conflict tells once that a replaced agent is still alive. The caller holds mu.
func (reg *TelemetryRegistry) conflict(st *hiveState, hb *Heartbeat, now time.Time) {
	r := st.rivals
	r.conflictAt = now
	if slices.Contains(r.conflicts, hb.Incarnation) {
		return
	}
	if len(r.conflicts) > replacedRemembered {
		r.conflicts = r.conflicts[1:]
	}
	r.conflicts = append(r.conflicts, hb.Incarnation)
	reg.events.Append(Event{
		Revision: Revision{reg.epoch, reg.changes.Last()}, At: now, Kind: HiveConflict, HiveID: st.hive.ID,
		Message: fmt.Sprintf("Two agents claim %s; the one that took over last keeps it.", st.hive.ID),
	}, 0)
}

// amend replaces a hive's record by one that differs in what edit does. The caller holds mu.
func (reg *TelemetryRegistry) amend(st *hiveState, now time.Time, edit func(*Hive), events ...Event) *Hive {
	old := st.hive
	hive, records := newRecord(len(old.Workers))
	workers := hive.Workers
	*hive = *old
	hive.Workers = workers
	edit(hive)
	hive.decideAvailable()
	for i, w := range old.Workers {
		records[i] = *w
		records[i].Hive = hive
	}
	change := settle(old, hive, reg.nextRevision(), now)
	st.hive = hive
	reg.publish(st, old, hive, change, now, events...)
	return hive
}

// newHive begins a hive's record with what a heartbeat says.
func newHive(hb *Heartbeat) *Hive {
	r := &hb.Hive
	hive, _ := newRecord(len(hb.Workers))
	hive.ID, hive.Port = r.ID, r.Port
	hive.OperationalStatus, hive.Health, hive.Liveness = r.OperationalStatus, Health{r.HealthStatus, r.HealthReason}, Online
	hive.Devices = hb.Devices
	return hive
}

// succeed takes over what a new record has of the record before it.
func (h *Hive) succeed(old *Hive, cadence time.Duration) {
	h.HiveProfile, h.Cordoned = old.HiveProfile, old.Cordoned
	if cadence > 0 {
		h.HeartbeatIntervalMS = Int(int32(min(cadence.Milliseconds(), math.MaxInt32)))
	}
	if h.Devices == nil || sameDevices(old.Devices, h.Devices) {
		h.Devices = old.Devices
	}
	// The same texts, but in memory that is there anyway.
	h.ID = old.ID
	if h.Health == old.Health {
		h.Health = old.Health
	}
}

// newHiveProfile makes the profile of a hive of its report, unless that of the record before it, which may be nil, is the same.
func newHiveProfile(old *Hive, r *HiveReport, now time.Time) *HiveProfile {
	p := HiveProfile{r.Hostname, r.Version, now}
	if old != nil {
		p.FirstSeenAt = old.FirstSeenAt
		if p == *old.HiveProfile {
			return old.HiveProfile
		}
	}
	return &p
}

// work fills the records of a hive's workers from reports, taken in this order. Profiles are those of the workers; nil: those of the old record.
func (h *Hive) work(old *Hive, profiles []WorkerProfile, reports []WorkerReport, order []int32) {
	for i, w := range h.Workers {
		if profiles == nil {
			w.WorkerProfile = old.Workers[i].WorkerProfile
		} else {
			w.WorkerProfile = &profiles[i]
		}
		w.Telemetry = reports[position(order, i)].Telemetry
	}
}

// settle finishes a record: what follows from its figures, what changed since the record before it, and the revisions that follow from that.
func settle(old, hive *Hive, rev Revision, now time.Time) Change {
	change := Change{HiveID: hive.ID, Hive: AllFields}
	if old != nil {
		change.Hive = DiffHive(old, hive)
		change.Workers = make([]WorkerChange, 0, len(hive.Workers))
	}
	EachPair(workersOf(old), hive.Workers, func(was, is *Worker) {
		if is == nil {
			change.Workers = append(change.Workers, WorkerChange{was.WorkerProfile, AllFields, true})
			change.Hive |= HiveWorkerSet
			return
		}
		is.settleTelemetry(was, now)
		f := AllFields
		if was != nil {
			f = DiffWorker(was, is)
		} else {
			change.Hive |= HiveWorkerSet
		}
		if f&^WorkerLastSeenAt != 0 {
			is.revision = rev.Counter
			f |= WorkerRevision
		} else {
			is.revision = was.revision
		}
		if f != 0 {
			change.Workers = append(change.Workers, WorkerChange{is.WorkerProfile, f, false})
		}
	})
	hive.Revision = rev
	if old != nil {
		if change.Hive&^HiveLastSeenAt == 0 {
			hive.Revision = old.Revision
		} else {
			change.Hive |= HiveRevision
		}
	}
	return change
}
