//go:build linux && cgo

package gpu

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
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

// libraryOf plays the library of a driver: it works only with the driver whose number is in the file named by GPU_DRIVER.
const libraryOf = `
#include <stdio.h>
#include <stdlib.h>
static int check(void) {
	int now = 0;
	FILE *f = fopen(getenv("GPU_DRIVER"), "r");
	if (f == NULL || fscanf(f, "%d", &now) != 1) return 999;
	fclose(f);
	return now == VERSION ? 0 : 18;
}
int nvmlInit_v2(void) { return check(); }
int nvmlShutdown(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 0; return check(); }
const char *nvmlErrorString(int code) { return code == 18 ? "Driver/library version mismatch" : "something else"; }
`

// A process of its own, because what it loads stays loaded.
func TestADriverThatIsUpgradedIsReadWithoutARestart(t *testing.T) {
	if dir := os.Getenv("WAGGLE_TEST_DRIVER"); dir != "" {
		upgradeDriver(t, dir)
		return
	}
	compiler, err := exec.LookPath("cc")
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	source := filepath.Join(dir, "library.c")
	if err := os.WriteFile(source, []byte(libraryOf), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"1", "2"} {
		build := exec.Command(compiler, "-shared", "-fPIC", "-DVERSION="+version, "-o", filepath.Join(dir, "library."+version), source)
		if out, err := build.CombinedOutput(); err != nil {
			t.Skipf("%v: %s", err, out)
		}
	}
	script(t, `read -r driver < "$GPU_DRIVER"; [ "$driver" = 2 ] || { echo 'Driver/library version mismatch'; exit 18; }
case "$1" in *apps*) ;; *) echo '0, GPU-aa, NVIDIA H200, 143771, 1024, 37, 41, 118.53, 9.0, Disabled';; esac`)
	again := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	again.Env = append(os.Environ(), "WAGGLE_TEST_DRIVER="+dir, "GPU_DRIVER="+filepath.Join(dir, "driver"), "LD_LIBRARY_PATH="+dir)
	if out, err := again.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func upgradeDriver(t *testing.T, dir string) {
	t.Helper()
	library := filepath.Join(dir, "libnvidia-ml.so.1")
	install := func(driver, version string) {
		t.Helper()
		_ = os.Remove(library)
		if err := errors.Join(os.WriteFile(filepath.Join(dir, "driver"), []byte(driver+"\n"), 0o600),
			os.Symlink(filepath.Join(dir, "library."+version), library)); err != nil {
			t.Fatal(err)
		}
	}
	install("1", "1")
	r, err := Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	install("0", "2") // The driver is loaded after its library was installed.
	if got, err := r.Read(t.Context()); err == nil {
		t.Fatalf("got %+v of another driver", got)
	}
	if err := r.(io.Closer).Close(); err != nil {
		t.Fatal(err)
	}
	if r, err = Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Read(t.Context()); err == nil || errors.Is(err, ErrAbsent) {
		t.Errorf("got %+v, %v before the driver is loaded", got, err)
	}
	install("2", "2")
	if r, err = Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Read(t.Context()); err != nil || len(got.Devices) != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
	t.Setenv("PATH", dir)
	if r, err := Open(t.Context()); err == nil || errors.Is(err, ErrAbsent) || !errors.Is(err, errOutdated) {
		t.Errorf("got %v, %v without nvidia-smi", r, err)
	}
}
