package graphqlhttp

import (
	"bytes"
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"waggle/internal/graphqlexec"
)

// stream answers any operation with events: each response is a `next`, and `complete` follows the last. Errors are told
// by a `next` too, as the protocol wants it.
func (h *Handler) stream(w http.ResponseWriter, r *http.Request, params *graphql.RawParams) {
	select {
	case <-h.drained:
		h.refuse(w, http.StatusServiceUnavailable, "the server is about to restart")
		return
	default:
	}
	if h.streams.Add(1) > int64(h.cfg.MaxStreams) {
		h.streams.Add(-1)
		h.refuse(w, http.StatusServiceUnavailable, "the server takes no more streams now")
		return
	}
	defer h.streams.Add(-1)
	ev := newEventWriter(w, h.cfg.WriteTimeout)
	if ev.begin() != nil {
		return
	}
	ctx := r.Context()
	op, errs := h.exec.Prepare(ctx, params)
	if len(errs) > 0 {
		h.stats.invalid.Add(1)
		ev.last(&graphql.Response{Errors: errs})
		return
	}
	if !op.IsSubscription() {
		ev.last(h.exec.Execute(ctx, op))
		return
	}
	scope, expires := h.cfg.Scope(ctx)
	q := &queue{cfg: &h.cfg, wake: make(chan struct{}, 1)}
	sub, errs := h.exec.Subscribe(ctx, op, scope, q)
	if len(errs) > 0 {
		ev.last(&graphql.Response{Errors: errs})
		return
	}
	defer sub.Leave()
	if !expires.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, expires)
		defer cancel()
	}
	h.pump(ctx, ev, q, sub)
	ev.grant() // net/http has yet to end the response, perhaps long after the last message.
}

// pump writes what the subscription brings until it ends, the client goes or the server does.
func (h *Handler) pump(ctx context.Context, ev *eventWriter, q *queue, sub *graphqlexec.Subscription) {
	ping := time.NewTicker(h.cfg.PingInterval)
	defer ping.Stop()
	for {
		select {
		case <-q.wake:
		case <-ping.C:
			if ev.ping() != nil {
				return
			}
			continue
		case <-ctx.Done():
			return
		case <-h.drained:
			return // Without complete: the client is to come back.
		}
		t := q.take()
		for _, m := range t.messages {
			if ev.next(m.Response()) != nil {
				return
			}
		}
		switch {
		case t.errs != nil:
			ev.last(&graphql.Response{Errors: t.errs})
			return
		case t.complete:
			_ = ev.complete()
			return
		case ev.flush() != nil:
			return
		case t.full:
			sub.CatchUp()
		}
	}
}

// queue is what waits to be written to one stream. It is the sink of its subscription.
type queue struct {
	cfg  *Config
	wake chan struct{} // holds a token when there is something to take

	mu sync.Mutex
	taken
}

type taken struct {
	messages []*graphqlexec.Message
	bytes    int
	joining  int
	full     bool
	errs     gqlerror.List
	complete bool
}

var _ graphqlexec.Sink = (*queue)(nil)

func (q *queue) take() taken {
	q.mu.Lock()
	defer q.mu.Unlock()
	t := q.taken
	q.taken = taken{}
	return t
}

// Next queues a message.
func (q *queue) Next(m *graphqlexec.Message) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer q.signal()
	n := len(m.Response())
	if m.Joining() {
		if q.joining > 0 && q.joining+n > q.cfg.MaxJoiningBytes {
			q.full = true
			return false
		}
		q.joining += n
	} else {
		if len(q.messages) >= q.cfg.MaxQueuedMessages || q.bytes > 0 && q.bytes+n > q.cfg.MaxQueuedBytes {
			q.full = true
			return false
		}
		q.bytes += n
	}
	q.messages = append(q.messages, m)
	return true
}

// Error queues the end.
func (q *queue) Error(errs gqlerror.List) {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer q.signal()
	q.errs = errs
}

// Complete queues the end.
func (q *queue) Complete() {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer q.signal()
	q.complete = true
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// eventWriter writes server-sent events.
type eventWriter struct{ writer }

func newEventWriter(w http.ResponseWriter, timeout time.Duration) *eventWriter {
	return &eventWriter{newWriter(w, timeout)}
}

func (e *eventWriter) begin() error {
	// The server's ReadTimeout is for the request, which has been read; left alone it would end the stream.
	_ = e.rc.SetReadDeadline(time.Time{})
	h := e.w.Header()
	h.Set("Content-Type", typeEvents+"; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no") // Proxies of the nginx family would hold events back.
	return e.ping()
}

func (e *eventWriter) ping() error {
	if err := e.write([]byte(":\n\n")); err != nil {
		return err
	}
	return e.flush()
}

// next writes a response. A line break in it, which JSON allows between tokens, would end the field.
func (e *eventWriter) next(response []byte) error {
	if err := e.write([]byte("event: next\ndata: ")); err != nil {
		return err
	}
	if bytes.ContainsAny(response, "\r\n") {
		response = bytes.Map(func(r rune) rune {
			if r == '\n' || r == '\r' {
				return ' '
			}
			return r
		}, response)
	}
	if err := e.write(response); err != nil {
		return err
	}
	return e.write([]byte("\n\n"))
}

func (e *eventWriter) complete() error {
	// EventSource ignores an event without data.
	if err := e.write([]byte("event: complete\ndata: \n\n")); err != nil {
		return err
	}
	return e.flush()
}

// last writes the only or the last response and completes.
func (e *eventWriter) last(resp *graphql.Response) {
	b, err := graphqlexec.AppendResponse(nil, resp)
	if err != nil {
		b = []byte(`{"errors":[{"message":"the answer cannot be encoded"}]}`)
	}
	if e.next(b) == nil {
		_ = e.complete()
	}
}

func (e *eventWriter) flush() error { return e.rc.Flush() }
