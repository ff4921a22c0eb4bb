// Waggle is a live registry of an LLM inference fleet.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/sync/errgroup"

	"waggle/graph"
	"waggle/internal/agent"
	"waggle/internal/cli"
	"waggle/internal/graphqlexec"
	"waggle/internal/graphqlhttp"
	"waggle/internal/graphqlws"
	"waggle/internal/httpserver"
	"waggle/internal/rbee"
	"waggle/internal/simulate"
	"waggle/registry"
	"waggle/web"
)

type commands struct {
	Serve    serve            `cmd:"" default:"withargs" help:"Run the registry (the default)."`
	Agent    agent.Command    `cmd:"" help:"Report this machine to a registry elsewhere."`
	Workers  cli.Workers      `cmd:"" help:"List workers."`
	Hives    cli.Hives        `cmd:"" help:"List hives."`
	Watch    cli.Watch        `cmd:"" help:"Follow what happens."`
	Cordon   cli.Cordon       `cmd:"" help:"No new work for a hive."`
	Uncordon cli.Uncordon     `cmd:"" help:"New work for a hive again."`
	Simulate simulate.Command `cmd:"" help:"Load a registry with a made-up fleet, dashboards and schedulers, and measure."`
	Version  showVersion      `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole program but for its process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	parser, err := kong.New(&commands{Agent: agent.Command{Version: version()}},
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
		_, _ = fmt.Fprintf(stderr, "waggle: %s\nSee %s --help.\n", err, meant(args, err))
		return 2
	}
	if err := command.Run(); err != nil {
		_, _ = fmt.Fprintf(stderr, "waggle: %s\n", err)
		return 1
	}
	return 0
}

// meant returns the command that was typed, as far as it was understood.
func meant(args []string, err error) string {
	wrong, ok := errors.AsType[*kong.ParseError](err)
	if ok && wrong.Context.Selected() != nil && slices.Contains(args, wrong.Context.Selected().Name) { // else it is serve, the default
		return "waggle " + wrong.Context.Selected().Name
	}
	return "waggle"
}

type showVersion struct{}

// Run prints the version.
func (showVersion) Run(stdout io.Writer) error {
	_, err := fmt.Fprintln(stdout, version())
	return err
}

func version() string {
	if build, ok := debug.ReadBuildInfo(); ok && build.Main.Version != "" && build.Main.Version != "(devel)" {
		return build.Main.Version
	}
	return "dev"
}

// gcPercent trades memory for time: a fleet of 100,000 workers is some 70 MB of records, replaced every second.
const gcPercent = 300

// serve are the options of the server.
type serve struct {
	Listen      string   `default:"127.0.0.1:7833" placeholder:"HOST:PORT" help:"Where to listen. Addresses that other machines can reach need --insecure."`
	Insecure    bool     `help:"Listen for everybody who can reach the address, without credentials."`
	AllowHost   []string `placeholder:"NAME" help:"Answer to this host name too, beside loopback names."`
	AllowOrigin []string `placeholder:"ORIGIN" help:"Let web pages of this origin use the API, e.g. https://dashboard.example."`

	SuspectAfter time.Duration `default:"3s" help:"Silence after which a hive is SUSPECT."`
	OfflineAfter time.Duration `default:"10s" help:"Silence after which a hive is OFFLINE and its workers are offered to nobody."`
	ForgetAfter  time.Duration `default:"90s" help:"Silence after which a hive is forgotten."`

	NoAgent bool   `help:"Do not report this machine."`
	HiveID  string `placeholder:"ID" help:"What this machine is called in the fleet (default: its host name)."`
	Demo    int    `placeholder:"N" help:"Add N made-up hives, which report like real ones."`

	Rbee rbeeOptions `embed:"" group:"rbee's hives and dashboards"`
}

// Validate is called by kong, before anything is done.
func (s *serve) Validate() error {
	if s.Demo < 0 || s.Demo > simulate.MaxHives {
		return fmt.Errorf("--demo: %d must be 0 to %d", s.Demo, simulate.MaxHives)
	}
	if min(s.SuspectAfter, s.OfflineAfter, s.ForgetAfter) <= 0 {
		return errors.New("--suspect-after, --offline-after and --forget-after must be more than 0s")
	}
	if s.HiveID == "" {
		return nil
	}
	return agent.CheckHiveID(s.HiveID)
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
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	reg := registry.New(limits)
	door, err := rbee.New(s.Rbee.config(reg, s.ForgetAfter, log.With("component", "rbee")))
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Listen)
	if err != nil {
		return fmt.Errorf("--listen %s: %w", s.Listen, err)
	}

	page, err := web.Handler()
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", page)
	for _, path := range []string{"/v1/", "/heartbeat", "/health"} {
		mux.Handle(path, door.Handler())
	}
	api := newAPI(reg, policy, log.With("component", "graphql"))
	mux.Handle("/graphql", api)
	server := httpserver.New(httpserver.Config{Policy: policy, Drain: api.drain, Logger: log.With("component", "http")}, mux)

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return unlessDone(ctx, reg.Run(ctx)) })
	group.Go(func() error { return unlessDone(ctx, door.Run(ctx)) })
	group.Go(func() error { logConflicts(ctx, reg, log.With("component", "registry")); return nil })
	group.Go(func() error { return server.Serve(ctx, listener) })
	here := "http://" + httpserver.Here(listener.Addr())
	log.Info("waggle is up", "page", here+"/", "playground", here+"/playground/", "graphql", here+"/graphql")
	if !s.NoAgent {
		group.Go(func() error { return s.reportHere(ctx, here, listener.Addr(), log) })
	}
	if s.Demo != 0 {
		group.Go(func() error {
			_, err := simulate.Run(ctx, simulate.Config{Server: here, Fleet: simulate.FleetConfig{Hives: s.Demo, Trouble: 1}})
			return err
		})
	}
	return group.Wait()
}

// logConflicts tells the operator, too, when two agents claim one hive; the registry records that once for each pair.
func logConflicts(ctx context.Context, reg *registry.TelemetryRegistry, log *slog.Logger) {
	events := reg.Events()
	seen := events.Last()
	for {
		select {
		case <-ctx.Done():
			return
		case <-events.Appended(seen):
		}
		last := events.Last()
		err := events.After(seen, last, func(e registry.Event) {
			if e.Kind == registry.HiveConflict {
				log.Warn("two agents claim one hive id", "hive", e.HiveID, "kept_by", "the one that took over last")
			}
		})
		if err != nil {
			log.Warn("more happened than the event log holds; a conflict may have gone unlogged")
		}
		seen = last
	}
}

// unlessDone forgets the error of what only ended because it was told to.
func unlessDone(ctx context.Context, err error) error {
	select {
	case <-ctx.Done():
		return nil
	default:
		return err
	}
}

// rbeeOptions are the options for rbee's hives and dashboards.
type rbeeOptions struct {
	PullAllow         []string `placeholder:"CIDR|NAME" help:"Where hives that announce themselves may be pulled from (default: the address that announced, and loopback from here)."`
	PublicURL         string   `placeholder:"URL" help:"Where hives reach this server; needed to discover them."`
	Discover          []string `placeholder:"HOST" help:"Ask these hosts for their hive."`
	DiscoverSSHConfig string   `type:"existingfile" placeholder:"FILE" help:"Ask the hosts of this OpenSSH client configuration for their hive."`
	RbeeAssumeVRAMMB  int      `name:"rbee-assume-vram-mb" placeholder:"MB" help:"GPU memory that workers are taken to have when their hive does not know; rbee assumed 24576."`
}

func (o *rbeeOptions) config(reg *registry.TelemetryRegistry, forgetAfter time.Duration, log *slog.Logger) rbee.Config {
	return rbee.Config{
		Registry: reg, Logger: log, ForgetAfter: forgetAfter, Version: version(),
		PullAllow: o.PullAllow, PublicURL: o.PublicURL, Discover: o.Discover, DiscoverSSHConfig: o.DiscoverSSHConfig, AssumeVRAMMB: o.RbeeAssumeVRAMMB,
	}
}

// api is GraphQL on one path: sockets, posts and event streams over one executor.
type api struct {
	exec    *graphqlexec.Executor
	sockets *graphqlws.Handler
	posts   *graphqlhttp.Handler
}

func newAPI(reg *registry.TelemetryRegistry, policy *httpserver.Policy, log *slog.Logger) *api {
	resolver := &graph.Resolver{Registry: reg, Version: version()}
	exec := graphqlexec.New(graph.NewSchema(resolver), graphqlexec.Config{
		Introspection: func(context.Context) bool { return true }, // nobody is let in yet who might not read everything
		Code:          graph.ErrorCode,
		Begin:         resolver.Begin,
		Inputs:        graph.Inputs(),
		Logger:        log,
	})
	return &api{
		exec:    exec,
		sockets: graphqlws.New(exec, graphqlws.Config{CheckOrigin: policy.AllowsOrigin, Logger: log}),
		posts:   graphqlhttp.New(exec, graphqlhttp.Config{Browsers: "playground/"}),
	}
}

// ServeHTTP answers a post or an event stream, or makes the connection a socket.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if graphqlws.IsUpgrade(r) {
		a.sockets.ServeHTTP(w, r)
		return
	}
	a.posts.ServeHTTP(w, r)
}

// drain ends sockets and event streams.
func (a *api) drain(ctx context.Context) {
	a.posts.Drain()
	_ = a.sockets.Drain(ctx) // those that did not go by themselves were cut
}

// reportHere reports this machine through the same door as every other.
func (s *serve) reportHere(ctx context.Context, here string, listener net.Addr, log *slog.Logger) error {
	host, port, err := net.SplitHostPort(listener.String())
	if err != nil {
		return err
	}
	r := agent.Command{Server: here, HiveID: s.HiveID, Version: version()}
	if r.Port, err = strconv.Atoi(port); err != nil {
		return err
	}
	if httpserver.IsLoopback(host) {
		r.Hostname = host // nobody else can reach the server, so loopback addresses of workers are of use
	}
	return r.Run(ctx, log)
}
