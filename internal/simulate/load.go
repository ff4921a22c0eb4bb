package simulate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime/metrics"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"waggle/internal/simulate/process"
	"waggle/internal/simulate/wire"
)

// Config says what load to make. Only Server is required.
type Config struct {
	// Server is the URL of the server, as in client.Config.
	Server string
	// Token is presented to the server; empty: none.
	Token string
	// Fleet is the fleet that sends heartbeats.
	Fleet FleetConfig
	// NoFleet makes no heartbeats: for subscribers and schedulers beside a fleet that is there already.
	NoFleet bool
	// Door is how heartbeats are sent. Empty means DoorGraphQL.
	Door Door
	// Interval is how often each hive sends one. Zero means 1 s.
	Interval time.Duration
	// Batch is how many heartbeats DoorBatch sends at most in one request, up to 1,000. Zero means 100.
	Batch int
	// Senders is how many heartbeats may be under way at the same time. Zero means 16, or fewer for a small fleet.
	Senders int

	// Subscribers is how many sockets with a subscription each there are.
	Subscribers int
	// Silent is how many more there are that subscribe to the same and never read.
	Silent int
	// Documents is how many different subscriptions they have, in turn. Zero means 1: all have the same.
	Documents int
	// Subscription is what they watch. Empty means SubscribeFleet.
	Subscription Subscription
	// Gather is how long the server may gather their messages to write more of them at once: 0 to 1 s.
	Gather time.Duration
	// Schedulers is how many schedulers ask without pause, by a query each time.
	Schedulers int
	// Ask is what they ask. Empty means AskBest.
	Ask Question
	// Mirrors is how many schedulers keep a client.Mirror instead and ask that.
	Mirrors int
	// MirrorInterval is for how long the server gathers changes for mirrors. Zero means client.MirrorConfig's own.
	MirrorInterval time.Duration

	// Warmup is how long the load runs before it is measured. Zero means it is measured from the beginning.
	Warmup time.Duration
	// Duration is how long it is measured. Zero means until the context is done.
	Duration time.Duration
	// Progress is told every second what happens; nil: nobody is told.
	Progress io.Writer
}

func (c Config) withDefaults() Config {
	c.Fleet.Hives = cmp.Or(c.Fleet.Hives, 20)
	c.Door = cmp.Or(c.Door, DoorGraphQL)
	c.Interval = cmp.Or(c.Interval, time.Second)
	c.Batch = cmp.Or(c.Batch, 100)
	c.Senders = min(cmp.Or(c.Senders, 16), c.Fleet.Hives)
	c.Documents = cmp.Or(c.Documents, 1)
	c.Subscription = cmp.Or(c.Subscription, SubscribeFleet)
	c.Ask = cmp.Or(c.Ask, AskBest)
	return c
}

// MaxHives is how large a fleet can be.
const MaxHives = 100_000

// Check returns an error that says which value is wrong.
func (c Config) Check() error {
	c = c.withDefaults()
	switch {
	case c.Fleet.Hives < 0 || c.Fleet.Hives > MaxHives:
		return fmt.Errorf("%d hives: it must be 0 to %d", c.Fleet.Hives, MaxHives)
	case c.Fleet.Workers < 0 || c.Fleet.Workers > 256:
		return fmt.Errorf("%d workers: it must be 0 to 256", c.Fleet.Workers)
	case c.Fleet.Trouble < 0 || c.Fleet.Trouble > 1000:
		return fmt.Errorf("trouble %g: it must be 0 to 1,000", c.Fleet.Trouble)
	case c.Interval < 10*time.Millisecond:
		return fmt.Errorf("interval %s: it must be at least 10ms", c.Interval)
	case c.Batch < 1 || c.Batch > 1000:
		return fmt.Errorf("batches of %d: it must be 1 to 1,000", c.Batch)
	case c.Senders < 1, c.Subscribers < 0, c.Silent < 0, c.Documents < 1, c.Schedulers < 0, c.Mirrors < 0, c.Duration < 0, c.Warmup < 0:
		return errors.New("counts and durations must not be negative")
	case c.Gather < 0 || c.Gather > time.Second:
		return fmt.Errorf("gathering for %s: it must be 0 to 1s", c.Gather)
	case !slices.Contains([]Door{DoorGraphQL, DoorBatch, DoorSocket, DoorLegacy}, c.Door):
		return fmt.Errorf("the door %.20q is none of graphql, batch, websocket and legacy", string(c.Door))
	case !slices.Contains([]Subscription{SubscribeFleet, SubscribeHive, SubscribeAll, SubscribeEvents}, c.Subscription):
		return fmt.Errorf("the subscription %.20q is none of fleet, hive, all and events", string(c.Subscription))
	case !slices.Contains([]Question{AskBest, AskWorkers, AskBoth}, c.Ask):
		return fmt.Errorf("the question %.20q is none of best, workers and both", string(c.Ask))
	}
	return nil
}

// Load is load that is being made. All its parts end with the context it was started with, or with Stop.
type Load struct {
	cfg    Config
	server wire.Address
	fleet  *Fleet
	began  time.Time
	stop   context.CancelFunc
	parts  sync.WaitGroup

	beats      *meter
	deliveries *meter
	queries    *meter
	decisions  *meter
	lag        *meter
	ready      *meter
	probes     probes
	subscribed atomic.Int64
	dialling   chan struct{} // bounds how many do at the same time
}

// Run makes the load until its duration is over or ctx is done, and returns what was measured. Failures of the server are counted, not
// returned: a fleet goes on, whatever happens. The error is about the configuration.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	l, err := Start(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer l.Stop()
	_ = until(ctx, time.Now().Add(cfg.Warmup)) // The report is worth having, even if it is empty.
	if cfg.Duration == 0 {
		return l.Measure(ctx), nil
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.Duration)
	defer cancel()
	return l.Measure(ctx), nil
}

// Start begins to make the load. The error is about the configuration.
func Start(ctx context.Context, cfg Config) (*Load, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	cfg.Fleet.Run = cmp.Or(cfg.Fleet.Run, rand.Uint64()) //nolint:gosec // only to tell runs apart
	server, err := wire.ParseAddress(cfg.Server, cfg.Token)
	if err != nil {
		return nil, err
	}
	l := &Load{cfg: cfg, server: server, fleet: NewFleet(cfg.Fleet), began: time.Now(), dialling: make(chan struct{}, mostDialling),
		beats: newMeter(), deliveries: newMeter(), queries: newMeter(), decisions: newMeter(), lag: newMeter(), ready: newMeter()}
	ctx, l.stop = context.WithCancel(ctx)
	if !cfg.NoFleet {
		l.begin(ctx, cfg.Senders, l.beatHives)
	}
	l.begin(ctx, cfg.Subscribers, l.subscribe)
	l.begin(ctx, cfg.Silent, l.ignore)
	l.begin(ctx, cfg.Schedulers, l.schedule)
	l.begin(ctx, cfg.Mirrors, l.mirror)
	if cfg.Mirrors > 0 {
		l.parts.Go(func() { l.probe(ctx) })
	}
	return l, nil
}

func (l *Load) begin(ctx context.Context, n int, part func(ctx context.Context, number int)) {
	for i := range n {
		l.parts.Go(func() { part(ctx, i) })
	}
}

// Stop ends the load and waits until it has ended.
func (l *Load) Stop() {
	l.stop()
	l.parts.Wait()
}

// Subscribed returns how many dashboards have a subscription now.
func (l *Load) Subscribed() int { return int(l.subscribed.Load()) }

// Measure measures until ctx is done, and tells of progress meanwhile. What happened before it began does not count, but for how soon mirrors were
// ready. It may be called again.
func (l *Load) Measure(ctx context.Context) *Report {
	for _, m := range l.meters() {
		m.reset()
	}
	from, used := time.Now(), process.Self().CPU()
	l.tellProgress(ctx, from)
	elapsed := time.Since(from)
	rep := l.report(elapsed)
	rep.LoadCPUPercent = 100 * (process.Self().CPU() - used).Seconds() / elapsed.Seconds()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	rep.LoadHeapMB = float64(live[0].Value.Uint64()) / (1 << 20)
	return rep
}

func (l *Load) meters() []*meter {
	return []*meter{l.beats, l.deliveries, l.queries, l.decisions, l.lag}
}

func (l *Load) tellProgress(ctx context.Context, from time.Time) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var before [4]int64
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if l.cfg.Progress == nil {
			continue
		}
		now := [4]int64{l.beats.done.Load(), l.deliveries.done.Load(), l.queries.done.Load(), l.decisions.done.Load()}
		failed := int64(0)
		for _, m := range l.meters() {
			failed += m.failed.Load() + m.missed.Load()
		}
		_, _ = fmt.Fprintf(l.cfg.Progress, "%5.0fs  %7d heartbeats/s  %8d deliveries/s  %7d queries/s  %9d decisions/s  %d failed\n",
			time.Since(from).Seconds(), now[0]-before[0], now[1]-before[1], now[2]-before[2], now[3]-before[3], failed)
		before = now
	}
}
