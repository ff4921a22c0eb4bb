package gpu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fakeLibrary stands in for NVML.
type fakeLibrary struct {
	devices []reading
	lost    map[int]error // devices that cannot be read
	failing error
	closed  int
}

func (l *fakeLibrary) Close() error { l.closed++; return l.failing }

func (l *fakeLibrary) Count() (int, error) { return len(l.devices), l.failing }

func (l *fakeLibrary) Device(i int, since time.Time) (reading, error) {
	if age := time.Since(since); age < time.Second || age > 5*time.Second {
		return reading{}, errors.New("samples are wanted of no sensible time")
	}
	return l.devices[i], errors.Join(l.lost[i], l.failing)
}

const gib = 1 << 30

func busyDevice(u float64) Device {
	return Device{Name: "H200", Utilization: &u, MemoryTotal: new(uint64(140 * gib))}
}

func TestWhatAProcessUsesOfADevice(t *testing.T) {
	for _, c := range []struct {
		name   string
		device reading
		want   []Usage
	}{
		{"nobody", reading{Device: busyDevice(0), processes: []processMemory{}}, nil},
		{"a sampled process was as busy as its newest sample",
			reading{Device: busyDevice(90), processes: []processMemory{{7, new(uint64(gib))}, {8, new(uint64(gib))}},
				samples: []processSample{{7, 2, 60}, {7, 1, 10}, {8, 1, 30}, {9, 3, 99}}},
			[]Usage{{PID: 7, Memory: new(uint64(gib)), Utilization: new(60.0)}, {PID: 8, Memory: new(uint64(gib)), Utilization: new(30.0)}}},
		{"one without sample beside others was idle",
			reading{Device: busyDevice(90), processes: []processMemory{{7, new(uint64(gib))}, {8, new(uint64(gib))}}, samples: []processSample{{7, 1, 90}}},
			[]Usage{{PID: 7, Memory: new(uint64(gib)), Utilization: new(90.0)}, {PID: 8, Memory: new(uint64(gib)), Utilization: new(0.0)}}},
		{"the only one keeps the device busy, sampled or not",
			reading{Device: busyDevice(90), processes: []processMemory{{7, new(uint64(gib))}}, samples: []processSample{}},
			[]Usage{{PID: 7, Memory: new(uint64(gib)), Utilization: new(90.0)}}},
		{"without samples the only one is known by its device",
			reading{Device: busyDevice(0), processes: []processMemory{{7, nil}}},
			[]Usage{{PID: 7, Utilization: new(0.0)}}},
		{"without samples several are unknown",
			reading{Device: busyDevice(90), processes: []processMemory{{7, new(uint64(gib))}, {8, new(uint64(gib))}}},
			[]Usage{{PID: 7, Memory: new(uint64(gib))}, {PID: 8, Memory: new(uint64(gib))}}},
		{"without any utilization it is unknown, not 0",
			reading{Device: Device{Name: "MIG"}, processes: []processMemory{{7, new(uint64(gib))}}},
			[]Usage{{PID: 7, Memory: new(uint64(gib))}}},
		{"a sample beyond 100 is none",
			reading{Device: busyDevice(50), processes: []processMemory{{7, new(uint64(gib))}}, samples: []processSample{{7, 1, 4000}}},
			[]Usage{{PID: 7, Memory: new(uint64(gib)), Utilization: new(50.0)}}},
		{"a process with compute and graphics is one",
			reading{Device: busyDevice(5), processes: []processMemory{{7, new(uint64(gib))}, {7, new(uint64(2 * gib))}, {7, nil}}},
			[]Usage{{PID: 7, Memory: new(uint64(2 * gib)), Utilization: new(5.0)}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := (&nvmlReader{lib: &fakeLibrary{devices: []reading{c.device}}}).Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got.Usages); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestDevicesKeepTheirNumbers(t *testing.T) {
	lib := &fakeLibrary{devices: []reading{
		{Device: busyDevice(1), processes: []processMemory{{7, new(uint64(gib))}}},
		{Device: busyDevice(2)},
		{Device: busyDevice(3), processes: []processMemory{{7, new(uint64(gib))}}},
	}}
	got, err := (&nvmlReader{lib: lib}).Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Devices) != 3 || got.Devices[2].Index != 2 || *got.Devices[2].Utilization != 3 {
		t.Errorf("got %+v", got.Devices)
	}
	want := []Usage{{PID: 7, Device: 0, Memory: new(uint64(gib)), Utilization: new(1.0)}, {PID: 7, Device: 2, Memory: new(uint64(gib)), Utilization: new(3.0)}}
	if diff := cmp.Diff(want, got.Usages); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestADriverThatFailsIsAnErrorAndNotAMachineWithoutGPUs(t *testing.T) {
	lost := errors.New("GPU is lost")
	if got, err := (&nvmlReader{lib: &fakeLibrary{devices: make([]reading, 1), failing: lost}}).Read(t.Context()); !errors.Is(err, lost) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestTheMemoryOfASlicedDeviceIsNotThatOfAProcess(t *testing.T) {
	lib := &fakeLibrary{devices: []reading{
		{Device: busyDevice(1), sliced: true, processes: []processMemory{{7, new(uint64(gib))}}},
		{Device: busyDevice(1)},
	}}
	got, err := (&nvmlReader{lib: lib}).Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Devices[0].MemoryTotal != nil || got.Devices[1].MemoryTotal == nil {
		t.Errorf("got %+v, want the total of the second device only", got.Devices)
	}
	if len(got.Usages) != 1 || *got.Usages[0].Memory != gib {
		t.Errorf("got %+v, want what the process uses", got.Usages)
	}
}

func TestADeviceThatCannotBeReadHidesNoOther(t *testing.T) {
	lib := &fakeLibrary{
		devices: []reading{
			{Device: busyDevice(1), processes: []processMemory{{7, new(uint64(gib))}}},
			{Device: busyDevice(2), processes: []processMemory{{8, new(uint64(gib))}}},
			{Device: busyDevice(3), processes: []processMemory{{9, new(uint64(gib))}}},
		},
		lost: map[int]error{0: errors.New("Insufficient Permissions"), 1: errors.New("GPU is lost")},
	}
	got, err := (&nvmlReader{lib: lib}).Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	last := busyDevice(3)
	last.Index = 2
	want := Reading{
		Devices: []Device{{Index: 0, Unreadable: "Insufficient Permissions"}, {Index: 1, Unreadable: "GPU is lost"}, last},
		Usages:  []Usage{{PID: 9, Device: 2, Memory: new(uint64(gib)), Utilization: new(3.0)}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestClosingAReaderShutsTheLibraryDown(t *testing.T) {
	lib := &fakeLibrary{}
	var r Reader = &nvmlReader{lib: lib}
	closer, ok := r.(io.Closer)
	if !ok {
		t.Fatal("it cannot be closed")
	}
	if err := closer.Close(); err != nil || lib.closed != 1 {
		t.Errorf("shut down %d times, %v", lib.closed, err)
	}
	lib.failing = errors.New("unknown error")
	if err := closer.Close(); !errors.Is(err, lib.failing) {
		t.Errorf("got %v", err)
	}
}

const (
	smiDevicesOut = `0, GPU-aa, NVIDIA H200, 143771, 1024, 37, 41, 118.53, 9.0, Disabled
1, GPU-bb, "NVIDIA A100, MIG", 81920, [N/A], [N/A], [Not Supported], [Unknown Error], 8.0, Enabled
`
	smiProcessesOut = "GPU-aa, 4711, 900\nGPU-aa, [Not Found], 3\nGPU-bb, 4712, [N/A]\nGPU-bb, 4713, 7\nGPU-cc, 1, 1\n"
)

// fakeSMI answers like nvidia-smi, and counts.
type fakeSMI struct {
	asked     int
	oldDriver bool
	failing   error
}

func (f *fakeSMI) run(_ context.Context, args ...string) ([]byte, error) {
	f.asked++
	switch what := args[0]; {
	case f.failing != nil:
		return nil, f.failing
	case strings.HasPrefix(what, "--query-compute-apps"):
		return []byte(smiProcessesOut), nil
	case f.oldDriver && strings.Contains(what, "compute_cap"):
		return []byte(`Field "compute_cap" is not a valid field to query.`), &exec.ExitError{}
	case f.oldDriver:
		return []byte(strings.ReplaceAll(strings.ReplaceAll(smiDevicesOut, ", 9.0, Disabled\n", "\n"), ", 8.0, Enabled\n", "\n")), nil
	}
	return []byte(smiDevicesOut), nil
}

func TestNvidiaSMI(t *testing.T) {
	fake := &fakeSMI{}
	got, err := (&smiReader{run: fake.run}).Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const mib = 1 << 20
	want := Reading{
		Devices: []Device{
			{Index: 0, Name: "NVIDIA H200", MemoryTotal: new(uint64(143771 * mib)), MemoryUsed: new(uint64(1024 * mib)), Utilization: new(37.0),
				Temperature: new(41.0), Power: new(118.53), ComputeCapability: "9.0"},
			{Index: 1, Name: "NVIDIA A100, MIG", ComputeCapability: "8.0"},
		},
		Usages: []Usage{
			{PID: 4711, Device: 0, Memory: new(uint64(900 * mib)), Utilization: new(37.0)},
			{PID: 4712, Device: 1},
			{PID: 4713, Device: 1, Memory: new(uint64(7 * mib))},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestNvidiaSMIOfOldDrivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeSMI{oldDriver: true}
		r := &smiReader{run: fake.run}
		got, err := r.Read(t.Context())
		if err != nil || len(got.Devices) != 2 || got.Devices[0].ComputeCapability != "" {
			t.Fatalf("got %+v, %v", got, err)
		}
		fake.asked = 0
		time.Sleep(smiEvery)
		if _, err := r.Read(t.Context()); err != nil || fake.asked != 2 {
			t.Errorf("asked %d times after it was known that compute_cap is not, want 2; %v", fake.asked, err)
		}
	})
}

func TestNvidiaSMIIsNotStartedEverySecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeSMI{}
		r := &smiReader{run: fake.run}
		for range 10 {
			if _, err := r.Read(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if want := 2 * 4; fake.asked != want {
			t.Errorf("started %d times in 10 s, want %d", fake.asked, want)
		}
	})
}

func TestNvidiaSMIThatFailsIsAnError(t *testing.T) {
	for _, failing := range []error{exec.ErrNotFound, &exec.ExitError{}, context.DeadlineExceeded} {
		if got, err := (&smiReader{run: (&fakeSMI{failing: failing}).run}).Read(t.Context()); err == nil {
			t.Errorf("got %+v", got)
		}
	}
}

// script puts an nvidia-smi of the test's making in the way of the real one, and returns the file where it counts its starts.
func script(t *testing.T, body string) (starts string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("scripts need a shell")
	}
	dir := t.TempDir()
	starts = filepath.Join(dir, "starts")
	text := "#!/bin/sh\necho >> '" + starts + "'\n" + body + "\n"
	if err := os.WriteFile(filepath.Join(dir, "nvidia-smi"), []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	return starts
}

func TestNvidiaSMIWithoutDriverOrDeviceMeansNoGPUs(t *testing.T) {
	for _, c := range []struct {
		name, body string
		absent     bool
	}{
		{"no device", "exit 6", true},
		{"no driver", "exit 9", true},
		{"no library", "exit 12", true},
		{"no device, said without an error", "echo 'No devices were found'", true},
		{"a lost GPU", "exit 15", false},
		{"something else", "exit 255", false},
		{"no sense", "echo hello", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			starts := script(t, c.body)
			r, err := openSMI(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.Read(t.Context())
			if err == nil || errors.Is(err, ErrAbsent) != c.absent {
				t.Errorf("got %+v, %v, want absent: %v", got, err, c.absent)
			}
			if n, _ := os.ReadFile(starts); c.absent && len(n) != 1 {
				t.Errorf("started %d times, want once: the first answer says it all", len(n))
			}
		})
	}
}

func TestNvidiaSMIThatLosesADeviceTellsOfTheOthers(t *testing.T) {
	const (
		rows      = "0, GPU-aa, NVIDIA H200, 143771, 1024, 37, 41, 118.53, 9.0, Disabled\n2, GPU-cc, NVIDIA H200, 143771, 0, 0, 30, 80, 9.0, Disabled\n"
		apps      = "GPU-aa, 4711, 900\n"
		unplugged = "Unable to determine the device handle for GPU"
	)
	good := []string{"0 NVIDIA H200", "2 NVIDIA H200"}
	for _, c := range []struct {
		name, out, aside string
		exit             int
		want             []string
		noApps           bool
	}{
		{"with its number, first", unplugged + "1: 0000:5F:00.0: Unknown Error\n" + rows, "", 255, []string{good[0], "1: Unknown Error", good[1]}, false},
		{"with its address only, last", rows + unplugged + " 0000:5F:00.0: GPU is lost\n", "", 15, []string{good[0], "1: GPU is lost", good[1]}, false},
		{"with its address close by", unplugged + "0000:5F:00.0: Not Found\n" + rows, "", 6, []string{good[0], "1: Not Found", good[1]}, false},
		{"two, one with its number", unplugged + "3: 0000:5F:00.0: Unknown Error\n" + unplugged + " 0000:60:00.0: Unknown Error\n" + rows, "", 255,
			[]string{good[0], "1: Unknown Error", good[1], "3: Unknown Error"}, false},
		{"aside", rows, unplugged + "1: 0000:5F:00.0: Unknown Error", 255, []string{good[0], "1: Unknown Error", good[1]}, false},
		{"aside, without failing", rows, unplugged + "1: 0000:5F:00.0: Unknown Error", 0, []string{good[0], "1: Unknown Error", good[1]}, false},
		{"that no process uses", rows, unplugged + "1: 0000:5F:00.0: Unknown Error", 0, []string{good[0], "1: Unknown Error", good[1]}, true},
		{"in its row", strings.Replace(rows, "2, GPU-cc, NVIDIA H200, 143771, 0", "2, [GPU is lost], [GPU is lost], [GPU is lost], [GPU is lost]", 1), "", 0,
			[]string{good[0], "2: GPU is lost"}, false},
		{"the only one", unplugged + " 0000:01:00.0: Not Found\n", "", 6, []string{"0: Not Found"}, true},
		{"that only warns", rows + "WARNING: infoROM is corrupted at gpu 0000:00:1E.0\n", "", 14, good, false},
		{"that only warns, and no process runs", rows, "WARNING: infoROM is corrupted at gpu 0000:00:1E.0", 14, good, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			processes := apps
			if c.noApps {
				processes = ""
			}
			dir := t.TempDir()
			for name, text := range map[string]string{"gpus": c.out, "apps": processes, "aside": c.aside} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cat, err := exec.LookPath("cat")
			if err != nil {
				t.Skip(err)
			}
			script(t, fmt.Sprintf(`case "$1" in *apps*) %s %s/apps;; *) %s %s/gpus;; esac; %s %s/aside >&2; exit %d`, cat, dir, cat, dir, cat, dir, c.exit))
			r, err := openSMI(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var devices []string
			for _, d := range got.Devices {
				name := strconv.Itoa(d.Index) + " " + d.Name
				if d.Unreadable != "" {
					name = fmt.Sprintf("%d: %s", d.Index, d.Unreadable)
				}
				devices = append(devices, name)
			}
			if diff := cmp.Diff(c.want, devices); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if want := []Usage{{PID: 4711, Memory: new(uint64(900 << 20)), Utilization: new(37.0)}}; !c.noApps {
				if diff := cmp.Diff(want, got.Usages); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			}
		})
	}
}

func TestWhatNvidiaSMISaysWhenItFailsIsTold(t *testing.T) {
	script(t, "echo 'Failed to initialize NVML: Driver/library version mismatch'; echo 'NVML library version: 580.1'; exit 18")
	r, err := openSMI(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.Read(t.Context()); err == nil || !strings.HasSuffix(err.Error(), "exit status 18: Failed to initialize NVML: Driver/library version mismatch") {
		t.Errorf("got %+v, %v", got, err)
	}
}

func FuzzParseSMI(f *testing.F) {
	f.Add([]byte(smiDevicesOut), []byte(smiProcessesOut))
	f.Add([]byte("No devices were found\n"), []byte("\"\n"))
	f.Add([]byte("0, a, b, 1e300, -5, NaN, Inf, x"), []byte(",,\n"))
	f.Fuzz(func(t *testing.T, devices, processes []byte) {
		got, index, err := parseSMIDevices(devices)
		if err != nil {
			return
		}
		for _, d := range got.Devices {
			if d.Index < 0 || d.Utilization != nil && !(*d.Utilization >= 0 && *d.Utilization <= 100) {
				t.Errorf("got %+v", d)
			}
		}
		usages, _ := parseSMIProcesses(processes, index, got.Devices)
		for _, u := range usages {
			if u.PID <= 0 {
				t.Errorf("got %+v", u)
			}
		}
	})
}

func TestAMachineWithoutADriverHasNoGPUs(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if r, err := Open(t.Context()); err == nil {
		t.Skipf("this machine has a driver: %T", r)
	} else if !errors.Is(err, ErrAbsent) {
		t.Errorf("got %v", err)
	}
}
