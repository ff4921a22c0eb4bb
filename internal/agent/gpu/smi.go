package gpu

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
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

// smiLost is what nvidia-smi says of a device that it cannot open, before it goes on with the others: newer ones with its
// number, older ones with its address only.
var smiLost = regexp.MustCompile(`^Unable to determine the device handle for (?:GPU|gpu) ?(?:(\d+): )?(?:.*: )?(.+)$`)

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
		var aside bytes.Buffer // Where it says what is wrong depends on its version.
		cmd.Stderr = &aside
		out, err := cmd.Output()
		return append(append(out, '\n'), aside.Bytes()...), err
	}}, nil
}

func (r *smiReader) Read(ctx context.Context) (Reading, error) {
	if !r.lastAt.IsZero() && time.Since(r.lastAt) < smiEvery {
		return r.last, nil
	}
	at := time.Now()
	devices, failed := r.devices(ctx)
	if failed != nil && !exited(failed) {
		return Reading{}, failed
	}
	reading, index, err := parseSMIDevices(devices)
	switch {
	case failed != nil && len(reading.Devices) == 0:
		return Reading{}, failed
	case err != nil:
		return Reading{}, err
	}
	processes, err := r.query(ctx, "--query-compute-apps="+smiProcesses)
	// What made one question fail, though it was answered, does so with the other.
	same := failed != nil && (err == nil || exited(err) || errors.Is(err, ErrAbsent))
	if err == nil || same {
		reading.Usages, err = parseSMIProcesses(processes, index, reading.Devices)
	}
	if err != nil && !same {
		return Reading{}, err
	}
	r.last, r.lastAt = reading, at
	return reading, nil
}

// devices asks for all devices. One of them that fails makes nvidia-smi fail, but it tells of the others before: the answer
// counts, error or not, if there is a device in it.
func (r *smiReader) devices(ctx context.Context) ([]byte, error) {
	if !r.oldDriver {
		out, err := r.query(ctx, "--query-gpu="+smiDevices+smiNewer)
		if !exited(err) || answers(out, func(d Device) bool { return d.Unreadable == "" }) {
			return out, err
		}
	}
	out, err := r.query(ctx, "--query-gpu="+smiDevices)
	r.oldDriver = r.oldDriver || err == nil
	return out, err
}

func (r *smiReader) query(ctx context.Context, what string) ([]byte, error) {
	out, err := r.run(ctx, what, "--format=csv,noheader,nounits")
	absent := saysAbsent(err) || err == nil && bytes.HasPrefix(out, []byte(smiNoneWasSeen))
	switch {
	case absent && !answers(out, func(Device) bool { return true }):
		return out, fmt.Errorf("nvidia-smi finds nothing: %w", ErrAbsent)
	case err != nil:
		said, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return out, fmt.Errorf("nvidia-smi gave no answer: %w: %.100s", err, said)
	}
	return out, nil
}

// exited says whether nvidia-smi ran, and ended by saying that something is wrong.
func exited(err error) bool {
	_, ok := errors.AsType[*exec.ExitError](err)
	return ok
}

// answers says whether nvidia-smi wrote of such a device.
func answers(out []byte, such func(Device) bool) bool {
	reading, _, _ := parseSMIDevices(out)
	return slices.ContainsFunc(reading.Devices, such)
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
	err := eachLine(out, 8, func(f []string) bool {
		n, err := strconv.Atoi(f[0])
		if err != nil || n < 0 {
			return false
		}
		d := Device{Index: n, Name: f[2], MemoryTotal: mebibytes(f[3]), MemoryUsed: mebibytes(f[4]),
			Utilization: percent(f[5]), Temperature: number(f[6]), Power: number(f[7])}
		if len(f) > 8 && number(f[8]) != nil {
			d.ComputeCapability = f[8]
		}
		if len(f) > 9 && f[9] == "Enabled" {
			d.MemoryTotal = nil
		}
		if reason, ok := strings.CutPrefix(d.Name, "["); ok { // Such as [GPU is lost].
			d = Device{Index: n, Unreadable: strings.TrimSuffix(reason, "]")}
		}
		index[f[1]] = n
		reading.Devices = append(reading.Devices, d)
		return true
	})
	reading.Devices = append(reading.Devices, lostDevices(out, reading.Devices)...)
	slices.SortFunc(reading.Devices, func(a, b Device) int { return a.Index - b.Index })
	return reading, index, err
}

// lostDevices returns the devices that nvidia-smi says it cannot open. One without a number has the first that no other has.
func lostDevices(out []byte, found []Device) (lost []Device) {
	taken := map[int]bool{}
	for _, d := range found {
		taken[d.Index] = true
	}
	var unnumbered []Device
	said := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		m := smiLost.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil || said[m[0]] || len(said) >= maxDevices {
			continue
		}
		said[m[0]] = true
		d := Device{Unreadable: m[2]}
		n, err := strconv.Atoi(m[1])
		if err != nil || n >= maxDevices || taken[n] {
			unnumbered = append(unnumbered, d)
			continue
		}
		d.Index, taken[n] = n, true
		lost = append(lost, d)
	}
	for _, d := range unnumbered {
		for taken[d.Index] {
			d.Index++
		}
		taken[d.Index] = true
		lost = append(lost, d)
	}
	return lost
}

func parseSMIProcesses(out []byte, index map[string]int, devices []Device) ([]Usage, error) {
	var usages []Usage
	on := map[int]int{}
	err := eachLine(out, 3, func(f []string) bool {
		device, known := index[f[0]]
		pid, _ := strconv.Atoi(f[1]) // 0 for "[Not Found]".
		if !known || pid <= 0 {
			return true
		}
		usages = append(usages, Usage{PID: pid, Device: device, Memory: mebibytes(f[2])})
		on[device]++
		return true
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

// eachLine calls yield for each line with so many fields, which says whether they are what they should be. Other lines are
// warnings and the like; an error means that there is nothing else.
func eachLine(out []byte, fields int, yield func([]string) bool) error {
	other, good := "", false
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		lines := csv.NewReader(strings.NewReader(line))
		lines.TrimLeadingSpace = true
		lines.LazyQuotes = true
		f, err := lines.Read()
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		switch {
		case line == "", smiLost.MatchString(line):
		case err == nil && len(f) >= fields && yield(f):
			good = true
		default:
			other = cmp.Or(other, line)
		}
	}
	if other != "" && !good {
		return fmt.Errorf("cannot read the answer of nvidia-smi: %.100s", other)
	}
	return nil
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
