package client

import (
	"context"
	"errors"
	"sync"
	"time"
)

var (
	// errCompleted ends a subscription that the server completed.
	errCompleted = errors.New("the server completed the subscription")
	// errBehind ends a subscription whose messages were not taken in time. The others on its socket do not wait for it.
	errBehind = errors.New("the subscription's messages were not taken in time")
)

// subscription is one operation on a socket: a queue between the socket's reader and one consumer.
type subscription struct {
	socket *socket
	id     string
	wake   chan struct{} // holds one token when there is something to see

	mu    sync.Mutex // guards what follows
	queue []message
	bytes int64
	err   error // what comes after the queue
}

// message is a payload and when it came: it may have waited when it is taken.
type message struct {
	payload []byte
	came    time.Time
}

// deliver queues a payload; beyond most bytes the subscription ends with errBehind.
func (sub *subscription) deliver(payload []byte, most int64) {
	sub.mu.Lock()
	switch {
	case sub.err != nil:
	case len(sub.queue) > 0 && sub.bytes+int64(len(payload)) > most:
		sub.queue, sub.err = nil, errBehind
	default:
		sub.queue = append(sub.queue, message{payload, time.Now()})
		sub.bytes += int64(len(payload))
	}
	sub.mu.Unlock()
	sub.signal()
}

// end says what comes after the queue. Only the first call counts.
func (sub *subscription) end(why error) {
	sub.mu.Lock()
	sub.err = cmpErr(sub.err, why)
	sub.mu.Unlock()
	sub.signal()
}

func (sub *subscription) signal() {
	select {
	case sub.wake <- struct{}{}:
	default:
	}
}

// next waits for the next message. Messages that came before the end of the subscription are still given out, but none after that of ctx: who is
// slower than the server would find one waiting for as long as the server speaks.
func (sub *subscription) next(ctx context.Context) (message, error) {
	for {
		if ctx.Err() != nil {
			return message{}, context.Cause(ctx)
		}
		sub.mu.Lock()
		if len(sub.queue) > 0 {
			m := sub.queue[0]
			sub.queue[0] = message{}
			sub.queue = sub.queue[1:]
			sub.bytes -= int64(len(m.payload))
			sub.mu.Unlock()
			return m, nil
		}
		err := sub.err
		sub.mu.Unlock()
		if err != nil {
			return message{}, err
		}
		select {
		case <-ctx.Done():
			return message{}, context.Cause(ctx)
		case <-sub.wake:
		}
	}
}
