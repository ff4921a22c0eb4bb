package rbee

import (
	"math"
	"strings"

	"waggle/registry"
)

// groupA is the group of workers of generation A, which had none.
const groupA = "worker"

// generationA reads a heartbeat of generation A: a hive that sums up its workers. It says nothing of itself but its id.
func (d *decoder) generationA() *registry.Heartbeat {
	hb := &registry.Heartbeat{Cadence: cadenceA}
	d.Object([]string{"hive_id", "timestamp", "workers"}, func(name string) {
		switch name {
		case "hive_id":
			hb.Hive.ID = d.string()
		case "timestamp":
			hb.SentAt = d.timestamp()
		case "workers":
			d.Array(func(int) { hb.Workers = append(hb.Workers, d.workerState()) })
		}
	})
	return hb
}

// workerState reads a worker as generation A had it.
func (d *decoder) workerState() registry.WorkerReport {
	r := registry.WorkerReport{Group: groupA}
	var state, health string
	d.Object([]string{
		"worker_id", "state", "last_heartbeat", "health_status", "url",
		"model_id?", "backend?", "device_id?", "vram_bytes?", "ram_bytes?", "cpu_percent?", "gpu_percent?",
	}, func(name string) {
		switch name {
		case "worker_id":
			r.Instance = d.string()
		case "state":
			state = d.string()
		case "health_status":
			health = d.string()
		case "url":
			r.Endpoint = endpoint(d.string())
		case "last_heartbeat":
			d.string() // the hive's heartbeat is what counts
		case "backend":
			d.optString()
		case "model_id":
			r.Model = registry.OptString(d.optString())
		case "device_id":
			d.optUint(math.MaxUint32)
		case "vram_bytes":
			r.VRAMUsedMB = d.optMB()
		case "ram_bytes":
			r.RSSMB = d.optMB()
		case "cpu_percent":
			r.CPUPercent = d.optFloat()
		case "gpu_percent":
			r.GPUUtilizationPercent = d.optFloat()
		}
	})
	switch {
	case strings.EqualFold(health, "unhealthy"), state != "Idle" && state != "Busy":
		// A worker that loads its model, or is broken, must not look idle because its GPU is.
		r.GPUUtilizationPercent = registry.OptFloat{}
	case state == "Idle":
		r.RequestsRunning = registry.Int(0)
	default:
		r.RequestsRunning = registry.Int(1) // at least
	}
	return r
}

// endpoint returns a worker's address if it is one. Generation A did not check it, and it is no reason to refuse a hive.
func endpoint(s string) registry.OptString {
	report := registry.WorkerReport{Group: groupA, Instance: "x", Endpoint: registry.OptString(s)}
	if report.Check() != nil {
		return ""
	}
	return registry.OptString(s)
}

// optMB reads a number of bytes or null, and returns MiB.
func (d *decoder) optMB() registry.OptInt {
	if d.Null() {
		return registry.OptInt{}
	}
	return optInt(d.uint(math.MaxUint64) >> 20)
}
