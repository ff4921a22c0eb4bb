package client

import (
	"context"
	"errors"
	"sync"
	"time"
)

// line keeps one socket for all of a client's subscriptions. It connects when the first one needs it, again after an interruption,
// and hangs up after the last one.
type line struct {
	client *Client

	mu        sync.Mutex // guards what follows; never held while the network is waited for
	users     int
	idle      *time.Timer   // hangs up some time after the last user left
	socket    *socket       // nil while there is none
	dialing   chan struct{} // closed when the dialling in progress has ended; nil while nobody dials
	failed    int           // tries in a row that brought nothing
	notBefore time.Time     // of the next try
}

// join says that one more subscription needs the line. The caller leaves in the end.
func (l *line) join() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.users++
}

func (l *line) leave() {
	l.mu.Lock()
	l.users--
	linger := l.client.cfg.Linger
	if l.users == 0 && linger > 0 {
		if l.idle == nil {
			l.idle = time.AfterFunc(linger, l.hangUpIfIdle)
		}
		l.idle.Reset(linger)
	}
	l.mu.Unlock()
	if linger <= 0 {
		l.hangUpIfIdle()
	}
}

// hangUpIfIdle closes the socket if no subscription needs it.
func (l *line) hangUpIfIdle() {
	l.mu.Lock()
	var idle *socket
	if l.users == 0 {
		idle, l.socket = l.socket, nil
		if l.idle != nil {
			l.idle.Stop()
		}
	}
	l.mu.Unlock()
	if idle != nil {
		idle.hangUp()
	}
}

// get returns the socket, connecting as often as it takes. Errors are those that no further try can mend.
func (l *line) get(ctx context.Context) (*socket, error) {
	for {
		l.mu.Lock()
		switch {
		case l.socket != nil:
			defer l.mu.Unlock()
			return l.socket, nil
		case l.dialing != nil:
			wait := l.dialing
			l.mu.Unlock()
			select {
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			case <-wait:
			}
			continue
		}
		l.dialing = make(chan struct{})
		pause := time.Until(l.notBefore)
		l.mu.Unlock()

		s, err := l.connect(ctx, pause)

		l.mu.Lock()
		close(l.dialing)
		l.dialing = nil
		if err == nil {
			l.socket = s
		}
		l.mu.Unlock()
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err == nil:
			continue
		case !temporary(err):
			return nil, err
		}
		l.interrupted(nil, err)
	}
}

func (l *line) connect(ctx context.Context, pause time.Duration) (*socket, error) {
	if pause > 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timer.C:
		}
	}
	return dial(ctx, l.client)
}

// interrupted notes that a socket ended, or with nil that dialling failed. Of all the subscriptions that see the same socket end,
// the first one counts.
func (l *line) interrupted(s *socket, err error) {
	l.mu.Lock()
	if s != l.socket || errors.Is(err, errHungUp) {
		l.mu.Unlock()
		return
	}
	l.socket = nil
	if s != nil && s.wasUseful() {
		l.failed = 0
	}
	pause := pauseAfter(err, l.failed, l.client.cfg.MaxPause)
	l.failed++
	l.notBefore = time.Now().Add(pause)
	l.mu.Unlock()
	l.client.tellInterrupted(err, pause)
}
