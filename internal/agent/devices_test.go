package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"waggle/client"
	"waggle/internal/agent/gpu"
)

// driver stands in for the way to the GPUs, and counts.
type driver struct {
	mu      sync.Mutex
	opening error // what opening it gives
	reading error // what reading it gives
	devices []gpu.Device
	broken  bool // until it was closed and opened anew
	opened  []time.Time
	read    int
	starts  int // how often it is open now, as NVML counts
}

// set changes how the driver behaves.
func (d *driver) set(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
}

// counts returns when it was opened, and how often it was read.
func (d *driver) counts() ([]time.Time, int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.opened), d.read
}

func (d *driver) open(context.Context) (gpu.Reader, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.opened = append(d.opened, time.Now())
	if d.opening != nil {
		return nil, d.opening
	}
	if d.starts++; d.starts == 1 {
		d.broken = false // Only one that is not open yet begins afresh.
	}
	return d, nil
}

// Close makes a driver an [io.Closer].
func (d *driver) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.starts--
	return nil
}

// Read makes a driver a [gpu.Reader].
func (d *driver) Read(context.Context) (gpu.Reading, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.read++
	if d.broken {
		return gpu.Reading{}, errors.New("uninitialized")
	}
	return gpu.Reading{Devices: d.devices}, d.reading
}

// with gives the run in a bubble the GPUs of a driver.
func (d *driver) with(b *bubble) { b.gpus = newPoller(2*time.Second, (&gpus{open: d.open}).read) }

// expectDevices compares the ids of the devices in the last heartbeat.
func (b *bubble) expectDevices(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for _, d := range b.last().Devices {
		got = append(got, d.Id)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got devices %v, want %v", got, want)
	}
}

// expectHealth compares the health in the last heartbeat; an empty reason is that of a healthy hive.
func (b *bubble) expectHealth(t *testing.T, reason string) {
	t.Helper()
	h, got := b.last().Hive, ""
	if h.HealthReason != nil {
		got = *h.HealthReason
	}
	if got != reason || (h.HealthStatus == client.HealthStatusHealthy) != (reason == "") {
		t.Errorf("got %v, %q, want %q", h.HealthStatus, got, reason)
	}
}

func TestAMachineWithoutUsableGPUsIsHealthyAndLookedAtAgain(t *testing.T) {
	for name, d := range map[string]*driver{
		"nothing can be opened":                 {opening: gpu.ErrAbsent},
		"what was opened finds none on reading": {reading: fmt.Errorf("exit status 9: %w", gpu.ErrAbsent)},
	} {
		t.Run(name, func(t *testing.T) {
			live(t, d.with, func(b *bubble) {
				b.sleep(3*time.Minute + 30*time.Second)
				b.expectHealth(t, "")
				b.expectDevices(t, "CPU-0")
				if opened, _ := d.counts(); len(opened) != 4 {
					t.Errorf("opened %d times in 3.5 minutes, want once and again after each minute", len(opened))
				}
				d.set(func() { d.opening, d.reading, d.devices = nil, nil, []gpu.Device{{}} })
				b.sleep(time.Minute)
				b.expectDevices(t, "GPU-0", "CPU-0")
			})
		})
	}
}

func TestGPUsThatFailAreTriedMoreAndMoreSeldom(t *testing.T) {
	for name, d := range map[string]*driver{
		"on opening": {opening: errors.New("version mismatch")},
		"on reading": {reading: errors.New("version mismatch")},
	} {
		t.Run(name, func(t *testing.T) {
			live(t, d.with, func(b *bubble) {
				b.sleep(500 * time.Millisecond)
				b.expectDevices(t, "CPU-0") // The processor is known, whatever becomes of the GPUs.
				for range 5 * 60 {
					b.sleep(time.Second)
					b.expectHealth(t, "GPUs: version mismatch")
				}
				opened, _ := d.counts()
				if len(opened) < 9 {
					t.Fatalf("tried at %v", opened)
				}
				for i, seconds := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
					// An attempt is made with the first heartbeat after the pause.
					want := time.Duration(seconds) * time.Second
					if pause := opened[i+1].Sub(opened[i]); pause < want || pause > want+time.Second {
						t.Errorf("pause %d is %v, want %v", i, pause, want)
					}
				}
				d.set(func() { d.opening, d.reading, d.devices = nil, nil, []gpu.Device{{}} })
				b.sleep(time.Minute)
				b.expectHealth(t, "")
				b.expectDevices(t, "GPU-0", "CPU-0")
				_, before := d.counts()
				b.sleep(10 * time.Second)
				if _, read := d.counts(); read-before != 10 {
					t.Errorf("read %d times in 10 s once they work, want with each heartbeat", read-before)
				}
				d.set(func() { d.reading = errors.New("a hiccup") })
				b.sleep(time.Second)
				d.set(func() { d.reading = nil })
				b.sleep(3 * time.Second)
				b.expectHealth(t, "") // The pauses are short again.
				b.expectLogged(t, "a source fails", 2)
			})
		})
	}
}

func TestADriverThatWasReloadedIsOpenedAnew(t *testing.T) {
	d := &driver{devices: []gpu.Device{{}}}
	live(t, d.with, func(b *bubble) {
		b.sleep(2500 * time.Millisecond)
		b.expectHealth(t, "")
		d.set(func() { d.broken = true })
		b.sleep(time.Second)
		b.expectHealth(t, "GPUs: uninitialized")
		b.sleep(3 * time.Second)
		b.expectHealth(t, "")
		b.expectDevices(t, "GPU-0", "CPU-0")
		if opened, _ := d.counts(); len(opened) != 2 {
			t.Errorf("opened %d times, want twice", len(opened))
		}
	})
}

func TestADriverThatIsSlowIsNotOpenedAnew(t *testing.T) {
	// Opening a driver that starts its devices can take longer than one attempt may.
	d := &driver{reading: fmt.Errorf("cannot read GPU 0: %w", context.DeadlineExceeded), devices: []gpu.Device{{}}}
	live(t, d.with, func(b *bubble) {
		b.sleep(10 * time.Second)
		d.set(func() { d.reading = nil })
		b.sleep(time.Minute)
		b.expectHealth(t, "")
		if opened, _ := d.counts(); len(opened) != 1 {
			t.Errorf("opened %d times, want once", len(opened))
		}
	})
}

func TestAGPUThatCannotBeReadIsNamedAndHidesNoOther(t *testing.T) {
	d := &driver{devices: []gpu.Device{
		{Index: 0, Name: "H200", Utilization: new(50.0)}, {Index: 1, Unreadable: "GPU is lost"}, {Index: 2, Unreadable: "no permission"},
	}}
	live(t, d.with, func(b *bubble) {
		b.sleep(9500 * time.Millisecond)
		b.expectHealth(t, "GPUs: GPU-1 cannot be read: GPU is lost; GPU-2 cannot be read: no permission")
		b.expectLogged(t, "a source fails", 1)
		b.expectDevices(t, "GPU-0", "GPU-1", "GPU-2", "CPU-0")
		if good := b.last().Devices[0]; good.UtilizationPercent == nil || *good.UtilizationPercent != 50 {
			t.Errorf("got %+v, want the figures of the GPU that works", good)
		}
		if lost := b.last().Devices[1]; lost.Name != "NVIDIA GPU" || lost.MemoryTotalMb != nil || lost.MemoryUsedMb != nil || lost.UtilizationPercent != nil {
			t.Errorf("got %+v, want a GPU with nothing known of it", lost)
		}
		if opened, read := d.counts(); len(opened) != 1 || read != 10 {
			t.Errorf("opened %d times and read %d times, want once and with each heartbeat", len(opened), read)
		}
		d.set(func() { d.devices = d.devices[:1] })
		b.sleep(time.Second)
		b.expectHealth(t, "")
	})
}

func TestAGPUThatCannotBeReadIsLookedForAnewEachMinute(t *testing.T) {
	d := &driver{devices: []gpu.Device{{Index: 0}, {Index: 1, Unreadable: "GPU is lost"}}}
	live(t, d.with, func(b *bubble) {
		b.sleep(3*time.Minute + 30*time.Second)
		if opened, read := d.counts(); len(opened) != 4 || read < 200 {
			t.Errorf("opened %d times and read %d times in 3.5 minutes, want once and again after each minute, and with each heartbeat", len(opened), read)
		}
	})
}
