package rbee

import (
	"context"
	"net/http"
	"slices"
	"sync"
)

// roster holds the subscriptions, one for each hive that announced itself. One goroutine, run, decides all.
type roster struct {
	door      *Door
	announced chan call
	ended     chan *subscription

	byHive map[string]*subscription // only run touches it

	mu    sync.Mutex
	heard map[string]int // host:port of the streams that are heard, and how many there are of each; mu guards it
}

// hears takes note of a stream that is heard, until the function it returns is called.
func (r *roster) hears(host string) (ended func()) {
	add := func(n int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.heard[host] += n; r.heard[host] == 0 {
			delete(r.heard, host)
		}
	}
	add(1)
	return func() { add(-1) }
}

// isHeard reports whether a stream from one of these hosts, each as host:port, is heard.
func (r *roster) isHeard(hosts ...string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(hosts, func(host string) bool { return r.heard[host] > 0 })
}

func (r *roster) countHeard() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, streams := range r.heard {
		n += streams
	}
	return int64(n)
}

// call is an announcement that waits for its answer.
type call struct {
	announcement
	answer chan error
}

func newRoster(d *Door) *roster {
	return &roster{door: d, announced: make(chan call), ended: make(chan *subscription), byHive: map[string]*subscription{}, heard: map[string]int{}}
}

// announce sees to it that there is exactly one subscription to a hive, at the address announced last.
func (r *roster) announce(ctx context.Context, a announcement) error {
	c := call{a, make(chan error, 1)}
	select {
	case r.announced <- c:
		return <-c.answer
	case <-r.door.stopped:
		return refuse(http.StatusServiceUnavailable, "the server is shutting down")
	case <-ctx.Done():
		return refuse(http.StatusServiceUnavailable, "the request ended before it was served")
	}
}

// run serves announcements until ctx ends, and then waits for the subscriptions to end.
func (r *roster) run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	follow := func(s *subscription, after <-chan struct{}) {
		own, cancel := context.WithCancel(ctx)
		s.cancel = cancel
		r.byHive[s.hiveID] = s
		running.Go(func() {
			defer close(s.done)
			if after != nil {
				<-after
			}
			s.follow(own)
			select {
			case r.ended <- s:
			case <-own.Done():
			}
		})
	}
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-r.announced:
			s, known := r.byHive[c.hiveID]
			switch {
			case known && s.same(c.announcement, r.door.guard.open):
				s.nudge()
			case known:
				s.cancel()
				follow(newSubscription(r.door, c.announcement), s.done)
			case len(r.byHive) >= r.door.cfg.MaxSubscriptions:
				c.answer <- refuse(http.StatusServiceUnavailable, "%d hives are subscribed to, as many as may be", len(r.byHive))
				continue
			default:
				follow(newSubscription(r.door, c.announcement), nil)
			}
			c.answer <- nil
		case s := <-r.ended:
			if r.byHive[s.hiveID] != s {
				continue // replaced
			}
			delete(r.byHive, s.hiveID)
			s.cancel()
			if s.nudged() {
				follow(newSubscription(r.door, s.announcement), nil)
			}
		}
		r.door.stats.subscriptions.Store(int64(len(r.byHive)))
	}
}
