package graph

import (
	"context"
	"iter"
	"time"

	"waggle/internal/graphqlexec"
	"waggle/registry"
)

const (
	// chunkSize is how many entries one update of a snapshot holds.
	chunkSize = 1000
	// joinPause bounds how often members are brought to the present because somebody joins.
	joinPause = 100 * time.Millisecond
)

// follower sends `changes` to one group of equal subscriptions. All its members stand at the same snapshot, seen: what they hold is
// what the filters choose of it. One goroutine runs it.
type follower struct {
	reg           *registry.TelemetryRegistry
	stream        *graphqlexec.Stream[*RegistryUpdate]
	interval      time.Duration // 0: at once
	hiveFilter    *registry.HiveFilter
	workerFilter  *registry.WorkerFilter
	choosesHive   func(*registry.Hive) bool   // what hiveFilter chooses
	choosesWorker func(*registry.Worker) bool // what workerFilter chooses
	hives         *selection                  // of RegistryUpdate.hives; nil when not selected
	workers       *selection                  // of RegistryUpdate.workers; nil when not selected

	seen      *registry.Snapshot
	joined    bool      // somebody was welcomed: there may be members
	sentAt    time.Time // when members were last sent something
	steppedAt time.Time // when they were last brought to the present
}

func (f *follower) run(ctx context.Context) {
	defer f.stream.Close()
	f.seen, f.sentAt = f.reg.Snapshot(), time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if !f.sleep(ctx, timer) {
			return
		}
		joins := f.takeJoins()
		if !f.step() {
			return
		}
		for _, j := range joins {
			if !f.welcome(j) {
				return
			}
		}
	}
}

// sleep waits until members are due to be sent what changed, or a sign of life, or somebody joins. What changed may be gathered for longer than members
// are to be left without a sign of life: then they are given one meanwhile.
func (f *follower) sleep(ctx context.Context, timer *time.Timer) bool {
	changed, waiting := f.reg.Changes().Appended(f.seen.Revision.Counter), f.stream.Waiting()
	life, due := f.sentAt.Add(signOfLife), f.sentAt.Add(signOfLife)
	for {
		timer.Reset(min(time.Until(life), time.Until(due)))
		select {
		case <-ctx.Done():
			return false
		case <-changed:
			changed, due = nil, f.steppedAt.Add(f.interval)
		case <-waiting:
			changed, waiting, due = nil, nil, f.steppedAt.Add(min(f.interval, joinPause))
		case <-timer.C:
			if !time.Now().Before(due) {
				return true
			}
			if !f.sayAlive() {
				return false
			}
			life = f.sentAt.Add(signOfLife)
		}
	}
}

func (f *follower) sayAlive() bool {
	f.sentAt = time.Now()
	update := newUpdate(f.seen.Revision)
	update.Complete = true
	return f.stream.Send(update, f.position())
}

func (f *follower) takeJoins() []graphqlexec.Join {
	var joins []graphqlexec.Join
	for {
		j, ok := f.stream.NextJoin()
		if !ok {
			return joins
		}
		joins = append(joins, j)
	}
}

// step brings the members to the present.
func (f *follower) step() bool {
	old, now := f.seen, f.reg.Snapshot()
	f.seen, f.steppedAt = now, time.Now()
	if !f.joined {
		return true
	}
	update := f.between(old, now)
	if update.isEmpty() && time.Since(f.sentAt) < signOfLife {
		return true
	}
	f.sentAt = time.Now()
	return f.stream.Send(update, now.Revision.String())
}

// welcome brings joiners to where the members are: from the position they know, or by a snapshot.
func (f *follower) welcome(j graphqlexec.Join) bool {
	f.joined = true
	if left, ok := j.Rest.(rest); ok {
		return f.sendEntries(j, left, nil)
	}
	reason := ResetReasonInitial
	if j.Behind {
		reason = ResetReasonTooSlow
	}
	if j.Resume != "" {
		since, err := registry.ParseRevision(j.Resume)
		if err != nil {
			f.stream.Refuse(j, &registry.InvalidError{Field: "since", Why: err.Error()})
			return true
		}
		update, why := f.resume(since)
		if update != nil {
			return f.stream.SendJoin(j, update, f.position(), true)
		}
		if !j.Behind {
			reason = why
		}
	}
	return f.sendEntries(j, rest{base: f.seen}, &reason)
}

func (f *follower) position() string { return f.seen.Revision.String() }

// rest is what is left of a snapshot of which so many entries were sent. It keeps the whole snapshot, as long as a joiner has it to come back with.
type rest struct {
	base *registry.Snapshot
	sent int
}

// sendEntries sends the rest of what the filters choose of a snapshot, in chunks, the first one with the reset. A large one takes long, and
// members are not kept waiting meanwhile; what they were sent since then follows the last chunk. Up to the last update the revision is that of the
// beginning: a client that loses the connection before and goes on from there is sent all again, not only what changed since.
func (f *follower) sendEntries(j graphqlexec.Join, left rest, reset *ResetReason) bool {
	base := left.base
	beginning := registry.Revision{Epoch: base.Revision.Epoch}
	chunk := newUpdate(beginning)
	chunk.Reset = reset
	number := 0
	for entry := range f.entries(base) {
		if number++; number <= left.sent {
			continue
		}
		if len(chunk.Hives)+len(chunk.Workers) == chunkSize {
			if !f.stream.SendPart(j, chunk, rest{base, number - 1}) {
				return false
			}
			chunk = newUpdate(beginning)
			if time.Since(f.steppedAt) >= max(f.interval, joinPause) && !f.step() {
				return false
			}
		}
		if entry.hive != nil {
			chunk.Hives = append(chunk.Hives, entry.hive)
		} else {
			chunk.Workers = append(chunk.Workers, entry.worker)
		}
	}
	if f.seen == base {
		chunk.Revision, chunk.Complete = base.Revision, true
		return f.stream.SendJoin(j, chunk, f.position(), true)
	}
	if !chunk.isEmpty() && !f.stream.SendPart(j, chunk, rest{base, number}) {
		return false
	}
	return f.stream.SendJoin(j, f.between(base, f.seen), f.position(), true)
}

// entry is a hive or a worker.
type entry struct {
	hive   *registry.Hive
	worker *registry.Worker
}

// entries yields all that the filters choose and the client asked for.
func (f *follower) entries(snap *registry.Snapshot) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		if f.hives != nil {
			for h := range snap.HivesWhere(f.hiveFilter) {
				if !yield(entry{hive: h}) {
					return
				}
			}
		}
		if f.workers != nil {
			for w := range snap.WorkersWhere(f.workerFilter) {
				if !yield(entry{worker: w}) {
					return
				}
			}
		}
	}
}

// between returns what a client that holds one snapshot needs for the other.
func (f *follower) between(old, now *registry.Snapshot) *RegistryUpdate {
	update := newUpdate(now.Revision)
	update.Complete = true
	if old.Revision == now.Revision {
		return update
	}
	var touched ledger[struct{}]
	err := f.reg.Changes().After(old.Revision.Counter, now.Revision.Counter, func(c registry.Change) { touched.at(c.HiveID) })
	if err != nil { // more changed than the log holds: compare everything
		touched = ledger[struct{}]{}
		for _, snap := range []*registry.Snapshot{old, now} {
			for h := range snap.AllHives() {
				touched.at(h.ID)
			}
		}
	}
	for id := range touched.all() {
		was, is := old.Hive(id), now.Hive(id)
		if was == is {
			continue
		}
		f.compareHive(update, id, was, is)
		registry.EachPair(workersOf(was), workersOf(is), func(was, is *registry.Worker) { f.compareWorker(update, was, is) })
	}
	return update
}

func (f *follower) compareHive(update *RegistryUpdate, id string, was, is *registry.Hive) {
	if f.hives == nil {
		return
	}
	had := was != nil && f.choosesHive(was)
	switch {
	case is != nil && f.choosesHive(is):
		if !had || f.hives.hiveChanged(was, is) {
			update.Hives = append(update.Hives, is)
		}
	case had:
		update.remove(EntryKindHive, id, is != nil)
	}
}

func (f *follower) compareWorker(update *RegistryUpdate, was, is *registry.Worker) {
	if f.workers == nil {
		return
	}
	had := was != nil && f.choosesWorker(was)
	switch {
	case is != nil && f.choosesWorker(is):
		if !had || f.workers.workerChanged(was, is) {
			update.Workers = append(update.Workers, is)
		}
	case had:
		update.remove(EntryKindWorker, was.ID, is != nil)
	}
}

// resume returns what a client that holds an earlier revision needs to be where the members are, or why it must start over. What it holds is
// not known exactly, so it may be told to drop what it does not have.
func (f *follower) resume(since registry.Revision) (*RegistryUpdate, ResetReason) {
	if since.Epoch != f.seen.Revision.Epoch {
		return nil, ResetReasonRestarted
	}
	if since.Counter > f.seen.Revision.Counter {
		return nil, ResetReasonExpired
	}
	type sight struct{ hive, throughWorkers bool } // true: the client may see a difference
	var hives ledger[sight]
	var workers ledger[bool]
	err := f.reg.Changes().After(since.Counter, f.seen.Revision.Counter, func(c registry.Change) {
		s := hives.at(c.HiveID)
		s.hive = s.hive || f.hives != nil && f.hives.seesHive(c)
		if f.workers != nil {
			s.throughWorkers = s.throughWorkers || f.workers.hive != nil && f.workers.hive.seesHive(c)
			for _, w := range c.Workers {
				sees := workers.at(w.ID)
				*sees = *sees || f.workers.sees(w.Changed)
			}
		}
	})
	if err != nil {
		return nil, ResetReasonExpired
	}
	update := newUpdate(f.seen.Revision)
	update.Complete = true
	for id, sees := range hives.all() {
		h := f.seen.Hive(id)
		if f.hives != nil {
			f.resumeHive(update, id, h, sees.hive)
		}
		if f.workers != nil {
			for _, w := range workersOf(h) { // also those that only their hive's change concerns
				seesWorker := workers.at(w.ID)
				*seesWorker = *seesWorker || sees.throughWorkers
			}
		}
	}
	for id, sees := range workers.all() {
		f.resumeWorker(update, id, f.seen.Worker(id), *sees)
	}
	return update, ""
}

func (f *follower) resumeHive(update *RegistryUpdate, id string, h *registry.Hive, sees bool) {
	switch {
	case h == nil || !f.choosesHive(h):
		update.remove(EntryKindHive, id, h != nil)
	case sees || f.hiveFilter != nil: // it may have come into the filter
		update.Hives = append(update.Hives, h)
	}
}

func (f *follower) resumeWorker(update *RegistryUpdate, id string, w *registry.Worker, sees bool) {
	switch {
	case w == nil || !f.choosesWorker(w):
		update.remove(EntryKindWorker, id, w != nil)
	case sees || f.workerFilter != nil:
		update.Workers = append(update.Workers, w)
	}
}

func newUpdate(rev registry.Revision) *RegistryUpdate {
	return &RegistryUpdate{Revision: rev, Hives: []*registry.Hive{}, Workers: []*registry.Worker{}, Removed: []*Removal{}}
}

func (u *RegistryUpdate) isEmpty() bool { return len(u.Hives)+len(u.Workers)+len(u.Removed) == 0 }

func (u *RegistryUpdate) remove(kind EntryKind, id string, stillThere bool) {
	reason := RemovalReasonGone
	if stillThere {
		reason = RemovalReasonFilteredOut
	}
	u.Removed = append(u.Removed, &Removal{ID: id, Kind: kind, Reason: reason})
}

func workersOf(h *registry.Hive) []*registry.Worker {
	if h == nil {
		return nil
	}
	return h.Workers
}
