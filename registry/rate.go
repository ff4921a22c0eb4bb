package registry

import (
	"sync"
	"time"
)

// rateWindow is how many past seconds a rate is averaged over.
const rateWindow = 10

// rate counts events by the second.
type rate struct {
	start time.Time // seconds are counted from here, so that the wall clock may jump

	mu      sync.Mutex
	second  int64                 // of the newest bucket; the first is 1
	first   int64                 // of the first event ever; 0 before it
	buckets [rateWindow + 1]int64 // the newest is not complete yet
}

func (r *rate) count(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advance(now)
	if r.first == 0 {
		r.first = r.second
	}
	r.buckets[r.second%int64(len(r.buckets))]++
}

// perSecond averages over the last ten complete seconds, or over those there were since the first event.
func (r *rate) perSecond(now time.Time) float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advance(now)
	seconds := min(r.second-r.first, rateWindow)
	if r.first == 0 || seconds <= 0 {
		return 0
	}
	sum := int64(0)
	for s := r.second - seconds; s < r.second; s++ {
		sum += r.buckets[s%int64(len(r.buckets))]
	}
	return float64(sum) / float64(seconds)
}

func (r *rate) advance(now time.Time) {
	second := int64(now.Sub(r.start)/time.Second) + 1
	for n := 0; r.second < second && n < len(r.buckets); n++ {
		r.second++
		r.buckets[r.second%int64(len(r.buckets))] = 0
	}
	r.second = max(r.second, second)
}
