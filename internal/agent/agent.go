// Package agent is what a hive runs: it finds the model servers of this machine, reads what they use and what they do,
// and reports them in heartbeats.
//
// What it promises:
//   - A figure that it could not read is left out; it is never 0 for unknown.
//   - Heartbeats come in their time. Each source is read beside the others with a deadline, and a heartbeat takes the
//     newest figures there are, none older than five heartbeats.
//   - A source that fails is reported as DEGRADED, with the reason; the workers found last are kept. Until the
//     processes were listed for the first time nothing is sent: an empty list would say that there are no workers.
//   - A process of which nothing can be read, because it waits for a disk or a driver and holds the lock of its memory, is
//     told of in the same way, is taken for what it was last, and keeps nothing from being known of the others.
//   - A worker is a process with all its descendants, and is known by pid and start: a recycled pid is never confused
//     with the process before it.
//     Its resident memory is the sum over them, so pages that they share count once for each.
//   - Ollama, and llama-server as a router, load models into runners of their own: each loaded model is a worker named
//     <port>:<model>, with the figures of its runner and the endpoint of the server. With nothing loaded the server is
//     one worker without a model.
//   - A worker that is known not to serve yet, because its port is closed or it says that it is loading, has neither
//     model nor endpoint, so that nobody sends it work.
//   - A vLLM, SGLang or TGI server that was told no port is taken to be at the usual one, unless its own process answers
//     at another one: the ports at which its processes find each other are not for clients.
//   - A server that listens at one address only is reported with that address, one that listens at all of them with the
//     hive's host name.
//   - A server is asked at a loopback address at which it listens; else at the one address at which a socket of it was
//     found. A server in a container with a network of its own is found and measured, but not asked, and has no endpoint,
//     unless Docker's proxy says on its command line that it passes a port of this machine on to it: that port is its
//     endpoint, and the way to ask it. Neither has one of which it cannot be told in which network it is.
package agent

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"waggle/client"
	"waggle/internal/agent/gpu"
)

// Sender delivers heartbeats. [client.Client] is one.
type Sender interface {
	// Heartbeat delivers one heartbeat and returns the server's answer.
	Heartbeat(ctx context.Context, input *client.HeartbeatInput) (*client.HeartbeatPayload, error)
}

var _ Sender = (*client.Client)(nil)

// Config says who reports to whom. Only Sender is required.
type Config struct {
	// Sender delivers the heartbeats.
	Sender Sender
	// HiveID is the id of this hive in the fleet. Empty means the machine's host name in lower case, with a dash for each
	// character that no id may have.
	HiveID string
	// Hostname is the name or address by which others reach this machine; the endpoints of workers that listen at all
	// addresses begin with it. Empty means the machine's host name.
	Hostname string
	// Port of the hive's own interface, 0 to 65535. Zero means that it has none.
	Port int
	// Version of the software, as it is reported. Empty means that it is not told.
	Version string
	// Interval between heartbeats, 100 ms to 60 s; the server can ask for longer ones. Zero means 1 s.
	Interval time.Duration
	// SourceTimeout is how long one source may take: the list of processes, the GPUs, an engine. Zero means 2 s.
	SourceTimeout time.Duration
	// SendTimeout is how long one heartbeat may take. Zero means 3 s.
	SendTimeout time.Duration
	// MaxBackoff is the longest wait after heartbeats that could not be delivered. Zero means 10 s.
	MaxBackoff time.Duration
	// Logger takes what changes; a steady state is silent. Nil means that nothing is logged.
	Logger *slog.Logger
	// ProcRoot is where the proc file system is mounted. Empty means /proc.
	ProcRoot string
	// OpenGPU opens the GPUs. Nil means [gpu.Open].
	OpenGPU func(context.Context) (gpu.Reader, error)
}

const (
	minInterval = 100 * time.Millisecond
	maxInterval = time.Minute
)

// Agent reports one hive. Make it with [New].
type Agent struct {
	cfg         Config
	incarnation string
	survey      *surveyor
	gpus        *gpus
	host        *hostReader
}

// New returns an agent that begins to report when it is run. The error says which part of cfg is wrong.
func New(cfg Config) (*Agent, error) {
	if cfg.Sender == nil {
		return nil, errors.New("there is nobody to send heartbeats to")
	}
	name, err := os.Hostname()
	if err != nil && (cfg.HiveID == "" || cfg.Hostname == "") {
		return nil, fmt.Errorf("cannot tell the machine's host name, so hive id and host name must be given: %w", err)
	}
	cfg.Hostname = cmp.Or(cfg.Hostname, name)
	cfg.HiveID = cmp.Or(cfg.HiveID, mend(strings.ToLower(name), maxHiveID, false), "hive")
	cfg.Interval = cmp.Or(cfg.Interval, time.Second)
	cfg.SourceTimeout = cmp.Or(cfg.SourceTimeout, 2*time.Second)
	cfg.SendTimeout = cmp.Or(cfg.SendTimeout, 3*time.Second)
	cfg.MaxBackoff = cmp.Or(cfg.MaxBackoff, 10*time.Second)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.OpenGPU == nil {
		cfg.OpenGPU = gpu.Open
	}
	if err := CheckHiveID(cfg.HiveID); err != nil {
		return nil, err
	}
	switch {
	case cfg.Port < 0 || cfg.Port > 65535:
		return nil, fmt.Errorf("the port %d is not within 0 to 65535", cfg.Port)
	case cfg.Interval < minInterval || cfg.Interval > maxInterval:
		return nil, fmt.Errorf("the interval %v is not within %v to %v", cfg.Interval, minInterval, maxInterval)
	case cfg.SourceTimeout < 0 || cfg.SendTimeout < 0 || cfg.MaxBackoff < 0:
		return nil, errors.New("a timeout is negative")
	}
	return &Agent{
		cfg:         cfg,
		incarnation: rand.Text(),
		survey:      newSurveyor(cfg.ProcRoot),
		gpus:        &gpus{open: cfg.OpenGPU},
		host:        &hostReader{},
	}, nil
}

// HiveID is the id under which the agent reports.
func (a *Agent) HiveID() string { return a.cfg.HiveID }
