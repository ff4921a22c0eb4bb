// Package gpu reads NVIDIA GPUs and what each process uses of them.
//
// NVML is loaded when the program runs, where the program was built with cgo; otherwise nvidia-smi is asked, if there is
// one. A machine without either has no GPUs as far as this package can tell: [ErrAbsent]. Figures that a GPU does not give
// are nil, never 0.
package gpu

import (
	"context"
	"errors"
	"io"
)

// Device is one GPU.
type Device struct {
	// Index is its number on this machine, from 0.
	Index int
	// Name is what the maker calls it.
	Name string
	// MemoryTotal and MemoryUsed are in bytes; used is all that is not free, by whomever. The total is unknown where the
	// device is cut into slices (MIG), because a process has only its slice.
	MemoryTotal, MemoryUsed *uint64
	// Utilization is 0 to 100.
	Utilization *float64
	// Temperature is in degrees Celsius.
	Temperature *float64
	// Power is in watts.
	Power *float64
	// ComputeCapability is e.g. "9.0"; empty when unknown.
	ComputeCapability string
	// Unreadable says why nothing but the index is known; empty when the device can be read.
	Unreadable string
}

// Usage is what one process uses of one device.
type Usage struct {
	// PID of the process.
	PID int
	// Device is the index of the device.
	Device int
	// Memory of the device that the process uses, in bytes.
	Memory *uint64
	// Utilization of the device by this process, 0 to 100.
	Utilization *float64
}

// Reading is the state of all GPUs at one moment.
type Reading struct {
	Devices []Device
	// Usages holds one entry for each process on each device.
	Usages []Usage
}

// Reader reads the GPUs of this machine. A reader must not be used concurrently. A call can hang as long as the driver does.
// One that is an [io.Closer], too, must be closed before another is opened: NVML counts how often it was started, and as
// long as it was not shut down as often, starting it anew changes nothing.
type Reader interface {
	Read(ctx context.Context) (Reading, error)
}

var _ io.Closer = (*nvmlReader)(nil)

// ErrAbsent says that this machine has no GPU that could be read: no driver, or a driver without a device. [Open] says it,
// and so does a Reader, since nvidia-smi can be installed where no driver is.
var ErrAbsent = errors.New("no NVIDIA GPU with a driver found")

// errOutdated says that the library is not that of the driver.
var errOutdated = errors.New("not the library of the driver")

// Open finds the best way to read the GPUs. What it loads stays loaded until the program ends, so after an upgrade of the
// driver the library is the old one: then nvidia-smi is asked, which is a new process with the new library.
func Open(ctx context.Context) (Reader, error) {
	lib, err := openNVML()
	if err == nil {
		return &nvmlReader{lib: lib}, nil
	}
	if !errors.Is(err, ErrAbsent) && !errors.Is(err, errOutdated) {
		return nil, err
	}
	reader, absent := openSMI(ctx)
	if absent != nil && errors.Is(err, errOutdated) {
		return nil, err
	}
	return reader, absent
}
