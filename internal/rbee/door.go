package rbee

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"waggle/registry"
)

// Config sets up a Door.
type Config struct {
	Registry *registry.TelemetryRegistry // required
	Logger   *slog.Logger                // nil means that nothing is logged

	// AssumeVRAMMB is the GPU memory, in MiB, that a worker is taken to have when its hive does not know. rbee itself
	// assumed 24,576. Zero means that it stays unknown.
	AssumeVRAMMB int
}

// Door takes in what rbee's hives send, and serves what rbee's dashboards read. It must be made by [New]; its methods may be called from
// anywhere at any time.
type Door struct {
	cfg   Config
	reg   *registry.TelemetryRegistry
	log   *slog.Logger
	stats counters
}

// New returns a Door.
func New(cfg Config) *Door {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Door{cfg: cfg, reg: cfg.Registry, log: cfg.Logger}
}

type counters struct{ refused, outdated atomic.Uint64 }

// Handler serves everything under /v1/, and /heartbeat.
func (d *Door) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/v1/hive-heartbeat", d.accept(d.takeHiveHeartbeat))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusNotFound, answer{"error", "there is nothing at this path"})
	})
	return mux
}

// takeHiveHeartbeat takes in a heartbeat of generation B, C or D.
func (d *Door) takeHiveHeartbeat(r *http.Request, body []byte) (string, error) {
	var hb *registry.Heartbeat
	if err := decode(body, func(dec *decoder) { hb = dec.hiveHeartbeat(int32(d.cfg.AssumeVRAMMB)) }); err != nil {
		return "", err
	}
	what := "Telemetry"
	if hb.Cadence == cadenceB {
		what = "Heartbeat"
	}
	message := what + " received from hive " + hb.Hive.ID
	return message, d.apply(hb, peerOf(r))
}

// reorderWindow is for how long a heartbeat may have been under way: rbee's hives give up on one after 5 s. One that is
// older still comes of a clock that was set back.
const reorderWindow = 5 * time.Second

// apply hands a pushed heartbeat to the registry.
func (d *Door) apply(hb *registry.Heartbeat, peer netip.Addr) error {
	if peer.IsValid() && isHere(hb.Hive.Hostname) {
		// Hives say 127.0.0.1 wherever they are, which is of no use to a scheduler elsewhere.
		hb.Hive.Hostname = peer.String()
	}
	if known := d.reg.Snapshot().Hive(hb.Hive.ID); known != nil && overtaken(hb, known) {
		d.stats.outdated.Add(1)
		return nil
	}
	terms, err := d.reg.Apply(hb)
	if err != nil {
		return inWireNames(err)
	}
	if terms.Outcome == registry.Conflict {
		return refuse(http.StatusConflict, "%s", strings.Join(terms.Warnings, "; "))
	}
	return nil
}

// overtaken reports whether a heartbeat was sent before the last one that its hive's record shows. Only the sender's clock can tell.
func overtaken(hb *registry.Heartbeat, known *registry.Hive) bool {
	if hb.SentAt.IsZero() || !known.ClockSkewMS.Known {
		return false
	}
	last := known.LastSeenAt.Add(time.Duration(known.ClockSkewMS.Value) * time.Millisecond)
	earlier := last.Sub(hb.SentAt)
	return earlier > time.Millisecond && earlier < reorderWindow // the skew is rounded to 1 ms
}

// isHere reports whether a hostname means the hive's own machine, or nothing.
func isHere(hostname string) bool {
	if hostname == "" || strings.EqualFold(hostname, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(hostname)
	return err == nil && (addr.Unmap().IsLoopback() || addr.IsUnspecified())
}

// inWireNames names the fields of an error of the registry as rbee's bodies do.
func inWireNames(err error) error {
	invalid := (*registry.InvalidError)(nil)
	if !errors.As(err, &invalid) {
		return err
	}
	field := strings.NewReplacer("devices", "capabilities", "computeCapability", "compute_capability").Replace(invalid.Field)
	return &registry.InvalidError{Field: field, Why: invalid.Why}
}

// peerOf returns the address that a request came from; invalid when it is not known.
func peerOf(r *http.Request) netip.Addr {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Addr().Unmap()
}

// Run keeps up what goes on without a request, until ctx ends.
func (d *Door) Run(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}
