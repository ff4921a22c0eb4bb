package agent

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// poller reads one source of figures, one attempt at a time, beside everything else: whoever wants the figures takes the
// newest that are there and never waits for the source. An attempt that ignores its deadline, as a call into a hanging
// driver does, blocks only further attempts of the same poller.
type poller[T any] struct {
	timeout time.Duration
	read    func(context.Context) (T, error)

	mu      sync.Mutex // guards what follows
	done    chan struct{}
	began   time.Time // of the attempt under way; zero when there is none
	value   T
	valueAt time.Time // when the attempt that brought value began; zero when there was none
	err     error     // of the last attempt that ended
}

func newPoller[T any](timeout time.Duration, read func(context.Context) (T, error)) *poller[T] {
	return &poller[T]{timeout: timeout, read: read}
}

// kick starts an attempt unless one is under way, and returns a channel that is closed when that attempt has ended.
func (p *poller[T]) kick(ctx context.Context, running *sync.WaitGroup) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.began.IsZero() {
		return p.done
	}
	done := make(chan struct{})
	p.done, p.began = done, time.Now()
	running.Go(func() {
		defer close(done)
		value, err := p.attempt(ctx)
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.err = err; err == nil {
			p.value, p.valueAt = value, p.began
		}
		p.began = time.Time{}
	})
	return done
}

func (p *poller[T]) attempt(ctx context.Context) (value T, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("reading it panicked: %v", v)
		}
	}()
	return p.read(ctx)
}

// newest returns the last figures that were read, and when; false when there were none yet.
func (p *poller[T]) newest() (value T, at time.Time, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.value, p.valueAt, !p.valueAt.IsZero()
}

// failure says what is wrong with the source now; nil when nothing is known to be.
func (p *poller[T]) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.began.IsZero() && time.Since(p.began) > p.timeout {
		return fmt.Errorf("no answer within %v", p.timeout)
	}
	return p.err
}
