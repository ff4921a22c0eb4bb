package agent

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"waggle/client"
)

// Command is `waggle agent`, for kong.
type Command struct {
	Server   string `default:"http://127.0.0.1:7833" placeholder:"URL" help:"The registry to report to."`
	HiveID   string `placeholder:"ID" help:"What this machine is called in the fleet (default: its host name)."`
	Hostname string `placeholder:"NAME" help:"Name or address by which others reach this machine (default: its host name)."`
	// Its variable is not WAGGLE_PORT, which Kubernetes sets to an address where there is a service called waggle.
	Port      int           `default:"0" env:"WAGGLE_HIVE_PORT" placeholder:"PORT" help:"Port of this hive's own interface, if it has one."`
	Interval  time.Duration `default:"1s" help:"Time between heartbeats; the registry may ask for more."`
	TokenFile string        `type:"existingfile" placeholder:"FILE" help:"File that holds a token to present to a proxy before the server, as a bearer; the server itself asks for none yet."`

	Version string `kong:"-"` // of the program, as it is reported
}

// Validate is called by kong, before anything is done.
func (c *Command) Validate() error {
	if c.Interval == 0 { // which New takes for the default
		return fmt.Errorf("--interval: 0s must be %s to %s", minInterval, maxInterval)
	}
	return nil
}

// Run reports until ctx ends.
func (c *Command) Run(ctx context.Context, log *slog.Logger) error {
	token, err := client.ReadToken(c.TokenFile)
	if err != nil {
		return err
	}
	server, err := client.New(client.Config{URL: c.Server, Token: token})
	if err != nil {
		return err
	}
	a, err := New(Config{
		Sender: server, HiveID: c.HiveID, Hostname: c.Hostname, Port: c.Port, Version: c.Version, Interval: c.Interval,
		Logger: log.With("component", "agent"),
	})
	if err != nil {
		return err
	}
	if err := a.Run(ctx); ctx.Err() == nil {
		return err
	}
	return nil
}
