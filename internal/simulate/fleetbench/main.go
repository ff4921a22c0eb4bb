// Fleetbench measures a whole server under load: the server on core 0, the load on core 1. `make bench-fleet` runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"waggle/internal/simulate"
	"waggle/internal/simulate/process"
)

func main() {
	b := bench{}
	flag.StringVar(&b.waggle, "waggle", "", "the waggle binary")
	flag.DurationVar(&b.length, "length", 5*time.Second, "how long each case is measured")
	only := flag.String("only", "", "measure only cases whose name contains this")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	rows, err := b.measure(ctx, *only)
	stop()
	if err = errors.Join(err, writeTable(os.Stdout, rows)); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "fleetbench:", err)
		os.Exit(1)
	}
}

// bench is what all cases have in common.
type bench struct {
	waggle string
	length time.Duration
}

// measure runs the cases whose name contains a text, and tells of each on standard error before it begins.
func (b bench) measure(ctx context.Context, only string) ([]row, error) {
	var all []row
	for _, c := range cases() {
		if !strings.Contains(c.name, only) {
			continue
		}
		_, _ = fmt.Fprintln(os.Stderr, c.name, "…")
		rows, err := c.run(ctx, b)
		for _, r := range rows {
			r.of = c.name
			all = append(all, r)
		}
		if err != nil {
			return all, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return all, nil
}

// serve starts a server of its own for a case.
func (b bench) serve(ctx context.Context) (*process.Server, error) {
	return process.Serve(ctx, b.waggle, "serve", "--no-agent", "--listen", "127.0.0.1:0")
}

// result is what a load reports and what it cost the server meanwhile.
type result struct {
	*simulate.Report
	serverCPU time.Duration
}

// cpuPercent is how much of its core the server took.
func (r result) cpuPercent() float64 { return 100 * r.serverCPU.Seconds() / r.Seconds }

// cpuMicros is how much of it each of n things took.
func (r result) cpuMicros(n int64) float64 {
	return float64(r.serverCPU.Microseconds()) / float64(max(n, 1))
}

// under measures a server under a load, after the dashboards stand and the warm-up is over.
func (b bench) under(ctx context.Context, server *process.Server, warmup time.Duration, cfg simulate.Config) (result, error) {
	cfg.Server = server.URL
	load, err := simulate.Start(ctx, cfg)
	if err != nil {
		return result{}, err
	}
	defer load.Stop()
	if err := stand(ctx, load, cfg.Subscribers); err != nil {
		return result{}, err
	}
	if err := wait(ctx, warmup); err != nil {
		return result{}, err
	}
	used := server.CPU()
	measuring, cancel := context.WithTimeout(ctx, b.length)
	defer cancel()
	r := result{Report: load.Measure(measuring)}
	r.serverCPU = server.CPU() - used
	return r, ctx.Err()
}

// alone is under, with a server that runs only as long.
func (b bench) alone(ctx context.Context, warmup time.Duration, cfg simulate.Config) (result, error) {
	server, err := b.serve(ctx)
	if err != nil {
		return result{}, err
	}
	defer server.Stop()
	return b.under(ctx, server, warmup, cfg)
}

// stand waits until all dashboards have their subscription.
func stand(ctx context.Context, load *simulate.Load, subscribers int) error {
	const patience = time.Minute
	for begin := time.Now(); load.Subscribed() < subscribers; {
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return err
		}
		if time.Since(begin) > patience {
			return fmt.Errorf("%d of %d dashboards stand after %s", load.Subscribed(), subscribers, patience)
		}
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
