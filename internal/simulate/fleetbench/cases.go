package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"waggle/internal/simulate"
	"waggle/internal/simulate/process"
)

// testcase is something that a server is to be good at.
type testcase struct {
	name string
	run  func(ctx context.Context, b bench) ([]row, error)
}

func cases() []testcase {
	all := []testcase{}
	for _, door := range []simulate.Door{simulate.DoorGraphQL, simulate.DoorSocket, simulate.DoorBatch, simulate.DoorLegacy} {
		all = append(all, testcase{"heartbeats as many as go: " + string(door), func(ctx context.Context, b bench) ([]row, error) { return heartbeats(ctx, b, door) }})
	}
	for _, door := range []simulate.Door{simulate.DoorGraphQL, simulate.DoorSocket, simulate.DoorBatch} {
		all = append(all, testcase{"10,000 hives at 1 Hz: " + string(door), func(ctx context.Context, b bench) ([]row, error) { return tenThousandHives(ctx, b, door) }})
	}
	for _, ask := range []simulate.Question{simulate.AskBest, simulate.AskWorkers} {
		all = append(all, testcase{"schedulers beside 1,000 dashboards: " + string(ask), func(ctx context.Context, b bench) ([]row, error) { return schedulers(ctx, b, ask) }})
	}
	return append(all,
		testcase{"5,000 dashboards x 100 events/s", manyDashboards},
		testcase{"one of 100 dashboards never reads", silentDashboard},
		testcase{"10,000 idle dashboards", idleDashboards},
		testcase{"first 5 of 100,000 workers and of 10,000", growth},
		testcase{"a mirror of 100,000 workers", mirror})
}

// heartbeats sends faster than a server can take them in. The first seconds, in which hives are new to it, do not count.
func heartbeats(ctx context.Context, b bench, door simulate.Door) ([]row, error) {
	r, err := b.alone(ctx, 8*time.Second, simulate.Config{Door: door, Senders: 32, Interval: 100 * time.Millisecond,
		Fleet: simulate.FleetConfig{Hives: 10_000, Workers: 8, Seed: 1}})
	if err != nil {
		return nil, err
	}
	return []row{note("heartbeats of 8 workers", r.Heartbeats.PerSecond, "/s"), note("server", r.cpuMicros(r.Heartbeats.Done), "us each"),
		failed(r.Heartbeats), note("load", r.LoadCPUPercent, "% of a core")}, nil
}

// failed is what must not happen.
func failed(f *simulate.Figures) row {
	r := most("failed", float64(f.Failed), "", 0.5)
	if f.Failed > 0 {
		r.unit = "(" + f.LastError + ")"
	}
	return r
}

func tenThousandHives(ctx context.Context, b bench, door simulate.Door) ([]row, error) {
	r, err := b.alone(ctx, 4*time.Second, simulate.Config{Door: door, Senders: 64, Fleet: simulate.FleetConfig{Hives: 10_000, Workers: 8, Seed: 1}})
	if err != nil {
		return nil, err
	}
	return []row{least("heartbeats", r.Heartbeats.PerSecond, "/s", 9_900), most("server", r.cpuPercent(), "% of a core", 100),
		note("p99", r.Heartbeats.P99MS, "ms"), failed(r.Heartbeats), note("load", r.LoadCPUPercent, "% of a core")}, nil
}

// schedulers ask while dashboards are told of every heartbeat of one hive, 20 a second.
func schedulers(ctx context.Context, b bench, ask simulate.Question) ([]row, error) {
	r, err := b.alone(ctx, 2*time.Second, simulate.Config{Fleet: simulate.FleetConfig{Hives: 20, Workers: 8, Seed: 1}, Interval: 50 * time.Millisecond,
		Subscribers: 1000, Subscription: simulate.SubscribeHive, Schedulers: 8, Ask: ask})
	if err != nil {
		return nil, err
	}
	return []row{least("queries", r.Queries.PerSecond, "/s", 10_000), note("p99", r.Queries.P99MS, "ms"), failed(r.Queries),
		least("deliveries", r.Deliveries.PerSecond, "/s", 19_800), note("p99", r.Deliveries.P99MS, "ms"),
		note("server", r.cpuPercent(), "% of a core"), note("load", r.LoadCPUPercent, "% of a core")}, nil
}

// manyDashboards are told of every heartbeat of four hives, 100 a second together: one hive alone, which waits for its answers, would send fewer.
func manyDashboards(ctx context.Context, b bench) ([]row, error) {
	r, err := b.alone(ctx, 3*time.Second, simulate.Config{Fleet: simulate.FleetConfig{Hives: 4, Workers: 8, Seed: 1}, Interval: 40 * time.Millisecond,
		Subscribers: 5000, Subscription: simulate.SubscribeAll, Gather: 100 * time.Millisecond})
	if err != nil {
		return nil, err
	}
	return []row{note("deliveries", r.Deliveries.PerSecond, "/s"), most("event to client, p99", r.Deliveries.P99MS, "ms", 250),
		note("server", r.cpuMicros(r.Deliveries.Done), "us each"), failed(r.Deliveries),
		least("heartbeats", r.Heartbeats.PerSecond, "/s", 99), most("p99", r.Heartbeats.P99MS, "ms", 50),
		note("server", r.cpuPercent(), "% of a core"), note("load", r.LoadCPUPercent, "% of a core")}, nil
}

// silentDashboard compares what 99 dashboards see beside one that never reads with what they see beside one that does, in turns.
func silentDashboard(ctx context.Context, b bench) ([]row, error) {
	const rounds = 5
	server, err := b.serve(ctx)
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	var alone, beside []float64 // the 99th percentile of each round, in ms
	for range rounds {
		for _, silent := range []bool{false, true} {
			p99, err := ninetyNine(ctx, b, server, silent)
			if err != nil {
				return nil, err
			}
			if silent {
				beside = append(beside, p99)
			} else {
				alone = append(alone, p99)
			}
		}
	}
	slices.Sort(alone)
	slices.Sort(beside)
	return []row{note("p99 without it", alone[rounds/2], "ms"), note("p99 with it", beside[rounds/2], "ms"),
		most("ratio of the medians", beside[rounds/2]/alone[rounds/2], "", 1.2)}, nil
}

// ninetyNine returns the 99th percentile of the deliveries to 99 dashboards, in milliseconds, beside a hundredth.
func ninetyNine(ctx context.Context, b bench, server *process.Server, silent bool) (float64, error) {
	cfg := simulate.Config{Fleet: simulate.FleetConfig{Hives: 1, Workers: 8, Seed: 1}, Interval: 10 * time.Millisecond, Subscribers: 100, Subscription: simulate.SubscribeHive}
	if silent {
		cfg.Subscribers--
		cfg.Silent = 1
	}
	r, err := b.under(ctx, server, time.Second, cfg)
	if err != nil {
		return 0, err
	}
	if r.Deliveries.Failed > 0 {
		return 0, fmt.Errorf("%d deliveries failed: %s", r.Deliveries.Failed, r.Deliveries.LastError)
	}
	return r.Deliveries.P99MS, nil
}

// idleDashboards tells what sockets cost that nothing is sent to.
func idleDashboards(ctx context.Context, b bench) ([]row, error) {
	const dashboards = 10_000
	server, err := b.serve(ctx)
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	if err := wait(ctx, time.Second); err != nil {
		return nil, err
	}
	before, _ := server.Memory()
	load, err := simulate.Start(ctx, simulate.Config{Server: server.URL, NoFleet: true, Subscribers: dashboards, Subscription: simulate.SubscribeEvents})
	if err != nil {
		return nil, err
	}
	defer load.Stop()
	if err := stand(ctx, load, dashboards); err != nil {
		return nil, err
	}
	if err := wait(ctx, 3*time.Second); err != nil { // what is gathered answers within
		return nil, err
	}
	after, atMost := server.Memory()
	each := func(bytes int64) float64 { return float64(bytes-before) / dashboards / 1000 }
	return []row{most("memory of the server (RSS)", each(after), "kB each", 20), note("at most", each(atMost), "kB each"),
		least("dashboards", float64(load.Subscribed()), "", dashboards)}, nil
}

// growth compares what a query costs in a fleet and in one ten times as large, in turns, so that noise hits both alike.
func growth(ctx context.Context, b bench) ([]row, error) {
	const rounds, workers = 5, 8
	b.length = min(b.length, time.Second) // before the first hives are missed
	var sides [2]side
	for i, hives := range []int{100_000 / workers, 10_000 / workers} {
		server, err := b.serve(ctx)
		if err != nil {
			return nil, err
		}
		defer server.Stop()
		sides[i] = side{bench: b, server: server, fleet: simulate.NewFleet(simulate.FleetConfig{Hives: hives, Workers: workers, Seed: 1})}
	}
	for range rounds {
		for i := range sides {
			if err := sides[i].round(ctx); err != nil {
				return nil, err
			}
		}
	}
	large, small := sides[0], sides[1]
	return []row{note("100,000", large.rate(), "/s"), note("server", large.cpuMicros(), "us each"), note("10,000", small.rate(), "/s"), note("server", small.cpuMicros(), "us each"),
		most("ratio of what one costs", large.cpuMicros()/small.cpuMicros(), "", 1.2), note("load", large.loadPercent/rounds, "% of a core")}, nil
}

// mirror runs a mirror in a process of its own, beside hives that report once a second.
func mirror(ctx context.Context, b bench) ([]row, error) {
	server, err := b.serve(ctx)
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	load, err := simulate.Start(ctx, simulate.Config{Server: server.URL, Door: simulate.DoorBatch, Fleet: simulate.FleetConfig{Hives: 10_000, Workers: 10, Seed: 1}})
	if err != nil {
		return nil, err
	}
	defer load.Stop()
	if err := wait(ctx, 4*time.Second); err != nil { // until all are known
		return nil, err
	}
	watched, err := b.watchMirror(ctx, server.URL)
	if err != nil {
		return nil, err
	}
	used := server.CPU()
	measuring, cancel := context.WithTimeout(ctx, b.length)
	defer cancel()
	hives := result{Report: load.Measure(measuring)}
	hives.serverCPU = server.CPU() - used
	rep, memory, err := watched()
	if err != nil {
		return nil, err
	}
	if rep.MirrorReady.Done == 0 {
		return []row{most("first complete: not within", (mirrorWarmup + b.length).Seconds(), "s "+rep.Decisions.LastError, 3),
			least("heartbeats", hives.Heartbeats.PerSecond, "/s", 9_900), note("server", hives.cpuPercent(), "% of a core")}, nil
	}
	return []row{most("first complete", rep.MirrorReady.MaxMS/1000, "s", 3), most("best worker, p99", rep.Decisions.P99MS*1000, "us", 2),
		most("lag, p99", rep.MirrorLag.P99MS, "ms", 300), note("lag, p50", rep.MirrorLag.P50MS, "ms"), most("heap of the mirror", rep.LoadHeapMB, "MB", 100),
		most("memory of the mirror (RSS)", float64(memory)/(1<<20), "MB", 100), note("mirror", rep.LoadCPUPercent, "% of a core"),
		least("heartbeats", hives.Heartbeats.PerSecond, "/s", 9_900), note("server", hives.cpuPercent(), "% of a core"),
		note("load beside the mirror", hives.LoadCPUPercent, "% of a core")}, nil
}
