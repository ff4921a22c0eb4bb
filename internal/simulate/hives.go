package simulate

import (
	"context"
	"fmt"
	"time"
)

// beatHives sends what the hives of one sender report, each once in an interval and evenly spread over it, until ctx is done. Hives are sent
// in groups as large as a batch, one after the other, and the senders take them by turns: sender number part has the groups whose numbers leave
// that remainder.
func (l *Load) beatHives(ctx context.Context, part int) {
	out := l.newSender()
	defer out.close()
	spacing := l.cfg.Interval / time.Duration(l.fleet.Len())
	batch := 1
	if l.cfg.Door == DoorBatch {
		batch = l.cfg.Batch
	}
	hives := make([]int, 0, batch)
	for round := l.began; ; round = round.Add(l.cfg.Interval) {
		if late := time.Since(round); late > l.cfg.Interval {
			missed := int64(late / l.cfg.Interval)
			round = round.Add(late.Truncate(l.cfg.Interval))
			l.beats.missed.Add(missed * int64((l.fleet.Len()-part+l.cfg.Senders-1)/l.cfg.Senders))
		}
		for first := part * batch; first < l.fleet.Len(); first += l.cfg.Senders * batch {
			due := round.Add(time.Duration(first) * spacing) // a batch is due when its first one is
			if err := until(ctx, due); err != nil {
				return
			}
			hives = hives[:0]
			for i := first; i < min(first+batch, l.fleet.Len()); i++ {
				if l.fleet.Beat(i) {
					hives = append(hives, i)
				}
			}
			if len(hives) > 0 {
				l.sendBeats(ctx, out, due, hives)
			}
		}
		if err := until(ctx, round.Add(l.cfg.Interval)); err != nil {
			return
		}
	}
}

// sendBeats sends, and measures from when they were due, so that a server which is late once does not look good.
func (l *Load) sendBeats(ctx context.Context, out sender, due time.Time, hives []int) {
	refused, err := out.send(ctx, hives)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		l.beats.fail(int64(len(hives)), err)
	default:
		l.beats.record(time.Since(due), int64(len(hives)-refused))
		if refused > 0 {
			l.beats.fail(int64(refused), fmt.Errorf("%d of %d heartbeats: %w", refused, len(hives), errNotAccepted))
		}
	}
}

// until sleeps until the instant; waits too short to sleep well are skipped.
func until(ctx context.Context, due time.Time) error {
	wait := time.Until(due)
	if wait < time.Millisecond {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
