package agent

import (
	"context"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"waggle/internal/agent/engine"
	"waggle/internal/agent/proc"
)

// questions asks every engine on its own, so that one that hangs hides nothing but its own figures.
type questions struct {
	http    *http.Client
	timeout time.Duration
	open    map[target]*poller[engine.Answer]
	byID    map[proc.ID]*poller[engine.Answer]
}

// target is who is asked, and where. Another process at the same port is another target, so an answer is never taken
// for that of the process that was there before.
type target struct {
	id      proc.ID
	address netip.AddrPort
	tls     bool
}

func newQuestions(timeout time.Duration) *questions {
	return &questions{http: engine.NewClient(), timeout: timeout, open: map[target]*poller[engine.Answer]{}}
}

// ask starts a question to each worker that can be asked, and forgets those that are gone.
func (q *questions) ask(ctx context.Context, running *sync.WaitGroup, s survey) {
	open, byID := map[target]*poller[engine.Answer]{}, map[proc.ID]*poller[engine.Answer]{}
	for _, front := range s.workers {
		for _, w := range append([]*worker{front}, front.runners...) {
			if !w.address.IsValid() || !w.server.Asks() {
				continue
			}
			at := target{w.ID, w.address, w.server.TLS}
			p, ok := q.open[at]
			if !ok {
				p = newPoller(q.timeout, engine.NewProbe(q.http, w.server, w.address).Ask)
			}
			p.kick(ctx, running)
			open[at], byID[w.ID] = p, p
		}
	}
	q.open, q.byID = open, byID
}

// answers returns a way to look up the answers that are not older than maxAge, or that are there at all.
func (q *questions) answers(maxAge time.Duration) func(proc.ID) (engine.Answer, bool, bool) {
	now := time.Now()
	return func(id proc.ID) (answer engine.Answer, fresh, known bool) {
		p, ok := q.byID[id]
		if !ok {
			return engine.Answer{}, false, false
		}
		answer, at, known := p.newest()
		return answer, known && now.Sub(at) <= maxAge, known
	}
}

func (q *questions) close() { q.http.CloseIdleConnections() }
