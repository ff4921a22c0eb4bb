package registry

import (
	"net"
	"net/url"
	"strconv"
	"time"
)

// Liveness says whether a hive's heartbeats still arrive.
type Liveness uint8

// The values of Liveness.
const (
	Online  Liveness = iota // heard from in time
	Suspect                 // overdue
	Offline                 // given up
)

func (l Liveness) String() string { return [...]string{"ONLINE", "SUSPECT", "OFFLINE"}[l] }

// OperationalStatus is what a hive says it is doing.
type OperationalStatus uint8

// The values of OperationalStatus. The zero value is Ready, as a hive that says nothing is.
const (
	Ready OperationalStatus = iota
	Starting
	Busy
	Stopping
	Stopped
)

func (s OperationalStatus) String() string {
	return [...]string{"READY", "STARTING", "BUSY", "STOPPING", "STOPPED"}[s]
}

// HealthStatus is how well a hive says it is.
type HealthStatus uint8

// The values of HealthStatus. The zero value is Healthy, as a hive that says nothing is.
const (
	Healthy HealthStatus = iota
	Degraded
	Unhealthy
)

func (s HealthStatus) String() string { return [...]string{"HEALTHY", "DEGRADED", "UNHEALTHY"}[s] }

// Health is a hive's condition as it reported it.
type Health struct {
	Status HealthStatus
	Reason OptString
}

// DeviceKind is a sort of compute device.
type DeviceKind uint8

// The values of DeviceKind.
const (
	GPU DeviceKind = iota
	CPU
)

func (k DeviceKind) String() string { return [...]string{"GPU", "CPU"}[k] }

// Device is a GPU or CPU of a hive, as the hive reports it.
type Device struct {
	ID                 string // unique within the hive
	Name               string
	Kind               DeviceKind
	MemoryTotalMB      OptInt
	MemoryUsedMB       OptInt
	UtilizationPercent OptFloat // 0 to 100
	TemperatureCelsius OptFloat
	PowerWatts         OptFloat
	ComputeCapability  OptString
}

// HiveProfile is what a hive is. It stays the same from heartbeat to heartbeat, so all records of the hive share it until it changes.
// It is immutable.
type HiveProfile struct {
	Hostname    string
	Version     string
	FirstSeenAt time.Time
}

// Hive is a machine at one revision, together with its workers. It is immutable, and so is all it refers to.
type Hive struct {
	*HiveProfile
	ID                string // unique; not of the profile, since each change names it
	Health            Health
	Port              int32 // 0: none; the narrow fields stand together, so that no room is lost between them
	OperationalStatus OperationalStatus
	Liveness          Liveness
	Available         bool // may be given new work
	Cordoned          bool // an operator said: no new work here
	Devices           []Device
	Workers           []*Worker // by group, then instance

	LastSeenAt          time.Time // of the last accepted heartbeat, by our clock
	HeartbeatIntervalMS OptInt    // observed; unknown before the second heartbeat
	ClockSkewMS         OptInt    // sender minus receiver, for display only
	Revision            Revision  // of the last change to anything but LastSeenAt
}

// Endpoint returns http://hostname:port.
func (h *Hive) Endpoint() string {
	u := url.URL{Scheme: "http", Host: net.JoinHostPort(h.Hostname, strconv.Itoa(int(h.Port)))}
	return u.String()
}

// decideAvailable sets Available from what it follows from.
func (h *Hive) decideAvailable() {
	h.Available = h.Liveness == Online && !h.Cordoned && h.Health.Status != Unhealthy &&
		(h.OperationalStatus == Ready || h.OperationalStatus == Busy)
}

// Worker returns the hive's worker with this full id, or nil.
func (h *Hive) Worker(id string) *Worker {
	for _, w := range h.Workers {
		if w.ID == id {
			return w
		}
	}
	return nil
}

// hiveItem makes a hive an item of a HeartbeatRegistry.
type hiveItem struct{ hive *Hive }

func (i hiveItem) ID() string      { return i.hive.ID }
func (i hiveItem) Recent() bool    { return i.hive.Liveness == Online }
func (i hiveItem) Available() bool { return i.hive.Available }
func (i hiveItem) Info() string {
	s := i.hive.ID + " at " + i.hive.Endpoint()
	if i.hive.Version != "" {
		s += ", version " + i.hive.Version
	}
	return s
}
