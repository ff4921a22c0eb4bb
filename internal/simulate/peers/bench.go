package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"waggle/internal/simulate/process"
)

// bench is what all contests have in common.
type bench struct {
	waggle string
	length time.Duration
	rounds int
}

// serve starts a peer: this program, or the waggle binary for the role "waggle".
func (b bench) serve(ctx context.Context, role string) (*process.Server, error) {
	if role == "waggle" {
		return process.Serve(ctx, b.waggle, "serve", "--no-agent", "--listen", "127.0.0.1:0")
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return process.Serve(ctx, self, "-serve", role)
}

// side is one way to do what a contest is about.
type side struct {
	who     string
	against string // the side of Waggle's that this one is compared with; empty for Waggle's own
	aim     float64
	server  *process.Server
	prepare func(ctx context.Context) error // before each round; nil: nothing
	do      func(ctx context.Context, length time.Duration) (figure, error)
}

// figure is what was measured of one side.
type figure struct {
	perSecond    float64
	serverMicros float64 // of processor, for one
	loadPercent  float64 // of a core
}

// row is one line of the comparison.
type row struct {
	what, who, against string
	aim                float64
	figure
}

// hold measures the sides in turns.
func (b bench) hold(ctx context.Context, what string, sides []side) ([]row, error) {
	all := make([][]figure, len(sides))
	for range b.rounds {
		for i, s := range sides {
			if s.prepare != nil {
				if err := s.prepare(ctx); err != nil {
					return nil, fmt.Errorf("%s: %w", s.who, err)
				}
			}
			f, err := s.do(ctx, b.length)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.who, err)
			}
			all[i] = append(all[i], f)
		}
	}
	rows := make([]row, len(sides))
	for i, s := range sides {
		rows[i] = row{what, s.who, s.against, s.aim, medians(all[i])}
	}
	return rows, nil
}

func medians(all []figure) figure {
	of := func(value func(figure) float64) float64 {
		values := make([]float64, len(all))
		for i, f := range all {
			values[i] = value(f)
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return figure{of(func(f figure) float64 { return f.perSecond }), of(func(f figure) float64 { return f.serverMicros }),
		of(func(f figure) float64 { return f.loadPercent })}
}

// meter counts from when it is started.
type meter struct {
	server       *process.Server
	begin        time.Time
	server0, us0 time.Duration
}

func startMeter(s *process.Server) meter {
	return meter{s, time.Now(), s.CPU(), process.Self().CPU()}
}

// stop tells what n things took since.
func (m meter) stop(n int64) figure {
	elapsed := time.Since(m.begin).Seconds()
	return figure{float64(n) / elapsed, float64((m.server.CPU() - m.server0).Microseconds()) / float64(max(n, 1)),
		100 * (process.Self().CPU() - m.us0).Seconds() / elapsed}
}

// inFlight is how many requests a peer has to answer at the same time, and batchesInFlight how many if each carries a batch.
const inFlight, batchesInFlight = 64, 8

// saturate calls do without pause from so many goroutines, each with its number and how often it was called. What one call does counts each times.
func saturate(ctx context.Context, s *process.Server, length time.Duration, each int, do func(ctx context.Context, part, n int) error) (figure, error) {
	const warmup = 200 * time.Millisecond
	var counted atomic.Int64
	var measured figure
	var over atomic.Bool
	group, ctx := errgroup.WithContext(ctx)
	parts := inFlight
	if each > 1 {
		parts = batchesInFlight
	}
	for part := range parts {
		group.Go(func() error {
			for n := 0; !over.Load(); n++ {
				if err := do(ctx, part, n); err != nil {
					return err
				}
				counted.Add(1)
			}
			return nil
		})
	}
	group.Go(func() error {
		defer over.Store(true)
		if err := wait(ctx, warmup); err != nil {
			return err
		}
		before, m := counted.Load(), startMeter(s)
		err := wait(ctx, length)
		measured = m.stop((counted.Load() - before) * int64(each))
		return err
	})
	err := group.Wait()
	return measured, err
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// writeTable writes the rows, each peer's with how much more Waggle makes of the same thing.
func writeTable(out io.Writer, rows []row) error {
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(tw, "what\twho\tper second\tserver's CPU\tload's core\tWaggle makes\taim\tfor CPU\t")
	ours := map[string]figure{}
	for _, r := range rows {
		_, _ = fmt.Fprintf(tw, "%s\t%s\t%.0f\t%.1f us\t%.0f %%\t", r.what, r.who, r.perSecond, r.serverMicros, r.loadPercent)
		if us, ok := ours[r.against]; ok {
			_, _ = fmt.Fprintf(tw, "%.2f x\t%s\t%.2f x\t\n", us.perSecond/r.perSecond, verdict(us.perSecond/r.perSecond, r.aim), us.serverMicros/r.serverMicros)
		} else {
			ours[r.who] = r.figure
			_, _ = fmt.Fprintln(tw, "\t\t\t")
		}
	}
	return tw.Flush()
}

func verdict(ratio, aim float64) string {
	switch {
	case aim == 0:
		return ""
	case ratio < aim:
		return fmt.Sprintf(">= %g missed", aim)
	}
	return fmt.Sprintf(">= %g met", aim)
}
