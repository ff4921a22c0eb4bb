package simulate

import (
	"context"
	"fmt"
	"io"
	"time"

	"waggle/client"
)

// Command is `waggle simulate`, for kong.
type Command struct {
	Server    string `default:"http://127.0.0.1:7833" placeholder:"URL" help:"The server to load."`
	TokenFile string `type:"existingfile" placeholder:"FILE" help:"File that holds a token to present to a proxy before the server, as a bearer; the server itself asks for none yet."`

	Hives    int           `default:"100" help:"Hives that send heartbeats; 0: none, for subscribers and schedulers beside a fleet that is there."`
	Workers  int           `default:"0" help:"Workers of each hive; 0: one to eight."`
	Seed     uint64        `default:"1" help:"Decides all that happens in the fleet."`
	Trouble  float64       `default:"1" help:"How often things fail; 0: never."`
	Door     string        `default:"graphql" enum:"graphql,batch,websocket,legacy" help:"How heartbeats are sent: ${enum}."`
	Interval time.Duration `default:"1s" help:"Time between two heartbeats of a hive."`
	Batch    int           `default:"100" help:"Heartbeats in one request, with --door=batch."`
	Senders  int           `default:"16" help:"Heartbeats under way at the same time."`

	Subscribers  int           `default:"0" help:"Dashboards, each with a socket and a subscription."`
	Silent       int           `default:"0" help:"Dashboards that subscribe and never read."`
	Documents    int           `default:"1" help:"How many different subscriptions they have."`
	Subscription string        `default:"fleet" enum:"fleet,hive,all,events" help:"What they watch: ${enum}."`
	Gather       time.Duration `default:"0s" help:"How long the server may gather their messages, up to 1s."`
	Schedulers   int           `default:"0" help:"Schedulers that ask the server for each decision."`
	Ask          string        `default:"best" enum:"best,workers,both" help:"What they ask for: ${enum}."`
	Mirrors      int           `default:"0" help:"Schedulers that keep a mirror."`

	Warmup   time.Duration `default:"2s" help:"Time before the measurement."`
	Duration time.Duration `default:"0s" help:"Time of the measurement; 0: until interrupted."`
	JSON     bool          `help:"Print the report as JSON, and no progress."`
}

// Run makes the load and prints the report.
func (c *Command) Run(ctx context.Context, stdout io.Writer) error {
	cfg := Config{
		Server: c.Server, Door: Door(c.Door), Interval: c.Interval, Batch: c.Batch, Senders: c.Senders,
		Fleet:   FleetConfig{Hives: c.Hives, Workers: c.Workers, Seed: c.Seed, Trouble: c.Trouble},
		NoFleet: c.Hives == 0, Subscribers: c.Subscribers, Silent: c.Silent, Documents: c.Documents, Subscription: Subscription(c.Subscription), Gather: c.Gather,
		Schedulers: c.Schedulers, Ask: Question(c.Ask), Mirrors: c.Mirrors,
		Warmup: c.Warmup, Duration: c.Duration,
	}
	var err error
	if cfg.Token, err = client.ReadToken(c.TokenFile); err != nil {
		return err
	}
	if !c.JSON {
		cfg.Progress = stdout
	}
	report, err := Run(ctx, cfg)
	if err != nil {
		return err
	}
	write := report.WriteText
	if c.JSON {
		write = report.WriteJSON
	}
	if err := write(stdout); err != nil {
		return err
	}
	if f := report.Heartbeats; f != nil && f.Done == 0 {
		return fmt.Errorf("no heartbeat was accepted; does a registry run at %s?", c.Server)
	}
	return nil
}
