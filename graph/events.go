package graph

import (
	"context"
	"errors"
	"strconv"

	"waggle/internal/graphqlexec"
	"waggle/registry"
)

// errEventsLost ends a subscription to events rather than leaving a silent hole in it.
var errEventsLost = errors.New("events were lost because they were read too slowly: subscribe again, and ask the query `events` for those before")

// eventFollower sends events to one group as they happen. Positions are numbers of the event log.
type eventFollower struct {
	reg    *registry.TelemetryRegistry
	hiveID *string // nil: of all hives
	stream *graphqlexec.Stream[*registry.Event]
	seen   uint64 // the newest event that members were sent or did not ask for
}

func (f *eventFollower) run(ctx context.Context) {
	defer f.stream.Close()
	events := f.reg.Events()
	f.seen = events.Last()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.stream.Waiting():
		case <-events.Appended(f.seen):
		}
		if !f.advance() {
			return
		}
	}
}

// advance sends what happened. Those who wait are admitted before, so that they miss nothing, but after members who have lost something were told:
// that is nothing to those who come only now.
func (f *eventFollower) advance() bool {
	last := f.reg.Events().Last()
	var news []numbered
	err := f.each(f.seen, last, func(e *registry.Event, position string) { news = append(news, numbered{e, position}) })
	if err != nil {
		if !f.stream.Fail(errEventsLost) {
			return false
		}
		f.seen, news = last, nil
	}
	for j, ok := f.stream.NextJoin(); ok; j, ok = f.stream.NextJoin() {
		f.welcome(j)
	}
	for _, n := range news {
		f.stream.Send(n.event, n.position)
	}
	f.seen = last
	return true
}

// numbered is an event and its number.
type numbered struct {
	event    *registry.Event
	position string
}

// welcome admits those who are new, who get what happens from here on, and sends those who fell behind what they missed.
func (f *eventFollower) welcome(j graphqlexec.Join) {
	if j.Behind {
		given, err := strconv.ParseUint(j.Resume, 10, 64)
		if err == nil {
			err = f.each(given, f.seen, func(e *registry.Event, position string) { f.stream.SendJoin(j, e, position, false) })
		}
		if err != nil {
			f.stream.Refuse(j, errEventsLost)
			return
		}
	}
	f.stream.Admit(j, strconv.FormatUint(f.seen, 10))
}

// each visits the events after one number up to and including another.
func (f *eventFollower) each(after, upTo uint64, visit func(e *registry.Event, position string)) error {
	number := after
	return f.reg.Events().After(after, upTo, func(e registry.Event) {
		number++
		if f.hiveID == nil || *f.hiveID == e.HiveID {
			visit(&e, strconv.FormatUint(number, 10))
		}
	})
}
