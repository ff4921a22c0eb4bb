package graphqlws

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"
)

// Config sets a Handler up. The zero value is ready for use.
type Config struct {
	// InitTimeout is how long a client may take for connection_init; then it is closed with 4408.
	// Zero value means 5 s.
	InitTimeout time.Duration
	// PingInterval is how often the server pings. A socket from which nothing came for two and a half intervals is
	// closed, unless it is not read from because it has to read first (MaxQueuedBytes). Zero value means 15 s.
	PingInterval time.Duration
	// WriteTimeout is how long a write of at most 64 KiB may take at most; half of it is granted at least.
	// Zero value means 5 s.
	WriteTimeout time.Duration
	// CloseTimeout is how long the client may take to answer a close frame. Zero value means 1 s.
	CloseTimeout time.Duration
	// Gather is how long messages are gathered for one write; a message after a pause as long goes out at once. A client
	// may choose its own by `{"gatherMs": n}` in the payload of connection_init, 0 to 1,000. Zero value means no gathering.
	Gather time.Duration

	// MaxConnections bounds the sockets; more are refused with status 503. Zero value means 20,000.
	MaxConnections int
	// MaxMessageBytes bounds a client's message; a longer one closes with 1009. Zero value means 64 KiB.
	MaxMessageBytes int
	// MaxIDBytes bounds an operation's id, which every message repeats; a longer one closes with 4400.
	// Zero value means 256.
	MaxIDBytes int
	// MaxOperations bounds the operations of a socket; one more is answered with an error. Zero value means 64.
	MaxOperations int
	// MessagesPerSecond and MessageBurst bound how fast a client may send; a faster one is closed with 4429.
	// Zero values mean 50 and 300.
	MessagesPerSecond float64
	MessageBurst      int
	// MaxQueuedMessages and MaxQueuedBytes bound what waits to be written to a socket, but for a single message, which may always wait. A
	// subscription that finds no room is put aside and catches up later. Answers to what was asked before wait all the same, but nothing more is
	// read from the client meanwhile. Zero values mean 256 and 1 MiB.
	MaxQueuedMessages int
	MaxQueuedBytes    int
	// MaxAnswerBytes bounds what may wait even so, but for a single message; an answer that finds no room closes with 1013. Zero value means
	// 16 MiB.
	MaxAnswerBytes int
	// MaxJoiningBytes bounds what waits besides to bring new subscriptions up to date, but for a single message; a snapshot is larger than
	// what follows it, and is shared by all that joined together. Zero value means 64 MiB.
	MaxJoiningBytes int
	// KernelBufferBytes bounds what the kernel holds of a socket and has not sent, which would otherwise grow to some 4 MB for a client
	// that does not read. Zero value means 64 KiB.
	KernelBufferBytes int

	// CheckOrigin tells whether the page that a browser names in Origin may connect. Zero value means that only pages of
	// this host may.
	CheckOrigin func(r *http.Request) bool

	// Init judges connection_init. Payload is nil, or a JSON object, and valid until Init returns. It returns the context for the socket's operations,
	// the scope that stands for what the client may see (graphqlexec.Executor.Subscribe), and when that ends: the socket
	// is then closed with 4403; the zero time means never. An error closes with 4403 at once and is not told to the
	// client. It must return within InitTimeout, at which its context ends. Zero value means that everybody may connect,
	// in one scope, for ever.
	Init func(ctx context.Context, payload json.RawMessage) (_ context.Context, scope string, expires time.Time, _ error)

	// Logger gets panics. Zero value means that they are dropped.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	c.InitTimeout = cmp.Or(c.InitTimeout, 5*time.Second)
	c.PingInterval = cmp.Or(c.PingInterval, 15*time.Second)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 5*time.Second)
	c.CloseTimeout = cmp.Or(c.CloseTimeout, time.Second)
	c.MaxConnections = cmp.Or(c.MaxConnections, 20_000)
	c.MaxMessageBytes = cmp.Or(c.MaxMessageBytes, 64<<10)
	c.MaxIDBytes = cmp.Or(c.MaxIDBytes, 256)
	c.MaxOperations = cmp.Or(c.MaxOperations, 64)
	c.MessagesPerSecond = cmp.Or(c.MessagesPerSecond, 50)
	c.MessageBurst = cmp.Or(c.MessageBurst, 300)
	c.MaxQueuedMessages = cmp.Or(c.MaxQueuedMessages, 256)
	c.MaxQueuedBytes = cmp.Or(c.MaxQueuedBytes, 1<<20)
	c.MaxAnswerBytes = cmp.Or(c.MaxAnswerBytes, 16<<20)
	c.MaxJoiningBytes = cmp.Or(c.MaxJoiningBytes, 64<<20)
	c.KernelBufferBytes = cmp.Or(c.KernelBufferBytes, 64<<10)
	if c.Init == nil {
		c.Init = func(ctx context.Context, _ json.RawMessage) (context.Context, string, time.Time, error) {
			return ctx, "", time.Time{}, nil
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}
