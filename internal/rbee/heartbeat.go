package rbee

import (
	"math"
	"time"

	"waggle/registry"
)

// How often the hives beat whose protocol says so and that are too slow for the registry's defaults.
const (
	cadenceA = 15 * time.Second
	cadenceB = 30 * time.Second
)

// hiveHeartbeat reads a heartbeat as generations B, C and D push it. They differ in what is there: B has no workers, and D
// has devices while it looks for a queen.
func (d *decoder) hiveHeartbeat(assumeVRAMMB int32) *registry.Heartbeat {
	hb := &registry.Heartbeat{Cadence: cadenceB}
	d.Object([]string{"hive", "timestamp", "workers?", "capabilities?"}, func(name string) {
		switch name {
		case "hive":
			hb.Hive = d.hive()
		case "timestamp":
			hb.SentAt = d.timestamp()
		case "workers":
			hb.Cadence = 0
			hb.Workers = make([]registry.WorkerReport, 0, 8)
			d.Array(func(int) { hb.Workers = append(hb.Workers, d.worker(assumeVRAMMB)) })
		case "capabilities":
			if !d.Null() {
				hb.Devices = d.devices()
			}
		}
	})
	return hb
}

// hive reads what a hive says of itself.
func (d *decoder) hive() registry.HiveReport {
	var h registry.HiveReport
	d.Object([]string{"id", "hostname", "port", "operational_status", "health_status", "version"}, func(name string) {
		switch name {
		case "id":
			h.ID = d.string()
		case "hostname":
			h.Hostname = d.string()
		case "port":
			h.Port = int32(d.uint(math.MaxUint16))
		case "operational_status":
			h.OperationalStatus = d.operationalStatus()
		case "health_status":
			h.HealthStatus, h.HealthReason = d.healthStatus()
		case "version":
			h.Version = d.string()
		}
	})
	return h
}

func (d *decoder) operationalStatus() registry.OperationalStatus {
	switch d.string() {
	case "starting":
		return registry.Starting
	case "ready":
		return registry.Ready
	case "busy":
		return registry.Busy
	case "stopping":
		return registry.Stopping
	case "stopped":
		return registry.Stopped
	default:
		d.Wrong(`must be "starting", "ready", "busy", "stopping" or "stopped"`)
		return 0
	}
}

func (d *decoder) healthStatus() (status registry.HealthStatus, reason registry.OptString) {
	given := false
	d.Object([]string{"status", "reason?"}, func(name string) {
		if name == "reason" {
			if given = d.Next() == '"'; given {
				reason = registry.OptString(d.string())
			} else {
				d.Skip() // it only counts with a status that has a reason
			}
			return
		}
		switch d.string() {
		case "healthy":
			status = registry.Healthy
		case "degraded":
			status = registry.Degraded
		case "unhealthy":
			status = registry.Unhealthy
		default:
			d.Wrong(`must be "healthy", "degraded" or "unhealthy"`)
		}
	})
	if status == registry.Healthy {
		return status, ""
	}
	if !given {
		d.Wrong(`"degraded" and "unhealthy" need a "reason", a string`)
	}
	return status, reason
}

func (d *decoder) timestamp() time.Time {
	s := d.string()
	t, ok := parseTimestamp(s)
	if !ok {
		d.Wrong(`must be a date and time with zone, such as "2025-10-30T17:40:00.123Z"`)
	}
	return t
}

// devices reads what a hive says it can compute on. The result is not nil: that would be "unchanged".
func (d *decoder) devices() []registry.Device {
	devices := []registry.Device{}
	d.Array(func(int) { devices = append(devices, d.device()) })
	return devices
}

func (d *decoder) device() registry.Device {
	var device registry.Device
	d.Object([]string{"id", "name", "device_type", "vram_gb?", "compute_capability?"}, func(name string) {
		switch name {
		case "id":
			device.ID = d.string()
		case "name":
			device.Name = d.string()
		case "device_type":
			// Everything but "cpu" that documents name (gpu, cuda, metal) is a GPU.
			if d.string() == "cpu" {
				device.Kind = registry.CPU
			}
		case "vram_gb":
			if gb := d.optUint(math.MaxUint32); gb != 0 {
				device.MemoryTotalMB = optInt(gb << 10)
			}
		case "compute_capability":
			device.ComputeCapability = registry.OptString(d.optString())
		}
	})
	return device
}
