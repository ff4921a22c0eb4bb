package simulate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"waggle/client"
)

// document returns the n-th subscription of dashboards. Even ones have the server's clock in every message, at ten a second.
func document(n int) string {
	if n%2 == 0 {
		return fmt.Sprintf(`subscription fleet%d { fleet(intervalMs: 100) { serverTime revision heartbeatsPerSecond vramTotalMb vramUsedMb
			hives { total online suspect offline available } workers { total available idle busy unknown }
			models(first: 10) { model workers idle } } }`, n)
	}
	return fmt.Sprintf(`subscription workers%d { workers(first: 50, intervalMs: 100) { revision totalCount
		nodes { id model activity gpuUtilizationPercent vramUsedMb vramTotalMb requestsRunning requestsQueued } } }`, n)
}

// subscribe is one dashboard with a socket of its own.
func (r *run) subscribe(ctx context.Context, number int) error {
	c, err := newClient(r.cfg)
	if err != nil {
		return err
	}
	defer c.CloseIdle()
	type message struct {
		Fleet *struct{ ServerTime time.Time }
	}
	var last time.Time
	for data, err := range client.Watch[json.RawMessage](ctx, c, document(number%r.cfg.Documents), nil) {
		if err != nil {
			if ctx.Err() == nil {
				r.deliveries.fail(1, err)
			}
			return nil // counted
		}
		var m message
		// To read every message would cost more than to receive it: one a second is enough.
		if now := time.Now(); now.Sub(last) < time.Second || json.Unmarshal(data, &m) != nil || m.Fleet == nil {
			r.deliveries.done.Add(1)
		} else {
			last = now
			r.deliveries.record(now.Sub(m.Fleet.ServerTime), 1)
		}
	}
	return nil
}

// wanted is what schedulers ask for, in turn: each model as often as it is popular.
func wanted() []string {
	var names []string
	for _, m := range models() {
		for range (m.weight + 2) / 3 {
			names = append(names, m.name)
		}
	}
	return names
}

// schedule is one scheduler that asks the server for each decision.
func (r *run) schedule(ctx context.Context, number int) error {
	c, err := newClient(r.cfg)
	if err != nil {
		return err
	}
	defer c.CloseIdle()
	names := wanted()
	for i := number; ctx.Err() == nil; i++ {
		begin := time.Now()
		_, err := c.BestWorker(ctx, names[i%len(names)], 1000)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			r.queries.fail(1, err)
			_ = until(ctx, begin.Add(100*time.Millisecond))
		default:
			r.queries.record(time.Since(begin), 1)
		}
	}
	return nil
}

// mirror is one scheduler that keeps a mirror. It decides a thousand times in a row, and then leaves the processor to the others.
func (r *run) mirror(ctx context.Context, number int) error {
	c, err := newClient(r.cfg)
	if err != nil {
		return err
	}
	defer c.CloseIdle()
	m := client.NewMirror(c, client.MirrorConfig{OnChange: func(ch client.Change) {
		if w := ch.NewWorker; w != nil && w.ID == probeWorker {
			if sent, ok := r.probes.sentAt(w.RequestsRunning.Or(-1)); ok {
				r.lag.record(time.Since(sent), 1)
			}
		}
	}})
	ended := make(chan error, 1)
	begin := time.Now()
	go func() { ended <- m.Run(ctx) }()
	select {
	case <-m.Ready():
		r.ready.record(time.Since(begin), 1)
	case err := <-ended:
		return r.mirrorEnded(ctx, err)
	}
	names := wanted()
	const sample = 1000
	for i := number; until(ctx, time.Now().Add(10*time.Millisecond)) == nil; i++ {
		begin := time.Now()
		for j := range sample {
			m.Best(names[(i+j)%len(names)], 1000)
		}
		r.decisions.record(time.Since(begin)/sample, sample)
	}
	return r.mirrorEnded(ctx, <-ended)
}

func (r *run) mirrorEnded(ctx context.Context, err error) error {
	if ctx.Err() == nil && !errors.Is(err, context.Canceled) {
		r.decisions.fail(1, err)
	}
	return nil
}
