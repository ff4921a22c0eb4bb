// Peers measures Waggle beside three other ways to the same end, in one run: the same schema on what gqlgen makes of it, with a
// map under a lock, plain net/http with encoding/json over the same index, and etcd, with heartbeats as puts and dashboards as watches.
// Each server runs in a process of its own with one core; the load comes from another. `make bench-peers` runs it.
//
// It is a module of its own, so that Waggle does not depend on what it is compared with.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"text/tabwriter"
	"time"
)

func main() {
	waggle := flag.String("waggle", "", "the waggle binary")
	length := flag.Duration("length", 4*time.Second, "how long each measurement takes")
	role := flag.String("serve", "", "be one of the peers; used by the program itself")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var err error
	if *role != "" {
		err = servePeer(ctx, *role, os.Stdout)
	} else {
		err = compare(ctx, *waggle, *length, os.Stdout)
	}
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// figure is what was measured of one peer.
type figure struct {
	perSecond float64
	cpuMicros float64 // of the server, for one
}

// row is one line of the comparison.
type row struct {
	what, who string
	figure
}

func compare(ctx context.Context, waggle string, length time.Duration, out io.Writer) error {
	var rows []row
	for _, measure := range []func(context.Context, string, time.Duration) ([]row, error){compareHeartbeats, compareQueries, compareWatches} {
		some, err := measure(ctx, waggle, length)
		if err != nil {
			return err
		}
		rows = append(rows, some...)
	}
	return print(out, rows)
}

// print writes the rows, each with its share of what Waggle makes of the same thing: the first row of its kind.
func print(out io.Writer, rows []row) error {
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(tw, "what\twho\tper second\tWaggle makes\tserver's CPU\tWaggle needs")
	first := map[string]figure{}
	for _, r := range rows {
		if _, ok := first[r.what]; !ok {
			first[r.what] = r.figure
		}
		us := first[r.what]
		_, _ = fmt.Fprintf(tw, "%s\t%s\t%.0f\t%.2f x\t%.1f us\t%.2f x\n", r.what, r.who, r.perSecond, us.perSecond/r.perSecond, r.cpuMicros, us.cpuMicros/r.cpuMicros)
	}
	return tw.Flush()
}
