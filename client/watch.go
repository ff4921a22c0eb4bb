package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"time"
)

// Watch subscribes and yields the data of every message, decoded into a T, until the caller stops, ctx is done, or the server
// completes the subscription. All subscriptions of one client share one socket.
//
// An interruption is no error: Watch connects again, after a pause that grows and is partly random, and subscribes again with the same
// variables. A live query then begins with its newest answer, as at first. To be told of interruptions, set
// [Config.Interrupted]. An error is yielded once, last, with a zero T: an [*Error] when the server refused the operation, a
// [*CloseError] or [*StatusError] when it will not have us, or the context's cause.
//
// A caller that is slower than the server for long loses the messages that wait and is subscribed again.
//
// Query must hold one operation; variables is anything that encodes as a JSON object, or nil.
func Watch[T any](ctx context.Context, c *Client, query string, variables any) iter.Seq2[T, error] {
	return watchAs[T](ctx, c, func() operation { return operation{operationName(query), query, variables} }, false)
}

// WatchWorkers yields the answer to the query, and again whenever it may have changed, at most once in interval: 100 ms to
// 60 s; zero means 1 s. It never ends by itself but for an error, as [Watch] does.
func (c *Client) WatchWorkers(ctx context.Context, q WorkersQuery, interval time.Duration) iter.Seq2[*WorkerPage, error] {
	in := &__watchWorkersInput{q.Filter, q.OrderBy, cmp.Or(q.First, DefaultFirst), q.Offset, inMS(cmp.Or(interval, time.Second))}
	return watchField(ctx, c, "watchWorkers", watchWorkers_Operation, in, func(r *watchWorkersResponse) *WorkerPage { return r.Workers })
}

// WatchHives is [Client.WatchWorkers] for hives.
func (c *Client) WatchHives(ctx context.Context, q HivesQuery, interval time.Duration) iter.Seq2[*HivePage, error] {
	in := &__watchHivesInput{q.Filter, q.OrderBy, cmp.Or(q.First, DefaultFirst), q.Offset, inMS(cmp.Or(interval, time.Second))}
	return watchField(ctx, c, "watchHives", watchHives_Operation, in, func(r *watchHivesResponse) *HivePage { return r.Hives })
}

// WatchFleet yields the summary of the fleet once in every interval, changed or not: 100 ms to 60 s; zero means 1 s.
func (c *Client) WatchFleet(ctx context.Context, interval time.Duration) iter.Seq2[*Fleet, error] {
	in := &__watchFleetInput{inMS(cmp.Or(interval, time.Second))}
	return watchField(ctx, c, "watchFleet", watchFleet_Operation, in, func(r *watchFleetResponse) *Fleet { return r.Fleet })
}

// WatchEvents yields what happens, as it happens, of one hive or, with an empty id, of all. What happens during an interruption is not
// seen; [Client.Events] has it.
func (c *Client) WatchEvents(ctx context.Context, hiveID string) iter.Seq2[*Event, error] {
	in := &__watchEventsInput{unlessEmpty(hiveID)}
	return watchField(ctx, c, "watchEvents", watchEvents_Operation, in, func(r *watchEventsResponse) *Event { return r.Events })
}

// watchField watches an endless subscription and yields its root field.
func watchField[R, F any](ctx context.Context, c *Client, name, query string, variables any, field func(*R) F) iter.Seq2[F, error] {
	answers := watchAs[*R](ctx, c, func() operation { return operation{name, query, variables} }, true)
	return func(yield func(F, error) bool) {
		for answer, err := range answers {
			var f F
			if err == nil {
				f = field(answer)
			}
			if !yield(f, err) {
				return
			}
		}
	}
}

func watchAs[T any](ctx context.Context, c *Client, op func() operation, endless bool) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		stopped := false // Even if ctx ended at the same time, a caller who stopped is told nothing more.
		err := c.watch(ctx, op, endless, func(m message) error {
			data, err := dataOf(m.payload)
			if err != nil {
				return err
			}
			var element T
			if err := json.Unmarshal(data, &element); err != nil {
				return fmt.Errorf("the answer does not fit the operation: %w", err)
			}
			if stopped = !yield(element, nil); stopped {
				return errStopped
			}
			return nil
		})
		if err != nil && !stopped {
			var zero T
			yield(zero, err)
		}
	}
}

// errStopped ends a watch whose caller has seen enough.
var errStopped = errors.New("stopped")

// watch subscribes as often as it takes and hands over every message, whose payload is an execution result. It asks for the operation anew before each
// subscription, so that one which remembers a position can go on from there. An endless subscription is begun anew, too, when the
// server completes it. The error of take ends it.
func (c *Client) watch(ctx context.Context, op func() operation, endless bool, take func(message) error) error {
	c.line.join()
	defer c.line.leave()
	ended := 0 // how often in a row the server ended the operation before it said anything
	taking := func(m message) error {
		ended = 0
		return take(m)
	}
	for {
		s, err := c.line.get(ctx)
		if err != nil {
			return fmt.Errorf("cannot subscribe: %w", err)
		}
		sub, err := s.subscribe(op())
		if err == nil {
			err = follow(ctx, sub, taking)
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, errBehind), errors.Is(err, errBegin):
			continue
		case errors.Is(err, errCompleted) && !endless:
			return nil
		case errors.Is(err, errCompleted), endless && passing(err):
			// The socket is well; a pause keeps us from a race with a server that ends all at once.
			pause := pauseAfter(err, 2+ended, c.cfg.MaxPause)
			ended++
			c.tellInterrupted(err, pause)
			if err := sleep(ctx, pause); err != nil {
				return err
			}
		case isEnd(s, err):
			c.line.interrupted(s, err)
			if !temporary(err) {
				return fmt.Errorf("the subscription ended: %w", err)
			}
		default:
			return err
		}
	}
}

// errBegin makes a watch subscribe anew, on the same socket.
var errBegin = errors.New("begin anew")

// follow hands over what a subscription brings until it ends.
func follow(ctx context.Context, sub *subscription, take func(message) error) error {
	defer sub.socket.leave(sub)
	for {
		m, err := sub.next(ctx)
		if err != nil {
			return err
		}
		if err := take(m); err != nil {
			return err
		}
	}
}

// isEnd reports whether the error is the end of the whole socket.
func isEnd(s *socket, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err == err //nolint:errorlint // the very same one, not one like it
}

// passing reports whether the server ended an operation for reasons that lie with itself.
func passing(err error) bool {
	var refused *Error
	return errors.As(err, &refused) && (refused.Code() == "INTERNAL" || refused.Code() == "UNAVAILABLE")
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// operationName returns the name of a document's first operation, which logs of the server show; empty when it has none.
func operationName(query string) string {
	m := regexp.MustCompile(`(?m)^\s*(?:subscription|query|mutation)\s+([_A-Za-z][_0-9A-Za-z]*)`).FindStringSubmatch(query)
	if m == nil {
		return ""
	}
	return m[1]
}

func inMS(d time.Duration) int { return int(d.Milliseconds()) }
