package gpu

import (
	"context"
	"fmt"
	"time"
)

// library is what this package needs of NVML, so that what is made of it can be tested without a GPU.
type library interface {
	// Count returns the number of devices.
	Count() (int, error)
	// Device reads one device; the error says what is wrong with this one. Utilization samples of processes are wanted from the given moment on.
	Device(index int, since time.Time) (reading, error)
	// Close undoes what opening it did.
	Close() error
}

// reading is what NVML says of a device; nil where it says nothing.
type reading struct {
	Device
	// sliced is set when the device is in MIG mode.
	sliced bool
	// processes is nil when the device does not tell.
	processes []processMemory
	// samples is nil when the device does not sample processes.
	samples []processSample
}

type processMemory struct {
	pid    int
	memory *uint64
}

type processSample struct {
	pid  int
	at   uint64 // microseconds
	busy uint32 // percent of the streaming multiprocessors' time
}

const (
	// sampleWindow is how far back utilization samples of processes are wanted: NVML takes one every 1/6 to 1 s, so a
	// shorter window would now and then miss a busy process and make it look idle.
	sampleWindow = 1500 * time.Millisecond
	// maxDevices bounds the devices of one machine.
	maxDevices = 64
)

type nvmlReader struct{ lib library }

func (r *nvmlReader) Read(ctx context.Context) (Reading, error) {
	count, err := r.lib.Count()
	if err != nil {
		return Reading{}, fmt.Errorf("cannot count the GPUs: %w", err)
	}
	var all Reading
	since := time.Now().Add(-sampleWindow)
	for i := range min(count, maxDevices) {
		if err := ctx.Err(); err != nil {
			return Reading{}, err
		}
		one, err := r.lib.Device(i, since)
		if err != nil { // The others can still be read.
			one = reading{Device: Device{Unreadable: err.Error()}}
		}
		if one.sliced {
			one.MemoryTotal = nil
		}
		one.Index = i
		all.Devices = append(all.Devices, one.Device)
		all.Usages = append(all.Usages, one.usages()...)
	}
	return all, nil
}

// Close shuts the library down, so that opening it begins afresh.
func (r *nvmlReader) Close() error {
	return r.lib.Close()
}

// usages says how much each process uses of the device.
func (r reading) usages() []Usage {
	usages := make([]Usage, 0, len(r.processes))
	byPID := map[int]int{}
	for _, p := range r.processes {
		at, seen := byPID[p.pid]
		if !seen {
			byPID[p.pid] = len(usages)
			usages = append(usages, Usage{PID: p.pid, Device: r.Index, Memory: p.memory})
			continue
		}
		// The same process in both the list of compute and that of graphics contexts: the larger figure holds both.
		if u := &usages[at]; u.Memory == nil || p.memory != nil && *p.memory > *u.Memory {
			u.Memory = p.memory
		}
	}
	for i := range usages {
		usages[i].Utilization = r.utilizationOf(usages[i].PID, len(usages) == 1)
	}
	return usages
}

// utilizationOf says how busy one process keeps the device. NVML has samples only of processes that were not idle, so a
// process without one was idle, unless nobody else can have been busy on a busy device.
func (r reading) utilizationOf(pid int, alone bool) *float64 {
	if r.samples != nil {
		var newest *processSample
		for i, s := range r.samples {
			if s.pid == pid && s.busy <= 100 && (newest == nil || s.at > newest.at) {
				newest = &r.samples[i]
			}
		}
		switch {
		case newest != nil:
			return new(float64(newest.busy))
		case !alone:
			return new(0.0)
		}
	}
	if alone {
		return r.Utilization
	}
	return nil
}
