package registry

import (
	"fmt"
	"strings"
	"time"
)

// EventKind is what an event tells of.
type EventKind uint8

// The values of EventKind.
const (
	HiveJoined EventKind = iota
	HiveSuspect
	HiveOffline
	HiveReturned
	HiveRemoved
	HiveConflict
	HiveHealthChanged
	HiveWasCordoned
	HiveWasUncordoned
	WorkerStarted
	WorkerStopped
	WorkerRestarted
	WorkerModelChanged
)

func (k EventKind) String() string {
	return [...]string{
		"HIVE_JOINED", "HIVE_SUSPECT", "HIVE_OFFLINE", "HIVE_RETURNED", "HIVE_REMOVED", "HIVE_CONFLICT",
		"HIVE_HEALTH_CHANGED", "HIVE_CORDONED", "HIVE_UNCORDONED", "WORKER_STARTED", "WORKER_STOPPED",
		"WORKER_RESTARTED", "WORKER_MODEL_CHANGED",
	}[k]
}

// Event is a transition that an operator would want in a log. It is immutable.
type Event struct {
	Revision Revision
	At       time.Time // by our clock
	Kind     EventKind
	HiveID   string
	WorkerID OptString // empty when it concerns the hive
	Message  string    // one sentence
}

// eventsOf tells what an accepted heartbeat brought about. Either record may have no predecessor, but not both.
func eventsOf(old, hive *Hive) []Event {
	var events []Event
	tell := func(kind EventKind, worker *Worker, message string) {
		e := Event{Kind: kind, Message: message}
		if worker != nil {
			e.WorkerID = OptString(strings.Clone(worker.ID)) // which is cut from the texts of all workers of the hive: they are not to stay for it
		}
		events = append(events, e)
	}
	if old == nil {
		events = make([]Event, 0, 1+len(hive.Workers))
		tell(HiveJoined, nil, hiveItem{hive}.Info()+" joined with "+counted(len(hive.Workers), "worker")+".")
	} else {
		if old.Liveness != Online {
			tell(HiveReturned, nil, fmt.Sprintf("%s is back after %s of silence.", hive.ID, hive.LastSeenAt.Sub(old.LastSeenAt).Round(100*time.Millisecond)))
		}
		if old.Health.Status != hive.Health.Status { // a reason may have a figure in it, which is another each second
			tell(HiveHealthChanged, nil, hive.ID+" is "+hive.Health.Status.String()+because(hive.Health.Reason)+".")
		}
	}
	EachPair(workersOf(old), hive.Workers, func(was, is *Worker) {
		switch {
		case was == nil:
			tell(WorkerStarted, is, is.ID+" started"+serving(is.Model)+".")
		case is == nil:
			tell(WorkerStopped, was, was.ID+" stopped.")
		case was.PID != is.PID && was.PID.Known() && is.PID.Known():
			tell(WorkerRestarted, is, is.ID+" was restarted"+serving(is.Model)+".")
		case was.Model != is.Model && is.Model != "":
			tell(WorkerModelChanged, is, is.ID+" now serves "+string(is.Model)+".")
		}
	})
	return events
}

func counted(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

func because(reason OptString) string {
	if reason == "" {
		return ""
	}
	return ": " + string(reason)
}

func serving(model OptString) string {
	if model == "" {
		return ""
	}
	return " with " + string(model)
}

func workersOf(h *Hive) []*Worker {
	if h == nil {
		return nil
	}
	return h.Workers
}

// EachPair calls visit for every worker of either list, both sorted by group and instance; the one that is missing is nil.
func EachPair(old, now []*Worker, visit func(was, is *Worker)) {
	if sameRoster(old, now) {
		for i := range now {
			visit(old[i], now[i])
		}
		return
	}
	for len(old) > 0 || len(now) > 0 {
		switch {
		case len(now) == 0:
			visit(old[0], nil)
			old = old[1:]
		case len(old) == 0:
			visit(nil, now[0])
			now = now[1:]
		default:
			switch c := compareWorkers(old[0], now[0]); {
			case c < 0:
				visit(old[0], nil)
				old = old[1:]
			case c > 0:
				visit(nil, now[0])
				now = now[1:]
			default:
				visit(old[0], now[0])
				old, now = old[1:], now[1:]
			}
		}
	}
}

// sameRoster reports whether two records of a hive have the same workers, with the same profiles, which come all together.
func sameRoster(old, now []*Worker) bool {
	return len(old) == len(now) && (len(now) == 0 || old[0].WorkerProfile == now[0].WorkerProfile)
}
