package simulate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"waggle/client"
	"waggle/internal/simulate/wire"
)

// Question is what schedulers ask for each decision.
type Question string

// The questions of schedulers.
const (
	// AskBest is bestWorker.
	AskBest Question = "best"
	// AskWorkers is workers(filter: {idle, model, minFreeVramMb}, first: 5).
	AskWorkers Question = "workers"
	// AskBoth is one and the other, in turn.
	AskBoth Question = "both"
)

// BestQuery and WorkersQuery are what schedulers ask, with variables model and free.
const (
	BestQuery    = `query best($model: String!, $free: Int) { bestWorker(model: $model, minFreeVramMb: $free) { id hiveId endpoint model vramFreeMb requestsQueued } }`
	WorkersQuery = `query workers($model: String!, $free: Int) { workers(filter: {idle: true, model: $model, minFreeVramMb: $free}, first: 5) {
		nodes { id model endpoint activity gpuUtilizationPercent vramFreeMb } } }`
)

// wanted is what schedulers ask for, in turn: each model as often as it is popular.
func wanted() []string {
	var names []string
	for _, m := range models() {
		for range (m.weight + 2) / 3 {
			names = append(names, m.name)
		}
	}
	return names
}

// questions returns the bodies of the requests of schedulers, in turn.
func (q Question) questions() [][]byte {
	var bodies [][]byte
	for _, name := range wanted() {
		variables := fmt.Appendf(nil, `{"model":%q,"free":1000}`, name)
		if q != AskWorkers {
			bodies = append(bodies, wire.AppendOperation(nil, BestQuery, variables))
		}
		if q != AskBest {
			bodies = append(bodies, wire.AppendOperation(nil, WorkersQuery, variables))
		}
	}
	return bodies
}

// schedule is one scheduler that asks the server for each decision.
func (l *Load) schedule(ctx context.Context, number int) {
	r := wire.NewRequester(l.server, http.MethodPost)
	defer r.Close()
	bodies := l.cfg.Ask.questions()
	for i := number; ctx.Err() == nil; i++ {
		begin := time.Now()
		answer, err := r.Do(ctx, bodies[i%len(bodies)])
		if err == nil && bytes.Contains(answer, []byte(`"errors":[`)) {
			err = fmt.Errorf("the server answered %.200s", answer)
		}
		switch {
		case ctx.Err() != nil:
		case err != nil:
			l.queries.fail(1, err)
			_ = until(ctx, begin.Add(100*time.Millisecond))
		default:
			l.queries.record(time.Since(begin), 1)
		}
	}
}

// newClient returns a client with connections of its own.
func (l *Load) newClient() *client.Client {
	c, err := client.New(client.Config{URL: l.cfg.Server, Token: l.cfg.Token, Transport: &http.Transport{}, Linger: time.Minute})
	if err != nil {
		panic(err) // Start parsed the address
	}
	return c
}

// mirror is one scheduler that keeps a mirror. It decides a thousand times in a row, and then leaves the processor to the others.
func (l *Load) mirror(ctx context.Context, number int) {
	c := l.newClient()
	defer c.CloseIdle()
	m := client.NewMirror(c, client.MirrorConfig{Interval: l.cfg.MirrorInterval, OnChange: func(ch client.Change) {
		if w := ch.NewWorker; w != nil && w.ID == probeWorker {
			if sent, ok := l.probes.sentAt(w.RequestsRunning.Or(-1)); ok {
				l.lag.record(time.Since(sent), 1)
			}
		}
	}})
	ended := make(chan error, 1)
	begin := time.Now()
	go func() { ended <- m.Run(ctx) }()
	select {
	case <-m.Ready():
		l.ready.record(time.Since(begin), 1)
	case err := <-ended:
		l.mirrorEnded(ctx, err)
		return
	}
	names := wanted()
	const sample = 1000
	for i := number; until(ctx, time.Now().Add(10*time.Millisecond)) == nil; i++ {
		select {
		case err := <-ended: // It would go on deciding by what it was told last.
			l.mirrorEnded(ctx, err)
			return
		default:
		}
		begin := time.Now()
		for j := range sample {
			m.Best(names[(i+j)%len(names)], 1000)
		}
		l.decisions.record(time.Since(begin)/sample, sample)
	}
	l.mirrorEnded(ctx, <-ended)
}

func (l *Load) mirrorEnded(ctx context.Context, err error) {
	if ctx.Err() == nil && !errors.Is(err, context.Canceled) {
		l.decisions.fail(1, err)
	}
}
