package rbee

import (
	"math"

	"waggle/registry"
)

// guessedVRAMMB is the total that a hive makes up when it has no GPU, or several.
const guessedVRAMMB = 24576

// vram are the GPU figures of a worker as a hive sends them.
type vram struct {
	gpuPercent      float64
	usedMB, totalMB uint64
}

// worker reads a worker as generations C to F have it. Where assumeVRAMMB is not 0, it is the total of a worker that tells none.
func (d *decoder) worker(assumeVRAMMB int32) registry.WorkerReport {
	var r registry.WorkerReport
	var gpu vram
	var cpu, read, write float64
	d.Object([]string{
		"pid", "group", "instance", "cpu_pct", "rss_mb", "io_r_mb_s", "io_w_mb_s", "uptime_s",
		"gpu_util_pct", "vram_mb", "total_vram_mb", "model?",
	}, func(name string) {
		switch name {
		case "pid":
			r.PID = optInt(d.uint(math.MaxUint32))
		case "group":
			r.Group = d.string()
		case "instance":
			r.Instance = d.string()
		case "cpu_pct":
			cpu = d.float()
		case "rss_mb":
			r.RSSMB = optInt(d.uint(math.MaxUint64))
		case "io_r_mb_s":
			read = d.float()
		case "io_w_mb_s":
			write = d.float()
		case "uptime_s":
			r.UptimeSeconds = optInt(d.uint(math.MaxUint64))
		case "gpu_util_pct":
			gpu.gpuPercent = d.float()
		case "vram_mb":
			gpu.usedMB = d.uint(math.MaxUint64)
		case "total_vram_mb":
			gpu.totalMB = d.uint(math.MaxUint64)
		case "model":
			r.Model = registry.OptString(d.optString())
		}
	})
	// Every hive so far sends these three as constants. All three at rest would look the same, and nobody is misled by not knowing it.
	if cpu != 0 || read != 0 || write != 0 {
		r.CPUPercent, r.IOReadMBPerSecond, r.IOWriteMBPerSecond = registry.Float(cpu), registry.Float(read), registry.Float(write)
	}
	gpu.fill(&r.Telemetry, assumeVRAMMB)
	return r
}

// fill sets the GPU figures that can be believed. Hives send 0 for what they cannot measure, and their guess for a total that they do not
// know; taken at its word that would be an idle worker with 24 GB free.
func (v vram) fill(t *registry.Telemetry, assumeVRAMMB int32) {
	unmeasured := v.gpuPercent == 0 && v.usedMB == 0 && (v.totalMB == 0 || v.totalMB == guessedVRAMMB)
	if !unmeasured {
		t.GPUUtilizationPercent = registry.Float(v.gpuPercent)
	}
	if !unmeasured || assumeVRAMMB > 0 {
		t.VRAMUsedMB = optInt(v.usedMB)
	}
	switch {
	case v.totalMB != 0 && !unmeasured:
		t.VRAMTotalMB = optInt(v.totalMB)
	case assumeVRAMMB > 0:
		t.VRAMTotalMB = registry.Int(assumeVRAMMB)
	}
}

// optInt returns a figure of the registry. One that is out of its range is wrong, and so unknown.
func optInt(v uint64) registry.OptInt {
	if v > math.MaxInt32 {
		return registry.OptInt{}
	}
	return registry.Int(int32(v))
}
