package graph

import (
	"waggle/internal/jsonwalk"
	"waggle/registry"
)

// heartbeatShapes say how a HeartbeatInput and the inputs in it are read. Fields stand in the order of the schema, in which senders send them.
type heartbeatShapes struct {
	heartbeat *jsonwalk.Shape[*heartbeatReader, registry.Heartbeat]
	hive      *jsonwalk.Shape[*heartbeatReader, registry.HiveReport]
	device    *jsonwalk.Shape[*heartbeatReader, registry.Device]
	worker    *jsonwalk.Shape[*heartbeatReader, registry.WorkerReport]
}

func newHeartbeatShapes() *heartbeatShapes {
	return &heartbeatShapes{heartbeat: heartbeatShape(), hive: hiveShape(), device: deviceShape(), worker: workerShape()}
}

func heartbeatShape() *jsonwalk.Shape[*heartbeatReader, registry.Heartbeat] {
	field := jsonwalk.NewField[*heartbeatReader, registry.Heartbeat]
	return jsonwalk.NewShape(
		field("hive", func(r *heartbeatReader, hb *registry.Heartbeat) { r.shapes.hive.Read(r.Walker, r, &hb.Hive) }),
		field("sentAt?", func(r *heartbeatReader, hb *registry.Heartbeat) { hb.SentAt = r.optTime() }),
		field("incarnation?", func(r *heartbeatReader, hb *registry.Heartbeat) { hb.Incarnation = r.optText() }),
		field("sequence?", func(r *heartbeatReader, hb *registry.Heartbeat) { hb.Sequence = r.optInt() }),
		field("devices?", func(r *heartbeatReader, hb *registry.Heartbeat) {
			if !r.Null() {
				hb.Devices = readList(r, &r.devices, r.shapes.device) // nil would be "unchanged"
			}
		}),
		field("workers", func(r *heartbeatReader, hb *registry.Heartbeat) {
			hb.Workers = readList(r, &r.workers, r.shapes.worker)
		}),
	)
}

func hiveShape() *jsonwalk.Shape[*heartbeatReader, registry.HiveReport] {
	field := jsonwalk.NewField[*heartbeatReader, registry.HiveReport]
	return jsonwalk.NewShape(
		field("id", func(r *heartbeatReader, h *registry.HiveReport) { h.ID = r.id() }),
		field("hostname", func(r *heartbeatReader, h *registry.HiveReport) { h.Hostname = r.text() }),
		field("port", func(r *heartbeatReader, h *registry.HiveReport) { h.Port = r.int() }),
		field("version?", func(r *heartbeatReader, h *registry.HiveReport) { h.Version = r.name() }),
		field("operationalStatus?", func(r *heartbeatReader, h *registry.HiveReport) {
			h.OperationalStatus = enum(r, registry.Ready, registry.Starting, registry.Busy, registry.Stopping, registry.Stopped)
		}),
		field("healthStatus?", func(r *heartbeatReader, h *registry.HiveReport) {
			h.HealthStatus = enum(r, registry.Healthy, registry.Degraded, registry.Unhealthy)
		}),
		field("healthReason?", func(r *heartbeatReader, h *registry.HiveReport) { h.HealthReason = registry.OptString(r.optText()) }),
	)
}

func deviceShape() *jsonwalk.Shape[*heartbeatReader, registry.Device] {
	field := jsonwalk.NewField[*heartbeatReader, registry.Device]
	return jsonwalk.NewShape(
		field("id", func(r *heartbeatReader, d *registry.Device) { d.ID = r.id() }),
		field("name", func(r *heartbeatReader, d *registry.Device) { d.Name = r.name() }),
		field("kind", func(r *heartbeatReader, d *registry.Device) { d.Kind = enum(r, registry.GPU, registry.CPU) }),
		field("memoryTotalMb?", func(r *heartbeatReader, d *registry.Device) { d.MemoryTotalMB = r.optInt() }),
		field("memoryUsedMb?", func(r *heartbeatReader, d *registry.Device) { d.MemoryUsedMB = r.optInt() }),
		field("utilizationPercent?", func(r *heartbeatReader, d *registry.Device) { d.UtilizationPercent = r.optFloat() }),
		field("temperatureCelsius?", func(r *heartbeatReader, d *registry.Device) { d.TemperatureCelsius = r.optFloat() }),
		field("powerWatts?", func(r *heartbeatReader, d *registry.Device) { d.PowerWatts = r.optFloat() }),
		field("computeCapability?", func(r *heartbeatReader, d *registry.Device) { d.ComputeCapability = registry.OptString(r.optName()) }),
	)
}

func workerShape() *jsonwalk.Shape[*heartbeatReader, registry.WorkerReport] {
	field := jsonwalk.NewField[*heartbeatReader, registry.WorkerReport]
	return jsonwalk.NewShape(
		field("group", func(r *heartbeatReader, w *registry.WorkerReport) { w.Group = r.name() }),
		field("instance", func(r *heartbeatReader, w *registry.WorkerReport) { w.Instance = r.name() }),
		field("pid?", func(r *heartbeatReader, w *registry.WorkerReport) { w.PID = r.optInt() }),
		field("model?", func(r *heartbeatReader, w *registry.WorkerReport) { w.Model = registry.OptString(r.optName()) }),
		field("endpoint?", func(r *heartbeatReader, w *registry.WorkerReport) { w.Endpoint = registry.OptString(r.optText()) }),
		field("gpuUtilizationPercent?", func(r *heartbeatReader, w *registry.WorkerReport) { w.GPUUtilizationPercent = r.optFloat() }),
		field("vramUsedMb?", func(r *heartbeatReader, w *registry.WorkerReport) { w.VRAMUsedMB = r.optInt() }),
		field("vramTotalMb?", func(r *heartbeatReader, w *registry.WorkerReport) { w.VRAMTotalMB = r.optInt() }),
		field("cpuPercent?", func(r *heartbeatReader, w *registry.WorkerReport) { w.CPUPercent = r.optFloat() }),
		field("rssMb?", func(r *heartbeatReader, w *registry.WorkerReport) { w.RSSMB = r.optInt() }),
		field("ioReadMbPerSecond?", func(r *heartbeatReader, w *registry.WorkerReport) { w.IOReadMBPerSecond = r.optFloat() }),
		field("ioWriteMbPerSecond?", func(r *heartbeatReader, w *registry.WorkerReport) { w.IOWriteMBPerSecond = r.optFloat() }),
		field("uptimeSeconds?", func(r *heartbeatReader, w *registry.WorkerReport) { w.UptimeSeconds = r.optInt() }),
		field("requestsRunning?", func(r *heartbeatReader, w *registry.WorkerReport) { w.RequestsRunning = r.optInt() }),
		field("requestsQueued?", func(r *heartbeatReader, w *registry.WorkerReport) { w.RequestsQueued = r.optInt() }),
	)
}
