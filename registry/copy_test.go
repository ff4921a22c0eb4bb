package registry

import (
	"fmt"
	"time"
)

// registryCopy is kept right by nothing but the log of changes, taking over only the fields that it says have changed: one
// that it forgot to name is missing here.
type registryCopy struct {
	counter uint64
	hives   map[string]copiedHive
	workers map[string]copiedWorker
	living  map[string]Hive // of each worker: what it shows of its hive
}

func newRegistryCopy() *registryCopy {
	return &registryCopy{hives: map[string]copiedHive{}, workers: map[string]copiedWorker{}, living: map[string]Hive{}}
}

func (c *registryCopy) follow(reg *TelemetryRegistry) error {
	snap := reg.Snapshot()
	hives, workers := map[string]Fields{}, map[string]Fields{}
	number := c.counter
	err := reg.Changes().After(c.counter, snap.Revision.Counter, func(ch Change) {
		number++
		if ch.Gone {
			delete(c.hives, ch.HiveID)
		}
		hives[ch.HiveID] |= ch.Hive
		for _, w := range ch.Workers {
			if w.Gone {
				delete(c.workers, w.ID)
			}
			workers[w.ID] |= w.Changed
		}
	})
	if err != nil || number != snap.Revision.Counter {
		return fmt.Errorf("followed to %d of %d: %w", number, snap.Revision.Counter, err)
	}
	c.counter = number
	for id, f := range hives {
		if h := snap.Hive(id); h != nil {
			c.hives[id] = patchHive(c.hives[id], h, f)
		}
	}
	for id, f := range workers {
		if w := snap.Worker(id); w != nil {
			c.workers[id], c.living[id] = patchWorker(c.workers[id], c.living[id], w, f)
		}
	}
	return nil
}

// copiedHive is a hive that shares nothing with the registry. Its workers are not kept.
type copiedHive struct {
	HiveProfile
	Hive // but for its profile
}

func patchHive(old copiedHive, h *Hive, f Fields) copiedHive {
	old.ID = h.ID
	take(&old.Hostname, h.Hostname, f, HiveHostname)
	take(&old.Port, h.Port, f, HivePort)
	take(&old.Version, h.Version, f, HiveVersion)
	take(&old.OperationalStatus, h.OperationalStatus, f, HiveOperationalStatus)
	take(&old.Health, h.Health, f, HiveHealth)
	take(&old.Liveness, h.Liveness, f, HiveLiveness)
	take(&old.Available, h.Available, f, HiveAvailable)
	take(&old.Cordoned, h.Cordoned, f, HiveCordoned)
	take(&old.Devices, h.Devices, f, HiveDevices)
	take(&old.FirstSeenAt, h.FirstSeenAt, f, HiveFirstSeenAt)
	take(&old.LastSeenAt, h.LastSeenAt, f, HiveLastSeenAt)
	take(&old.HeartbeatIntervalMS, h.HeartbeatIntervalMS, f, HiveHeartbeatInterval)
	take(&old.ClockSkewMS, h.ClockSkewMS, f, HiveClockSkew)
	take(&old.Revision, h.Revision, f, HiveRevision)
	return old
}

// copiedWorker is a worker that shares nothing with the registry.
type copiedWorker struct {
	WorkerProfile
	Telemetry
	Activity      Activity
	ActivitySince time.Time
	VRAMFreeMB    OptInt
	Revision      Revision
}

func patchWorker(old copiedWorker, living Hive, w *Worker, f Fields) (copiedWorker, Hive) {
	old.ID, old.HiveID, old.Group, old.Instance = w.ID, w.HiveID, w.Group, w.Instance
	take(&old.PID, w.PID, f, WorkerPID)
	take(&old.Model, w.Model, f, WorkerModel)
	take(&old.Endpoint, w.Endpoint, f, WorkerEndpoint)
	take(&old.Activity, w.Activity, f, WorkerActivity)
	take(&old.ActivitySince, w.ActivitySince(), f, WorkerActivitySince)
	take(&old.GPUUtilizationPercent, w.GPUUtilizationPercent, f, WorkerGPUUtilization)
	take(&old.VRAMUsedMB, w.VRAMUsedMB, f, WorkerVRAMUsed)
	take(&old.VRAMTotalMB, w.VRAMTotalMB, f, WorkerVRAMTotal)
	take(&old.VRAMFreeMB, w.VRAMFreeMB, f, WorkerVRAMFree)
	take(&old.CPUPercent, w.CPUPercent, f, WorkerCPU)
	take(&old.RSSMB, w.RSSMB, f, WorkerRSS)
	take(&old.IOReadMBPerSecond, w.IOReadMBPerSecond, f, WorkerIORead)
	take(&old.IOWriteMBPerSecond, w.IOWriteMBPerSecond, f, WorkerIOWrite)
	take(&old.UptimeSeconds, w.UptimeSeconds, f, WorkerUptime)
	take(&old.RequestsRunning, w.RequestsRunning, f, WorkerRequestsRunning)
	take(&old.RequestsQueued, w.RequestsQueued, f, WorkerRequestsQueued)
	take(&old.Revision, w.Revision(), f, WorkerRevision)
	take(&living.Liveness, w.Liveness(), f, WorkerLiveness)
	take(&living.Available, w.Available(), f, WorkerAvailable)
	take(&living.LastSeenAt, w.LastSeenAt(), f, WorkerLastSeenAt)
	return old, living
}

func take[T any](to *T, from T, changed, field Fields) {
	if changed&field != 0 {
		*to = from
	}
}

// differs says how the copy differs from a snapshot of the same revision.
func (c *registryCopy) differs(snap *Snapshot) error {
	hives, workers := 0, 0
	for h := range snap.AllHives() {
		hives++
		got, ok := c.hives[h.ID]
		want := patchHive(copiedHive{}, h, AllFields)
		if !ok || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			return fmt.Errorf("the copy has hive\n%+v, the snapshot\n%+v", got, want)
		}
		for _, w := range h.Workers {
			workers++
			got, living := c.workers[w.ID], c.living[w.ID]
			want, wantLiving := patchWorker(copiedWorker{}, Hive{}, w, AllFields)
			if got != want || fmt.Sprintf("%+v", living) != fmt.Sprintf("%+v", wantLiving) {
				return fmt.Errorf("the copy has worker\n%+v\n%+v, the snapshot\n%+v\n%+v", got, living, want, wantLiving)
			}
		}
	}
	if hives != len(c.hives) || workers != len(c.workers) {
		return fmt.Errorf("the copy has %d hives and %d workers, the snapshot %d and %d", len(c.hives), len(c.workers), hives, workers)
	}
	return nil
}
