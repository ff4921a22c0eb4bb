package simulate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"waggle/internal/simulate/wire"
)

// Subscription is what dashboards watch.
type Subscription string

// The subscriptions of dashboards.
const (
	// SubscribeFleet is the summary of the fleet, and every other document the first fifty workers, ten times a second.
	SubscribeFleet Subscription = "fleet"
	// SubscribeHive is a copy of one hive and its workers, told of every heartbeat; the n-th document is of the n-th hive.
	SubscribeHive Subscription = "hive"
	// SubscribeAll is SubscribeHive for all hives, by one document.
	SubscribeAll Subscription = "all"
	// SubscribeEvents is what happens, which is little: for dashboards that idle.
	SubscribeEvents Subscription = "events"
)

// document is what a dashboard subscribes to.
type document struct {
	query     string
	variables string
	clock     string // what stands before the server's clock in a message; empty: none does
}

func (l *Load) document(n int) document {
	switch {
	case l.cfg.Subscription == SubscribeEvents:
		return document{query: fmt.Sprintf(`subscription events%d { events { revision at kind hiveId workerId message } }`, n)}
	case l.cfg.Subscription == SubscribeHive, l.cfg.Subscription == SubscribeAll:
		ids := fmt.Sprintf(`["%s"]`, l.fleet.ID(n%l.fleet.Len()))
		if l.cfg.Subscription == SubscribeAll {
			ids = "null"
		}
		return document{clock: `"lastSeenAt":"`,
			query: fmt.Sprintf(`subscription hive%d($ids: [ID!]) { changes(intervalMs: 0, hives: {ids: $ids}, workers: {hiveIds: $ids}) { revision reset complete
				hives { id lastSeenAt } removed { id kind }
				workers { id model activity gpuUtilizationPercent vramUsedMb vramFreeMb requestsRunning requestsQueued } } }`, n),
			variables: `{"ids":` + ids + `}`}
	case n%2 == 0:
		return document{clock: `"serverTime":"`,
			query: fmt.Sprintf(`subscription fleet%d { fleet(intervalMs: 100) { serverTime revision heartbeatsPerSecond vramTotalMb vramUsedMb
				hives { total online suspect offline available } workers { total available idle busy unknown }
				models(first: 10) { model workers idle } } }`, n)}
	default:
		return document{query: fmt.Sprintf(`subscription workers%d { workers(first: 50, intervalMs: 100) { revision totalCount
			nodes { id model activity gpuUtilizationPercent vramUsedMb vramTotalMb requestsRunning requestsQueued } } }`, n)}
	}
}

// mostDialling bounds how many dashboards connect at the same time.
const mostDialling = 32

// subscribe is one dashboard with a socket of its own. It comes back when it was interrupted.
func (l *Load) subscribe(ctx context.Context, number int) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return
		case l.dialling <- struct{}{}:
		}
		socket, err := wire.OpenSocket(ctx, l.server, l.cfg.Gather, l.bufferBytes())
		<-l.dialling
		if err == nil {
			err = l.follow(socket, l.document(number%l.cfg.Documents))
			socket.Close()
		}
		if ctx.Err() == nil {
			l.deliveries.fail(1, err)
		}
		_ = until(ctx, time.Now().Add(time.Second+rand.N(time.Second))) //nolint:gosec // no secret depends on it
	}
}

// ignore is a dashboard that subscribes, never reads and does not come back when it is cut.
func (l *Load) ignore(ctx context.Context, number int) {
	socket, err := wire.OpenSocket(ctx, l.server, 0, l.bufferBytes())
	if err != nil {
		l.deliveries.fail(1, err)
		return
	}
	defer socket.Close()
	doc := l.document(number % l.cfg.Documents)
	if err := socket.Subscribe("1", doc.query, []byte(doc.variables)); err != nil {
		l.deliveries.fail(1, err)
	}
	<-ctx.Done()
}

// bufferBytes is enough for what is gathered, and little where nothing is.
func (l *Load) bufferBytes() int {
	if l.cfg.Gather > 0 {
		return 16 << 10
	}
	return 4 << 10
}

// follow counts what a subscription brings. To read every message would cost more than to receive it, so that one a second is read: not the first
// that comes then, for of those that were gathered that is always the oldest.
func (l *Load) follow(socket *wire.Socket, doc document) error {
	if err := socket.Subscribe("1", doc.query, []byte(doc.variables)); err != nil {
		return err
	}
	l.subscribed.Add(1)
	defer l.subscribed.Add(-1)
	due, pass := time.Now().Add(time.Second), 0
	for {
		head, err := socket.Wait()
		if err != nil {
			return err
		}
		now := time.Now()
		switch {
		case !wire.BeginsNext(head):
			if text, err := socket.Text(); err != nil || !wire.IsNext(text) {
				return errors.Join(err, fmt.Errorf("the server ended the subscription: %.200s", text))
			}
		case doc.clock == "" || now.Before(due):
		case pass > 0:
			pass--
		default:
			text, err := socket.Text()
			if err != nil {
				return err
			}
			if at, ok := timeAfter(text, doc.clock); ok {
				l.deliveries.took(now.Sub(at))
			}
			due, pass = now.Add(time.Second), rand.IntN(16) //nolint:gosec // no secret depends on it
		}
		l.deliveries.done.Add(1)
	}
}

// timeAfter reads the time that follows the text.
func timeAfter(message []byte, text string) (time.Time, bool) {
	_, rest, found := bytes.Cut(message, []byte(text))
	value, _, ended := bytes.Cut(rest, []byte{'"'})
	if !found || !ended {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, string(value))
	return at, err == nil
}
