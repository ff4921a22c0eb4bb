package registry

import (
	"math"
	"time"

	"waggle/registry/history"
)

const (
	historyStep  = 5 * time.Second
	historySteps = 60 // five minutes
)

// Columns of the history.
const (
	columnGPUUtilization = iota
	columnVRAMUsed
)

// WorkerHistory is a worker's last five minutes, in columns of equal length, oldest first.
type WorkerHistory struct {
	StepMS                int32
	GPUUtilizationPercent []OptFloat
	VRAMUsedMB            []OptInt
}

// History returns the past figures of a worker. They are sampled every five seconds, so they may be a little
// older or newer than a snapshot.
func (reg *TelemetryRegistry) History(workerID string) *WorkerHistory {
	h := &WorkerHistory{StepMS: int32(historyStep.Milliseconds()), GPUUtilizationPercent: []OptFloat{}, VRAMUsedMB: []OptInt{}}
	columns := reg.history.Columns(workerID)
	for _, gpu := range columns[columnGPUUtilization] {
		percent := OptFloat{}
		if !history.IsUnknown(gpu) {
			percent = Float(math.Round(float64(gpu)*100) / 100)
		}
		h.GPUUtilizationPercent = append(h.GPUUtilizationPercent, percent)
	}
	for _, vram := range columns[columnVRAMUsed] {
		mb := OptInt{}
		if !history.IsUnknown(vram) {
			mb = Int(int32(vram))
		}
		h.VRAMUsedMB = append(h.VRAMUsedMB, mb)
	}
	return h
}

// recordHistory adds a step. What a silent hive last said is not known to be still so.
func (reg *TelemetryRegistry) recordHistory() {
	snap := reg.Snapshot()
	reg.history.Step(func(record func(string, ...float32)) {
		for w := range snap.WorkersWhere(nil) {
			gpu, vram := history.Unknown(), history.Unknown()
			if w.Hive.Liveness == Online && w.GPUUtilizationPercent.Known() {
				gpu = float32(w.GPUUtilizationPercent.Value())
			}
			if w.Hive.Liveness == Online && w.VRAMUsedMB.Known() {
				vram = float32(w.VRAMUsedMB.Value())
			}
			record(w.ID, gpu, vram)
		}
	})
}
