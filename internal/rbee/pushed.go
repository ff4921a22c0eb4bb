package rbee

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"waggle/registry"
)

// reorderWindow is for how long a heartbeat may have been under way: rbee's hives give up on one after 5 s. One that is
// older still comes of a clock that was set back.
const reorderWindow = 5 * time.Second

// takeHiveHeartbeat takes in a heartbeat of generation B, C or D.
func (d *Door) takeHiveHeartbeat(r *http.Request, body []byte) (string, error) {
	var hb *registry.Heartbeat
	if err := decode(body, func(dec *decoder) { hb = dec.hiveHeartbeat(int32(d.cfg.AssumeVRAMMB)) }); err != nil {
		return "", err
	}
	message := "Telemetry received from hive " + hb.Hive.ID
	if hb.Cadence == cadenceB {
		message = "Heartbeat received from hive " + hb.Hive.ID
	}
	return message, d.apply(hb, peerOf(r))
}

// takeGenerationA takes in a heartbeat of generation A.
func (d *Door) takeGenerationA(r *http.Request, body []byte) (string, error) {
	var hb *registry.Heartbeat
	if err := decode(body, func(dec *decoder) { hb = dec.generationA() }); err != nil {
		return "", err
	}
	return "Heartbeat received from " + hb.Hive.ID, d.apply(hb, peerOf(r))
}

// takeWorkerHeartbeat refuses what workers of generations A and B sent for themselves.
func (d *Door) takeWorkerHeartbeat(*http.Request, []byte) (string, error) {
	return "", refuse(http.StatusGone, "workers report through their hive: a worker's own heartbeat is not taken")
}

// apply hands a pushed heartbeat to the registry.
func (d *Door) apply(hb *registry.Heartbeat, peer netip.Addr) error {
	if peer.IsValid() && isHere(hb.Hive.Hostname) {
		// Hives say 127.0.0.1 wherever they are, which is of no use to a scheduler elsewhere.
		hb.Hive.Hostname = peer.String()
	}
	giveEndpoints(hb)
	if known := d.reg.Snapshot().Hive(hb.Hive.ID); known != nil && overtaken(hb, known) {
		d.stats.outdated.Add(1)
		return nil
	}
	terms, err := d.reg.Apply(hb)
	switch {
	case err != nil:
		return inWireNames(err)
	case terms.Outcome == registry.Conflict:
		return refuse(http.StatusConflict, "%s", strings.Join(terms.Warnings, "; "))
	}
	d.stats.pushed.Add(1)
	return nil
}

// giveEndpoints says where the workers are reached: at their hive, on the port that rbee uses as the name of an instance.
func giveEndpoints(hb *registry.Heartbeat) {
	for i := range hb.Workers {
		w := &hb.Workers[i]
		if port, err := strconv.ParseUint(w.Instance, 10, 16); err == nil && port > 0 && w.Endpoint == "" {
			w.Endpoint = registry.OptString("http://" + net.JoinHostPort(hb.Hive.Hostname, w.Instance))
		}
	}
}

// overtaken reports whether a heartbeat was sent before the last one that its hive's record shows. Only the sender's clock can tell.
func overtaken(hb *registry.Heartbeat, known *registry.Hive) bool {
	if hb.SentAt.IsZero() || !known.ClockSkewMS.Known() {
		return false
	}
	last := known.LastSeenAt.Add(time.Duration(known.ClockSkewMS.Value()) * time.Millisecond)
	earlier := last.Sub(hb.SentAt)
	return earlier > time.Millisecond && earlier < reorderWindow // the skew is rounded to 1 ms
}

// isHere reports whether a hostname means the machine that says it, or nothing.
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
