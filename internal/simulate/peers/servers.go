package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// process is a server in a process of its own, on one core.
type process struct {
	url string
	cmd *exec.Cmd
}

// startPeer runs this program as one of the peers, or the waggle binary for the role "waggle".
func startPeer(ctx context.Context, role, waggle string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{self, "-serve", role}
	if role == "waggle" {
		args = []string{waggle, "serve", "--no-agent", "--listen", "127.0.0.1:0"}
	}
	if path, err := exec.LookPath("taskset"); err == nil {
		args = append([]string{path, "-c", "0"}, args...)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // ourselves
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = write, write
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	_ = write.Close()
	where := regexp.MustCompile(`page=(http://[^/]+)/`)
	lines := bufio.NewScanner(read)
	last := ""
	for lines.Scan() {
		last = lines.Text()
		if m := where.FindStringSubmatch(last); m != nil {
			go func() { _, _ = io.Copy(io.Discard, read) }()
			return &process{m[1], cmd}, nil
		}
	}
	return nil, fmt.Errorf("%s does not start: %s: %w", role, last, cmd.Wait())
}

func (p *process) stop() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// cpu returns how much processor time it has used so far, as /proc tells in hundredths of a second.
func (p *process) cpu() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * (time.Second / 100)
}

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
