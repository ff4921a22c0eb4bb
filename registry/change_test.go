package registry

import (
	"slices"
	"testing"
	"time"
)

// What a heartbeat changes is named, and nothing else is.
func TestWhatAHeartbeatChangesIsNamed(t *testing.T) {
	worker := func(edit func(w *WorkerReport)) func(hb *Heartbeat) {
		return func(hb *Heartbeat) { edit(&hb.Workers[0]) }
	}
	for name, c := range map[string]struct {
		edit         func(hb *Heartbeat)
		hive, worker Fields
	}{
		"nothing": {func(*Heartbeat) {}, 0, 0},
		"time": {func(hb *Heartbeat) {
			hb.SentAt, hb.ReceivedAt = hb.SentAt.Add(time.Second), hb.ReceivedAt.Add(time.Second)
		}, HiveLastSeenAt | HiveHeartbeatInterval, WorkerLastSeenAt},
		"devices untold":   {func(hb *Heartbeat) { hb.Devices = nil }, 0, 0},
		"incarnation":      {func(hb *Heartbeat) { hb.Incarnation = "other" }, 0, 0},
		"hostname":         {func(hb *Heartbeat) { hb.Hive.Hostname = "other" }, HiveHostname, 0},
		"port":             {func(hb *Heartbeat) { hb.Hive.Port = 1 }, HivePort, 0},
		"version":          {func(hb *Heartbeat) { hb.Hive.Version = "2" }, HiveVersion, 0},
		"status":           {func(hb *Heartbeat) { hb.Hive.OperationalStatus = Busy }, HiveOperationalStatus, 0},
		"status, stopping": {func(hb *Heartbeat) { hb.Hive.OperationalStatus = Stopping }, HiveOperationalStatus | HiveAvailable, WorkerAvailable},
		"health":           {func(hb *Heartbeat) { hb.Hive.HealthStatus = Degraded }, HiveHealth, 0},
		"health reason":    {func(hb *Heartbeat) { hb.Hive.HealthReason = "other" }, HiveHealth, 0},
		"clock":            {func(hb *Heartbeat) { hb.SentAt = hb.ReceivedAt.Add(time.Second) }, HiveClockSkew, 0},
		"no devices":       {func(hb *Heartbeat) { hb.Devices = []Device{} }, HiveDevices, 0},
		"device":           {func(hb *Heartbeat) { hb.Devices[0].TemperatureCelsius = Float(1) }, HiveDevices, 0},
		"no worker":        {func(hb *Heartbeat) { hb.Workers = nil }, HiveWorkerSet, AllFields},
		"another worker": {func(hb *Heartbeat) {
			hb.Workers = append(hb.Workers, WorkerReport{Group: "zzz", Instance: "1"})
		}, HiveWorkerSet, AllFields},

		"pid":                {worker(func(w *WorkerReport) { w.PID = Int(2) }), 0, WorkerPID},
		"model":              {worker(func(w *WorkerReport) { w.Model = "other" }), 0, WorkerModel},
		"endpoint":           {worker(func(w *WorkerReport) { w.Endpoint = "http://10.0.0.1:1" }), 0, WorkerEndpoint},
		"GPU":                {worker(func(w *WorkerReport) { w.GPUUtilizationPercent = Float(2) }), 0, WorkerGPUUtilization},
		"VRAM used":          {worker(func(w *WorkerReport) { w.VRAMUsedMB = Int(2) }), 0, WorkerVRAMUsed | WorkerVRAMFree},
		"VRAM total":         {worker(func(w *WorkerReport) { w.VRAMTotalMB = Int(3) }), 0, WorkerVRAMTotal | WorkerVRAMFree},
		"CPU":                {worker(func(w *WorkerReport) { w.CPUPercent = Float(2) }), 0, WorkerCPU},
		"RSS":                {worker(func(w *WorkerReport) { w.RSSMB = Int(2) }), 0, WorkerRSS},
		"reads":              {worker(func(w *WorkerReport) { w.IOReadMBPerSecond = Float(2) }), 0, WorkerIORead},
		"writes":             {worker(func(w *WorkerReport) { w.IOWriteMBPerSecond = Float(2) }), 0, WorkerIOWrite},
		"uptime":             {worker(func(w *WorkerReport) { w.UptimeSeconds = Int(2) }), 0, WorkerUptime},
		"requests running":   {worker(func(w *WorkerReport) { w.RequestsRunning = Int(2) }), 0, WorkerRequestsRunning},
		"requests queued":    {worker(func(w *WorkerReport) { w.RequestsQueued = Int(2) }), 0, WorkerRequestsQueued},
		"activity, at once":  {worker(func(w *WorkerReport) { w.GPUUtilizationPercent, w.RequestsRunning = Float(0), Int(0) }), 0, WorkerGPUUtilization | WorkerRequestsRunning | WorkerActivity},
		"a figure not known": {worker(func(w *WorkerReport) { w.RSSMB = OptInt{} }), 0, WorkerRSS},
	} {
		t.Run(name, func(t *testing.T) {
			reg := New(Config{})
			now := time.Now()
			beat := func(edit func(*Heartbeat)) {
				hb := fullHeartbeat()
				hb.Sequence, hb.SentAt, hb.ReceivedAt = OptInt{}, now, now
				edit(hb)
				mustAccept(t, reg, hb)
			}
			beat(func(*Heartbeat) {})
			before := reg.Snapshot().Hive("gpu-1").Revision
			beat(c.edit)
			var hive, worker Fields
			if err := reg.Changes().After(1, 2, func(ch Change) {
				hive = ch.Hive
				for _, w := range ch.Workers {
					worker |= w.Changed
				}
			}); err != nil {
				t.Fatal(err)
			}
			want, wantWorker := c.hive, c.worker
			if want&^HiveLastSeenAt != 0 {
				want |= HiveRevision
			}
			if wantWorker&^WorkerLastSeenAt != 0 {
				wantWorker |= WorkerRevision
			}
			if hive != want || worker != wantWorker {
				t.Errorf("fields %b of the hive and %b of its workers, want %b and %b", hive, worker, want, wantWorker)
			}
			if isAnother := reg.Snapshot().Hive("gpu-1").Revision != before; isAnother != (want&HiveRevision != 0) {
				t.Errorf("its revision is another: %t", isAnother)
			}
		})
	}
}

func mustAccept(t *testing.T, reg *TelemetryRegistry, hb *Heartbeat) {
	t.Helper()
	if terms, err := reg.Apply(hb); err != nil || terms.Outcome != Accepted {
		t.Fatal(terms, err)
	}
}

// The sentences of events, as an operator reads them.
func TestEventsSayWhatHappened(t *testing.T) {
	reg := New(Config{})
	now := time.Now()
	for _, edit := range []func(*Heartbeat){
		func(*Heartbeat) {},
		func(hb *Heartbeat) { hb.Hive.HealthStatus, hb.Hive.HealthReason = Degraded, "GPU-0 is hot" },
		func(hb *Heartbeat) { hb.Hive.HealthStatus, hb.Hive.HealthReason = Healthy, "" },
		func(hb *Heartbeat) { hb.Workers[0].PID = Int(2) },
		func(hb *Heartbeat) { hb.Workers[0].PID, hb.Workers[0].Model = Int(2), "qwen" },
		func(hb *Heartbeat) { hb.Workers[0] = WorkerReport{Group: "llm", Instance: "8081"} },
		func(hb *Heartbeat) { hb.Workers = nil },
	} {
		hb := fullHeartbeat()
		hb.Sequence, hb.Hive.HealthReason, hb.ReceivedAt = OptInt{}, "", now
		edit(hb)
		mustAccept(t, reg, hb)
	}
	var got []string
	for _, e := range reg.LatestEvents(reg.Snapshot(), 100, nil) {
		got = append(got, e.Message)
	}
	slices.Reverse(got)
	want := []string{
		"gpu-1 at http://10.0.0.1:7835, version 1.0 joined with 1 worker.",
		"gpu-1/llm/8080 started with llama.",
		"gpu-1 is DEGRADED: GPU-0 is hot.",
		"gpu-1 is HEALTHY.",
		"gpu-1/llm/8080 was restarted with llama.",
		"gpu-1/llm/8080 now serves qwen.",
		"gpu-1/llm/8080 stopped.",
		"gpu-1/llm/8081 started.",
		"gpu-1/llm/8081 stopped.",
	}
	if !slices.Equal(got, want) {
		t.Errorf("events\n%q, want\n%q", got, want)
	}
}
