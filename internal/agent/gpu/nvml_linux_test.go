//go:build linux && cgo

package gpu

import (
	"errors"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

func TestNVMLWithoutDriverOrDeviceMeansNoGPUs(t *testing.T) {
	for ret, absent := range map[nvml.Return]bool{
		nvml.ERROR_LIBRARY_NOT_FOUND:       true,
		nvml.ERROR_DRIVER_NOT_LOADED:       true,
		nvml.ERROR_GPU_NOT_FOUND:           true,
		nvml.ERROR_GPU_IS_LOST:             false,
		nvml.ERROR_NO_PERMISSION:           false,
		nvml.ERROR_LIB_RM_VERSION_MISMATCH: false,
		nvml.ERROR_UNKNOWN:                 false,
	} {
		if err := failed("count devices", ret); errors.Is(err, ErrAbsent) != absent {
			t.Errorf("%v gives %v, want absent: %v", ret, err, absent)
		}
	}
}
