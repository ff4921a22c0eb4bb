package registry

import (
	"cmp"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Activity says whether a worker is working.
type Activity uint8

// The values of Activity.
const (
	Idle            Activity = iota // GPU utilization 0 and no running request, as far as known
	Working                         // anything above that
	UnknownActivity                 // the hive is not ONLINE, or neither figure is known
)

func (a Activity) String() string { return [...]string{"IDLE", "BUSY", "UNKNOWN"}[a] }

// Telemetry are the fast figures of a worker. The wider ones come first, so that no room is lost between them.
type Telemetry struct {
	GPUUtilizationPercent OptFloat // 0 to 100
	CPUPercent            OptFloat // of one core, so it can pass 100
	IOReadMBPerSecond     OptFloat
	IOWriteMBPerSecond    OptFloat
	VRAMUsedMB            OptInt // by this process
	VRAMTotalMB           OptInt // of its device or devices
	RSSMB                 OptInt
	UptimeSeconds         OptInt
	RequestsRunning       OptInt
	RequestsQueued        OptInt
}

// Worker is a model-server process at one revision. It is immutable.
type Worker struct {
	*WorkerProfile
	Hive *Hive // in the same snapshot
	Telemetry
	Activity   Activity
	VRAMFreeMB OptInt // never negative; unknown unless the hive is ONLINE and both its parts are known

	// A fleet makes as many of these records in a second as it has workers. They are kept small: less to write, to collect, and to
	// fetch from memory for the comparison with the next.
	activitySince int64  // nanoseconds since 1970
	revision      uint64 // counter of Revision
}

// ActivitySince returns since when, by our clock, its activity has been what it is.
func (w *Worker) ActivitySince() time.Time { return time.Unix(0, w.activitySince) }

// Revision returns that of the last change to anything but LastSeenAt.
func (w *Worker) Revision() Revision { return Revision{w.Hive.Revision.Epoch, w.revision} }

// Liveness returns that of its hive.
func (w *Worker) Liveness() Liveness { return w.Hive.Liveness }

// Available reports whether its hive is available.
func (w *Worker) Available() bool { return w.Hive.Available }

// LastSeenAt returns when the server received the last accepted heartbeat of its hive.
func (w *Worker) LastSeenAt() time.Time { return w.Hive.LastSeenAt }

// activityOf judges a worker's figures as they stand on a hive of this liveness. A running request proves work, whatever the GPU
// says; where there is no GPU figure, as on a machine without one, the engine's word is enough for both.
func activityOf(t *Telemetry, l Liveness) Activity {
	gpu, requests := t.GPUUtilizationPercent, t.RequestsRunning
	switch {
	case l != Online || !gpu.Known() && !requests.Known():
		return UnknownActivity
	case gpu.Value() == 0 && requests.Value() == 0:
		return Idle
	default:
		return Working
	}
}

// freeVRAM returns what is left of a worker's GPU memory on a hive of this liveness.
func freeVRAM(t *Telemetry, l Liveness) OptInt {
	if l != Online || !t.VRAMTotalMB.Known() || !t.VRAMUsedMB.Known() {
		return OptInt{}
	}
	return Int(max(t.VRAMTotalMB.Value()-t.VRAMUsedMB.Value(), 0))
}

// settleTelemetry fills what follows from a worker's figures and its hive. Was is the record before it, or nil.
func (w *Worker) settleTelemetry(was *Worker, now time.Time) {
	w.Activity = activityOf(&w.Telemetry, w.Hive.Liveness)
	w.VRAMFreeMB = freeVRAM(&w.Telemetry, w.Hive.Liveness)
	if was != nil && was.Activity == w.Activity {
		w.activitySince = was.activitySince
	} else {
		w.activitySince = now.UnixNano()
	}
}

// endpointOf returns where a scheduler reaches a worker. A loopback address is of use only on the hive itself, and one of all
// interfaces nowhere, so the hive's hostname takes its host's place.
func endpointOf(reported, hostname string) OptString {
	if reported == "" {
		return ""
	}
	u, err := url.Parse(reported)
	if err != nil || !isLocal(u.Hostname()) || isLocal(hostname) {
		return OptString(reported)
	}
	// JoinHostPort puts brackets around an address of IPv6, with a port and without.
	u.Host = strings.TrimSuffix(net.JoinHostPort(hostname, u.Port()), ":")
	return OptString(u.String())
}

func isLocal(host string) bool {
	name := strings.TrimSuffix(strings.ToLower(host), ".")
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && (addr.Unmap().IsLoopback() || addr.IsUnspecified())
}

// compareWorkers orders by id: hive, then group, then instance.
func compareWorkers(a, b *Worker) int {
	return cmp.Or(cmp.Compare(a.HiveID, b.HiveID), cmp.Compare(a.Group, b.Group), cmp.Compare(a.Instance, b.Instance))
}
