package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"waggle/client"
)

// Watch is `waggle watch`.
type Watch struct {
	Connection
	Output
	Choice
	What     string        `arg:"" optional:"" default:"fleet" enum:"fleet,workers,hives,events" help:"What to watch: ${enum}."`
	Interval time.Duration `default:"1s" help:"Fleet, workers and hives: at most once in this time, 100ms to 1m."`
	First    int           `default:"40" help:"Workers and hives: how many at the most, 1 to 1,000."`
	Count    int           `default:"0" help:"End after so many; 0: never."`
}

// Validate is called by kong, before anything is done.
func (c *Watch) Validate(line *kong.Context) error {
	const shortest, longest = 100 * time.Millisecond, time.Minute // as the API has it; 0 would be its default, which is not what was said
	switch {
	case c.Interval < shortest || c.Interval > longest:
		return fmt.Errorf("--interval: %s must be %s to %s", c.Interval, shortest, longest)
	case c.Count < 0:
		return fmt.Errorf("--count: %d must be 0 or more", c.Count)
	}
	for _, said := range line.Path { // what the environment says may be meant for other commands
		if said.Flag == nil {
			continue
		}
		if only := watchesOf(said.Flag.Name); !slices.Contains(only, c.What) {
			return fmt.Errorf("--%s is not for watch %s, only for watch %s", said.Flag.Name, c.What, strings.Join(only, ", "))
		}
	}
	return checkFirst(c.First)
}

// watchesOf returns what can be watched with a flag; with any other the flag would have no effect, which nobody would notice.
func watchesOf(flag string) []string {
	switch flag {
	case "model", "hive", "group", "idle", "busy", "available", "min-free-vram", "search":
		return []string{"workers"}
	case "first":
		return []string{"workers", "hives"}
	case "interval":
		return []string{"fleet", "workers", "hives"}
	}
	return []string{"fleet", "workers", "hives", "events"}
}

// Run prints the newest state again and again, until ctx is done. With --json it prints one line of JSON each time. That the server is out of reach
// it logs, for what was printed last would look like what is.
func (c *Watch) Run(ctx context.Context, stdout io.Writer, log *slog.Logger) error {
	server, err := c.clientTelling(func(err error, pause time.Duration) {
		log.Warn("the server is out of reach", "error", err, "next_try_in", pause.Round(time.Millisecond))
	})
	if err != nil {
		return err
	}
	now, err := clock(ctx, server)
	if err != nil { // A watch would wait for the server for ever; a person would not.
		return err
	}
	switch c.What {
	case "workers":
		return follow(ctx, c, stdout, server.WatchWorkers(ctx, client.WorkersQuery{Filter: c.filter(), First: c.First}, c.Interval),
			func(w io.Writer, page *client.WorkerPage) error {
				return errors.Join(c.redraw(w), table(w, workerHeader, workerRows(page.Nodes)))
			})
	case "hives":
		return follow(ctx, c, stdout, server.WatchHives(ctx, client.HivesQuery{First: c.First}, c.Interval),
			func(w io.Writer, page *client.HivePage) error {
				return errors.Join(c.redraw(w), table(w, hiveHeader, hiveRows(page.Nodes, now())))
			})
	case "events":
		return follow(ctx, c, stdout, server.WatchEvents(ctx, ""), func(w io.Writer, e *client.Event) error {
			_, err := fmt.Fprintf(w, "%s  %-20s  %s\n", e.At.Local().Format(time.TimeOnly), e.Kind, printable(e.Message))
			return err
		})
	}
	return follow(ctx, c, stdout, server.WatchFleet(ctx, c.Interval), func(w io.Writer, f *client.Fleet) error {
		_, err := fmt.Fprintf(w, "%s  hives %d online, %d suspect, %d offline  workers %d idle, %d busy, %d unknown  VRAM %.1f of %.1f TB  %.0f heartbeats/s\n",
			f.ServerTime.Local().Format(time.TimeOnly), f.Hives.Online, f.Hives.Suspect, f.Hives.Offline, f.Workers.Idle, f.Workers.Busy, f.Workers.Unknown,
			float64(f.VramUsedMb)/(1<<20), float64(f.VramTotalMb)/(1<<20), f.HeartbeatsPerSecond)
		return err
	})
}

// redraw begins at the top of the screen if there is one.
func (c *Watch) redraw(w io.Writer) error {
	top := "\n"
	if f, ok := w.(*os.File); ok {
		if stat, err := f.Stat(); err == nil && stat.Mode()&os.ModeCharDevice != 0 {
			top = "\x1b[H\x1b[2J"
		}
	}
	_, err := io.WriteString(w, top)
	return err
}

func follow[T any](ctx context.Context, c *Watch, stdout io.Writer, all iter.Seq2[T, error], show func(io.Writer, T) error) error {
	n := 0
	for one, err := range all {
		if err == nil && c.JSON {
			err = json.NewEncoder(stdout).Encode(one)
		} else if err == nil {
			err = show(stdout, one)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if n++; n == c.Count {
			return nil
		}
	}
	return nil
}
