package client

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/gorilla/websocket"
)

// CloseError is a connection that the server closed, with the code and reason it gave.
type CloseError struct {
	// Code as in RFC 6455, or 4000 to 4999 as graphql-transport-ws defines them.
	Code int
	// Reason in the server's words; may be empty.
	Reason string
	// beforeAck is true when the connection was never acknowledged.
	beforeAck bool
}

// Error implements the error interface.
func (e *CloseError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("the server closed the connection with code %d", e.Code)
	}
	return fmt.Sprintf("the server closed the connection with code %d: %s", e.Code, e.Reason)
}

// Temporary reports whether connecting again may help. The codes are those after which graphql-ws, the reference
// client, goes on: the way a connection ends when nobody is to blame, 1012 (restart), 1013 (try again later), 4408
// (too slow to begin) and 4403 (a right that ran out) unless the very first message was answered so.
func (e *CloseError) Temporary() bool {
	switch e.Code {
	case websocket.CloseNormalClosure, websocket.CloseGoingAway, websocket.CloseNoStatusReceived, websocket.CloseAbnormalClosure,
		websocket.CloseServiceRestart, websocket.CloseTryAgainLater, 1014, 4408:
		return true
	case 4403:
		return !e.beforeAck
	case 4400, 4401, 4406, 4409, 4429, 4500, 4004, 4005:
		return false
	}
	return e.Code >= 2000 // Other codes of RFC 6455 mean that we did something wrong, and would again.
}

// temporary reports whether an error of a connection may be gone at the next try.
func temporary(err error) bool {
	if closed, ok := errors.AsType[*CloseError](err); ok {
		return closed.Temporary()
	}
	if status, ok := errors.AsType[*StatusError](err); ok {
		again := []int{http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests}
		return status.Status >= 500 || slices.Contains(again, status.Status)
	}
	return !errors.Is(err, errNotJSON) && !errors.Is(err, errProtocol) && !errors.Is(err, websocket.ErrReadLimit)
}

const (
	firstPause   = 200 * time.Millisecond
	restartPause = time.Second // after 1012 and 1013, when many come back at once
)

// pauseAfter returns how long to wait before the next try: a random part of a span that doubles with every failed one, so that
// clients which lost the same server do not come back in step.
func pauseAfter(err error, failed int, most time.Duration) time.Duration {
	span := firstPause
	var closed *CloseError
	if errors.As(err, &closed) && (closed.Code == websocket.CloseServiceRestart || closed.Code == websocket.CloseTryAgainLater) {
		span = restartPause
	}
	for range failed {
		if span >= most {
			break
		}
		span *= 2
	}
	return rand.N(min(span, most)) //nolint:gosec // no secret depends on it
}
