// Waggle is a live registry of an LLM inference fleet.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/sync/errgroup"

	"waggle/graph"
	"waggle/internal/httpserver"
	"waggle/registry"
)

type commands struct {
	Serve   serve   `cmd:"" default:"withargs" help:"Run the registry (the default)."`
	Version showVer `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole program but for its process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	parser, err := kong.New(&commands{},
		kong.Name("waggle"),
		kong.Description("A live registry of an LLM inference fleet: hives report their workers, schedulers ask, dashboards watch."),
		kong.DefaultEnvars("WAGGLE"),
		kong.Writers(stdout, stderr),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(slog.New(slog.NewTextHandler(stderr, nil))),
		kong.BindTo(stdout, (*io.Writer)(nil)),
	)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		return 2
	}
	command, err := parser.Parse(args)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "waggle: %s\nSee waggle --help.\n", err)
		return 2
	}
	if err := command.Run(); err != nil {
		_, _ = fmt.Fprintf(stderr, "waggle: %s\n", err)
		return 1
	}
	return 0
}

type showVer struct{}

// Run prints the version.
func (showVer) Run(stdout io.Writer) error {
	_, err := fmt.Fprintln(stdout, version())
	return err
}

func version() string {
	if build, ok := debug.ReadBuildInfo(); ok && build.Main.Version != "" && build.Main.Version != "(devel)" {
		return build.Main.Version
	}
	return "dev"
}

// serve are the options of the server.
type serve struct {
	Listen      string   `default:"127.0.0.1:7833" placeholder:"HOST:PORT" help:"Where to listen. Addresses that other machines can reach need --insecure."`
	Insecure    bool     `help:"Listen for everybody who can reach the address, without credentials."`
	AllowHost   []string `placeholder:"NAME" help:"Answer to this host name too, beside loopback names."`
	AllowOrigin []string `placeholder:"ORIGIN" help:"Let web pages of this origin use the API, e.g. https://dashboard.example."`

	SuspectAfter time.Duration `default:"3s" help:"Silence after which a hive is SUSPECT."`
	OfflineAfter time.Duration `default:"10s" help:"Silence after which a hive is OFFLINE and its workers are offered to nobody."`
	ForgetAfter  time.Duration `default:"90s" help:"Silence after which a hive is forgotten."`
}

// Run serves until ctx ends: everything is wired here, in the order in which the data flows.
func (s *serve) Run(ctx context.Context, log *slog.Logger) error {
	if err := httpserver.CheckListen(s.Listen, s.Insecure); err != nil {
		return err
	}
	policy, err := httpserver.NewPolicy(s.AllowHost, s.AllowOrigin)
	if err != nil {
		return err
	}
	limits := registry.Config{SuspectAfter: s.SuspectAfter, OfflineAfter: s.OfflineAfter, ForgetAfter: s.ForgetAfter}
	if err := limits.Check(); err != nil {
		return err
	}
	reg := registry.New(limits)
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Listen)
	if err != nil {
		return err
	}

	mux := http.NewServeMux()
	mux.Handle("/graphql", temporaryGraphQL(&graph.Resolver{Registry: reg, Version: version()}))
	server := httpserver.New(httpserver.Config{Policy: policy, Logger: log.With("component", "http")}, mux)

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return unlessDone(ctx, reg.Run(ctx)) })
	group.Go(func() error { return server.Serve(ctx, listener) })
	log.Info("waggle is up", "page", "http://"+listener.Addr().String()+"/", "graphql", "http://"+listener.Addr().String()+"/graphql")
	return group.Wait()
}

// unlessDone forgets the error of what only ended because it was told to.
func unlessDone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
