package registry

import (
	"slices"
	"unsafe"
)

// Fields is a set of fields of a hive or a worker, for saying what changed and what somebody wants to know.
type Fields uint32

// Fields of a hive.
const (
	HiveHostname Fields = 1 << iota
	HivePort
	HiveVersion
	HiveOperationalStatus
	HiveHealth
	HiveLiveness
	HiveAvailable
	HiveCordoned
	HiveDevices
	HiveWorkerSet // a worker came or went
	HiveFirstSeenAt
	HiveLastSeenAt
	HiveHeartbeatInterval
	HiveClockSkew
	HiveRevision
)

// Fields of a worker.
const (
	WorkerPID Fields = 1 << iota
	WorkerModel
	WorkerEndpoint
	WorkerActivity
	WorkerActivitySince
	WorkerLiveness
	WorkerAvailable
	WorkerGPUUtilization
	WorkerVRAMUsed
	WorkerVRAMTotal
	WorkerVRAMFree
	WorkerCPU
	WorkerRSS
	WorkerIORead
	WorkerIOWrite
	WorkerUptime
	WorkerRequestsRunning
	WorkerRequestsQueued
	WorkerLastSeenAt
	WorkerRevision
)

// AllFields are all fields, of a hive or of a worker.
const AllFields = ^Fields(0)

// Change is what one revision changed: something about exactly one hive and its workers.
type Change struct {
	HiveID  string
	Hive    Fields // AllFields: the hive is new, or gone
	Gone    bool   // the hive is gone, and all its workers with it
	Workers []WorkerChange
}

// WorkerChange is what one revision changed of one worker.
type WorkerChange struct {
	*WorkerProfile        // after the change; before it when the worker is gone
	Changed        Fields // AllFields: the worker is new, or gone
	Gone           bool
}

// bytes returns about how much memory a change takes that made one record of a hive of another: its own, and the profiles of workers that came with
// it, which it may hold for longer than the registry does. Either record may be nil.
func (c *Change) bytes(old, hive *Hive) int {
	n := int(unsafe.Sizeof(*c)) + len(c.Workers)*int(unsafe.Sizeof(WorkerChange{}))
	if sameRoster(workersOf(old), workersOf(hive)) {
		return n
	}
	for _, w := range workersOf(hive) {
		n += int(unsafe.Sizeof(*w.WorkerProfile)) + len(w.ID) + len(w.Model) + len(w.Endpoint)
	}
	return n
}

// searchable reports whether anything changed that one can search for, or that is summed up, and so the index must know.
func (c *Change) searchable() bool {
	const (
		ofHive   = HiveLiveness | HiveDevices
		ofWorker = WorkerModel | WorkerActivity | WorkerAvailable | WorkerVRAMUsed | WorkerVRAMTotal | WorkerRequestsQueued
	)
	return c.Hive&ofHive != 0 || anyWorkerChanged(c.Workers, ofWorker)
}

func anyWorkerChanged(changes []WorkerChange, fields Fields) bool {
	return slices.ContainsFunc(changes, func(c WorkerChange) bool { return c.Changed&fields != 0 })
}

// DiffHive returns which fields of two records of a hive differ, but for its workers.
func DiffHive(old, hive *Hive) Fields {
	var f Fields
	if old.HiveProfile != hive.HiveProfile {
		f |= when(old.Hostname != hive.Hostname, HiveHostname)
		f |= when(old.Version != hive.Version, HiveVersion)
		f |= when(!old.FirstSeenAt.Equal(hive.FirstSeenAt), HiveFirstSeenAt)
	}
	f |= when(old.Port != hive.Port, HivePort)
	f |= when(old.OperationalStatus != hive.OperationalStatus, HiveOperationalStatus)
	f |= when(old.Health != hive.Health, HiveHealth)
	f |= when(old.Liveness != hive.Liveness, HiveLiveness)
	f |= when(old.Available != hive.Available, HiveAvailable)
	f |= when(old.Cordoned != hive.Cordoned, HiveCordoned)
	f |= when(!sameDevices(old.Devices, hive.Devices), HiveDevices)
	f |= when(!old.LastSeenAt.Equal(hive.LastSeenAt), HiveLastSeenAt)
	f |= when(old.HeartbeatIntervalMS != hive.HeartbeatIntervalMS, HiveHeartbeatInterval)
	f |= when(old.ClockSkewMS != hive.ClockSkewMS, HiveClockSkew)
	return f
}

// DiffWorker returns which fields of two records of a worker differ.
func DiffWorker(old, w *Worker) Fields {
	var f Fields
	if old.Telemetry != w.Telemetry {
		f |= when(old.GPUUtilizationPercent != w.GPUUtilizationPercent, WorkerGPUUtilization)
		f |= when(old.VRAMUsedMB != w.VRAMUsedMB, WorkerVRAMUsed)
		f |= when(old.VRAMTotalMB != w.VRAMTotalMB, WorkerVRAMTotal)
		f |= when(old.CPUPercent != w.CPUPercent, WorkerCPU)
		f |= when(old.RSSMB != w.RSSMB, WorkerRSS)
		f |= when(old.IOReadMBPerSecond != w.IOReadMBPerSecond, WorkerIORead)
		f |= when(old.IOWriteMBPerSecond != w.IOWriteMBPerSecond, WorkerIOWrite)
		f |= when(old.UptimeSeconds != w.UptimeSeconds, WorkerUptime)
		f |= when(old.RequestsRunning != w.RequestsRunning, WorkerRequestsRunning)
		f |= when(old.RequestsQueued != w.RequestsQueued, WorkerRequestsQueued)
	}
	if old.WorkerProfile != w.WorkerProfile {
		f |= when(old.PID != w.PID, WorkerPID)
		f |= when(old.Model != w.Model, WorkerModel)
		f |= when(old.Endpoint != w.Endpoint, WorkerEndpoint)
	}
	f |= when(old.Activity != w.Activity, WorkerActivity)
	f |= when(old.activitySince != w.activitySince, WorkerActivitySince)
	f |= when(old.VRAMFreeMB != w.VRAMFreeMB, WorkerVRAMFree)
	f |= when(old.Hive.Liveness != w.Hive.Liveness, WorkerLiveness)
	f |= when(old.Hive.Available != w.Hive.Available, WorkerAvailable)
	f |= when(!old.Hive.LastSeenAt.Equal(w.Hive.LastSeenAt), WorkerLastSeenAt)
	return f
}

func when(changed bool, f Fields) Fields {
	if changed {
		return f
	}
	return 0
}

func sameDevices(a, b []Device) bool {
	if len(a) != len(b) {
		return false
	}
	if len(a) == 0 || &a[0] == &b[0] {
		return true
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
