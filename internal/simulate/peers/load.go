package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"waggle/client"
	"waggle/internal/simulate"
)

const (
	connections = 8
	hiveSize    = 8 // workers
	batchSize   = 100
	watchers    = 200
	writes      = 200 // a second, while they watch: more than any peer can deliver to all of them
)

// bodies returns one heartbeat of each hive, as JSON.
func bodies(hives int) ([][]byte, error) {
	fleet := simulate.NewFleet(simulate.FleetConfig{Hives: hives, Workers: hiveSize, Seed: 1})
	all := make([][]byte, hives)
	for i := range all {
		in := fleet.Beat(i, time.Now())
		in.Incarnation, in.Sequence = nil, nil // sent again and again
		data, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		all[i] = data
	}
	return all, nil
}

const heartbeatText = `mutation Heartbeat ($input: HeartbeatInput!) { heartbeat(input: $input) { outcome hiveId revision nextHeartbeatMs warnings } }`
const heartbeatsText = `mutation Heartbeats ($inputs: [HeartbeatInput!]!) { heartbeats(inputs: $inputs) { outcome hiveId revision nextHeartbeatMs warnings } }`
const workersText = `query ($f: WorkerFilter) { workers(filter: $f, first: 5) { nodes { id model endpoint activity gpuUtilizationPercent vramFreeMb } } }`

// operation is the body of a POST; variables is JSON.
func operation(text, variables string) []byte {
	quoted, _ := json.Marshal(text) // a string always can
	return fmt.Appendf(nil, `{"query":%s,"variables":%s}`, quoted, variables)
}

// saturate calls do from so many connections until the time is over. It counts those that succeeded after a little warming up.
func saturate(ctx context.Context, p *process, length time.Duration, do func(ctx context.Context, n int64) error) (figure, error) {
	const warmup = 500 * time.Millisecond
	var n, counted atomic.Int64
	warm := time.Now().Add(warmup)
	var used time.Duration
	var group errgroup.Group
	group.Go(func() error {
		time.Sleep(warmup)
		used = p.cpu()
		return nil
	})
	for range connections {
		group.Go(func() error {
			for time.Since(warm) < length && ctx.Err() == nil {
				if err := do(ctx, n.Add(1)); err != nil {
					return err
				}
				if time.Since(warm) > 0 {
					counted.Add(1)
				}
			}
			return ctx.Err()
		})
	}
	err := group.Wait()
	return rate(counted.Load(), time.Since(warm), p.cpu()-used), err
}

func rate(n int64, elapsed, cpu time.Duration) figure {
	return figure{float64(n) / elapsed.Seconds(), float64(cpu.Microseconds()) / max(float64(n), 1)}
}

// caller posts to one address.
type caller struct {
	url  string
	http *http.Client
}

func newCaller(url string) caller {
	return caller{url, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}, Timeout: 30 * time.Second}}
}

func (c caller) post(ctx context.Context, path string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	return c.do(req)
}

func (c caller) get(ctx context.Context, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, nil)
	if err != nil {
		return err
	}
	return c.do(req)
}

func (c caller) do(req *http.Request) error {
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || bytes.Contains(answer, []byte(`"errors"`)) || bytes.Contains(answer, []byte(`"INVALID"`)) {
		return fmt.Errorf("it answered %d: %.200s", resp.StatusCode, answer)
	}
	return nil
}

// with runs something beside a peer that runs only as long.
func with(ctx context.Context, role, waggle string, do func(p *process) (figure, error)) (figure, error) {
	p, err := startPeer(ctx, role, waggle)
	if err != nil {
		return figure{}, err
	}
	defer p.stop()
	f, err := do(p)
	if err != nil {
		return figure{}, fmt.Errorf("%s: %w", role, err)
	}
	return f, nil
}

func compareHeartbeats(ctx context.Context, waggle string, length time.Duration) ([]row, error) {
	beats, err := bodies(1000)
	if err != nil {
		return nil, err
	}
	single, batches := make([][]byte, len(beats)), make([][]byte, len(beats)/batchSize)
	lists := make([][]byte, len(batches))
	for i, b := range beats {
		single[i] = operation(heartbeatText, `{"input":`+string(b)+`}`)
	}
	for i := range batches {
		lists[i] = append(append([]byte{'['}, bytes.Join(beats[i*batchSize:(i+1)*batchSize], []byte(","))...), ']')
		batches[i] = operation(heartbeatsText, `{"inputs":`+string(lists[i])+`}`)
	}
	cases := []struct {
		what, role, path string
		bodies           [][]byte
		each             float64
	}{
		{"heartbeats of 8 workers", "waggle", "/graphql", single, 1},
		{"heartbeats of 8 workers", "gqlgen", "/graphql", single, 1},
		{"heartbeats of 8 workers", "net/http", "/heartbeat", beats, 1},
		{"heartbeats in batches of 100", "waggle", "/graphql", batches, batchSize},
		{"heartbeats in batches of 100", "net/http", "/heartbeats", lists, batchSize},
	}
	var rows []row
	for _, c := range cases {
		f, err := with(ctx, c.role, waggle, func(p *process) (figure, error) {
			to := newCaller(p.url)
			f, err := saturate(ctx, p, length, func(ctx context.Context, n int64) error { return to.post(ctx, c.path, c.bodies[int(n)%len(c.bodies)]) })
			return figure{f.perSecond * c.each, f.cpuMicros / c.each}, err
		})
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{c.what, c.role, f})
	}
	for _, role := range []string{"etcd", "etcd, no fsync"} {
		f, err := with(ctx, role, waggle, func(p *process) (figure, error) { return puts(ctx, p, length, beats) })
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{"heartbeats of 8 workers", role, f})
	}
	return rows, nil
}

// puts sends heartbeats as etcd would have them: each under its hive's key.
func puts(ctx context.Context, p *process, length time.Duration, beats [][]byte) (figure, error) {
	etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{p.url}, DialTimeout: 5 * time.Second})
	if err != nil {
		return figure{}, err
	}
	defer func() { _ = etcd.Close() }()
	return saturate(ctx, p, length, func(ctx context.Context, n int64) error {
		i := int(n) % len(beats)
		_, err := etcd.Put(ctx, fmt.Sprintf("/hives/%d", i), string(beats[i]))
		return err
	})
}

func compareQueries(ctx context.Context, waggle string, length time.Duration) ([]row, error) {
	const filter = `{"f":{"idle":true,"model":"microsoft/Phi-3.5-mini-instruct","minFreeVramMb":1000}}`
	var rows []row
	for _, hives := range []int{10_000 / hiveSize, 100_000 / hiveSize} {
		beats, err := bodies(hives)
		if err != nil {
			return nil, err
		}
		for _, role := range []string{"waggle", "gqlgen", "net/http"} {
			f, err := with(ctx, role, waggle, func(p *process) (figure, error) {
				to := newCaller(p.url)
				if err := fill(ctx, to, role, beats); err != nil {
					return figure{}, err
				}
				query := operation(workersText, filter)
				return saturate(ctx, p, length, func(ctx context.Context, _ int64) error {
					if role == "net/http" {
						return to.get(ctx, "/workers?idle=true&minFreeVramMb=1000&model="+strings.ReplaceAll("microsoft/Phi-3.5-mini-instruct", "/", "%2F"))
					}
					return to.post(ctx, "/graphql", query)
				})
			})
			if err != nil {
				return nil, err
			}
			rows = append(rows, row{fmt.Sprintf("first 5 of %d workers", hives*hiveSize), role, f})
		}
	}
	return rows, nil
}

// fill sends one heartbeat of each hive.
func fill(ctx context.Context, to caller, role string, beats [][]byte) error {
	var group errgroup.Group
	for part := range connections {
		group.Go(func() error {
			for i := part; i < len(beats); i += connections {
				path, body := "/graphql", operation(heartbeatText, `{"input":`+string(beats[i])+`}`)
				if role == "net/http" {
					path, body = "/heartbeat", beats[i]
				}
				if err := to.post(ctx, path, body); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// errWatch is a watch that ended before it was told to.
var errWatch = errors.New("a watch ended by itself")

// watchText asks for all that a heartbeat carries, so that a delivery is of the size of a heartbeat, as etcd's is.
const watchText = `subscription { changes(intervalMs: 0) { revision workers { id pid model endpoint activity gpuUtilizationPercent vramUsedMb vramTotalMb
	cpuPercent rssMb ioReadMbPerSecond ioWriteMbPerSecond uptimeSeconds requestsRunning requestsQueued } } }`

// compareWatches counts deliveries to dashboards that all follow one hive, while it beats faster than anybody can tell all of them.
func compareWatches(ctx context.Context, waggle string, length time.Duration) ([]row, error) {
	fleet := simulate.NewFleet(simulate.FleetConfig{Hives: 1, Workers: hiveSize, Seed: 1})
	beats := make([][]byte, 100) // different ones, so that each changes something
	for i := range beats {
		in := fleet.Beat(0, time.Now())
		in.Incarnation, in.Sequence = nil, nil
		data, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		beats[i] = data
	}
	live, err := with(ctx, "waggle", waggle, func(p *process) (figure, error) {
		to := newCaller(p.url)
		follow := func(ctx context.Context, delivered func()) error {
			c, err := client.New(client.Config{URL: p.url, Transport: &http.Transport{}})
			if err != nil {
				return err
			}
			for _, err := range client.Watch[ignored](ctx, c, watchText, nil) {
				if err != nil {
					return err
				}
				delivered()
			}
			return errWatch
		}
		return deliveries(ctx, p, length, follow, func(ctx context.Context, n int64) error {
			return to.post(ctx, "/graphql", operation(heartbeatText, `{"input":`+string(beats[int(n)%len(beats)])+`}`))
		})
	})
	if err != nil {
		return nil, err
	}
	watches, err := with(ctx, "etcd, no fsync", waggle, func(p *process) (figure, error) {
		writer, err := clientv3.New(clientv3.Config{Endpoints: []string{p.url}})
		if err != nil {
			return figure{}, err
		}
		defer func() { _ = writer.Close() }()
		follow := func(ctx context.Context, delivered func()) error {
			etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{p.url}})
			if err != nil {
				return err
			}
			defer func() { _ = etcd.Close() }()
			for answer := range etcd.Watch(ctx, "/hives/0", clientv3.WithCreatedNotify()) {
				if answer.Err() != nil {
					return answer.Err()
				}
				delivered() // the first one says that it is set up, as a snapshot does
				for range max(len(answer.Events)-1, 0) {
					delivered()
				}
			}
			return errWatch
		}
		return deliveries(ctx, p, length, follow, func(ctx context.Context, n int64) error {
			_, err := writer.Put(ctx, "/hives/0", string(beats[int(n)%len(beats)]))
			return err
		})
	})
	what := fmt.Sprintf("deliveries to %d dashboards", watchers)
	return []row{{what, "waggle", live}, {what, "etcd, watches", watches}}, err
}

// ignored is an answer that nobody reads.
type ignored struct{}

// UnmarshalJSON implements json.Unmarshaler.
func (*ignored) UnmarshalJSON([]byte) error { return nil }

// deliveries runs the followers, and the writer as soon as all of them stand. A delivery is one state of the hive, whole, at one dashboard.
func deliveries(ctx context.Context, p *process, length time.Duration, follow func(context.Context, func()) error, write func(context.Context, int64) error) (figure, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var group errgroup.Group
	var counted atomic.Int64
	standing := make(chan struct{}, watchers)
	for range watchers {
		group.Go(func() error {
			first := true
			err := follow(ctx, func() {
				if first {
					first = false
					standing <- struct{}{}
				}
				counted.Add(1)
			})
			if ctx.Err() != nil {
				return nil
			}
			return err
		})
	}
	for range watchers {
		select {
		case <-standing:
		case <-time.After(30 * time.Second):
			stop()
			return figure{}, errors.Join(errors.New("not all watches stand within 30 s"), group.Wait())
		}
	}
	before, begin, used := counted.Load(), time.Now(), p.cpu()
	tick := time.NewTicker(time.Second / writes)
	defer tick.Stop()
	var err error
	for n := int64(1); err == nil && time.Since(begin) < length; n++ {
		<-tick.C
		err = write(ctx, n)
	}
	f := rate(counted.Load()-before, time.Since(begin), p.cpu()-used)
	stop()
	return f, errors.Join(err, group.Wait())
}
