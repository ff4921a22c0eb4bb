package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"

	"go.etcd.io/etcd/server/v3/embed"
)

// servePeer is what runs in the other process: it says where, as waggle does.
func servePeer(ctx context.Context, role string, out io.Writer) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var handler http.Handler
	switch role {
	case "gqlgen":
		handler = newStock()
	case "net/http":
		handler = newPlain()
	case "etcd", "etcd, no fsync":
		_ = listener.Close()
		return serveEtcd(ctx, listener.Addr().String(), role != "etcd", out)
	default:
		return fmt.Errorf("there is no peer %q", role)
	}
	_, _ = fmt.Fprintf(out, "page=http://%s/\n", listener.Addr())
	return http.Serve(listener, handler) //nolint:gosec // on loopback, for minutes
}

// serveEtcd runs one member with its data in a temporary folder: as it comes, or without fsync, for Waggle writes nothing to disk either.
func serveEtcd(ctx context.Context, address string, unsafe bool, out io.Writer) error {
	dir, err := os.MkdirTemp("", "peers-etcd-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	cfg := embed.NewConfig()
	cfg.Dir, cfg.LogLevel, cfg.UnsafeNoFsync = dir, "error", unsafe
	clients, peers := url.URL{Scheme: "http", Host: address}, url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{clients}, []url.URL{clients}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peers}, []url.URL{peers}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return err
	}
	defer e.Close()
	select {
	case <-e.Server.ReadyNotify():
	case err := <-e.Err():
		return err
	}
	_, _ = fmt.Fprintf(out, "page=http://%s/\n", address)
	<-ctx.Done()
	return nil
}
