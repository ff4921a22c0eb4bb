package graphqlws

import "sync"

// maxIdleRunners is how many goroutines are kept for work to come: about as many as messages come at once on a busy server.
const maxIdleRunners = 32

// runners run what takes time on goroutines that are used again. A new one begins with a small stack, which an operation makes it grow three times, by
// copying: a tenth of what a heartbeat costs.
type runners struct {
	mu     sync.Mutex
	idle   []chan func() // each of one runner; the last has run last
	closed bool          // no runner is kept
}

// run runs f on a goroutine of its own.
func (r *runners) run(f func()) {
	r.mu.Lock()
	if last := len(r.idle) - 1; last >= 0 {
		runner := r.idle[last]
		r.idle = r.idle[:last]
		r.mu.Unlock()
		runner <- f
		return
	}
	r.mu.Unlock()
	go r.work(f)
}

func (r *runners) work(f func()) {
	next := make(chan func(), 1)
	for ; f != nil; f = <-next {
		f()
		if !r.keep(next) {
			return
		}
	}
}

func (r *runners) keep(runner chan func()) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || len(r.idle) >= maxIdleRunners {
		return false
	}
	r.idle = append(r.idle, runner)
	return true
}

// open lets runners be kept.
func (r *runners) open() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = false
}

// close lets go of those that are kept.
func (r *runners) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, runner := range r.idle {
		close(runner)
	}
	r.idle = nil
}
