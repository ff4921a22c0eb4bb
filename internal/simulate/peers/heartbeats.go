package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"waggle/internal/simulate"
	"waggle/internal/simulate/process"
	"waggle/internal/simulate/wire"
)

const (
	hiveSize  = 8 // workers
	batchSize = 100
)

// reports returns what a fleet reports in so many seconds, second by second, as JSON. It may be sent more than once.
func reports(hives, seconds int) [][]byte {
	fleet := simulate.NewFleet(simulate.FleetConfig{Hives: hives, Workers: hiveSize, Seed: 1, Unordered: true})
	all := make([][]byte, 0, hives*seconds)
	for range seconds {
		for i := range hives {
			fleet.Beat(i)
			all = append(all, fleet.AppendInput(nil, i, time.Now()))
		}
	}
	return all
}

// each returns every report within something.
func each(reports [][]byte, within func(report []byte) []byte) [][]byte {
	all := make([][]byte, len(reports))
	for i, r := range reports {
		all[i] = within(r)
	}
	return all
}

func single(report []byte) []byte {
	return wire.AppendOperation(nil, simulate.HeartbeatQuery, fmt.Appendf(nil, `{"input":%s}`, report))
}

// lists puts as many reports as make a batch into one list.
func lists(reports [][]byte) [][]byte {
	all := make([][]byte, 0, len(reports)/batchSize)
	for i := 0; i+batchSize <= len(reports); i += batchSize {
		all = append(all, fmt.Appendf(nil, "[%s]", bytes.Join(reports[i:i+batchSize], []byte(","))))
	}
	return all
}

// posts sends the bodies in turn, each of the goroutines over a connection of its own.
func posts(s *process.Server, path string, bodies [][]byte, count int) func(context.Context, time.Duration) (figure, error) {
	return func(ctx context.Context, length time.Duration) (figure, error) {
		to, err := wire.ParseAddress(s.URL, "")
		if err != nil {
			return figure{}, err
		}
		var requesters [inFlight]*wire.Requester
		for i := range requesters {
			requesters[i] = wire.NewRequester(to.At(path), http.MethodPost)
			defer requesters[i].Close()
		}
		return saturate(ctx, s, length, count, func(ctx context.Context, part, n int) error {
			answer, err := requesters[part].Do(ctx, bodies[(part+n*inFlight)%len(bodies)])
			if err == nil && (bytes.Contains(answer, []byte(`"errors":[`)) || bytes.Contains(answer, []byte(`"INVALID"`))) {
				err = fmt.Errorf("it answered %.200s", answer)
			}
			return err
		})
	}
}

// socketsEach is how many sockets each of the goroutines has in turn: a socket may send 50 messages a second.
const socketsEach = 16

// socketPosts sends heartbeats over sockets that stay open, as agents with a WebSocket would.
func socketPosts(s *process.Server, messages [][]byte) func(context.Context, time.Duration) (figure, error) {
	return func(ctx context.Context, length time.Duration) (figure, error) {
		to, err := wire.ParseAddress(s.URL, "")
		if err != nil {
			return figure{}, err
		}
		var sockets [inFlight][socketsEach]*wire.Socket
		for i := range sockets {
			for j := range sockets[i] {
				if sockets[i][j], err = wire.OpenSocket(ctx, to, 0, 1<<10); err != nil {
					return figure{}, err
				}
				defer sockets[i][j].Close()
			}
		}
		return saturate(ctx, s, length, 1, func(_ context.Context, part, n int) error {
			answer, err := sockets[part][n%socketsEach].Ask(messages[(part+n*inFlight)%len(messages)])
			if err == nil && !bytes.Contains(answer, []byte(`"ACCEPTED"`)) {
				err = fmt.Errorf("it answered %.200s", answer)
			}
			return err
		})
	}
}

func heartbeats(ctx context.Context, b bench) ([]row, error) {
	all := reports(500, 4)
	const overHTTP, overSocket = "waggle, HTTP", "waggle, WebSocket"
	sides := []side{{who: overHTTP}, {who: overSocket}, {who: "gqlgen", against: overHTTP, aim: 1.5}, {who: "net/http", against: overHTTP},
		{who: "etcd", against: overSocket, aim: 3}, {who: "etcd, no fsync", against: overSocket, aim: 3}}
	stop, err := b.serveSides(ctx, sides, "waggle", "waggle", "gqlgen", "net/http", "etcd", "etcd, no fsync")
	defer stop()
	if err != nil {
		return nil, err
	}
	bodies := each(all, single)
	sides[0].do = posts(sides[0].server, "/graphql", bodies, 1)
	sides[1].do = socketPosts(sides[1].server, each(all, func(report []byte) []byte {
		return wire.AppendSubscribe(nil, "1", simulate.HeartbeatQuery, fmt.Appendf(nil, `{"input":%s}`, report))
	}))
	sides[2].do = posts(sides[2].server, "/graphql", bodies, 1)
	sides[3].do = posts(sides[3].server, "/heartbeat", all, 1)
	sides[4].do = puts(sides[4].server, all, 1)
	sides[5].do = puts(sides[5].server, all, 1)
	return b.hold(ctx, fmt.Sprintf("heartbeats of %d workers, %d B", hiveSize, len(all[0])), sides)
}

func batches(ctx context.Context, b bench) ([]row, error) {
	all := reports(500, 4)
	sides := []side{{who: "waggle"}, {who: "net/http", against: "waggle", aim: 0.7}, {who: "etcd", against: "waggle", aim: 3}, {who: "etcd, no fsync", against: "waggle", aim: 3}}
	stop, err := b.serveSides(ctx, sides, "waggle", "net/http", "etcd", "etcd, no fsync")
	defer stop()
	if err != nil {
		return nil, err
	}
	inputs := lists(all)
	sides[0].do = posts(sides[0].server, "/graphql", each(inputs, func(list []byte) []byte {
		return wire.AppendOperation(nil, simulate.HeartbeatsQuery, fmt.Appendf(nil, `{"inputs":%s}`, list))
	}), batchSize)
	sides[1].do = posts(sides[1].server, "/heartbeats", inputs, batchSize)
	sides[2].do = puts(sides[2].server, all, batchSize)
	sides[3].do = puts(sides[3].server, all, batchSize)
	return b.hold(ctx, fmt.Sprintf("the same in batches of %d", batchSize), sides)
}

// serveSides starts a server for each side, one for all sides that follow each other with the same role. Stop stops those that run.
func (b bench) serveSides(ctx context.Context, sides []side, roles ...string) (stop func(), err error) {
	stop = func() {
		for i, s := range sides {
			if s.server != nil && (i == 0 || s.server != sides[i-1].server) {
				s.server.Stop()
			}
		}
	}
	last := ""
	for i, role := range roles {
		if role == last {
			sides[i].server = sides[i-1].server
			continue
		}
		last = role
		if sides[i].server, err = b.serve(ctx, role); err != nil {
			return stop, err
		}
	}
	return stop, nil
}

// puts sends heartbeats as etcd would have them, each under its hive's key, one by one or as many in one transaction. Each of the goroutines has a connection of its
// own, as with posts: hives are machines, and do not share one.
func puts(s *process.Server, reports [][]byte, count int) func(context.Context, time.Duration) (figure, error) {
	keys := make([]string, len(reports))
	for i := range keys {
		keys[i] = fmt.Sprintf("/hives/%d", i%500)
	}
	return func(ctx context.Context, length time.Duration) (figure, error) {
		var clients [inFlight]*clientv3.Client
		for i := range clients {
			etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{s.URL}, DialTimeout: 5 * time.Second})
			if err != nil {
				return figure{}, err
			}
			defer func() { _ = etcd.Close() }()
			clients[i] = etcd
		}
		return saturate(ctx, s, length, count, func(ctx context.Context, part, n int) error {
			etcd := clients[part]
			i := (part + n*inFlight) * count % len(reports)
			if count == 1 {
				_, err := etcd.Put(ctx, keys[i], string(reports[i]))
				return err
			}
			ops := make([]clientv3.Op, count)
			for j := range ops {
				ops[j] = clientv3.OpPut(keys[i+j], string(reports[i+j]))
			}
			_, err := etcd.Txn(ctx).Then(ops...).Commit()
			return err
		})
	}
}
