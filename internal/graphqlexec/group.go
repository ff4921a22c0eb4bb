package graphqlexec

import (
	"context"
	"runtime"
	"slices"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// state is where a subscriber stands in its group.
type state uint8

const (
	waiting state = iota // wants to be taken by NextJoin, or for a live query: nothing was sent yet
	joining              // taken: gets the elements of its batch
	member               // gets what is sent to members
	behind               // was one of the above, its sink is full: gets nothing until it has caught up
	left                 // gets nothing any more
)

// batch is the subscribers of one Join.
type batch struct{ subs []*Subscription }

// place is where an element leaves whoever is given it.
type place struct {
	position string // "" in the middle of a snapshot
	rest     any    // what is left of that snapshot then
}

// tag says who gets an element of the resolver's channel. The zero tag is for members.
type tag struct {
	batch *batch // nil: members
	place place
	last  bool  // the batch become members with it
	bare  bool  // no element belongs to this tag
	err   error // bare: it ends those whom it is for
}

// group is one execution of a subscription and everyone who gets its elements.
//
// One goroutine (run) takes the elements and hands them to the sinks; the resolver's goroutine adds tags; transports
// join and leave. The order of elements is the order of the resolver's sends: one element is one response, so the
// queue of tags stays in step with them.
type group struct {
	exec   *Executor
	key    groupKey
	ctx    context.Context //nolint:containedctx // the group's own life, ended by the last leaver
	cancel context.CancelFunc

	// mu guards all below. Order: Executor.mu, then group.mu, then whatever a Sink locks in Next.
	mu      sync.Mutex
	subs    []*Subscription // all that have not left, in no order
	cursor  int             // while an element goes to the members: subs[:cursor] have been looked at
	members int
	waiters []*Subscription
	wake    chan struct{} // nil: the resolver knows no joins, its elements are whole answers
	started bool          // the resolver has returned: whether wake is nil will not change any more
	tags    []tag         // of the elements sent and not yet handed on; the first stays while it is handed on
	last    *Message      // live query: the newest answer
	answers uint64        // live query: how many answers there were
	closed  bool
}

// Subscription is one subscriber's place in a group.
type Subscription struct {
	group *group
	sink  Sink

	// Guarded by group.mu.
	index   int // in group.subs
	state   state
	at      place  // where it goes on: as it asked, then where the last element that it was given left it
	begun   bool   // it was given an element, or was a member: where it goes on is not as it asked any more
	tooSlow bool   // it waits because it fell behind after that
	seen    uint64 // live query: number of the last answer that it was given
}

// Leave ends the subscription for this subscriber. Its sink is not called any more once Leave has returned, except
// for a call of Error or Complete already on its way. The last one to leave ends the group.
func (s *Subscription) Leave() {
	g := s.group
	g.mu.Lock()
	empty := g.remove(s)
	g.mu.Unlock()
	if empty {
		g.abandon()
	}
}

// offer hands m to the sink, or returns the error of one that panicked. That must not pass: the locks of the group are held, and everybody
// else waits for them.
func (s *Subscription) offer(m *Message) (taken bool, failure error) {
	defer func() {
		if p := recover(); p != nil {
			failure = s.group.exec.recovered(s.group.ctx, p)
		}
	}()
	return s.sink.Next(m), nil
}

// finish tells the sink that it is over, with errors or as completed. If that panics there is nobody to tell.
func (s *Subscription) finish(errs gqlerror.List) {
	defer func() {
		if p := recover(); p != nil {
			_ = s.group.exec.recovered(s.group.ctx, p)
		}
	}()
	if len(errs) > 0 {
		s.sink.Error(errs)
	} else {
		s.sink.Complete()
	}
}

// CatchUp tells that the sink, which refused an element, has room again. It must be called once after each refusal.
func (s *Subscription) CatchUp() {
	g := s.group
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.state != behind || g.closed {
		return
	}
	if g.wake == nil {
		g.admitLive(s)
		return
	}
	s.tooSlow = s.begun
	g.wait(s)
}

// add makes s a subscriber. It is false if the group has ended already.
func (g *group) add(s *Subscription) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	s.group, s.index = g, len(g.subs)
	g.subs = append(g.subs, s)
	if g.started && g.wake == nil {
		g.admitLive(s)
		return true
	}
	g.wait(s)
	return true
}

// remove takes s out. It tells whether the group has become empty by it, and closes it then.
func (g *group) remove(s *Subscription) bool {
	if s.state == left {
		return false
	}
	g.setState(s, left)
	k := s.index
	if k < g.cursor { // The hole must not be filled with one that has yet to be looked at.
		g.cursor--
		g.move(g.cursor, k)
		k = g.cursor
	}
	end := len(g.subs) - 1
	if k != end { // At the end may stand, a second time, the one that was just moved.
		g.move(end, k)
	}
	g.subs[end] = nil
	g.subs = g.subs[:end]
	if end > 0 || g.closed {
		return false
	}
	g.closed = true
	return true
}

func (g *group) move(from, to int) {
	g.subs[to] = g.subs[from]
	g.subs[to].index = to
}

func (g *group) setState(s *Subscription, to state) {
	if s.state == member {
		g.members--
	}
	if to == member {
		g.members++
		s.begun = true
	}
	s.state = to
}

// admitLive makes s a member of a live query and gives it the newest answer, if there is one already.
func (g *group) admitLive(s *Subscription) {
	g.setState(s, member)
	if g.last != nil {
		s.seen = g.answers
		g.give(s, g.last)
	}
}

// give hands m to one subscriber, who is behind from here on if it has no room for it, and has left if it panics.
func (g *group) give(s *Subscription, m *Message) bool {
	taken, failure := s.offer(m)
	switch {
	case taken:
		s.begun = true
		g.exec.stats.deliveries.Add(1)
	case failure != nil:
		empty := g.remove(s)
		go g.dismiss(s, failure, empty) // Without the lock.
	default:
		g.exec.stats.refusals.Add(1)
		g.setState(s, behind)
	}
	return taken
}

// dismiss tells one who was removed why, and ends the group if it was the last one.
func (g *group) dismiss(s *Subscription, why error, empty bool) {
	s.finish(g.exec.present(g.ctx, why))
	if empty {
		g.abandon()
	}
}

// abandon ends the execution of a group that is closed.
func (g *group) abandon() {
	g.exec.forget(g)
	g.cancel()
}

// wait puts s among those that the resolver must bring up to date.
func (g *group) wait(s *Subscription) {
	g.setState(s, waiting)
	g.waiters = append(g.waiters, s)
	g.signal()
}

func (g *group) signal() {
	select {
	case g.wake <- struct{}{}: // Never ready while wake is nil.
	default:
	}
}

// openJoins is called when the resolver makes a Stream.
func (g *group) openJoins() chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wake = make(chan struct{}, 1)
	g.signal()
	return g.wake
}

// begin is called when the resolver has returned its channel.
func (g *group) begin() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.started = true
	if g.wake != nil {
		return
	}
	for _, s := range g.waiters {
		if s.state == waiting {
			g.setState(s, member)
		}
	}
	g.waiters = nil
}

// nextJoin takes the first waiter and all who want the same.
func (g *group) nextJoin() (Join, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiters = slices.DeleteFunc(g.waiters, func(s *Subscription) bool { return s.state != waiting })
	if len(g.waiters) == 0 {
		return Join{}, false
	}
	first := g.waiters[0]
	b := &batch{}
	g.waiters = slices.DeleteFunc(g.waiters, func(s *Subscription) bool {
		if s.at != first.at || s.tooSlow != first.tooSlow {
			return false
		}
		g.setState(s, joining)
		b.subs = append(b.subs, s)
		return true
	})
	if len(g.waiters) > 0 {
		g.signal()
	} else {
		g.waiters = nil
	}
	return Join{Resume: first.at.position, Rest: first.at.rest, Behind: first.tooSlow, batch: b}, true
}

// tagMembers announces an element for the members. It is false if there are none, so that none need be sent.
func (g *group) tagMembers(position string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.members == 0 && len(g.tags) == 0 { // A tag on its way may bring members.
		return false
	}
	g.tags = append(g.tags, tag{place: place{position: position}})
	return true
}

// tagJoin announces an element for a batch. It is false if nobody of it is there any more.
func (g *group) tagJoin(t tag) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !slices.ContainsFunc(t.batch.subs, func(s *Subscription) bool { return s.state == joining }) {
		return false
	}
	g.tags = append(g.tags, t)
	return true
}

// control queues a tag that has no element behind the elements that are on their way, if any.
func (g *group) control(t tag) {
	g.mu.Lock()
	if len(g.tags) > 0 {
		g.tags = append(g.tags, t)
		g.mu.Unlock()
		return
	}
	refused := g.settle(t)
	g.mu.Unlock()
	g.refuse(refused, t.err)
}

// settle does what a tag without an element says. It returns those whom the caller must refuse, without the lock.
func (g *group) settle(t tag) (refused []*Subscription) {
	subs, state := g.subs, member
	if t.batch != nil {
		subs, state = t.batch.subs, joining
	}
	for _, s := range subs {
		if s.state != state {
			continue
		}
		if t.err == nil {
			s.at = t.place
			g.setState(s, member)
			continue
		}
		// The group stays open even if it is empty now: Leave, which follows a refusal, ends it.
		refused = append(refused, s)
		g.setState(s, behind)
	}
	return refused
}

func (g *group) refuse(subs []*Subscription, err error) {
	if len(subs) == 0 {
		return
	}
	errs := g.exec.present(g.ctx, err)
	for _, s := range subs {
		s.finish(errs)
		s.Leave()
	}
}

// run executes the operation and hands on its elements until it ends.
func (g *group) run(opCtx *graphql.OperationContext) {
	var errs gqlerror.List
	defer func() {
		if p := recover(); p != nil {
			errs = g.exec.present(g.ctx, g.exec.recovered(g.ctx, p))
		}
		g.end(errs)
	}()
	next := g.exec.elements(withGroup(g.ctx, g), opCtx)
	g.begin()
	for {
		resp := next()
		if resp == nil {
			return
		}
		if resp.Data == nil {
			errs = g.exec.capErrors(resp.Errors)
			return
		}
		m, err := encode(g.exec.capped(resp))
		if err != nil {
			errs = g.exec.present(g.ctx, err)
			return
		}
		g.handOn(m)
	}
}

// handOn gives one element to all that it is for.
func (g *group) handOn(m *Message) {
	g.exec.stats.elements.Add(1)
	g.mu.Lock()
	var t tag
	if g.wake == nil {
		g.last = m
		g.answers++
	} else if len(g.tags) > 0 {
		t = g.tags[0]
	}
	if t.batch == nil {
		g.handToMembers(m, t.place)
	} else {
		m.joining = true
		g.handToBatch(m, t)
	}
	for len(g.tags) > 0 { // Only now: control goes by an empty queue to know that nothing is on its way.
		g.tags = g.tags[1:]
		if len(g.tags) == 0 || !g.tags[0].bare {
			break
		}
		next := g.tags[0]
		refused := g.settle(next)
		g.mu.Unlock()
		g.refuse(refused, next.err)
		g.mu.Lock()
	}
	if len(g.tags) == 0 {
		g.tags = nil
	}
	g.mu.Unlock()
}

func (g *group) handToMembers(m *Message, at place) {
	bite := g.exec.cfg.FanOutBite
	for g.cursor = 0; g.cursor < len(g.subs); {
		s := g.subs[g.cursor]
		g.cursor++
		switch {
		case s.state != member:
		case g.wake != nil:
			if g.give(s, m) {
				s.at = at
			}
		case s.seen != g.answers: // One that joined while the lock was let go was given m then.
			s.seen = g.answers
			g.give(s, m)
		}
		if g.cursor%bite == 0 {
			g.breathe()
		}
	}
	g.cursor = 0
}

func (g *group) handToBatch(m *Message, t tag) {
	for i, s := range t.batch.subs {
		if s.state == joining && g.give(s, m) {
			s.at = t.place
			if t.last {
				g.setState(s, member)
			}
		}
		if (i+1)%g.exec.cfg.FanOutBite == 0 {
			g.breathe()
		}
	}
}

// breathe lets heartbeats, queries and the sockets' writers run between two bites of the fan-out.
func (g *group) breathe() {
	g.mu.Unlock()
	runtime.Gosched()
	g.mu.Lock()
}

// end tells all that the subscription is over, with errors or as completed.
func (g *group) end(errs gqlerror.List) {
	g.mu.Lock()
	g.closed = true
	subs := g.subs
	g.subs, g.waiters, g.tags, g.last = nil, nil, nil, nil
	for _, s := range subs {
		g.setState(s, left)
	}
	g.mu.Unlock()
	g.abandon()
	for _, s := range subs {
		s.finish(errs)
	}
}

type groupContextKey struct{}

func withGroup(ctx context.Context, g *group) context.Context {
	return context.WithValue(ctx, groupContextKey{}, g)
}

func groupOf(ctx context.Context) *group {
	g, _ := ctx.Value(groupContextKey{}).(*group)
	return g
}
