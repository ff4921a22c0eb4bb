package rbee

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"time"

	"waggle/registry"
)

// The habits of rbee's wire and the bounds of this package.
const (
	maxBody           = 2 << 20                // bytes of a pushed body or of one event of a hive, as rbee's queen took it
	connectTimeout    = 5 * time.Second        // until a hive's stream answers
	idleTimeout       = 10 * time.Second       // without a heartbeat until a stream is given up, ten times its cadence
	capabilityTimeout = 10 * time.Second       // for the answer to what a hive can compute on
	shortestBackoff   = 500 * time.Millisecond // between attempts to connect
	longestBackoff    = 30 * time.Second
	maxRedirects      = 3
	eventsPerSecond   = 10 // of one hive; one that sends more is read no faster
	eventBurst        = 20
	discoverEvery     = 30 * time.Second
	discoverAtOnce    = 16 // hosts
	hivePort          = "7835"
	queenEvery        = 2500 * time.Millisecond // between two sums for a dashboard
	gather            = 50 * time.Millisecond   // for which changes are gathered into one write
	writeTimeout      = 10 * time.Second        // for a dashboard to take writeChunk
	writeChunk        = 64 << 10                // bytes
)

// Config sets up a Door. Zero values mean the defaults.
type Config struct {
	Registry *registry.TelemetryRegistry // required
	Logger   *slog.Logger                // nil means that nothing is logged

	// AssumeVRAMMB is the GPU memory, in MiB, that a worker is taken to have when its hive does not know. rbee itself
	// assumed 24,576. Zero means that it stays unknown.
	AssumeVRAMMB int

	// PullAllow lists where hives may be pulled from: networks in CIDR form, addresses, host names, and "*.suffix" for all
	// names below one. Empty means: from the address that the announcement came from, and from this machine if that is here.
	PullAllow []string
	// ForgetAfter is for how long a hive that cannot be heard is tried; zero means 90 s.
	ForgetAfter time.Duration
	// MaxSubscriptions bounds how many hives are pulled; zero means 10,000.
	MaxSubscriptions int

	// PublicURL is where hives reach this server, as scheme://host:port. It is required for discovery, and told at /v1/info;
	// empty means that /v1/info tells the host it was asked by.
	PublicURL string
	// Discover lists hosts that are asked to announce their hive, each as host or host:port. The port is 7835 unless told.
	Discover []string
	// DiscoverSSHConfig is the path of an OpenSSH client configuration, whose hosts are discovered like those of Discover; empty means none.
	DiscoverSSHConfig string

	// MaxDashboards bounds how many event streams are served at once; zero means 1,000.
	MaxDashboards int
	// Version is told at /v1/info.
	Version string
}

func (c Config) withDefaults() Config {
	c.ForgetAfter = cmp.Or(c.ForgetAfter, 90*time.Second)
	c.MaxSubscriptions = cmp.Or(c.MaxSubscriptions, 10_000)
	c.MaxDashboards = cmp.Or(c.MaxDashboards, 1000)
	c.Version = cmp.Or(c.Version, "unknown")
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// check names the options of `waggle serve` that Config is made from, so that whoever typed one finds it.
func (c Config) check() error {
	if c.Registry == nil {
		return errors.New("rbee: a registry is required")
	}
	if most := 1 << 26; c.AssumeVRAMMB < 0 || c.AssumeVRAMMB > most {
		return fmt.Errorf("--rbee-assume-vram-mb: %d must be 0 to %d", c.AssumeVRAMMB, most)
	}
	if c.PublicURL != "" {
		if _, err := baseURL(c.PublicURL); err != nil {
			return fmt.Errorf("--public-url: %.64q %w", c.PublicURL, err)
		}
	} else if len(c.Discover) > 0 {
		return errors.New("--discover needs --public-url, which hives are told to announce themselves at")
	} else if c.DiscoverSSHConfig != "" {
		return errors.New("--discover-ssh-config needs --public-url, which hives are told to announce themselves at")
	}
	for _, host := range c.Discover {
		if _, ok := withPort(host); !ok {
			return fmt.Errorf("--discover: %.64q must be a host name or address, or host:port", host)
		}
	}
	return nil
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// baseURL reads an address of the form http[s]://host[:port][/path]. Its error continues a sentence.
func baseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, errors.New("is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("must begin with http:// or https://")
	case u.Hostname() == "":
		return nil, errors.New("must name a host")
	case u.Port() != "" && !isPort(u.Port()):
		return nil, errors.New("must have a port of 1 to 65535, or none")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("must have no user, query or fragment")
	}
	return u, nil
}
