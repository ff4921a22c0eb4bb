package registry

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"waggle/registry/feed"
	"waggle/registry/history"
)

// Config sets the policy of a TelemetryRegistry. Zero values mean the defaults.
type Config struct {
	SuspectAfter time.Duration // silence after which a hive is SUSPECT; zero means 3 s
	OfflineAfter time.Duration // silence after which it is OFFLINE; zero means 10 s
	ForgetAfter  time.Duration // silence after which it is forgotten; zero means 90 s
	NextBeat     time.Duration // what hives are told to wait between heartbeats; zero means 1 s

	MaxHives   int // a new hive beyond it is refused; zero means 100,000
	MaxWorkers int // of one hive; zero means DefaultMaxWorkers

	ChangeLog      int // revisions that a reader may lag behind before it must start over; zero means 65,536
	ChangeLogBytes int // memory that they may take, which is fewer revisions where hives have many workers; zero means 64 MiB
	EventLog       int // events remembered; zero means 10,000

	// ProtectShare is the share of the fleet that must fall silent within one timeout for the registry to suspect
	// itself, of at least three hives. Zero means 0.55, as in Kubernetes' zones; above 1 means never.
	ProtectShare float64
}

func (c Config) withDefaults() Config {
	c.SuspectAfter = cmp.Or(c.SuspectAfter, 3*time.Second)
	c.OfflineAfter = cmp.Or(c.OfflineAfter, 10*time.Second)
	c.ForgetAfter = cmp.Or(c.ForgetAfter, 90*time.Second)
	c.NextBeat = cmp.Or(c.NextBeat, time.Second)
	c.MaxHives = cmp.Or(c.MaxHives, 100_000)
	c.MaxWorkers = cmp.Or(c.MaxWorkers, DefaultMaxWorkers)
	c.ChangeLog = cmp.Or(c.ChangeLog, 1<<16)
	c.ChangeLogBytes = cmp.Or(c.ChangeLogBytes, 64<<20)
	c.EventLog = cmp.Or(c.EventLog, 10_000)
	c.ProtectShare = cmp.Or(c.ProtectShare, 0.55)
	return c
}

// Check returns an error when the thresholds contradict each other.
func (c Config) Check() error {
	c = c.withDefaults()
	if c.SuspectAfter <= 0 || c.OfflineAfter <= c.SuspectAfter || c.ForgetAfter <= c.OfflineAfter {
		return fmt.Errorf("suspect after %s, offline after %s, forget after %s: each must be longer than the one before", c.SuspectAfter, c.OfflineAfter, c.ForgetAfter)
	}
	return nil
}

// TelemetryRegistry is the one registry: hives, and the workers that hives report. All its methods may be called from
// anywhere at any time. Liveness moves only while Run runs.
type TelemetryRegistry struct {
	cfg       Config
	startedAt time.Time
	epoch     string
	snap      atomic.Pointer[Snapshot]
	changes   *feed.Feed[Change]
	events    *feed.Feed[Event]
	history   *history.Store
	beats     rate
	seed      maphash.Seed // of digests and hashes

	// mu serialises writers and guards what only they use. A reader takes it only to be the first to see a revision.
	mu      sync.Mutex
	hives   map[string]*hiveState
	byHash  map[uint64]*hiveState // the same by the hashes of their ids: nearly all are found so, without a look at the text of an id
	records HeartbeatRegistry[hiveItem]
	index   indexWriter
	watch   watch
	room    []byte // for digests
}

// New returns an empty registry.
func New(cfg Config) *TelemetryRegistry {
	now := time.Now()
	cfg = cfg.withDefaults()
	reg := &TelemetryRegistry{
		cfg:       cfg,
		startedAt: now,
		epoch:     rand.Text()[:12],
		changes:   feed.New[Change](cfg.ChangeLog, cfg.ChangeLogBytes),
		events:    feed.New[Event](cfg.EventLog, math.MaxInt),
		history:   history.New(historySteps, 2),
		hives:     map[string]*hiveState{},
		byHash:    map[uint64]*hiveState{},
		beats:     rate{start: now},
		seed:      maphash.MakeSeed(),
		index:     indexWriter{models: map[string]*modelWriter{}},
		watch:     watch{lastSweep: now, fallen: map[string]time.Time{}},
	}
	reg.snap.Store(&Snapshot{Revision: Revision{reg.epoch, 0}})
	return reg
}

// Snapshot returns the fleet as it is now. The first call after a change takes a lock for a moment, at the most for as long as one
// Apply takes; all others cost nothing.
//
// Writers go on in place until somebody asks, so that the revisions that nobody looks at, which are most, cost no copies.
func (reg *TelemetryRegistry) Snapshot() *Snapshot {
	if snap := reg.snap.Load(); snap.Revision.Counter == reg.changes.Last() {
		return snap
	}
	reg.mu.Lock()
	defer reg.mu.Unlock()
	return reg.snapshot()
}

// snapshot is Snapshot for who holds mu.
func (reg *TelemetryRegistry) snapshot() *Snapshot {
	snap := reg.snap.Load()
	if last := reg.changes.Last(); snap.Revision.Counter != last {
		snap = &Snapshot{Revision{reg.epoch, last}, reg.records.Snapshot(), reg.index.state()}
		reg.snap.Store(snap)
	}
	return snap
}

// Changes returns the log of what each revision changed: entry n belongs to the revision with counter n. A snapshot of that
// revision or a later one is to be had as soon as the log counts the entry, and the entries up to a snapshot's revision can be read
// as soon as the snapshot is to be had.
func (reg *TelemetryRegistry) Changes() *feed.Feed[Change] { return reg.changes }

// Events returns the log of transitions. Its numbers are its own, not revisions.
func (reg *TelemetryRegistry) Events() *feed.Feed[Event] { return reg.events }

// Epoch names this run of the registry.
func (reg *TelemetryRegistry) Epoch() string { return reg.epoch }

// StartedAt returns when this run began.
func (reg *TelemetryRegistry) StartedAt() time.Time { return reg.startedAt }

// Fleet sums up the snapshot.
func (reg *TelemetryRegistry) Fleet(snap *Snapshot) *Fleet {
	f := snap.Fleet()
	f.ServerTime = time.Now()
	f.HeartbeatsPerSecond = reg.beats.perSecond(f.ServerTime)
	return f
}

// LatestEvents returns up to n events that had happened at a snapshot, newest first, of one hive or, with nil, of all.
func (reg *TelemetryRegistry) LatestEvents(snap *Snapshot, n int, hiveID *string) []*Event {
	latest := []*Event{}
	for number := reg.events.Last(); number > 0 && len(latest) < n; number-- {
		err := reg.events.After(number-1, number, func(e Event) {
			if e.Revision.Counter <= snap.Revision.Counter && (hiveID == nil || e.HiveID == *hiveID) {
				latest = append(latest, &e)
			}
		})
		if err != nil {
			break // the rest is forgotten
		}
	}
	return latest
}

// Cordon says whether new work may be sent to a hive. It returns the hive's record, or nil when there is none.
// A cordoned hive is not forgotten, however long it is silent: maintenance takes longer than the patience of the registry.
func (reg *TelemetryRegistry) Cordon(id string, cordoned bool) *Hive {
	reg.mu.Lock()
	defer reg.mu.Unlock()
	st := reg.hives[id]
	if st == nil || st.hive.Cordoned == cordoned {
		if st == nil {
			return nil
		}
		return st.hive
	}
	event := Event{Kind: HiveWasUncordoned, Message: id + " was uncordoned."}
	if cordoned {
		event = Event{Kind: HiveWasCordoned, Message: id + " was cordoned: no new work."}
	}
	return reg.amend(st, time.Now(), func(h *Hive) { h.Cordoned = cordoned }, event)
}

// Remove forgets a hive and its workers in one revision, and reports whether there was one.
func (reg *TelemetryRegistry) Remove(id string) bool {
	reg.mu.Lock()
	defer reg.mu.Unlock()
	st := reg.hives[id]
	if st == nil {
		return false
	}
	reg.forget(st, time.Now(), id+" was removed.")
	return true
}

// hash returns where byHash has a hive. Should two ids ever have the same, the one that came later has the place, and the other is found by its text.
func (reg *TelemetryRegistry) hash(hiveID string) uint64 { return maphash.String(reg.seed, hiveID) }

// forget drops a hive. The caller holds mu.
func (reg *TelemetryRegistry) forget(st *hiveState, now time.Time, message string) {
	delete(reg.hives, st.hive.ID)
	if hash := reg.hash(st.hive.ID); reg.byHash[hash] == st {
		delete(reg.byHash, hash)
	}
	reg.watch.deadlines.remove(st)
	reg.watch.returned(st.hive.ID)
	change := Change{HiveID: st.hive.ID, Hive: AllFields, Gone: true}
	for _, w := range st.hive.Workers {
		change.Workers = append(change.Workers, WorkerChange{w.WorkerProfile, AllFields, true})
	}
	reg.publish(st, st.hive, nil, change, now, Event{Kind: HiveRemoved, Message: message})
}

// publish makes one revision of a change. Whoever has the snapshot finds the change in the log, and whoever is woken by the log
// gets the snapshot. The caller holds mu.
func (reg *TelemetryRegistry) publish(st *hiveState, old, hive *Hive, change Change, now time.Time, events ...Event) {
	rev := reg.nextRevision()
	if hive == nil {
		reg.index.remove(&st.seats, old.ID)
		reg.records.Remove(old.ID)
	} else {
		if change.searchable() {
			reg.index.put(&st.seats, hive, old != nil && sameRoster(old.Workers, hive.Workers))
		}
		reg.records.update(hiveItem{hive}, &st.place)
	}
	reg.changes.Append(change, change.bytes(old, hive))
	for _, e := range events {
		e.Revision, e.At, e.HiveID = rev, now, change.HiveID
		reg.events.Append(e, 0)
	}
}

// nextRevision returns the revision that the next publish makes. The caller holds mu.
func (reg *TelemetryRegistry) nextRevision() Revision {
	return Revision{reg.epoch, reg.changes.Last() + 1}
}
