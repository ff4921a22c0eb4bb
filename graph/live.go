package graph

import (
	"context"
	"fmt"
	"time"

	"waggle/registry"
)

// signOfLife is after how much silence a subscription says that it lives.
const signOfLife = 10 * time.Second

// live pushes answers to one question: the first at once, then whenever the answer is another, and at least once in signOfLife or, if that is longer, in
// an interval. The question is asked again only if the registry changed, at once after a quiet time, and at most once in an interval.
func live[T any](ctx context.Context, reg *registry.TelemetryRegistry, interval time.Duration, ask func(*registry.Snapshot) T, differ func(a, b T) bool) <-chan T {
	answers := make(chan T, 1)
	go func() {
		defer close(answers)
		var last T
		var asked, sent time.Time
		pace := time.NewTimer(0)
		defer pace.Stop()
		life := time.NewTimer(signOfLife)
		defer life.Stop()
		for first := true; ; first = false {
			select {
			case <-ctx.Done():
				return
			case <-pace.C:
			}
			snap := reg.Snapshot()
			asked = time.Now()
			answer := ask(snap)
			if first || differ(last, answer) || time.Since(sent) >= signOfLife {
				select {
				case <-ctx.Done():
					return
				case answers <- answer:
				}
				last, sent = answer, time.Now()
				life.Reset(signOfLife)
			}
			select {
			case <-ctx.Done():
				return
			case <-reg.Changes().Appended(snap.Revision.Counter):
				pace.Reset(time.Until(asked.Add(interval)))
			case <-life.C:
				pace.Reset(0)
			}
		}
	}()
	return answers
}

func intervalOf(ms int) (time.Duration, error) {
	return time.Duration(ms) * time.Millisecond, checkRange("intervalMs", ms, MinIntervalMS, MaxIntervalMS)
}

// gatheringOf is intervalOf for what may also be sent at once, which is 0.
func gatheringOf(ms int) (time.Duration, error) {
	if ms != 0 && (ms < MinIntervalMS || ms > MaxIntervalMS) {
		return 0, &registry.InvalidError{Field: "intervalMs", Why: fmt.Sprintf("%d must be 0, or %d to %d", ms, MinIntervalMS, MaxIntervalMS)}
	}
	return time.Duration(ms) * time.Millisecond, nil
}

// pagesDiffer tells whether a client sees a difference between two windows; their revision alone is none.
func pagesDiffer[T any](old, now []T, differ func(a, b T) bool) bool {
	if len(old) != len(now) {
		return true
	}
	for i := range old {
		if differ(old[i], now[i]) {
			return true
		}
	}
	return false
}
