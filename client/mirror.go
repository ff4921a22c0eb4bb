package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"sync/atomic"
	"time"
)

// MirrorConfig says what a [Mirror] mirrors. The zero value means the whole fleet.
type MirrorConfig struct {
	// Workers chooses workers; nil for all.
	Workers *WorkerFilter
	// Hives chooses hives; nil for all. It does not choose workers: name the hives in Workers.HiveIds for that.
	Hives *HiveFilter
	// Interval is for how long the server gathers changes before it sends them: 100 ms to 60 s. Shorter is fresher, longer
	// costs both sides less. Zero means 100 ms.
	Interval time.Duration
	// Silence is after how long without a word the mirror subscribes anew. The server says something at least every 10 s, so that
	// it must be longer. Zero means 25 s.
	Silence time.Duration
	// OnChange is told of every change, after the View that has it can be seen, in the order of the changes and by one goroutine. It must not
	// block for long: meanwhile nothing new is seen. A snapshot counts as the changes that lead to it. Nil: nobody is told.
	OnChange func(Change)
}

// Mirror is a local copy of the fleet, or of a filtered part of it, from which a scheduler decides in nanoseconds. The copy is what the
// server said at one revision, whole: parts of a snapshot are not shown, changes of one revision are shown together, and after an
// interruption the mirror goes on where it stopped or replaces all at once. Meanwhile it shows the last truth, and
// [Mirror.Stale] says how old that is.
//
// A Mirror lives while Run runs. All other methods may be called at any time by any goroutine; they take no lock and wait for nobody.
type Mirror struct {
	client  *Client
	cfg     MirrorConfig
	view    atomic.Pointer[View]
	heard   atomic.Pointer[heard]
	running atomic.Bool
	ready   chan struct{} // closed with the first truth
	done    chan struct{} // closed when Run has returned; err is set then
	err     error

	// What follows belongs to Run's goroutine.
	hives    *table[MirrorHive]
	workers  *table[MirrorWorker]
	decoder  *decoder
	position string // where to go on; empty: from the beginning
	partial  bool   // a snapshot has begun, and is not complete
}

var (
	// errTwice tells that Run was called before.
	errTwice = errors.New("a mirror runs only once")
	// errNegative tells that a time of the configuration is negative.
	errNegative = errors.New("a mirror's Interval and Silence must be 0 or more")
)

// NewMirror returns a mirror of what the server of c holds. It is empty until Run runs.
func NewMirror(c *Client, cfg MirrorConfig) *Mirror {
	cfg.Interval = cmp.Or(cfg.Interval, 100*time.Millisecond)
	cfg.Silence = cmp.Or(cfg.Silence, 25*time.Second)
	m := &Mirror{client: c, cfg: cfg, ready: make(chan struct{}), done: make(chan struct{}),
		hives: newTable[MirrorHive](), workers: newTable[MirrorWorker]()}
	m.decoder = &decoder{hives: m.hives, workers: m.workers}
	m.view.Store(&View{superseded: make(chan struct{})})
	return m
}

// Run keeps the mirror right until ctx is done, or the server refuses to have us for good; the error says which. Interruptions
// do not end it. Run may be called once.
func (m *Mirror) Run(ctx context.Context) error {
	if !m.running.CompareAndSwap(false, true) {
		return errTwice
	}
	if m.err = errNegative; min(m.cfg.Interval, m.cfg.Silence) >= 0 {
		m.err = m.run(ctx)
	}
	close(m.done)
	return m.err
}

func (m *Mirror) run(ctx context.Context) error {
	for {
		watched, cancel := context.WithCancelCause(ctx)
		silence := time.AfterFunc(m.cfg.Silence, func() { cancel(errSilent) })
		err := m.client.watch(watched, m.subscription, true, func(msg message) error {
			silence.Stop() // What OnChange takes is not the server's silence.
			defer silence.Reset(m.cfg.Silence)
			return m.take(msg)
		})
		silence.Stop()
		cancel(nil)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !errors.Is(err, errSilent) {
			return fmt.Errorf("the mirror ended: %w", err)
		}
		m.client.tellInterrupted(errSilent, 0)
	}
}

// errSilent ends a subscription that says nothing any more, although its connection lives.
var errSilent = errors.New("the server said nothing for too long")

// subscription begins where the mirror stands. Whatever was received of an incomplete snapshot is worth nothing then.
func (m *Mirror) subscription() operation {
	m.discard()
	return operation{"mirror", mirror_Operation, &__mirrorInput{unlessEmpty(m.position), m.cfg.Hives, m.cfg.Workers, inMS(m.cfg.Interval)}}
}

func (m *Mirror) discard() {
	m.hives.discard()
	m.workers.discard()
	m.partial = false
}

// take takes in one message, as the schema says: forget all on a reset, put, then drop.
func (m *Mirror) take(msg message) error {
	u, err := m.decoder.decode(msg.payload)
	if err != nil {
		return err
	}
	if u.reset != "" {
		m.hives.dropAll()
		m.workers.dropAll()
	} else if m.position == "" && !m.partial {
		// Changes without a beginning: nothing they could be applied to.
		return fmt.Errorf("%w: changes came before a snapshot", errProtocol)
	}
	for _, h := range u.hives {
		m.hives.put(h.ID, h)
	}
	for _, w := range u.workers {
		m.workers.put(w.ID, w)
	}
	for _, id := range u.goneHive {
		m.hives.drop(id)
	}
	for _, id := range u.goneWork {
		m.workers.drop(id)
	}
	if m.partial = !u.complete; m.partial {
		return nil
	}
	m.publish(u.revision, msg.came)
	return nil
}

// heard is when something was heard, by both clocks of the machine.
type heard struct {
	steady time.Time // goes on evenly, but stands still while the machine sleeps
	wall   time.Time // goes on meanwhile, but may be set
}

func heardAt(t time.Time) *heard { return &heard{t, t.Round(0)} }

// age is how long ago that was: the longer one by the two clocks. To take what is new for old until the next message costs little; to take
// the fleet of yesterday for that of now, when a machine wakes up, does not.
func (h *heard) age(now time.Time) time.Duration {
	return max(now.Sub(h.steady), now.Round(0).Sub(h.wall))
}

// publish shows what was taken in; it came with a message at this time.
func (m *Mirror) publish(revision string, came time.Time) {
	old := m.view.Load()
	now := &View{revision: revision, rankings: old.rankings, superseded: make(chan struct{})}
	var hives []step[MirrorHive]
	var workers []step[MirrorWorker]
	now.hives, hives = m.hives.commit(old.hives)
	now.workers, workers = m.workers.commit(old.workers)
	now.rankings = rerank(old.rankings, workers)
	m.position = revision
	m.view.Store(now)
	m.heard.Store(heardAt(came))
	close(old.superseded)
	if old.revision == "" {
		close(m.ready)
	}
	if tell := m.cfg.OnChange; tell != nil {
		for _, s := range hives {
			tell(Change{OldHive: s.old, NewHive: s.now})
		}
		for _, s := range workers {
			tell(Change{OldWorker: s.old, NewWorker: s.now})
		}
	}
}

// Stale is the age of the newest truth: how long ago the server last said what is, or that nothing changed. In a
// fleet where nothing changes it says so every 10 s, so an age above that, and a little for the way, means trouble: the mirror shows what
// was, and nobody knows what is. What waited for a slow OnChange is as old as it is. Before the first truth the age is without measure: [math.MaxInt64].
func (m *Mirror) Stale() time.Duration {
	h := m.heard.Load()
	if h == nil {
		return math.MaxInt64
	}
	return h.age(time.Now())
}

// Ready is closed with the first truth.
func (m *Mirror) Ready() <-chan struct{} { return m.ready }

// Snapshot returns the newest View. It costs nothing.
func (m *Mirror) Snapshot() *View { return m.view.Load() }

// Best is [View.Best] of the newest View.
func (m *Mirror) Best(model string, minFreeMB int) *MirrorWorker {
	return m.view.Load().Best(model, minFreeMB)
}

// All is [View.All] of the newest View.
func (m *Mirror) All() iter.Seq[*MirrorWorker] { return m.view.Load().All() }

// Get is [View.Get] of the newest View.
func (m *Mirror) Get(id string) *MirrorWorker { return m.view.Load().Get(id) }

// Wait returns a worker that the filter chooses as soon as there is one: the best by the rules of [View.Best] if several are. To wait for a
// place for work, set Model, Idle and Available. Only what is mirrored can be found. The error is the context's cause, or why the mirror
// ended.
func (m *Mirror) Wait(ctx context.Context, filter *WorkerFilter) (*MirrorWorker, error) {
	for {
		v := m.view.Load()
		if w := v.choose(filter); w != nil {
			return w, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-m.done:
			return nil, m.err
		case <-v.superseded:
		}
	}
}
