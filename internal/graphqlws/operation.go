package graphqlws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"waggle/internal/graphqlexec"
)

// operation is one operation of a socket. As a sink it takes the messages of its subscription.
type operation struct {
	c      *conn
	id     string
	suffix []byte
	muted  atomic.Bool // the client wants no more: not even what is queued

	// Guarded by conn.mu.
	done   bool               // nothing is queued for it any more
	full   bool               // it was refused room and has not caught up
	cancel context.CancelFunc // nil once it is a subscriber, which outlives what made it one
	sub    *graphqlexec.Subscription
}

var _ graphqlexec.Sink = (*operation)(nil)

// handle does what a message says. It returns what takes time, or nil.
func (c *conn) handle(data []byte) (run func()) {
	m, err := parseMessage(data, c.h.cfg.MaxIDBytes, c.h.exec.ReadParams)
	if err != nil {
		c.shut(closeInvalidMessage, "Invalid message: "+err.Error())
		return nil
	}
	switch m.kind {
	case typeInit:
		c.init(m.payload)
	case typePing:
		c.send(pongMessage(m.payload))
	case typePong:
	case typeSubscribe:
		return c.subscribe(m)
	case typeComplete:
		c.complete(m.id)
	}
	return nil
}

// send queues a message that belongs to no operation.
func (c *conn) send(msg []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sendLocked(entry{own: msg})
}

// sendLocked sends messages that cannot be put off: at once, or else by the writer.
func (c *conn) sendLocked(messages ...entry) {
	if c.out.closing || c.answerAtOnce(messages) {
		return
	}
	for _, e := range messages {
		if !c.out.roomForOwn(e.size(), &c.h.cfg) {
			c.shutLocked(closeSlowConsumer, reasonSlowConsumer)
			return
		}
		if c.out.answer(e) {
			c.signal()
		}
	}
}

// init answers connection_init.
func (c *conn) init(payload json.RawMessage) {
	c.mu.Lock()
	c.inits++
	again := c.inits > 1
	base := c.ctx
	c.mu.Unlock()
	if again {
		c.shut(closeTooMany, reasonTooManyInits)
		return
	}
	gather, chosen, err := gatherMillis(payload)
	if err != nil {
		c.shut(closeInvalidMessage, "Invalid message: "+err.Error())
		return
	}
	judging, judged := context.WithTimeout(base, c.h.cfg.InitTimeout)
	defer judged()
	ctx, scope, expires, err := c.h.cfg.Init(judging, payload)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		c.shut(closeInitTimeout, reasonInitTimeout)
		return
	case err != nil:
		c.shut(closeForbidden, reasonForbidden)
		return
	}
	c.mu.Lock()
	if ctx != judging {
		// The values that Init added, without the timeout that was for Init alone. A context that took its end from one and
		// its values from another would cost a goroutine for each operation.
		c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	}
	c.scope, c.expires, c.acked = scope, expires, true
	if chosen {
		c.gather = time.Duration(gather) * time.Millisecond
	}
	c.sendLocked(entry{own: []byte(`{"type":"connection_ack"}`)})
	c.signal() // The writer must see when the credentials expire.
	c.mu.Unlock()
	c.touch()
}

// subscribe admits an operation and returns what executes it, or nil if it was refused.
func (c *conn) subscribe(m clientMessage) (run func()) {
	o := &operation{c: c, id: m.id}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.out.closing:
	case !c.acked:
		c.shutLocked(closeUnauthorized, reasonUnauthorized)
	case c.ops[m.id] != nil:
		c.shutLocked(closeDuplicateID, fmt.Sprintf("Subscriber for %s already exists", m.id))
	case len(c.ops) >= c.h.cfg.MaxOperations:
		c.sendLocked(entry{own: errorMessage(m.id, gqlerror.List{graphqlexec.NewError(graphqlexec.CodeLimitExceeded,
			"a connection may have at most %d operations at a time", c.h.cfg.MaxOperations)})})
	default:
		if c.ops == nil {
			c.ops = map[string]*operation{}
		}
		c.ops[m.id] = o
		o.suffix = suffixOf(m.id)
		var ctx context.Context
		ctx, o.cancel = context.WithCancel(context.WithoutCancel(c.ctx)) // The socket's end ends each operation by itself.
		scope := c.scope
		return func() { o.run(ctx, scope, &m) }
	}
	return nil
}

// complete ends an operation for the client, who is sent nothing more for it.
func (c *conn) complete(id string) {
	c.mu.Lock()
	o := c.ops[id]
	if o == nil { // Both sides ended it at the same time.
		c.mu.Unlock()
		return
	}
	delete(c.ops, id)
	o.done = true
	o.muted.Store(true)
	c.mu.Unlock()
	o.leave()
}

// run executes the operation, or makes it a subscriber.
func (o *operation) run(ctx context.Context, scope string, m *clientMessage) {
	defer func() { o.c.failed(recover()) }()
	exec := o.c.h.exec
	if !m.params.wereRead() {
		m.params.RawParams, m.params.err = exec.DecodeParams(m.payload)
	}
	if m.params.err != nil {
		o.c.shut(closeInvalidMessage, "Invalid message: "+m.params.err.Error())
		return
	}
	prepared, errs := exec.Prepare(ctx, m.params.RawParams)
	if len(errs) > 0 {
		o.Error(errs)
		return
	}
	if !prepared.IsSubscription() {
		resp := exec.Execute(ctx, prepared)
		graphqlexec.NextStage()
		o.answer(resp)
		return
	}
	sub, errs := exec.Subscribe(ctx, prepared, scope, o)
	if len(errs) > 0 {
		o.Error(errs)
		return
	}
	o.c.mu.Lock()
	o.sub = sub
	ended, full, cancel := o.done, o.full, o.cancel
	o.cancel = nil // There are as many subscribers as sockets: what they hold counts.
	o.c.mu.Unlock()
	cancel()
	if ended {
		o.leave()
	} else if full { // Room may have come before anybody could be told.
		o.c.signalBehind(o)
	}
}

// answer sends the one response of a query or a mutation.
func (o *operation) answer(resp *graphql.Response) {
	if resp.Data == nil {
		o.Error(resp.Errors)
		return
	}
	m, err := graphqlexec.NewMessage(resp)
	if err != nil {
		o.Error(gqlerror.List{graphqlexec.NewError(graphqlexec.CodeInternal, "the answer cannot be encoded")})
		return
	}
	o.finish(entry{shared: m, op: o}, entry{own: completeMessage(o.suffix), op: o})
}

// Next queues a message of the subscription.
func (o *operation) Next(m *graphqlexec.Message) bool {
	c := o.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if o.done || c.out.closing {
		return true
	}
	e := entry{shared: m, op: o}
	if !c.out.roomFor(m, e.size(), &c.h.cfg) {
		o.full = true
		c.out.behind = append(c.out.behind, o)
		c.h.stats.slow.Add(1)
		return false
	}
	if c.writeAtOnce(&e) {
		return true
	}
	gathers := c.gather > 0 && c.isIdle()
	if c.out.push(e) {
		if gathers {
			c.h.gatherer.add(c)
		} else {
			c.signal()
		}
	}
	return true
}

// Error ends the operation with an error message, after which there is no complete.
func (o *operation) Error(errs gqlerror.List) {
	o.finish(entry{own: errorMessage(o.id, errs), op: o})
}

// Complete ends the operation.
func (o *operation) Complete() { o.finish(entry{own: completeMessage(o.suffix), op: o}) }

// finish sends the last messages of the operation. It frees the id before the client can know that it is free.
func (o *operation) finish(messages ...entry) {
	c := o.c
	c.mu.Lock()
	defer c.mu.Unlock() // Even if this panics: groups go on, and may have more for this socket.
	if o.done {
		return
	}
	o.done = true
	delete(c.ops, o.id)
	c.sendLocked(messages...)
	if o.cancel != nil {
		o.cancel()
	}
}

// leave ends what runs for the operation.
func (o *operation) leave() {
	o.c.mu.Lock()
	sub, cancel := o.sub, o.cancel
	o.c.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	if sub != nil {
		sub.Leave()
	}
}

// catchUp is called by the writer when it has written all that was queued when the operation was refused room.
func (o *operation) catchUp() {
	o.c.mu.Lock()
	sub := o.sub
	if sub == nil || !o.full || o.done {
		o.c.mu.Unlock()
		return
	}
	o.full = false
	o.c.mu.Unlock()
	sub.CatchUp()
}

// signalBehind lets the writer tell the operation, once more, that there is room.
func (c *conn) signalBehind(o *operation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.behind = append(c.out.behind, o)
	c.signal()
}
