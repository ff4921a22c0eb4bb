// Peers measures Waggle beside three other ways to the same end, in one run: the same schema on what gqlgen makes of it, with a
// map under a lock, plain net/http with encoding/json over the same index, and etcd, with heartbeats as puts and dashboards as watches.
// Each server runs in a process of its own on core 0; the load comes from core 1. They are measured in turns, several rounds of them, so that
// noise hits all alike, and the medians are told. `make bench-peers` runs it.
//
// It is a module of its own, so that Waggle does not depend on what it is compared with.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"time"
)

func main() {
	b := bench{}
	flag.StringVar(&b.waggle, "waggle", "", "the waggle binary")
	flag.DurationVar(&b.length, "length", time.Second, "how long each measurement takes")
	flag.IntVar(&b.rounds, "rounds", 3, "how often each is repeated; the medians are told")
	only := flag.String("only", "", "measure only contests whose name contains this")
	role := flag.String("serve", "", "be one of the peers; used by the program itself")
	flag.Parse()
	debug.SetGCPercent(300) // as Waggle has it
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var err error
	if *role != "" {
		err = servePeer(ctx, *role, os.Stdout)
	} else {
		err = compare(ctx, b, *only)
	}
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// compare holds the contests whose name contains a text, and prints each as soon as it is over.
func compare(ctx context.Context, b bench, only string) error {
	for _, c := range []struct {
		name string
		hold func(context.Context, bench) ([]row, error)
	}{{"heartbeats", heartbeats}, {"batches", batches}, {"queries", queries}, {"watches", watches}} {
		if !strings.Contains(c.name, only) {
			continue
		}
		_, _ = fmt.Fprintln(os.Stderr, c.name, "…")
		rows, err := c.hold(ctx, b)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		if err := writeTable(os.Stdout, rows); err != nil {
			return err
		}
	}
	return nil
}
