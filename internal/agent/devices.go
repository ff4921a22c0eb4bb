package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/mem"

	"waggle/client"
	"waggle/internal/agent/gpu"
)

const (
	bytesPerMB = 1 << 20
	// lookAgain is how long a machine is taken to have no GPU after none was found: drivers can be loaded later. It is
	// also the longest pause between attempts to read GPUs that fail.
	lookAgain = time.Minute
	// firstPause is how long GPUs that could not be read are left alone; it doubles with every failure, because an
	// attempt can cost a process.
	firstPause = time.Second
	// maxDevices is what the schema allows.
	maxDevices = 64
)

// gpus reads the GPUs through a reader that is opened when first needed. Not for concurrent use.
type gpus struct {
	open   func(context.Context) (gpu.Reader, error)
	reader gpu.Reader
	opened time.Time

	rest     time.Time // nothing is tried before
	err      error     // what is answered until then; nil on a machine without GPUs
	failures int       // attempts in a row that failed
}

// read returns nothing, and no error, on a machine without GPUs.
func (g *gpus) read(ctx context.Context) (gpu.Reading, error) {
	if time.Now().Before(g.rest) {
		return gpu.Reading{}, g.err
	}
	reading, err := g.attempt(ctx)
	switch {
	case errors.Is(err, gpu.ErrAbsent):
		g.rest, g.err, g.failures = time.Now().Add(lookAgain), nil, 0
		return gpu.Reading{}, nil
	case err != nil:
		pause := min(lookAgain, firstPause<<min(g.failures, 6))
		g.rest, g.err = time.Now().Add(pause), err
		g.failures++
		return gpu.Reading{}, err
	}
	g.failures = 0
	if unreadable(reading) != nil && time.Since(g.opened) >= lookAgain {
		g.close() // A device that was reset is seen only by a reader that is opened after it.
	}
	return reading, nil
}

func (g *gpus) attempt(ctx context.Context) (gpu.Reading, error) {
	if g.reader == nil {
		reader, err := g.open(ctx)
		if err != nil {
			return gpu.Reading{}, err
		}
		g.reader, g.opened = reader, time.Now()
	}
	reading, err := g.reader.Read(ctx)
	// A driver that was reloaded wants to be opened anew. One that was only slow does not: opening can be what took long.
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		g.close()
	}
	return reading, err
}

// close lets go of the reader. Whether that went well is not asked: the next attempt shows it.
func (g *gpus) close() {
	if closer, ok := g.reader.(io.Closer); ok {
		_ = closer.Close()
	}
	g.reader = nil
}

// unreadable says which GPUs cannot be read, and why; nil when all can.
func unreadable(r gpu.Reading) error {
	var list []string
	for _, d := range r.Devices {
		if d.Unreadable != "" {
			list = append(list, fmt.Sprintf("GPU-%d cannot be read: %s", d.Index, d.Unreadable))
		}
	}
	if len(list) == 0 {
		return nil
	}
	return errors.New(strings.Join(list, "; "))
}

// host is the state of the machine's processors and memory.
type host struct {
	name        string
	total, used uint64 // bytes
	utilization *float64
}

// hostReader reads the machine itself. Not for concurrent use.
type hostReader struct {
	name string
	last *cpu.TimesStat
}

func (h *hostReader) read(ctx context.Context) (host, error) {
	memory, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return host{}, fmt.Errorf("cannot read the memory: %w", err)
	}
	times, err := cpu.TimesWithContext(ctx, false)
	if err != nil || len(times) == 0 {
		return host{}, fmt.Errorf("cannot read the processor times: %w", errors.Join(err, errors.ErrUnsupported))
	}
	if h.name == "" {
		h.name = fmt.Sprintf("CPU (%d cores)", runtime.NumCPU())
		if info, err := cpu.InfoWithContext(ctx); err == nil && len(info) > 0 && strings.TrimSpace(info[0].ModelName) != "" {
			h.name = fmt.Sprintf("%s (%d cores)", strings.TrimSpace(info[0].ModelName), runtime.NumCPU())
		}
	}
	now := host{name: h.name, total: memory.Total, used: memory.Total - min(memory.Available, memory.Total)}
	if h.last != nil {
		now.utilization = busy(*h.last, times[0])
	}
	h.last = &times[0]
	return now, nil
}

// busy is the share of time between two readings in which the processors worked, in percent.
func busy(from, to cpu.TimesStat) *float64 {
	sum := func(t cpu.TimesStat) float64 {
		return t.User + t.System + t.Idle + t.Nice + t.Iowait + t.Irq + t.Softirq + t.Steal
	}
	total := sum(to) - sum(from)
	if !(total > 0) {
		return nil
	}
	idle := to.Idle + to.Iowait - from.Idle - from.Iowait
	return new(100 * min(1, max(0, 1-idle/total)))
}

// deviceInputs makes the devices of a heartbeat. Figures that are not fresh are left out; the devices stay.
func deviceInputs(h host, hostFresh bool, g gpu.Reading, gpuFresh bool) []*client.DeviceInput {
	var list []*client.DeviceInput
	for _, d := range g.Devices[:min(len(g.Devices), maxDevices-1)] {
		in := &client.DeviceInput{
			Id:            fmt.Sprintf("GPU-%d", d.Index),
			Name:          d.Name,
			Kind:          client.DeviceKindGpu,
			MemoryTotalMb: megabytes(d.MemoryTotal),
		}
		if in.Name == "" {
			in.Name = "NVIDIA GPU"
		}
		if d.ComputeCapability != "" {
			in.ComputeCapability = new(d.ComputeCapability)
		}
		if gpuFresh {
			in.MemoryUsedMb, in.UtilizationPercent = megabytes(d.MemoryUsed), rounded(d.Utilization)
			in.TemperatureCelsius, in.PowerWatts = rounded(d.Temperature), rounded(d.Power)
		}
		list = append(list, in)
	}
	processor := &client.DeviceInput{Id: "CPU-0", Name: h.name, Kind: client.DeviceKindCpu, MemoryTotalMb: megabytes(&h.total)}
	if hostFresh {
		processor.MemoryUsedMb, processor.UtilizationPercent = megabytes(&h.used), rounded(h.utilization)
	}
	return append(list, processor)
}

func megabytes(bytes *uint64) *int {
	if bytes == nil || *bytes/bytesPerMB > math.MaxInt32 {
		return nil
	}
	return new(int(*bytes / bytesPerMB))
}

// rounded cuts a figure to what was really measured, two digits after the point; nil for what is no number.
func rounded(v *float64) *float64 {
	if v == nil || math.IsNaN(*v) || math.IsInf(*v, 0) {
		return nil
	}
	return new(math.Round(*v*100) / 100)
}
