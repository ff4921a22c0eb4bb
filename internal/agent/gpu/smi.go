package gpu

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

const (
	// smiEvery is how long a reading of nvidia-smi is good: each starts a process that opens the driver anew.
	smiEvery = 3 * time.Second
	// smiQuits is how long nvidia-smi has to go once it was told to.
	smiQuits = 500 * time.Millisecond

	smiDevices   = "index,uuid,name,memory.total,memory.used,utilization.gpu,temperature.gpu,power.draw"
	smiNewer     = ",compute_cap,mig.mode.current"
	smiProcesses = "gpu_uuid,pid,used_memory"

	// What nvidia-smi exits with, and says, where there is no GPU to be read.
	smiNoDevice    = 6
	smiNoDriver    = 9
	smiNoLibrary   = 12
	smiNoneWasSeen = "No devices were found"
)

// smiReader asks nvidia-smi, where NVML cannot be loaded. It knows no utilization per process.
type smiReader struct {
	// run starts nvidia-smi and returns what it writes.
	run func(ctx context.Context, args ...string) ([]byte, error)
	// oldDriver is set when nvidia-smi does not know smiNewer, which makes it refuse the whole question.
	oldDriver bool
	last      Reading
	lastAt    time.Time
}

func openSMI(context.Context) (Reader, error) {
	path, err := exec.LookPath("nvidia-smi")
	if err != nil {
		return nil, ErrAbsent
	}
	return &smiReader{run: func(ctx context.Context, args ...string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, path, args...) //nolint:gosec // the path is nvidia-smi's and the arguments are ours
		cmd.WaitDelay = smiQuits
		return cmd.Output()
	}}, nil
}

func (r *smiReader) Read(ctx context.Context) (Reading, error) {
	if !r.lastAt.IsZero() && time.Since(r.lastAt) < smiEvery {
		return r.last, nil
	}
	at := time.Now()
	devices, err := r.devices(ctx)
	if err != nil {
		return Reading{}, err
	}
	reading, index, err := parseSMIDevices(devices)
	if err != nil {
		return Reading{}, err
	}
	processes, err := r.query(ctx, "--query-compute-apps="+smiProcesses)
	if err != nil {
		return Reading{}, err
	}
	reading.Usages, err = parseSMIProcesses(processes, index, reading.Devices)
	if err != nil {
		return Reading{}, err
	}
	r.last, r.lastAt = reading, at
	return reading, nil
}

func (r *smiReader) devices(ctx context.Context) ([]byte, error) {
	if !r.oldDriver {
		out, err := r.query(ctx, "--query-gpu="+smiDevices+smiNewer)
		if _, refused := errors.AsType[*exec.ExitError](err); !refused {
			return out, err
		}
	}
	out, err := r.query(ctx, "--query-gpu="+smiDevices)
	r.oldDriver = err == nil
	return out, err
}

func (r *smiReader) query(ctx context.Context, what string) ([]byte, error) {
	out, err := r.run(ctx, what, "--format=csv,noheader,nounits")
	switch {
	case saysAbsent(err), err == nil && bytes.HasPrefix(out, []byte(smiNoneWasSeen)):
		return nil, fmt.Errorf("nvidia-smi finds nothing: %w", ErrAbsent)
	case err != nil:
		return nil, fmt.Errorf("nvidia-smi gave no answer: %w", err)
	}
	return out, nil
}

// saysAbsent tells a machine without a driver or without a device from one whose GPU fails.
func saysAbsent(err error) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return false
	}
	switch exit.ExitCode() {
	case smiNoDevice, smiNoDriver, smiNoLibrary:
		return true
	}
	return false
}

func parseSMIDevices(out []byte) (Reading, map[string]int, error) {
	var reading Reading
	index := map[string]int{}
	err := eachLine(out, 8, func(f []string) error {
		n, err := strconv.Atoi(f[0])
		if err != nil || n < 0 {
			return errors.New("a device without a number")
		}
		d := Device{Index: n, Name: f[2], MemoryTotal: mebibytes(f[3]), MemoryUsed: mebibytes(f[4]),
			Utilization: percent(f[5]), Temperature: number(f[6]), Power: number(f[7])}
		if len(f) > 8 && number(f[8]) != nil {
			d.ComputeCapability = f[8]
		}
		if len(f) > 9 && f[9] == "Enabled" {
			d.MemoryTotal = nil
		}
		index[f[1]] = n
		reading.Devices = append(reading.Devices, d)
		return nil
	})
	return reading, index, err
}

func parseSMIProcesses(out []byte, index map[string]int, devices []Device) ([]Usage, error) {
	var usages []Usage
	on := map[int]int{}
	err := eachLine(out, 3, func(f []string) error {
		device, known := index[f[0]]
		pid, _ := strconv.Atoi(f[1]) // 0 for "[Not Found]".
		if !known || pid <= 0 {
			return nil
		}
		usages = append(usages, Usage{PID: pid, Device: device, Memory: mebibytes(f[2])})
		on[device]++
		return nil
	})
	for i := range usages {
		for _, d := range devices {
			if d.Index == usages[i].Device && on[d.Index] == 1 {
				usages[i].Utilization = d.Utilization
			}
		}
	}
	return usages, err
}

func eachLine(out []byte, fields int, yield func([]string) error) error {
	lines := csv.NewReader(bytes.NewReader(out))
	lines.TrimLeadingSpace = true
	lines.FieldsPerRecord = -1
	lines.LazyQuotes = true
	for {
		f, err := lines.Read()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("cannot read the answer of nvidia-smi: %w", err)
		case len(f) < fields:
			return fmt.Errorf("nvidia-smi answers %d fields, want %d", len(f), fields)
		}
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		if err := yield(f); err != nil {
			return fmt.Errorf("cannot read the answer of nvidia-smi: %w", err)
		}
	}
}

// number reads a figure; nil for "[N/A]", "[Not Supported]" and all else that is none.
func number(field string) *float64 {
	n, err := strconv.ParseFloat(field, 64)
	if err != nil || !(n >= 0 && n < 1e9) {
		return nil
	}
	return &n
}

func percent(field string) *float64 {
	if n := number(field); n != nil && *n <= 100 {
		return n
	}
	return nil
}

func mebibytes(field string) *uint64 {
	n := number(field)
	if n == nil {
		return nil
	}
	return new(uint64(*n * (1 << 20)))
}
