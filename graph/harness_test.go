package graph_test

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/go-cmp/cmp"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"waggle/graph"
	"waggle/internal/graphqlexec"
	"waggle/registry"
)

// api is the schema over a registry, executed as the server executes it.
type api struct {
	reg  *registry.TelemetryRegistry
	exec *graphqlexec.Executor
}

func newAPI(cfg registry.Config) *api {
	return apiOf(cfg, func(r *graph.Resolver) graphql.ExecutableSchema { return graph.NewSchema(r) })
}

// newGeneratedAPI is newAPI without compiled selections.
func newGeneratedAPI(cfg registry.Config) *api {
	return apiOf(cfg, func(r *graph.Resolver) graphql.ExecutableSchema {
		return graph.NewExecutableSchema(graph.Config{Resolvers: r})
	})
}

func apiOf(cfg registry.Config, schema func(*graph.Resolver) graphql.ExecutableSchema) *api {
	reg := registry.New(cfg)
	resolver := &graph.Resolver{Registry: reg, Version: "test"}
	return &api{reg, graphqlexec.New(schema(resolver), graphqlexec.Config{
		Introspection: func(context.Context) bool { return true },
		Code:          graph.ErrorCode,
		Begin:         resolver.Begin,
		Inputs:        graph.Inputs(),
	})}
}

// eachWay runs a test in a bubble, with compiled selections and without.
func eachWay(t *testing.T, test func(t *testing.T, newAPI func(registry.Config) *api)) {
	t.Helper()
	t.Run("compiled", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { test(t, newAPI) }) })
	t.Run("generated", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { test(t, newGeneratedAPI) }) })
}

func (a *api) prepare(t testing.TB, query string, vars any) (*graphqlexec.Operation, gqlerror.List) {
	t.Helper()
	request, err := json.Marshal(map[string]any{"query": query, "variables": vars})
	if err != nil {
		t.Fatal(err)
	}
	prepare := func() (*graphqlexec.Operation, gqlerror.List) {
		params, err := a.exec.DecodeParams(request)
		if err != nil {
			t.Fatal(err)
		}
		return a.exec.Prepare(t.Context(), params)
	}
	_, first := prepare()
	op, errs := prepare() // The document is known now, so heartbeats are read before it is looked at.
	if diff := cmp.Diff(first.Error(), errs.Error()); diff != "" {
		t.Errorf("the same request was judged otherwise the second time:\n%s", diff)
	}
	return op, errs
}

// ask returns the response as a client sees it, but for the epoch, which is random.
func (a *api) ask(t testing.TB, query string, vars any) string {
	t.Helper()
	op, errs := a.prepare(t, query, vars)
	resp := &graphql.Response{Errors: errs}
	if len(errs) == 0 {
		resp = a.exec.Execute(t.Context(), op)
	}
	b, err := graphqlexec.AppendResponse(nil, resp)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), a.reg.Epoch(), "EPOCH")
}

func (a *api) apply(t testing.TB, hb *registry.Heartbeat) {
	t.Helper()
	if terms, err := a.reg.Apply(hb); err != nil || terms.Outcome != registry.Accepted {
		t.Fatal(terms, err)
	}
}

// heartbeat is one of a hive with workers llm/0, llm/1 … whose GPUs are so busy.
func heartbeat(id string, gpus ...float64) *registry.Heartbeat {
	hb := &registry.Heartbeat{Hive: registry.HiveReport{ID: id, Hostname: "host-" + id, Port: 7835}}
	for i, gpu := range gpus {
		hb.Workers = append(hb.Workers, registry.WorkerReport{
			Group: "llm", Instance: strconv.Itoa(i), Model: "llama",
			Telemetry: registry.Telemetry{GPUUtilizationPercent: registry.Float(gpu), VRAMUsedMB: registry.Int(100), VRAMTotalMB: registry.Int(1000)},
		})
	}
	return hb
}

// subscriber is what a transport is to the executor, with the messages it was given.
type subscriber struct {
	t   *testing.T
	api *api
	sub *graphqlexec.Subscription

	mu       sync.Mutex
	messages []message
	full     bool // takes nothing
	most     int  // is full with so many messages; 0: never
	refused  bool // was offered something while full
	errs     gqlerror.List
	ended    bool
}

type message struct {
	at   time.Time
	data string
}

func (s *subscriber) Next(m *graphqlexec.Message) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = s.full || s.most > 0 && len(s.messages) >= s.most
	if s.full {
		s.refused = true
		return false
	}
	s.messages = append(s.messages, message{time.Now(), string(m.Response())})
	return true
}

func (s *subscriber) Error(errs gqlerror.List) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs, s.ended = errs, true
}

func (s *subscriber) Complete() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}

// subscribe starts a subscription, which ends with the test.
func (a *api) subscribe(t *testing.T, query string, vars any) *subscriber {
	t.Helper()
	return a.subscribeSlow(t, query, vars, 0)
}

// subscribeSlow is subscribe for one that is full with so many messages.
func (a *api) subscribeSlow(t *testing.T, query string, vars any, most int) *subscriber {
	t.Helper()
	op, errs := a.prepare(t, query, vars)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	s := &subscriber{t: t, api: a, most: most}
	if s.sub, errs = a.exec.Subscribe(t.Context(), op, "", s); len(errs) > 0 {
		t.Fatal(errs)
	}
	t.Cleanup(func() { s.sub.Leave() })
	synctest.Wait()
	return s
}

// take returns what came since the last take, the epoch written as EPOCH.
func (s *subscriber) take() []message {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.messages
	s.messages = nil
	for i := range got {
		got[i].data = strings.ReplaceAll(got[i].data, s.api.reg.Epoch(), "EPOCH")
	}
	return got
}

// expect fails unless exactly these messages came since the last take.
func (s *subscriber) expect(want ...string) {
	s.t.Helper()
	got := s.take()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			s.t.Errorf("message %d is missing: %s", i, want[i])
		case i >= len(want):
			s.t.Errorf("unexpected message %d: %s", i, got[i].data)
		case got[i].data != want[i]:
			s.t.Errorf("message %d\n got %s\nwant %s", i, got[i].data, want[i])
		}
	}
}

func (s *subscriber) setFull(full bool) {
	s.mu.Lock()
	s.full = full
	refused := s.refused
	s.refused = s.refused && full
	s.mu.Unlock()
	if !full && refused {
		s.sub.CatchUp()
	}
}
