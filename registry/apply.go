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
// Apply takes over the heartbeat, which must not be used afterwards. Its cost does not depend on the size of the fleet.
func (reg *TelemetryRegistry) Apply(hb *Heartbeat) (Terms, error) {
	now := hb.ReceivedAt
	if now.IsZero() {
		now = time.Now()
	}
	warnings, invalid := check(hb, reg.cfg.MaxWorkers)

	reg.mu.Lock()
	defer reg.mu.Unlock()
	st := reg.hives[hb.Hive.ID]
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
		outcome = st.admit(hb)
	}
	switch outcome {
	case Accepted:
		reg.accept(st, hb, now)
		if !st.conflictAt.IsZero() && now.Sub(st.conflictAt) < conflictWarned {
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

// accept makes a heartbeat the truth. The caller holds mu.
func (reg *TelemetryRegistry) accept(st *hiveState, hb *Heartbeat, now time.Time) {
	old := st.hive
	if now.Before(st.heard) {
		now = st.heard // two heartbeats overtook each other on their way here
	}
	if st.follows {
		st.cadence.observe(now.Sub(st.heard))
	} else if hb.Cadence > 0 {
		st.cadence.observe(hb.Cadence)
	}
	st.heard, st.follows = now, true
	hive := newHive(old, hb, now, st.cadence.estimate())
	change := settle(old, hive, reg.nextRevision())
	st.hive = hive
	if old == nil {
		reg.hives[hive.ID] = st
	}
	reg.watch.heard(reg.cfg, st, old)
	reg.beats.count(now)
	var events []Event
	if old == nil || change.Hive&(HiveLiveness|HiveHealth|HiveWorkerSet) != 0 || anyWorkerChanged(change.Workers, WorkerPID|WorkerModel) {
		events = eventsOf(old, hive)
	}
	reg.publish(old, hive, change, now, events...)
}

func anyWorkerChanged(changes []WorkerChange, fields Fields) bool {
	return slices.ContainsFunc(changes, func(c WorkerChange) bool { return c.Changed&fields != 0 })
}

// conflict tells once that a replaced agent is still alive. The caller holds mu.
func (reg *TelemetryRegistry) conflict(st *hiveState, hb *Heartbeat, now time.Time) {
	st.conflictAt = now
	if slices.Contains(st.conflicts, hb.Incarnation) {
		return
	}
	if len(st.conflicts) > replacedRemembered {
		st.conflicts = st.conflicts[1:]
	}
	st.conflicts = append(st.conflicts, hb.Incarnation)
	reg.events.Append(Event{
		Revision: Revision{reg.epoch, reg.changes.Last()}, At: now, Kind: HiveConflict, HiveID: st.hive.ID,
		Message: fmt.Sprintf("Two agents claim %s; the one that took over last keeps it.", st.hive.ID),
	})
}

// amend replaces a hive's record by one that differs in what edit does. The caller holds mu.
func (reg *TelemetryRegistry) amend(st *hiveState, now time.Time, edit func(*Hive), events ...Event) *Hive {
	old := st.hive
	hive := *old
	edit(&hive)
	workers := make([]Worker, len(old.Workers))
	hive.Workers = make([]*Worker, len(old.Workers))
	for i, w := range old.Workers {
		workers[i] = *w
		workers[i].Hive = &hive
		hive.Workers[i] = &workers[i]
	}
	hive.decideAvailable()
	for i := range workers {
		workers[i].settleTelemetry(old.Workers[i], now)
	}
	change := settle(old, &hive, reg.nextRevision())
	st.hive = &hive
	reg.publish(old, &hive, change, now, events...)
	return &hive
}

// newHive makes a hive's record of a heartbeat and the record before it, which may be nil.
func newHive(old *Hive, hb *Heartbeat, now time.Time, cadence time.Duration) *Hive {
	r := &hb.Hive
	hive := &Hive{
		ID: r.ID, Hostname: r.Hostname, Port: r.Port, Version: r.Version,
		OperationalStatus: r.OperationalStatus,
		Health:            Health{r.HealthStatus, r.HealthReason},
		Liveness:          Online,
		Devices:           hb.Devices,
		FirstSeenAt:       now, LastSeenAt: now,
		ClockSkewMS: skewMS(hb.SentAt, now),
	}
	if old != nil {
		hive.ID, hive.FirstSeenAt, hive.Cordoned = old.ID, old.FirstSeenAt, old.Cordoned
		if cadence > 0 {
			hive.HeartbeatIntervalMS = Int(int32(min(cadence.Milliseconds(), math.MaxInt32)))
		}
		if hb.Devices == nil {
			hive.Devices = old.Devices
		}
	}
	if hive.Devices == nil {
		hive.Devices = []Device{}
	}
	hive.decideAvailable()
	hive.newWorkers(old, hb.Workers, now)
	return hive
}

// newWorkers makes the records of the workers reported, sorted by group and instance, in one piece of memory. Strings are
// shared with the records before them, so a steady fleet makes none.
func (h *Hive) newWorkers(old *Hive, reports []WorkerReport, now time.Time) {
	workers := make([]Worker, len(reports))
	h.Workers = make([]*Worker, len(reports))
	before := workersOf(old)
	for i := range reports {
		r, w := &reports[i], &workers[i]
		h.Workers[i] = w
		w.HiveID, w.Hive = h.ID, h
		w.PID, w.Model, w.Telemetry = r.PID, r.Model, r.Telemetry

		for len(before) > 0 && (before[0].Group < r.Group || before[0].Group == r.Group && before[0].Instance < r.Instance) {
			before = before[1:]
		}
		var was *Worker
		if len(before) > 0 && before[0].Group == r.Group && before[0].Instance == r.Instance {
			was = before[0]
			w.ID, w.Group, w.Instance = was.ID, was.Group, was.Instance
			if was.Model == w.Model {
				w.Model = was.Model
			}
		} else {
			w.ID, w.Group, w.Instance = h.ID+"/"+r.Group+"/"+r.Instance, r.Group, r.Instance
		}
		w.reported = r.Endpoint
		if was != nil && was.reported == r.Endpoint && was.Hive.Hostname == h.Hostname {
			w.reported, w.Endpoint = was.reported, was.Endpoint
		} else {
			w.Endpoint = endpointOf(string(r.Endpoint), h.Hostname)
		}
		w.settleTelemetry(was, now)
	}
}

// settleTelemetry fills what follows from a worker's figures and its hive.
func (w *Worker) settleTelemetry(was *Worker, now time.Time) {
	w.Activity = activityOf(&w.Telemetry, w.Hive.Liveness)
	w.VRAMFreeMB = freeVRAM(&w.Telemetry, w.Hive.Liveness)
	w.ActivitySince = now
	if was != nil && was.Activity == w.Activity {
		w.ActivitySince = was.ActivitySince
	}
}

// settle finishes a record: what changed since the one before it, the revisions that follow from that, and its sums.
func settle(old, hive *Hive, rev Revision) Change {
	change := Change{HiveID: hive.ID, Hive: AllFields}
	if old != nil {
		change.Hive = DiffHive(old, hive)
		change.Workers = make([]WorkerChange, 0, len(hive.Workers))
	}
	EachPair(workersOf(old), hive.Workers, func(was, is *Worker) {
		switch {
		case is == nil:
			change.Workers = append(change.Workers, WorkerChange{was.ID, AllFields, true})
			change.Hive |= HiveWorkerSet
		case was == nil:
			is.Revision = rev
			change.Workers = append(change.Workers, WorkerChange{is.ID, AllFields, false})
			change.Hive |= HiveWorkerSet
		default:
			f := DiffWorker(was, is)
			is.Revision = was.Revision
			if f&^WorkerLastSeenAt != 0 {
				is.Revision = rev
				f |= WorkerRevision
			}
			if f != 0 {
				change.Workers = append(change.Workers, WorkerChange{is.ID, f, false})
			}
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
	hive.sumUp()
	return change
}
