//go:build linux && cgo

package gpu

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// openNVML loads the driver's library.
func openNVML() (library, error) {
	if ret := nvml.Init(); ret != nvml.SUCCESS {
		return nil, failed("start NVML", ret)
	}
	return nvmlLibrary{}, nil
}

type nvmlLibrary struct{}

func (nvmlLibrary) Count() (int, error) {
	n, ret := nvml.DeviceGetCount()
	if ret != nvml.SUCCESS {
		return 0, failed("count devices", ret)
	}
	return n, nil
}

func (nvmlLibrary) Device(index int, since time.Time) (reading, error) {
	dev, ret := nvml.DeviceGetHandleByIndex(index)
	if ret != nvml.SUCCESS {
		return reading{}, errors.New(nvml.ErrorString(ret))
	}
	var r reading
	memory, ret := dev.GetMemoryInfo()
	if fatal(ret) {
		return reading{}, errors.New(nvml.ErrorString(ret))
	}
	if ret == nvml.SUCCESS {
		r.MemoryTotal, r.MemoryUsed = &memory.Total, &memory.Used
	}
	r.sliced = sliced(dev)
	if name, ret := dev.GetName(); ret == nvml.SUCCESS {
		r.Name = name
	}
	if major, minor, ret := dev.GetCudaComputeCapability(); ret == nvml.SUCCESS {
		r.ComputeCapability = fmt.Sprintf("%d.%d", major, minor)
	}
	if u, ret := dev.GetUtilizationRates(); ret == nvml.SUCCESS && u.Gpu <= 100 {
		r.Utilization = new(float64(u.Gpu))
	}
	if t, ret := dev.GetTemperature(nvml.TEMPERATURE_GPU); ret == nvml.SUCCESS {
		r.Temperature = new(float64(t))
	}
	if mw, ret := dev.GetPowerUsage(); ret == nvml.SUCCESS {
		r.Power = new(float64(mw) / 1000)
	}
	r.processes = processesOf(dev)
	r.samples = samplesOf(dev, since)
	return r, nil
}

// Close leaves the library itself loaded: what was called once cannot be unloaded.
func (nvmlLibrary) Close() error {
	if ret := nvml.Shutdown(); ret != nvml.SUCCESS {
		return failed("shut NVML down", ret)
	}
	return nil
}

// sliced says whether a device is in MIG mode. Drivers before 450 do not have the function, and calling it would end the
// program.
func sliced(dev nvml.Device) bool {
	if nvml.Extensions().LookupSymbol("nvmlDeviceGetMigMode") != nil {
		return false
	}
	now, _, ret := dev.GetMigMode()
	return ret == nvml.SUCCESS && now == nvml.DEVICE_MIG_ENABLE
}

func processesOf(dev nvml.Device) []processMemory {
	compute, ret := dev.GetComputeRunningProcesses()
	if ret != nvml.SUCCESS {
		return nil
	}
	graphics, ret := dev.GetGraphicsRunningProcesses()
	if ret != nvml.SUCCESS {
		graphics = nil
	}
	list := make([]processMemory, 0, len(compute)+len(graphics))
	for _, p := range append(compute, graphics...) {
		one := processMemory{pid: int(p.Pid)}
		if p.UsedGpuMemory != math.MaxUint64 { // NVML_VALUE_NOT_AVAILABLE
			one.memory = new(p.UsedGpuMemory)
		}
		list = append(list, one)
	}
	return list
}

func samplesOf(dev nvml.Device, since time.Time) []processSample {
	found, ret := dev.GetProcessUtilization(uint64(since.UnixMicro()))
	if ret != nvml.SUCCESS && ret != nvml.ERROR_NOT_FOUND { // Not found: all were idle.
		return nil
	}
	list := make([]processSample, 0, len(found))
	for _, s := range found {
		list = append(list, processSample{pid: int(s.Pid), at: s.TimeStamp, busy: s.SmUtil})
	}
	return list
}

// fatal says whether the device cannot be read at all, rather than this figure of it.
func fatal(ret nvml.Return) bool {
	switch ret {
	case nvml.SUCCESS, nvml.ERROR_NOT_SUPPORTED, nvml.ERROR_NO_PERMISSION, nvml.ERROR_NOT_FOUND:
		return false
	default:
		return true
	}
}

// failed says what did not work. Without a driver or a device there is nothing to be read, which is no failure.
func failed(what string, ret nvml.Return) error {
	switch ret {
	case nvml.ERROR_LIBRARY_NOT_FOUND, nvml.ERROR_DRIVER_NOT_LOADED, nvml.ERROR_GPU_NOT_FOUND:
		return fmt.Errorf("cannot %s: %w", what, ErrAbsent)
	case nvml.ERROR_LIB_RM_VERSION_MISMATCH:
		return fmt.Errorf("cannot %s: NVML says %s: %w", what, nvml.ErrorString(ret), errOutdated)
	default:
		return fmt.Errorf("cannot %s: NVML says %s", what, nvml.ErrorString(ret))
	}
}
