package simulate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"
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
	// Documents is how many different subscriptions they have, in turn. Zero means 1: all have the same.
	Documents int
	// Schedulers is how many schedulers ask without pause for the best worker, by a query each time.
	Schedulers int
	// Mirrors is how many schedulers keep a client.Mirror instead and ask that.
	Mirrors int

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
	return c
}

// Check returns an error that says which value is wrong.
func (c Config) Check() error {
	c = c.withDefaults()
	switch {
	case c.Fleet.Hives < 1 || c.Fleet.Hives > 100_000:
		return fmt.Errorf("%d hives: it must be 1 to 100,000", c.Fleet.Hives)
	case c.Fleet.Workers < 0 || c.Fleet.Workers > 256:
		return fmt.Errorf("%d workers: it must be 0 to 256", c.Fleet.Workers)
	case c.Fleet.Trouble < 0 || c.Fleet.Trouble > 1000:
		return fmt.Errorf("trouble %g: it must be 0 to 1,000", c.Fleet.Trouble)
	case c.Interval < 10*time.Millisecond:
		return fmt.Errorf("interval %s: it must be at least 10ms", c.Interval)
	case c.Batch < 1 || c.Batch > 1000:
		return fmt.Errorf("batches of %d: it must be 1 to 1,000", c.Batch)
	case c.Senders < 1, c.Subscribers < 0, c.Documents < 1, c.Schedulers < 0, c.Mirrors < 0, c.Duration < 0, c.Warmup < 0:
		return errors.New("counts and durations must not be negative")
	}
	return nil
}

// run is one simulation.
type run struct {
	cfg   Config
	fleet *Fleet
	began time.Time

	beats      *meter
	deliveries *meter
	queries    *meter
	decisions  *meter
	lag        *meter
	ready      *meter
	probes     probes
}

// Run makes the load until its duration is over or ctx is done, and returns what was measured. Failures of the server are counted, not
// returned: a fleet goes on, whatever happens. The error is about the configuration.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	cfg.Fleet.Run = cmp.Or(cfg.Fleet.Run, rand.Uint64()) //nolint:gosec // only to tell runs apart
	r := &run{cfg: cfg, fleet: NewFleet(cfg.Fleet), began: time.Now(),
		beats: newMeter(), deliveries: newMeter(), queries: newMeter(), decisions: newMeter(), lag: newMeter(), ready: newMeter()}
	if cfg.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, cfg.Warmup+cfg.Duration)
		defer cancel()
	}
	var group errgroup.Group
	if !cfg.NoFleet {
		for part := range cfg.Senders {
			group.Go(func() error { return r.beatHives(ctx, part) })
		}
	}
	for i := range cfg.Subscribers {
		group.Go(func() error { return r.subscribe(ctx, i) })
	}
	for i := range cfg.Schedulers {
		group.Go(func() error { return r.schedule(ctx, i) })
	}
	for i := range cfg.Mirrors {
		group.Go(func() error { return r.mirror(ctx, i) })
	}
	if cfg.Mirrors > 0 {
		group.Go(func() error { return r.probe(ctx) })
	}
	measuring := r.watch(ctx)
	err := group.Wait()
	return r.report(<-measuring), err
}

// watch starts measuring after the warm-up and tells of progress. It sends how long was measured when ctx is done.
func (r *run) watch(ctx context.Context) <-chan time.Duration {
	measured := make(chan time.Duration, 1)
	go func() {
		from := time.Now()
		if r.cfg.Warmup > 0 && until(ctx, from.Add(r.cfg.Warmup)) == nil {
			for _, m := range r.meters() {
				m.reset()
			}
			from = time.Now()
		}
		r.tellProgress(ctx, from)
		measured <- time.Since(from)
	}()
	return measured
}

func (r *run) meters() []*meter {
	return []*meter{r.beats, r.deliveries, r.queries, r.decisions, r.lag}
}

func (r *run) tellProgress(ctx context.Context, from time.Time) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var before [4]int64
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if r.cfg.Progress == nil {
			continue
		}
		now := [4]int64{r.beats.done.Load(), r.deliveries.done.Load(), r.queries.done.Load(), r.decisions.done.Load()}
		failed := int64(0)
		for _, m := range r.meters() {
			failed += m.failed.Load() + m.missed.Load()
		}
		_, _ = fmt.Fprintf(r.cfg.Progress, "%5.0fs  %7d heartbeats/s  %8d deliveries/s  %7d queries/s  %9d decisions/s  %d failed\n",
			time.Since(from).Seconds(), now[0]-before[0], now[1]-before[1], now[2]-before[2], now[3]-before[3], failed)
		before = now
	}
}
