package graph

import (
	"context"
	"time"

	"waggle/internal/graphqlexec"
	"waggle/registry"
)

// everyInterval sends the summary once in every interval, changed or not.
func (r *Resolver) everyInterval(ctx context.Context, interval time.Duration) <-chan *registry.Fleet {
	fleets := make(chan *registry.Fleet, 1)
	go func() {
		defer close(fleets)
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case fleets <- r.Registry.Fleet(r.Registry.Snapshot()):
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return fleets
}

// mapPainter sends fleet maps to one group. Members are sent the layout only when it is another one; who joins gets it always.
type mapPainter struct {
	reg      *registry.TelemetryRegistry
	stream   *graphqlexec.Stream[*registry.FleetMap]
	metric   registry.FleetMapMetric
	filter   *registry.WorkerFilter
	interval time.Duration

	drawn   *registry.FleetMap // what members hold
	drawnAt time.Time
	sentAt  time.Time
}

func (p *mapPainter) run(ctx context.Context) {
	defer p.stream.Close()
	p.draw()
	p.sentAt = p.drawnAt
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		changed := p.reg.Changes().Appended(p.drawn.Revision.Counter)
		timer.Reset(time.Until(p.sentAt.Add(signOfLife)))
		var ok bool
		select {
		case <-ctx.Done():
			return
		case <-p.stream.Waiting():
			ok = p.welcome()
		case <-timer.C:
			ok = p.send()
		case <-changed:
			timer.Reset(time.Until(p.drawnAt.Add(p.interval))) // drawing is what costs, whether or not anything is seen to change
			select {
			case <-ctx.Done():
				return
			case <-p.stream.Waiting():
				ok = p.welcome()
			case <-timer.C:
				ok = p.send()
			}
		}
		if !ok {
			return
		}
	}
}

func (p *mapPainter) draw() *registry.FleetMap {
	before := p.drawn
	p.drawnAt = time.Now()
	p.drawn, _ = p.reg.Snapshot().FleetMap(p.metric, p.filter) // the filter was checked
	return before
}

// send brings the members to the present.
func (p *mapPainter) send() bool {
	before := p.draw()
	if before.Cells == p.drawn.Cells && before.LayoutVersion == p.drawn.LayoutVersion && time.Since(p.sentAt) < signOfLife {
		return true
	}
	p.sentAt = time.Now()
	m := *p.drawn
	if m.LayoutVersion == before.LayoutVersion {
		m.Layout = nil
	}
	return p.stream.Send(&m, "")
}

// welcome sends the whole map to all who join. It is what the members hold, brought to the present first if they may be sent that already.
func (p *mapPainter) welcome() bool {
	for {
		j, ok := p.stream.NextJoin()
		if !ok {
			return true
		}
		if time.Since(p.drawnAt) >= p.interval && !p.send() {
			return false
		}
		if !p.stream.SendJoin(j, p.drawn, "", true) {
			return false
		}
	}
}
