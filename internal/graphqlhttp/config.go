package graphqlhttp

import (
	"cmp"
	"context"
	"time"
)

// Config sets a Handler up. The zero value is ready for use.
type Config struct {
	// MaxBodyBytes bounds a request's body; a longer one is answered with status 413. Zero value means 1 MiB.
	MaxBodyBytes int64

	// AllowGet lets queries, and only queries, be sent by GET as well. A browser sends such a request across origins
	// without asking first, though no page of another origin can read the answer. Zero value means POST only.
	AllowGet bool

	// Browsers is where somebody is sent, relative to the handler's own path, who opens that in a browser. Zero value means nowhere: the
	// answer is that requests are sent by POST.
	Browsers string

	// MaxStreams bounds the event streams; more are refused with status 503. Zero value means 1,000.
	MaxStreams int
	// PingInterval is how often a comment is sent on a stream that is silent. Zero value means 15 s.
	PingInterval time.Duration
	// WriteTimeout is how long a client may take to be sent 64 KiB; one that takes longer is cut. Zero value means 5 s.
	WriteTimeout time.Duration
	// MaxQueuedMessages and MaxQueuedBytes bound what waits to be written to a stream, but for a single message; a subscription that finds
	// no room catches up later. Zero values mean 256 and 1 MiB.
	MaxQueuedMessages int
	MaxQueuedBytes    int
	// MaxJoiningBytes bounds what waits besides to bring a new subscription up to date, but for a single message. Zero value means 64 MiB.
	MaxJoiningBytes int

	// Scope says of a request's context what its subscriptions may be shared by (graphqlexec.Executor.Subscribe), and when
	// they end, the zero time meaning never. Zero value means one scope for all, for ever.
	Scope func(ctx context.Context) (scope string, expires time.Time)
}

func (c Config) withDefaults() Config {
	c.MaxBodyBytes = cmp.Or(c.MaxBodyBytes, 1<<20)
	c.MaxStreams = cmp.Or(c.MaxStreams, 1000)
	c.PingInterval = cmp.Or(c.PingInterval, 15*time.Second)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 5*time.Second)
	c.MaxQueuedMessages = cmp.Or(c.MaxQueuedMessages, 256)
	c.MaxQueuedBytes = cmp.Or(c.MaxQueuedBytes, 1<<20)
	c.MaxJoiningBytes = cmp.Or(c.MaxJoiningBytes, 64<<20)
	if c.Scope == nil {
		c.Scope = func(context.Context) (string, time.Time) { return "", time.Time{} }
	}
	return c
}
