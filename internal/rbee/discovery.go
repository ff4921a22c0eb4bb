package rbee

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kevinburke/ssh_config"

	"waggle/registry"
)

// discover asks hosts for what their hive can compute on, and with it to announce itself. It goes on for as long as ctx lasts, since
// hosts come up later than this server, but leaves out those that are subscribed to.
func (d *Door) discover(ctx context.Context) {
	if len(d.cfg.Discover) == 0 && d.cfg.DiscoverSSHConfig == "" {
		return
	}
	client := &http.Client{
		Timeout:       capabilityTimeout,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	found := map[string]bool{} // by host, whether it answered last time
	var mu sync.Mutex          // guards found
	ask := func(host string) {
		if d.listens(ctx, host) {
			return
		}
		_, err := capabilities(ctx, client, &url.URL{Scheme: "http", Host: host}, d.cfg.PublicURL)
		mu.Lock()
		defer mu.Unlock()
		switch was := found[host]; {
		case ctx.Err() != nil:
			return
		case err == nil && !was:
			d.log.Info("hive was asked to announce itself", "host", host)
		case err != nil && was:
			d.log.Warn("hive does not answer any more", "host", host, "error", err)
		case err != nil:
			d.log.Debug("no hive was found", "host", host, "error", err)
		}
		found[host] = err == nil
	}
	for {
		var asking sync.WaitGroup
		slots := make(chan struct{}, discoverAtOnce)
		for _, host := range d.hosts() {
			slots <- struct{}{}
			asking.Go(func() {
				defer func() { <-slots }()
				ask(host)
			})
		}
		asking.Wait()
		select {
		case <-ctx.Done():
			return
		case <-time.After(discoverEvery):
		}
	}
}

// listens reports whether the hive at a host:port is heard already. A hive may be subscribed to by address and discovered by name.
func (d *Door) listens(ctx context.Context, host string) bool {
	name, port, _ := net.SplitHostPort(host)
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	addrs, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", name) // a name that cannot be resolved will fail when it is asked
	places := []string{host}
	for _, addr := range addrs {
		places = append(places, net.JoinHostPort(addr.Unmap().String(), port))
	}
	return d.roster.isHeard(places...)
}

// hosts returns the hosts to ask, each as host:port.
func (d *Door) hosts() []string {
	hosts := slices.Clone(d.cfg.Discover)
	if path := d.cfg.DiscoverSSHConfig; path != "" {
		listed, err := sshHosts(path)
		if err != nil {
			d.log.Warn("SSH configuration cannot be read", "path", path, "error", err)
		}
		hosts = append(hosts, listed...)
	}
	places := make([]string, 0, len(hosts))
	for _, host := range hosts {
		if place, ok := withPort(host); ok { // else it stands in an SSH configuration, and is none of ours to mend
			places = append(places, place)
		}
	}
	slices.Sort(places)
	return slices.Compact(places)
}

// withPort returns a host to discover as host:port; ok is false when it cannot be one.
func withPort(host string) (place string, ok bool) {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = strings.Trim(host, "[]"), hivePort
	}
	_, noAddress := netip.ParseAddr(name)
	ok = isPort(port) && (noAddress == nil || name != "" && !strings.ContainsAny(name, "/:@[]*? "))
	return net.JoinHostPort(name, port), ok
}

// sshHosts returns the HostName of every host that an OpenSSH client configuration names one for. A host without one is mostly none
// of the user's own, so it is left out, as patterns are.
func sshHosts(path string) ([]string, error) {
	file, err := os.Open(path) //nolint:gosec // the operator names it
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	config, err := ssh_config.Decode(file)
	if err != nil {
		return nil, err
	}
	var hosts []string
	for _, host := range config.Hosts {
		for _, pattern := range host.Patterns {
			alias := pattern.String()
			if strings.ContainsAny(alias, `*?!"`) {
				continue
			}
			name, err := config.Get(alias, "HostName")
			if err != nil || name == "" {
				continue
			}
			hosts = append(hosts, strings.NewReplacer("%h", alias, "%%", "%").Replace(name))
		}
	}
	return hosts, nil
}

// capabilities asks a hive what it can compute on. With a queen's address, the hive announces itself there.
func capabilities(ctx context.Context, client *http.Client, hive *url.URL, queen string) ([]registry.Device, error) {
	ctx, cancel := context.WithTimeout(ctx, capabilityTimeout)
	defer cancel()
	var err error
	for _, path := range []string{"v1/capabilities", "capabilities"} { // the second until 1 November 2025
		u := hive.JoinPath(path)
		if queen != "" {
			u.RawQuery = url.Values{"queen_url": {queen}}.Encode()
		}
		var devices []registry.Device
		if devices, err = capabilitiesAt(ctx, client, u); err == nil {
			return devices, nil
		}
	}
	return nil, err
}

func capabilitiesAt(ctx context.Context, client *http.Client, u *url.URL) ([]registry.Device, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	// Hives answer unknown paths with a page, so success alone says nothing.
	if resp.StatusCode != http.StatusOK || !isJSON(resp.Header.Get("Content-Type")) {
		return nil, fmt.Errorf("answered %d with something else than JSON", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return nil, err
	}
	var devices []registry.Device
	err = decode(body, func(d *decoder) {
		d.Object([]string{"devices"}, func(string) { devices = d.devices() })
	})
	return devices, err
}
