package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protowire"

	"waggle/internal/simulate/process"
	"waggle/internal/simulate/wire"
)

// watchers are dashboards, each with a connection of its own, that all follow one hive.
const watchers = 1000

// watchQuery asks for all that a heartbeat carries, so that a delivery is of the size of a heartbeat, as etcd's is.
const watchQuery = `subscription { changes(intervalMs: 0) { revision
	hives { id hostname port version operationalStatus health { status reason } devices { id name kind memoryTotalMb memoryUsedMb utilizationPercent temperatureCelsius powerWatts computeCapability } }
	workers { group instance pid model endpoint gpuUtilizationPercent vramUsedMb vramTotalMb cpuPercent rssMb ioReadMbPerSecond ioWriteMbPerSecond
		uptimeSeconds requestsRunning requestsQueued } } }`

// errWatch is a watch that ended before it was told to.
var errWatch = errors.New("a watch ended by itself")

// audience is a server's dashboards, and how to tell it what they follow.
type audience struct {
	server    *process.Server
	follow    func(ctx context.Context, delivered *atomic.Int64) error // one dashboard; the first delivery says that it stands
	write     func(ctx context.Context, part, n int) error
	delivered atomic.Int64
	rate      int // writes a second that bring the most deliveries
}

// watches counts deliveries. A delivery is one state of the hive, whole, at one dashboard.
func watches(ctx context.Context, b bench) ([]row, error) {
	const ours = "waggle, gathered for 50 ms"
	sides := []side{{who: ours}, {who: "etcd, no fsync", against: ours, aim: 5}, {who: "waggle, at once", against: ours}}
	stop, err := b.serveSides(ctx, sides, "waggle", "etcd, no fsync", "waggle")
	defer stop()
	if err != nil {
		return nil, err
	}
	all := reports(1, 100) // different ones, so that each changes something
	writer, err := clientv3.New(clientv3.Config{Endpoints: []string{sides[1].server.URL}})
	if err != nil {
		return nil, err
	}
	defer func() { _ = writer.Close() }()
	audiences := []*audience{waggleAudience(sides[0].server, all, 50*time.Millisecond), etcdAudience(sides[1].server, writer, all), waggleAudience(sides[2].server, all, 0)}
	ctx, cancel := context.WithCancel(ctx)
	group, ctx := errgroup.WithContext(ctx)
	rows, err := b.perform(ctx, group, sides, audiences)
	cancel()
	return rows, errors.Join(err, group.Wait())
}

// perform lets the dashboards stand, and measures.
func (b bench) perform(ctx context.Context, group *errgroup.Group, sides []side, audiences []*audience) ([]row, error) {
	for i, a := range audiences {
		if err := a.gather(ctx, group); err != nil {
			return nil, fmt.Errorf("%s: %w", sides[i].who, err)
		}
		sides[i].do, sides[i].prepare = a.round, a.calibrate
	}
	return b.hold(ctx, fmt.Sprintf("deliveries to %d dashboards", watchers), sides)
}

// gather starts the dashboards and waits until all of them stand.
func (a *audience) gather(ctx context.Context, group *errgroup.Group) error {
	const together, patience = 50, 30 * time.Second
	begin := time.Now()
	for standing := 0; standing < watchers; standing += together {
		for range together {
			group.Go(func() error {
				if err := a.follow(ctx, &a.delivered); ctx.Err() == nil {
					return err
				}
				return nil
			})
		}
		for a.delivered.Load() < int64(standing+together) {
			if err := wait(ctx, 5*time.Millisecond); err != nil {
				return err
			}
			if time.Since(begin) > patience {
				return fmt.Errorf("%d of %d dashboards stand after %s", a.delivered.Load(), watchers, patience)
			}
		}
	}
	return nil
}

// calibrate finds, the first time, at how many writes a second there are the most deliveries: too few leave the server idle, and too many keep it from
// delivering.
func (a *audience) calibrate(ctx context.Context) error {
	if a.rate > 0 {
		return nil
	}
	best := 0.0
	for rate := 25; rate <= 1600; rate *= 2 {
		f, err := a.at(ctx, rate, 500*time.Millisecond)
		if err != nil {
			return err
		}
		if f.perSecond > best {
			best, a.rate = f.perSecond, rate
		}
		if f.perSecond < float64(rate*watchers)/2 { // What waits by now has to be delivered, too, before others can be measured.
			break
		}
	}
	return nil
}

func (a *audience) round(ctx context.Context, length time.Duration) (figure, error) {
	return a.at(ctx, a.rate, length)
}

// writers are how many writes may be under way at the same time.
const writers = 8

// at counts what is delivered at so many writes a second, and waits until the last of them was.
func (a *audience) at(ctx context.Context, rate int, length time.Duration) (figure, error) {
	const warmup = 200 * time.Millisecond
	group, writing := errgroup.WithContext(ctx)
	end := time.Now().Add(warmup + length)
	for part := range writers {
		group.Go(func() error {
			// Evenly, and not all at once: Waggle would make one state of what comes together.
			if err := wait(writing, time.Second*time.Duration(part)/time.Duration(rate)); err != nil {
				return nil // the other one's is told
			}
			tick := time.NewTicker(time.Second * writers / time.Duration(rate))
			defer tick.Stop()
			for n := part; time.Now().Before(end); n += writers {
				if err := a.write(ctx, part, n); err != nil {
					return err
				}
				select {
				case <-writing.Done():
					return nil
				case <-tick.C:
				}
			}
			return nil
		})
	}
	err := wait(writing, warmup)
	before, m := a.delivered.Load(), startMeter(a.server)
	err = errors.Join(err, wait(writing, length))
	f := m.stop(a.delivered.Load() - before)
	return f, errors.Join(err, group.Wait(), a.settle(ctx))
}

// settle waits until nothing more is delivered.
func (a *audience) settle(ctx context.Context) error {
	for last := int64(-1); a.delivered.Load() != last; {
		last = a.delivered.Load()
		if err := wait(ctx, 150*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func waggleAudience(s *process.Server, reports [][]byte, gather time.Duration) *audience {
	to, err := wire.ParseAddress(s.URL, "")
	bodies := each(reports, single)
	var requesters [writers]*wire.Requester
	for i := range requesters {
		requesters[i] = wire.NewRequester(to, http.MethodPost)
	}
	a := &audience{server: s, write: func(ctx context.Context, part, n int) error {
		answer, err := requesters[part].Do(ctx, bodies[n%len(bodies)])
		if err == nil && !bytes.Contains(answer, []byte(`"ACCEPTED"`)) {
			err = fmt.Errorf("it answered %.200s", answer)
		}
		return err
	}}
	a.follow = func(ctx context.Context, delivered *atomic.Int64) error {
		if err != nil {
			return err
		}
		socket, err := wire.OpenSocket(ctx, to, gather, 16<<10)
		if err != nil {
			return err
		}
		defer socket.Close()
		if err := socket.Subscribe("1", watchQuery, nil); err != nil {
			return err
		}
		for {
			head, err := socket.Wait()
			if err != nil {
				return err
			}
			if !wire.BeginsNext(head) {
				text, err := socket.Text()
				return errors.Join(errWatch, err, fmt.Errorf("it said %.200s", text))
			}
			delivered.Add(1)
		}
	}
	return a
}

// raw leaves messages as they came, so that to count what is delivered takes no more of the load than has to be.
type raw struct{}

// Name implements encoding.Codec.
func (raw) Name() string { return "proto" }

// Marshal implements encoding.Codec.
func (raw) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

// Unmarshal implements encoding.Codec.
func (raw) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = data
	return nil
}

func etcdAudience(s *process.Server, writer *clientv3.Client, reports [][]byte) *audience {
	const key = "/hives/0"
	a := &audience{server: s, write: func(ctx context.Context, _, n int) error {
		_, err := writer.Put(ctx, key, string(reports[n%len(reports)]))
		return err
	}}
	a.follow = func(ctx context.Context, delivered *atomic.Int64) error {
		request, err := (&etcdserverpb.WatchRequest{RequestUnion: &etcdserverpb.WatchRequest_CreateRequest{
			CreateRequest: &etcdserverpb.WatchCreateRequest{Key: []byte(key)}}}).Marshal()
		if err != nil {
			return err
		}
		conn, err := grpc.NewClient(strings.TrimPrefix(s.URL, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})))
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/etcdserverpb.Watch/Watch")
		if err != nil {
			return err
		}
		if err := stream.SendMsg(&request); err != nil {
			return err
		}
		var answer []byte
		for first := true; ; first = false {
			if err := stream.RecvMsg(&answer); err != nil {
				return errors.Join(errWatch, err)
			}
			n, err := countEvents(answer)
			if err != nil {
				return err
			}
			if first { // It says that it is set up, as a snapshot does.
				n++
			}
			delivered.Add(n)
		}
	}
	return a
}

// countEvents counts the events of a WatchResponse.
func countEvents(b []byte) (n int64, err error) {
	const events = 11
	for len(b) > 0 {
		field, kind, tag := protowire.ConsumeTag(b)
		if tag < 0 {
			return 0, protowire.ParseError(tag)
		}
		size := protowire.ConsumeFieldValue(field, kind, b[tag:])
		if size < 0 {
			return 0, protowire.ParseError(size)
		}
		if field == events {
			n++
		}
		b = b[tag+size:]
	}
	return n, nil
}
