package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"waggle/client"
	"waggle/internal/agent/gpu"
)

const (
	// maxLead is how long before a heartbeat its figures are read, at most; a fifth of the interval if that is shorter.
	maxLead = 200 * time.Millisecond
	// staleBeats is how many heartbeats old a figure may be.
	staleBeats = 5
	// quitTimeout is how long [Agent.Run] waits for sources that do not heed their deadline.
	quitTimeout = time.Second
	// maxReason bounds the text of the health reason.
	maxReason = 256
)

// run is the state of one [Agent.Run].
type run struct {
	Config
	incarnation string
	sequence    int
	failures    int           // heartbeats in a row that were not delivered
	cadence     time.Duration // between heartbeats that are delivered

	sources   sync.WaitGroup
	processes *poller[survey]
	gpus      *poller[gpu.Reading]
	gpusTried <-chan struct{} // closed when the first attempt to read the GPUs has ended, well or not
	host      *poller[host]
	questions *questions
	said      map[string]string
}

// Run sends heartbeats until ctx ends, and returns nil then. It must be called once.
func (a *Agent) Run(ctx context.Context) error {
	a.newRun().loop(ctx)
	return nil
}

func (a *Agent) newRun() *run {
	return &run{
		Config:      a.cfg,
		incarnation: a.incarnation,
		cadence:     a.cfg.Interval,
		processes:   newPoller(a.cfg.SourceTimeout, a.survey.look),
		gpus:        newPoller(a.cfg.SourceTimeout, a.gpus.read),
		host:        newPoller(a.cfg.SourceTimeout, a.host.read),
		questions:   newQuestions(a.cfg.SourceTimeout),
		said:        map[string]string{},
	}
}

func (r *run) loop(ctx context.Context) {
	defer r.quit()
	lead := min(maxLead, r.Interval/5)
	due := time.Now().Add(lead)
	for {
		if !wait(ctx, time.Until(due)-lead) {
			return
		}
		r.collect(ctx, lead/2)
		if !wait(ctx, time.Until(due)) {
			return
		}
		began := time.Now()
		next := r.beat(ctx)
		// The next one is counted from when this one began, so that the answer's time does not add up. Figures need
		// their lead, though.
		due = began.Add(next)
		if earliest := time.Now().Add(lead); due.Before(earliest) {
			due = earliest
		}
	}
}

func (r *run) quit() {
	quit := make(chan struct{})
	go func() {
		r.sources.Wait()
		close(quit)
	}()
	select {
	case <-quit:
	case <-time.After(quitTimeout):
	}
	r.questions.close()
}

func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(max(0, d))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}

// collect has all sources read. The engines are asked once the processes are known, or were waited for long enough.
func (r *run) collect(ctx context.Context, patience time.Duration) {
	if tried := r.gpus.kick(ctx, &r.sources); r.gpusTried == nil {
		r.gpusTried = tried
	}
	r.host.kick(ctx, &r.sources)
	looked := r.processes.kick(ctx, &r.sources)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-looked:
	case <-timer.C:
	case <-ctx.Done():
		return
	}
	if found, _, ok := r.processes.newest(); ok {
		r.questions.ask(ctx, &r.sources, found)
	}
}

// beat sends one heartbeat and returns how long after it the next one is due.
func (r *run) beat(ctx context.Context) time.Duration {
	input := r.heartbeat()
	if input == nil {
		return r.Interval
	}
	sending, cancel := context.WithTimeout(ctx, r.SendTimeout)
	defer cancel()
	answer, err := r.Sender.Heartbeat(sending, input)
	switch {
	case ctx.Err() != nil:
		return 0
	case err == nil && answer == nil:
		err = errors.New("the answer is empty")
		fallthrough
	case err != nil:
		r.failures++
		pause := r.backoff()
		r.note("delivery", kindOf(err), func(log *slog.Logger) {
			log.Warn("heartbeats are not delivered", "error", err, "failures", r.failures)
		})
		return pause
	}
	r.take(answer)
	r.cadence = min(maxInterval, max(r.Interval, time.Duration(answer.NextHeartbeatMs)*time.Millisecond))
	return r.cadence
}

// kindOf tells failures apart that an operator would: the texts of network errors differ in port numbers.
func kindOf(err error) string {
	var refused *client.Error
	var status *client.StatusError
	switch {
	case errors.As(err, &refused):
		return "refused " + refused.Code()
	case errors.As(err, &status):
		return "status " + http.StatusText(status.Status)
	}
	return "failed"
}

// backoff doubles with every failure. A random part of up to a half keeps a fleet from coming back in step.
func (r *run) backoff() time.Duration {
	pause := r.MaxBackoff
	if n := r.failures - 1; n < 20 {
		pause = min(pause, r.Interval<<n)
	}
	return pause/2 + rand.N(pause/2+1) //nolint:gosec // it spreads load and guards nothing
}

// take notes what the server answered.
func (r *run) take(answer *client.HeartbeatPayload) {
	failures := r.failures
	r.failures = 0
	r.note("delivery", string(answer.Outcome), func(log *slog.Logger) {
		switch answer.Outcome {
		case client.HeartbeatOutcomeAccepted:
			log.Info("heartbeats are accepted", "hive", r.HiveID, "failures", failures)
		case client.HeartbeatOutcomeConflict:
			log.Error("another agent reports the same hive id; its heartbeats count, these do not", "hive", r.HiveID)
		default:
			log.Warn("heartbeat was not taken in", "outcome", answer.Outcome, "sequence", r.sequence)
		}
	})
	r.note("warnings", strings.Join(answer.Warnings, "; "), func(log *slog.Logger) {
		if len(answer.Warnings) > 0 {
			log.Warn("the server warns", "warnings", answer.Warnings)
		}
	})
}

// heartbeat writes down what is known now; nil when the processes were never listed.
func (r *run) heartbeat() *client.HeartbeatInput {
	now := time.Now()
	fresh := func(at time.Time, ok bool) bool { return ok && now.Sub(at) <= staleBeats*r.cadence }
	gpusTried := ended(r.gpusTried) // Asked before the figures, so that those of the first attempt are not missed.
	found, foundAt, foundOnce := r.processes.newest()
	gpus, gpusAt, gpusOnce := r.gpus.newest()
	host, hostAt, hostOnce := r.host.newest()
	troubles := r.troubles()
	if !foundOnce {
		return nil
	}
	workers, truncated := report{
		hostname:  r.Hostname,
		figures:   fresh(foundAt, foundOnce),
		gpus:      gpus,
		gpusFresh: fresh(gpusAt, gpusOnce),
		answers:   r.questions.answers(staleBeats * r.cadence),
	}.workers(found)
	if truncated {
		troubles = append(troubles, fmt.Sprintf("more than %d workers, the rest is left out", maxWorkers))
	}
	r.noteWorkers(workers)
	r.sequence++
	input := &client.HeartbeatInput{
		Hive: &client.HiveInput{Id: r.HiveID, Hostname: r.Hostname, Port: r.Port, Version: r.Version,
			OperationalStatus: client.OperationalStatusReady, HealthStatus: client.HealthStatusHealthy},
		SentAt:      new(now.UTC()),
		Incarnation: new(r.incarnation),
		Sequence:    new(r.sequence),
		Workers:     workers,
	}
	if gpusTried && hostOnce { // Before that the list would be short; left out, it is left as it is.
		input.Devices = deviceInputs(host, fresh(hostAt, hostOnce), gpus, fresh(gpusAt, gpusOnce))
	}
	if len(troubles) > 0 {
		input.Hive.HealthStatus = client.HealthStatusDegraded
		reason := strings.Join(troubles, "; ")
		input.Hive.HealthReason = new(strings.ToValidUTF8(reason[:min(len(reason), maxReason)], ""))
	}
	return input
}

// ended says whether a channel was closed.
func ended(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// troubles says which sources fail, and logs when that changes.
func (r *run) troubles() []string {
	gpus := r.gpus.failure()
	if gpus == nil {
		reading, _, _ := r.gpus.newest()
		gpus = unreadable(reading)
	}
	processes := r.processes.failure()
	if processes == nil {
		found, _, _ := r.processes.newest()
		processes = found.trouble
	}
	var list []string
	for _, source := range []struct {
		name string
		err  error
	}{{"processes", processes}, {"GPUs", gpus}, {"host", r.host.failure()}} {
		state := "ok"
		if source.err != nil {
			state = source.err.Error()
			list = append(list, source.name+": "+state)
		}
		if _, before := r.said["source "+source.name]; !before && state == "ok" {
			continue
		}
		r.note("source "+source.name, state, func(log *slog.Logger) {
			if source.err != nil {
				log.Warn("a source fails", "source", source.name, "error", source.err)
			} else {
				log.Info("a source works again", "source", source.name)
			}
		})
	}
	return list
}

// noteWorkers logs which workers came, went or serve another model.
func (r *run) noteWorkers(workers []*client.WorkerInput) {
	var names []string
	for _, w := range workers {
		name := w.Group + "/" + w.Instance
		if w.Model != nil {
			name += "=" + *w.Model
		}
		names = append(names, name)
	}
	r.note("workers", strings.Join(names, " "), func(log *slog.Logger) {
		log.Info("workers found", "count", len(names), "workers", names)
	})
}

// note calls say when something is in another state than before.
func (r *run) note(what, state string, say func(*slog.Logger)) {
	if old, ok := r.said[what]; ok && old == state {
		return
	}
	r.said[what] = state
	say(r.Logger)
}
