package simulate

import (
	"context"
	"fmt"
	"time"

	"waggle/client"
)

// beatHives sends what the hives of one sender report, each once in an interval and evenly spread over it, until ctx is done. The sender has the
// hives whose numbers leave the remainder part.
func (r *run) beatHives(ctx context.Context, part int) error {
	out, err := newSender(r.cfg)
	if err != nil {
		return err
	}
	defer out.close()
	spacing := r.cfg.Interval / time.Duration(r.fleet.Len())
	batch := 1
	if r.cfg.Door == DoorBatch {
		batch = r.cfg.Batch
	}
	hives := make([]int, 0, batch)
	beats := make([]*client.HeartbeatInput, 0, batch)
	var due time.Time
	for round := r.began; ; round = round.Add(r.cfg.Interval) {
		if late := time.Since(round); late > r.cfg.Interval {
			missed := int64(late / r.cfg.Interval)
			round = round.Add(late.Truncate(r.cfg.Interval))
			r.beats.missed.Add(missed * int64((r.fleet.Len()-part+r.cfg.Senders-1)/r.cfg.Senders))
		}
		for i := part; i < r.fleet.Len(); i += r.cfg.Senders {
			if len(beats) == 0 { // A batch is due when its first one is.
				due = round.Add(time.Duration(i) * spacing)
				if err := until(ctx, due); err != nil {
					return nil
				}
			}
			if beat := r.fleet.Beat(i, time.Now()); beat != nil {
				hives, beats = append(hives, i), append(beats, beat)
			}
			if len(beats) < batch && i+r.cfg.Senders < r.fleet.Len() || len(beats) == 0 {
				continue
			}
			r.sendBeats(ctx, out, due, hives, beats)
			hives, beats = hives[:0], beats[:0]
		}
		if err := until(ctx, round.Add(r.cfg.Interval)); err != nil {
			return nil
		}
	}
}

// sendBeats sends, and measures from when they were due, so that a server which is late once does not look good.
func (r *run) sendBeats(ctx context.Context, out sender, due time.Time, hives []int, beats []*client.HeartbeatInput) {
	refused, err := out.send(ctx, hives, beats)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		r.beats.fail(int64(len(beats)), err)
	default:
		r.beats.record(time.Since(due), int64(len(beats)-refused))
		if refused > 0 {
			r.beats.fail(int64(refused), fmt.Errorf("%d of %d heartbeats: %w", refused, len(beats), errNotAccepted))
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
