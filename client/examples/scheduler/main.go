// Scheduler is a small, real scheduler on Waggle: it takes OpenAI-style requests over HTTP, picks a worker from a mirror of the
// fleet, forwards the request to the worker's endpoint, and tries elsewhere when that worker is gone.
//
//	waggle &
//	go run ./client/examples/scheduler --fake 4
//	curl http://127.0.0.1:8800/v1/chat/completions -d '{"model":"tiny-1b","messages":[{"role":"user","content":"hello"}]}'
//
// With --fake it starts model servers that only pretend, and reports them to the registry as a hive's agent would, so that the whole
// way can be seen on one machine without a GPU.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"waggle/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "scheduler:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("scheduler", flag.ContinueOnError)
	flags.SetOutput(stderr)
	server := flags.String("server", "http://127.0.0.1:7833", "the registry")
	listen := flags.String("listen", "127.0.0.1:8800", "where to take requests")
	fake := flags.Int("fake", 0, "how many pretended model servers to start")
	if err := flags.Parse(args); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))
	registry, err := client.New(client.Config{URL: *server, Interrupted: func(err error, pause time.Duration) {
		log.Warn("the registry is out of reach", "error", err, "next_try_in", pause)
	}})
	if err != nil {
		return err
	}

	if *fake > 0 {
		hive, err := startHive("fake-hive", "tiny-1b", *fake)
		if err != nil {
			return err
		}
		defer hive.close()
		go hive.report(ctx, registry, log)
	}

	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *listen)
	if err != nil {
		return err
	}
	mirror := client.NewMirror(registry, client.MirrorConfig{})
	web := &http.Server{Handler: newScheduler(mirror, log), ReadHeaderTimeout: 5 * time.Second}
	mirrored := make(chan error, 1)
	go func() {
		mirrored <- mirror.Run(ctx) // It ends when we are told to end, or when the registry will not have us: there is nothing to schedule by then.
		_ = web.Close()
	}()
	log.Info("taking requests", "url", "http://"+listener.Addr().String()+"/v1/chat/completions")
	if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	if err := <-mirrored; ctx.Err() == nil {
		return err
	}
	return nil
}
