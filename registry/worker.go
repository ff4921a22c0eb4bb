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

// Telemetry are the fast figures of a worker.
type Telemetry struct {
	GPUUtilizationPercent OptFloat // 0 to 100
	VRAMUsedMB            OptInt   // by this process
	VRAMTotalMB           OptInt   // of its device or devices
	CPUPercent            OptFloat // of one core, so it can pass 100
	RSSMB                 OptInt
	IOReadMBPerSecond     OptFloat
	IOWriteMBPerSecond    OptFloat
	UptimeSeconds         OptInt
	RequestsRunning       OptInt
	RequestsQueued        OptInt
}

// Worker is a model-server process at one revision. It is immutable.
type Worker struct {
	ID       string // "<hive>/<group>/<instance>"
	HiveID   string
	Hive     *Hive // in the same snapshot
	Group    string
	Instance string
	PID      OptInt
	Model    OptString
	Endpoint OptString // where a scheduler reaches it
	Telemetry

	Activity      Activity
	ActivitySince time.Time
	VRAMFreeMB    OptInt   // never negative; unknown unless the hive is ONLINE and both its parts are known
	Revision      Revision // of the last change to anything but LastSeenAt

	reported OptString // the endpoint as reported
}

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
	case l != Online || !gpu.Known && !requests.Known:
		return UnknownActivity
	case gpu.Value == 0 && requests.Value == 0:
		return Idle
	default:
		return Working
	}
}

// freeVRAM returns what is left of a worker's GPU memory on a hive of this liveness.
func freeVRAM(t *Telemetry, l Liveness) OptInt {
	if l != Online || !t.VRAMTotalMB.Known || !t.VRAMUsedMB.Known {
		return OptInt{}
	}
	return Int(max(t.VRAMTotalMB.Value-t.VRAMUsedMB.Value, 0))
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
	if u.Port() == "" {
		u.Host = hostname
	} else {
		u.Host = net.JoinHostPort(hostname, u.Port())
	}
	return OptString(u.String())
}

func isLocal(host string) bool {
	if strings.EqualFold(host, "localhost") || strings.HasSuffix(strings.ToLower(host), ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && (addr.Unmap().IsLoopback() || addr.IsUnspecified())
}

// compareWorkers orders by id: hive, then group, then instance.
func compareWorkers(a, b *Worker) int {
	return cmp.Or(cmp.Compare(a.HiveID, b.HiveID), cmp.Compare(a.Group, b.Group), cmp.Compare(a.Instance, b.Instance))
}
