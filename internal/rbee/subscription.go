package rbee

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/tmaxmax/go-sse"
	"golang.org/x/time/rate"

	"waggle/registry"
)

// subscription follows the event stream of one hive, and connects again when it breaks off.
type subscription struct {
	announcement
	door   *Door
	log    *slog.Logger
	client *http.Client
	limit  *rate.Limiter
	again  chan struct{} // the hive announced itself again; holds one
	cancel context.CancelFunc
	done   chan struct{} // closed when it has ended

	told    map[string]bool // what was already logged; only follow touches it
	devices chan []registry.Device
}

func newSubscription(d *Door, a announcement) *subscription {
	return &subscription{
		announcement: a,
		door:         d,
		log:          d.log.With("hive", a.hiveID),
		client:       d.guard.client(a.peer),
		limit:        rate.NewLimiter(eventsPerSecond, eventBurst),
		again:        make(chan struct{}, 1),
		done:         make(chan struct{}),
		told:         map[string]bool{},
		devices:      make(chan []registry.Device, 1),
	}
}

// same reports whether an announcement asks for what is already followed.
func (s *subscription) same(a announcement, peerCounts bool) bool {
	return s.url.String() == a.url.String() && (!peerCounts || s.peer == a.peer)
}

// nudge tells that the hive announced itself again: one that was out of reach is worth an attempt at once.
func (s *subscription) nudge() {
	select {
	case s.again <- struct{}{}:
	default:
	}
}

func (s *subscription) nudged() bool {
	select {
	case <-s.again:
		return true
	default:
		return false
	}
}

// follow keeps the subscription up until ctx ends, or until nothing was heard for too long.
func (s *subscription) follow(ctx context.Context) {
	var wait backoff
	var failing bool
	heardAt := time.Now()
	for {
		began := time.Now()
		heard, err := s.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		if !heard.IsZero() {
			heardAt, failing = heard, false
			wait.reset()
		}
		if !failing {
			failing = true // once for each time it breaks off
			s.log.Warn("hive stream is not heard", "url", s.url.String(), "error", err)
		}
		patience := time.Until(heardAt.Add(s.door.cfg.ForgetAfter))
		if patience <= 0 {
			s.log.Warn("hive was given up: it must announce itself again", "url", s.url.String(), "error", err)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(min(wait.next(), patience)):
		case <-s.again:
			heardAt = time.Now()
			wait.reset()
			pause(ctx, time.Until(began.Add(shortestBackoff)))
		}
	}
}

// pause sleeps, but not past the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// backoff yields growing, jittered waits from shortestBackoff to longestBackoff. The jitter keeps hives that broke off together
// from coming back together.
type backoff struct{ attempts int }

func (b *backoff) reset() { b.attempts = 0 }

func (b *backoff) next() time.Duration {
	most := min(2*shortestBackoff<<min(b.attempts, 16), longestBackoff)
	b.attempts++
	return most/2 + rand.N(most/2+1) //nolint:gosec // nothing secret
}

// Why a stream is given up.
var (
	errNoConnection = fmt.Errorf("no answer within %s", connectTimeout)
	errSilent       = fmt.Errorf("no heartbeat within %s", idleTimeout)
	errEnded        = errors.New("the hive ended the stream")
)

// listen connects once and takes in heartbeats until the stream ends. It returns when the last one was accepted; zero if none was.
func (s *subscription) listen(ctx context.Context) (heard time.Time, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel(nil)
	late := time.AfterFunc(connectTimeout, func() { cancel(errNoConnection) })
	defer late.Stop()

	resp, err := s.open(ctx)
	if err != nil {
		return heard, because(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	late.Stop()
	silent := time.AfterFunc(idleTimeout, func() { cancel(errSilent) })
	defer silent.Stop()

	for event, broken := range sse.Read(resp.Body, &sse.ReadConfig{MaxEventSize: maxBody}) {
		if broken != nil {
			return heard, because(ctx, broken)
		}
		if s.limit.Wait(ctx) != nil {
			return heard, context.Cause(ctx)
		}
		if !s.take(event.Data) {
			continue
		}
		if silent.Reset(idleTimeout); heard.IsZero() {
			defer s.door.roster.hears(s.url.Host)()
			s.log.Info("hive stream is heard", "url", s.url.String())
			asking.Go(func() { s.askForDevices(ctx) })
		}
		heard = time.Now()
	}
	return heard, because(ctx, errEnded)
}

// because returns why ctx was cancelled, if it was, since everything fails then.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// open requests the hive's event stream.
func (s *subscription) open(ctx context.Context) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url.JoinPath("v1/heartbeats/stream").String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := s.client.Do(req)
	if err != nil {
		if u := (*url.Error)(nil); errors.As(err, &u) {
			err = u.Err // the URL is logged anyway
		}
		return nil, err
	}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.StatusCode != http.StatusOK:
		err = fmt.Errorf("the hive answered %d", resp.StatusCode)
	case media != "text/event-stream":
		err = errors.New("the hive answered with something else than an event stream")
	default:
		return resp, nil
	}
	_ = resp.Body.Close()
	return nil, err
}

// askForDevices asks the hive what it can compute on, which its stream does not tell.
func (s *subscription) askForDevices(ctx context.Context) {
	devices, err := capabilities(ctx, s.client, s.url, "")
	if err != nil {
		s.log.Debug("hive did not tell its devices", "error", err)
		return
	}
	select {
	case s.devices <- devices:
	case <-ctx.Done():
	}
}

// take hands one event of the stream to the registry, and reports whether it was accepted.
func (s *subscription) take(data string) bool {
	e, err := readEvent([]byte(data), int32(s.door.cfg.AssumeVRAMMB))
	switch {
	case err != nil:
	case e.hiveID != s.hiveID:
		err = errors.New("the hive behind this address is another one than was announced")
	default:
		err = s.apply(e, data)
	}
	if err != nil {
		s.door.stats.eventsRefused.Add(1)
		s.tellOnce("an event that was not taken", err)
		return false
	}
	if e.dropped > 0 {
		s.door.stats.workersDropped.Add(int64(e.dropped))
		s.tellOnce("malformed workers, which were left out", e.why)
	}
	s.door.stats.pulled.Add(1)
	return true
}

// apply hands an event to the registry. What the registry refuses is left out, as far as it is about workers and not about the hive:
// the stream goes on, and the rest is worth having.
func (s *subscription) apply(e *event, data string) error {
	err := s.offer(e)
	if invalid := (*registry.InvalidError)(nil); !errors.As(err, &invalid) {
		return err
	}
	// The registry owns what it was given, even when it refuses it.
	again, _ := readEvent([]byte(data), int32(s.door.cfg.AssumeVRAMMB))
	again.devices = e.devices
	again.leaveOut()
	*e = *again
	return s.offer(e)
}

func (s *subscription) offer(e *event) error {
	hb := &registry.Heartbeat{Hive: e.hive, SentAt: e.sentAt, Workers: e.workers}
	// The address at which it was reached is worth more than what it says of itself, which is always 127.0.0.1.
	report := s.report()
	hb.Hive.ID, hb.Hive.Hostname, hb.Hive.Port = report.ID, report.Hostname, report.Port
	select {
	case e.devices = <-s.devices:
	default:
	}
	hb.Devices = e.devices
	giveEndpoints(hb)
	terms, err := s.door.reg.Apply(hb)
	if err == nil && terms.Outcome == registry.Conflict {
		return errors.New("another agent has this hive's id and is alive")
	}
	return err
}

// tellOnce logs what may come with every event. From then on it is only counted.
func (s *subscription) tellOnce(what string, err error) {
	if !s.told[what] {
		s.told[what] = true
		s.log.Warn("hive sends something wrong, told once", "what", what, "error", err)
	}
}
