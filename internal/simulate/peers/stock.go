package main

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/vektah/gqlparser/v2/ast"

	"waggle/internal/simulate/peers/stock"
)

//go:generate go run github.com/99designs/gqlgen@v0.17.98 generate

// stockServer is Waggle's schema as one would write a server for it at first: gqlgen's own handler and models, a map under a lock, and queries
// that look at every worker. Only what is measured is there.
type stockServer struct {
	mu    sync.RWMutex // guards hives
	hives map[string]*stock.Hive
}

func newStock() http.Handler {
	s := &stockServer{hives: map[string]*stock.Hive{}}
	h := handler.New(stock.NewExecutableSchema(stock.Config{Resolvers: s}))
	h.AddTransport(transport.POST{})
	h.SetQueryCache(lru.New[*ast.QueryDocument](1000))
	return h
}

// Query implements stock.ResolverRoot.
func (s *stockServer) Query() stock.QueryResolver { return stockQuery{nil, s} }

// Mutation implements stock.ResolverRoot.
func (s *stockServer) Mutation() stock.MutationResolver { return stockMutation{nil, s} }

// Subscription implements stock.ResolverRoot.
func (*stockServer) Subscription() stock.SubscriptionResolver { return nil }

type stockQuery struct {
	stock.QueryResolver
	server *stockServer
}

// Workers scans.
func (q stockQuery) Workers(_ context.Context, f *stock.WorkerFilter, _ *stock.WorkerOrder, first, _ int) (*stock.WorkerPage, error) {
	page := &stock.WorkerPage{}
	q.server.mu.RLock()
	defer q.server.mu.RUnlock()
	for _, h := range q.server.hives {
		for _, w := range h.Workers {
			if len(page.Nodes) < first && chosen(f, w) {
				page.Nodes = append(page.Nodes, w)
			}
		}
	}
	return page, nil
}

// chosen knows the fields that are measured.
func chosen(f *stock.WorkerFilter, w *stock.Worker) bool {
	return (f.Idle == nil || *f.Idle == (w.Activity == stock.ActivityIdle)) &&
		(f.Model == nil || w.Model != nil && *f.Model == *w.Model) &&
		(f.MinFreeVramMb == nil || w.VramFreeMb != nil && *w.VramFreeMb >= *f.MinFreeVramMb)
}

type stockMutation struct {
	stock.MutationResolver
	server *stockServer
}

// Heartbeat replaces the hive.
func (m stockMutation) Heartbeat(_ context.Context, in stock.HeartbeatInput) (*stock.HeartbeatPayload, error) {
	h := &stock.Hive{ID: in.Hive.ID, Hostname: in.Hive.Hostname, Port: in.Hive.Port, Available: true, LastSeenAt: time.Now()}
	for _, r := range in.Workers {
		w := &stock.Worker{ID: h.ID + "/" + r.Group + "/" + r.Instance, HiveID: h.ID, Hive: h, Group: r.Group, Instance: r.Instance, Pid: r.Pid,
			Model: r.Model, Endpoint: r.Endpoint, Activity: stock.ActivityIdle, GpuUtilizationPercent: r.GpuUtilizationPercent,
			VramUsedMb: r.VramUsedMb, VramTotalMb: r.VramTotalMb, CPUPercent: r.CPUPercent, RssMb: r.RssMb, IoReadMbPerSecond: r.IoReadMbPerSecond,
			IoWriteMbPerSecond: r.IoWriteMbPerSecond, UptimeSeconds: r.UptimeSeconds, RequestsRunning: r.RequestsRunning, RequestsQueued: r.RequestsQueued}
		if r.GpuUtilizationPercent != nil && *r.GpuUtilizationPercent > 0 {
			w.Activity = stock.ActivityBusy
		}
		if r.VramTotalMb != nil && r.VramUsedMb != nil {
			free := *r.VramTotalMb - *r.VramUsedMb
			w.VramFreeMb = &free
		}
		h.Workers = append(h.Workers, w)
	}
	m.server.mu.Lock()
	defer m.server.mu.Unlock()
	m.server.hives[h.ID] = h
	return &stock.HeartbeatPayload{Outcome: stock.HeartbeatOutcomeAccepted, HiveID: h.ID, Revision: "stock.1", NextHeartbeatMs: 1000, Warnings: []string{}}, nil
}
