package graphqlexec

import (
	"context"
)

// Join is one or more subscribers that must be brought up to date before they get what all members get.
type Join struct {
	// Resume is the position that the joiners know already and want to go on from; "" asks for everything.
	// It is the client's text, unchecked, unless Behind is set.
	Resume string

	// Behind tells that the joiners were members and too slow to follow. Resume is then the position of the last
	// element that they were given ("" if it had none), so they can be sent the newest state of what changed since.
	Behind bool

	// Rest is what was said to be left of a snapshot (Stream.SendPart) in the middle of which the joiners fell behind; nil if they
	// did not.
	Rest any

	batch *batch // nil outside a group
}

// Stream is what a resolver of changes sends on: it says for each element who gets it, so that a subscriber that
// joins later is first brought up to date and then gets exactly what follows.
//
//	s := graphqlexec.NewStream[*RegistryUpdate](ctx, since)
//	go func() {
//		defer s.Close()
//		for {
//			select {
//			case <-s.Waiting():
//				// Bring the members to the present first if the joiners are sent the present.
//				if j, ok := s.NextJoin(); ok {
//					s.SendJoin(j, snapshot, revision, true)
//				}
//			case <-ticker.C:
//				s.Send(delta, revision)
//			case <-ctx.Done():
//				return
//			}
//		}
//	}()
//	return s.C(), nil
//
// The rule that makes it gapless: what a joiner was sent up to and with the element marked last must hold all that
// members were sent before that element; it gets every element that members are sent after it.
//
// The first subscriber of a group is a join like any other. On a transport that knows no groups (gqlgen's own) there
// is exactly one join, with the resolver's own `since`, and every element is sent to that one subscriber; the resolver
// needs no second way.
//
// All methods but Waiting are for one goroutine, the one that sends.
type Stream[T any] struct {
	c       chan T
	done    <-chan struct{}
	group   *group        // nil outside a group
	waiting chan struct{} // holds a token while a join waits
	since   string        // outside a group: the own join's Resume
	served  bool          // outside a group: NextJoin gave the own join
}

// NewStream makes the stream of the subscription that ctx belongs to. It must be called at most once, before the
// resolver returns. Since is the resolver's own argument; in a group it is ignored, since every join has its own.
func NewStream[T any](ctx context.Context, since string) *Stream[T] {
	s := &Stream[T]{c: make(chan T, 1), done: ctx.Done(), since: since}
	if g := groupOf(ctx); g != nil {
		s.group, s.waiting = g, g.openJoins()
		return s
	}
	s.waiting = make(chan struct{}, 1)
	s.waiting <- struct{}{}
	return s
}

// C is the channel for the resolver to return.
func (s *Stream[T]) C() <-chan T { return s.c }

// Waiting is ready when a join waits, to be selected on beside the resolver's own ticks. Serving it may be put off:
// joins that wait together are served together.
func (s *Stream[T]) Waiting() <-chan struct{} { return s.waiting }

// NextJoin takes the join that has waited longest, with all that want the same: those without Resume together, those
// with an equal Resume, or an equal Rest, together. It is false if none waits any more. Whoever subscribes after this call is in a later
// join, so a snapshot taken after it is as new as each of these joiners may expect.
func (s *Stream[T]) NextJoin() (Join, bool) {
	if s.group != nil {
		return s.group.nextJoin()
	}
	if s.served {
		return Join{}, false
	}
	s.served = true
	return Join{Resume: s.since}, true
}

// Send sends v to all members. Position is where v leaves them, in the words that Join.Resume speaks; "" if it has no
// such position. It returns false once the subscription is over and the resolver should end. Nothing is rendered while
// there is no member.
func (s *Stream[T]) Send(v T, position string) bool {
	if s.group != nil && !s.group.tagMembers(position) {
		return s.open()
	}
	return s.put(v)
}

// SendJoin sends v to the joiners of j alone. With last set they are members from here on. Position is as for Send. It
// returns false once the subscription is over. Nothing is rendered if all joiners have left.
func (s *Stream[T]) SendJoin(j Join, v T, position string, last bool) bool {
	return s.sendTo(v, tag{batch: j.batch, place: place{position: position}, last: last})
}

// SendPart is SendJoin for a part of a snapshot that is not its last. Rest stands for what is left; whoever falls behind
// here comes back with it, since one that had to start over would be no faster the next time. It must be comparable:
// those who come back with an equal one are one join.
func (s *Stream[T]) SendPart(j Join, v T, rest any) bool {
	return s.sendTo(v, tag{batch: j.batch, place: place{rest: rest}})
}

func (s *Stream[T]) sendTo(v T, t tag) bool {
	if s.group != nil && !s.group.tagJoin(t) {
		return s.open()
	}
	return s.put(v)
}

// Admit makes the joiners of j members without sending them anything: they get what is sent to members from here on.
// Position is where that begins.
func (s *Stream[T]) Admit(j Join, position string) {
	if s.group != nil {
		s.group.control(tag{batch: j.batch, place: place{position: position}, last: true, bare: true})
	}
}

// Refuse ends the subscriptions of the joiners of j with an error, presented as if the resolver had returned it; the
// members are not touched. Outside a group the resolver should return or close after it.
func (s *Stream[T]) Refuse(j Join, err error) {
	if s.group != nil {
		s.group.control(tag{batch: j.batch, err: err, bare: true})
	}
}

// Fail ends the subscriptions of the members with an error, presented as if the resolver had returned it, after all that
// was sent; who joins later is not touched. It returns false on a transport that knows no groups: there is nobody else
// then, and the resolver should end.
func (s *Stream[T]) Fail(err error) bool {
	if s.group == nil {
		return false
	}
	s.group.control(tag{err: err, bare: true})
	return true
}

// Close ends the subscription for all, as completed, after all that was sent. The resolver's goroutine must call it when it ends.
func (s *Stream[T]) Close() { close(s.c) }

func (s *Stream[T]) put(v T) bool {
	select {
	case s.c <- v:
		return true
	case <-s.done:
		return false
	}
}

func (s *Stream[T]) open() bool {
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}
