package simulate

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// meter counts what happened and how long it took. Any goroutine may use it.
type meter struct {
	missed atomic.Int64 // what could not even be tried in time
	done   atomic.Int64
	failed atomic.Int64

	mu        sync.Mutex // guards what follows
	latencies *hdrhistogram.Histogram
	lastError error
}

// longest is the longest time that is told from others.
const longest = 5 * time.Minute

func newMeter() *meter {
	return &meter{latencies: hdrhistogram.New(1, longest.Nanoseconds(), 3)}
}

// record counts n things that took so long, together or each.
func (m *meter) record(took time.Duration, n int64) {
	m.done.Add(n)
	m.took(took)
}

// took notes how long something took that is counted elsewhere.
func (m *meter) took(took time.Duration) {
	ns := min(max(took.Nanoseconds(), 1), longest.Nanoseconds())
	m.mu.Lock()
	defer m.mu.Unlock()
	_ = m.latencies.RecordValue(ns) // cannot fail within the bounds
}

func (m *meter) fail(n int64, err error) {
	m.failed.Add(n)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lastError = err
}

// reset forgets what was measured so far, as the warm-up.
func (m *meter) reset() {
	m.missed.Store(0)
	m.done.Store(0)
	m.failed.Store(0)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.latencies.Reset()
	m.lastError = nil
}

// Figures is what was measured of one kind of thing.
type Figures struct {
	// Done is how many succeeded.
	Done int64 `json:"done"`
	// Failed is how many did not.
	Failed int64 `json:"failed"`
	// Missed is how many were not even tried, for the one before took too long.
	Missed int64 `json:"missed"`
	// PerSecond is how many succeeded in a second.
	PerSecond float64 `json:"perSecond"`
	// P50MS, P90MS, P99MS, P999MS and MaxMS are percentiles of how long it took, in milliseconds.
	P50MS  float64 `json:"p50Ms"`
	P90MS  float64 `json:"p90Ms"`
	P99MS  float64 `json:"p99Ms"`
	P999MS float64 `json:"p999Ms"`
	MaxMS  float64 `json:"maxMs"`
	// LastError is the last reason for a failure; empty when there was none.
	LastError string `json:"lastError,omitempty"`
}

func (m *meter) figures(elapsed time.Duration) *Figures {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := func(percent float64) float64 { return float64(m.latencies.ValueAtQuantile(percent)) / 1e6 }
	f := &Figures{Done: m.done.Load(), Failed: m.failed.Load(), Missed: m.missed.Load(),
		P50MS: at(50), P90MS: at(90), P99MS: at(99), P999MS: at(99.9), MaxMS: float64(m.latencies.Max()) / 1e6}
	f.PerSecond = float64(f.Done) / max(elapsed.Seconds(), 1e-9)
	if m.lastError != nil {
		f.LastError = m.lastError.Error()
	}
	return f
}
