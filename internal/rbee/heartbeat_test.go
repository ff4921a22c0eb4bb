package rbee

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"waggle/registry"
)

const (
	hiveJSON   = `{"id":"gpu-server-1","hostname":"192.168.1.100","port":7835,"operational_status":"ready","health_status":{"status":"healthy"},"version":"0.1.0"}`
	workerJSON = `{"pid":12345,"group":"llm","instance":"8080","cpu_pct":0.0,"rss_mb":4096,"io_r_mb_s":0.0,"io_w_mb_s":0.0,"uptime_s":3600,"gpu_util_pct":85.0,"vram_mb":8192,"total_vram_mb":24576,"model":"llama-3.2-1b"}`
	sentAt     = `"2025-10-30T17:40:00.123456789Z"`
	deviceJSON = `{"id":"GPU-0","name":"NVIDIA RTX 4090","device_type":"gpu","vram_gb":24,"compute_capability":"8.9"}`
)

func heartbeatJSON(workers ...string) string {
	return `{"hive":` + hiveJSON + `,"timestamp":` + sentAt + `,"workers":[` + strings.Join(workers, ",") + `]}`
}

func TestPushedGenerations(t *testing.T) {
	t.Run("generation B is a hive without workers that beats each 30 s", func(t *testing.T) {
		f := open(t, Config{})
		status, body := f.post("/v1/hive-heartbeat", `{"hive":`+hiveJSON+`,"timestamp":`+sentAt+`}`)
		if want := `{"status":"ok","message":"Heartbeat received from hive gpu-server-1"}`; status != 200 || body != want {
			t.Fatalf("got %d %s, want 200 %s", status, body, want)
		}
		if h := f.hive("gpu-server-1"); len(h.Workers) != 0 || !h.Available {
			t.Errorf("got %+v, want an available hive without workers", h)
		}
	})
	t.Run("generation C tells workers", func(t *testing.T) {
		f := open(t, Config{})
		status, body := f.post("/v1/hive-heartbeat", heartbeatJSON(workerJSON))
		if want := `{"status":"ok","message":"Telemetry received from hive gpu-server-1"}`; status != 200 || body != want {
			t.Fatalf("got %d %s, want 200 %s", status, body, want)
		}
		w := f.hive("gpu-server-1").Worker("gpu-server-1/llm/8080")
		if w == nil {
			t.Fatal("the worker is missing")
		}
		want := registry.Telemetry{
			GPUUtilizationPercent: registry.Float(85), VRAMUsedMB: registry.Int(8192), VRAMTotalMB: registry.Int(24576),
			RSSMB: registry.Int(4096), UptimeSeconds: registry.Int(3600),
		}
		if diff := cmp.Diff(want, w.Telemetry, cmpopts.EquateComparable(registry.OptInt{}, registry.OptFloat{})); diff != "" {
			t.Errorf("telemetry (-want +got):\n%s", diff)
		}
		if w.Endpoint != "http://192.168.1.100:8080" || w.Model != "llama-3.2-1b" || w.PID != registry.Int(12345) {
			t.Errorf("got endpoint %s, model %s, pid %v", w.Endpoint, w.Model, w.PID)
		}
	})
	t.Run("generation D tells devices, which stay when the next heartbeat has none", func(t *testing.T) {
		f := open(t, Config{})
		beat := strings.TrimSuffix(heartbeatJSON(), "}") + `,"capabilities":[` + deviceJSON +
			`,{"id":"CPU-0","name":"CPU (16 cores)","device_type":"cpu","vram_gb":64,"compute_capability":null}]}`
		if status, body := f.post("/v1/hive-heartbeat", beat); status != 200 {
			t.Fatalf("got %d %s", status, body)
		}
		if status, body := f.post("/v1/hive-heartbeat", heartbeatJSON()); status != 200 {
			t.Fatalf("got %d %s", status, body)
		}
		want := []registry.Device{
			{ID: "GPU-0", Name: "NVIDIA RTX 4090", Kind: registry.GPU, MemoryTotalMB: registry.Int(24 << 10), ComputeCapability: "8.9"},
			{ID: "CPU-0", Name: "CPU (16 cores)", Kind: registry.CPU, MemoryTotalMB: registry.Int(64 << 10)},
		}
		if diff := cmp.Diff(want, f.hive("gpu-server-1").Devices, cmpopts.EquateComparable(registry.OptInt{}, registry.OptFloat{})); diff != "" {
			t.Errorf("devices (-want +got):\n%s", diff)
		}
	})
	t.Run("a worker left out is gone", func(t *testing.T) {
		f := open(t, Config{})
		f.post("/v1/hive-heartbeat", heartbeatJSON(workerJSON))
		f.post("/v1/hive-heartbeat", heartbeatJSON())
		if n := len(f.hive("gpu-server-1").Workers); n != 0 {
			t.Errorf("got %d workers, want none", n)
		}
	})
	t.Run("a hive that gives a loopback name is known by the address it called from", func(t *testing.T) {
		f := open(t, Config{})
		for _, name := range []string{"localhost", "", "0.0.0.0", "::1"} {
			f.post("/v1/hive-heartbeat", strings.Replace(heartbeatJSON(workerJSON), "192.168.1.100", name, 1))
			if h := f.hive("gpu-server-1"); h.Hostname != "127.0.0.1" {
				t.Errorf("hostname %q: got %s, want that of the peer, 127.0.0.1", name, h.Hostname)
			}
		}
	})
}

func TestHeartbeatsOvertakenOnTheWay(t *testing.T) {
	f := open(t, Config{})
	beat := func(sent, version string) {
		t.Helper()
		b := strings.Replace(heartbeatJSON(), sentAt, `"`+sent+`"`, 1)
		if status, body := f.post("/v1/hive-heartbeat", strings.Replace(b, `"0.1.0"`, `"`+version+`"`, 1)); status != 200 {
			t.Fatalf("got %d %s", status, body)
		}
	}
	expect := func(version string) {
		t.Helper()
		if got := f.hive("gpu-server-1").Version; got != version {
			t.Errorf("got version %s, want %s", got, version)
		}
	}
	now := time.Now().UTC()
	at := func(ahead time.Duration) string { return now.Add(ahead).Format(time.RFC3339Nano) }
	beat(at(0), "1")
	beat(at(0), "2")
	expect("2") // equal is no older
	beat(at(-2*time.Second), "3")
	expect("2") // late
	beat(at(-time.Hour), "4")
	expect("4") // a clock that was set back
}

func TestRefusedBodies(t *testing.T) {
	f := open(t, Config{})
	beat := heartbeatJSON(workerJSON, workerJSON)
	edit := func(old, replacement string) string {
		t.Helper()
		if !strings.Contains(beat, old) {
			t.Fatalf("%s is not in the sample", old)
		}
		i := strings.LastIndex(beat, old)
		return beat[:i] + replacement + beat[i+len(old):]
	}
	for _, c := range []struct {
		name, body string
		status     int
		message    string
	}{
		{"nothing", "", 400, "the body is not JSON: a value is missing at byte 0"},
		{"not JSON", "hello", 400, "the body is not JSON: a value is missing at byte 0"},
		{"trailing garbage", heartbeatJSON() + "x", 400, fmt.Sprintf("the body is not JSON: something follows the value at byte %d", len(heartbeatJSON()))},
		{"cut short", heartbeatJSON()[:40], 400, "the body is not JSON: a value is missing at byte 40"},
		{"a number out of range", edit(`85.0`, `1e400`), 400, ""},
		{"not an object", `[]`, 422, "must be an object, not an array"},
		{"no hive", `{"timestamp":` + sentAt + `}`, 422, `missing field "hive"`},
		{"no timestamp", `{"hive":` + hiveJSON + `}`, 422, `missing field "timestamp"`},
		{"hive null", `{"hive":null,"timestamp":` + sentAt + `}`, 422, "hive: must be an object, not null"},
		{"workers null", `{"hive":` + hiveJSON + `,"timestamp":` + sentAt + `,"workers":null}`, 422, "workers: must be an array, not null"},
		{"a repeated field", edit(`"pid":12345`, `"pid":1,"pid":2`), 422, `workers[1]: duplicate field "pid"`},
		{"a worker without group", edit(`"group":"llm",`, ``), 422, `workers[1]: missing field "group"`},
		{"a worker that is none", edit(workerJSON, `7`), 422, `workers[1]: must be an object, not a number`},
		{"a float for an integer", edit(`8192`, `8192.0`), 422, "workers[1].vram_mb: must be an integer from 0 to 18446744073709551615"},
		{"a negative integer", edit(`8192`, `-1`), 422, "workers[1].vram_mb: must be an integer from 0 to 18446744073709551615"},
		{"an integer past 64 bits", edit(`8192`, `18446744073709551616`), 422, "workers[1].vram_mb: must be an integer from 0 to 18446744073709551615"},
		{"a pid past 32 bits", edit(`12345`, `4294967296`), 422, "workers[1].pid: must be an integer from 0 to 4294967295"},
		{"a number for a string", edit(`"8080"`, `8080`), 422, "workers[1].instance: must be a string, not a number"},
		{"a string for a number", edit(`85.0`, `"85.0"`), 422, "workers[1].gpu_util_pct: must be a number, not a string"},
		{"null for a number", edit(`85.0`, `null`), 422, "workers[1].gpu_util_pct: must be a number, not null"},
		{"a port past 16 bits", edit(`7835`, `70000`), 422, "hive.port: must be an integer from 0 to 65535"},
		{"a port as float", edit(`7835`, `7835.0`), 422, "hive.port: must be an integer from 0 to 65535"},
		{"status in another case", edit(`"ready"`, `"Ready"`), 422, `hive.operational_status: must be "starting", "ready", "busy", "stopping" or "stopped"`},
		{"status null", edit(`"ready"`, `null`), 422, `hive.operational_status: must be a string, not null`},
		{"health as a string", edit(`{"status":"healthy"}`, `"healthy"`), 422, "hive.health_status: must be an object, not a string"},
		{"health without status", edit(`{"status":"healthy"}`, `{}`), 422, `hive.health_status: missing field "status"`},
		{"health of unknown status", edit(`{"status":"healthy"}`, `{"status":"Healthy"}`), 422, `hive.health_status.status: must be "healthy", "degraded" or "unhealthy"`},
		{"degraded without reason", edit(`{"status":"healthy"}`, `{"status":"degraded"}`), 422, `hive.health_status: "degraded" and "unhealthy" need a "reason", a string`},
		{"a timestamp without zone", edit(`00.123456789Z`, `00`), 422, `timestamp: must be a date and time with zone, such as "2025-10-30T17:40:00.123Z"`},
		{"a timestamp as number", edit(sentAt, `1761846000`), 422, `timestamp: must be a string, not a number`},
		{"capabilities that are none", strings.TrimSuffix(heartbeatJSON(), "}") + `,"capabilities":{}}`, 422, `capabilities: must be an array, not an object`},
		{"a hive id that cannot be one", edit(`gpu-server-1`, ``), 422, `hive.id: "" must be a letter or digit, then up to 127 letters, digits or . _ : -`},
		{"a group that cannot be one", edit(`"llm"`, `"a/b"`), 422, `workers[1].group: "a/b" must be a letter or digit, then up to 63 letters, digits or . _ : -`},
		{"one worker twice", beat, 422, `workers: group "llm", instance "8080" is there twice; group and instance must be unique together`},
		{"a device that cannot be one", strings.TrimSuffix(heartbeatJSON(), "}") + `,"capabilities":[` + strings.Replace(deviceJSON, "GPU-0", "", 1) + `]}`, 422,
			`capabilities[0].id: "" must be 1 to 64 printable characters`},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body := f.post("/v1/hive-heartbeat", c.body)
			if status != c.status {
				t.Errorf("got %d %s, want %d", status, body, c.status)
			}
			if want := message(c.message); c.message != "" && body != want {
				t.Errorf("got  %s\nwant %s", body, want)
			}
			if f.reg.Snapshot().Revision.Counter != 0 {
				t.Fatal("the registry has changed")
			}
		})
	}
}

// message is the body of an error.
func message(m string) string {
	return `{"status":"error","message":"` + strings.ReplaceAll(m, `"`, `\"`) + `"}`
}

func TestAcceptedOddities(t *testing.T) {
	for name, body := range map[string]string{
		"unknown fields":             strings.Replace(heartbeatJSON(workerJSON), `"pid"`, `"new":{"a":[1,{"b":null}]},"new":"\u00e4","pid"`, 1),
		"integers for floats":        strings.Replace(heartbeatJSON(workerJSON), `85.0`, `85`, 1),
		"no model":                   strings.Replace(heartbeatJSON(workerJSON), `,"model":"llama-3.2-1b"`, ``, 1),
		"model null":                 strings.Replace(heartbeatJSON(workerJSON), `"llama-3.2-1b"`, `null`, 1),
		"the largest integer":        strings.Replace(heartbeatJSON(workerJSON), `8192`, `18446744073709551615`, 1),
		"a negative load":            strings.Replace(heartbeatJSON(workerJSON), `85.0`, `-1.0`, 1),
		"a load past 100":            strings.Replace(heartbeatJSON(workerJSON), `85.0`, `250`, 1),
		"port 0":                     strings.Replace(heartbeatJSON(workerJSON), `7835`, `0`, 1),
		"a reason with healthy":      strings.Replace(heartbeatJSON(workerJSON), `{"status":"healthy"}`, `{"reason":7,"status":"healthy","x":1}`, 1),
		"the tag after the reason":   strings.Replace(heartbeatJSON(workerJSON), `{"status":"healthy"}`, `{"reason":"hot","status":"degraded"}`, 1),
		"an empty reason":            strings.Replace(heartbeatJSON(workerJSON), `{"status":"healthy"}`, `{"status":"unhealthy","reason":""}`, 1),
		"fields in another order":    `{"workers":[],"timestamp":` + sentAt + `,"hive":` + hiveJSON + `}`,
		"capabilities null":          strings.TrimSuffix(heartbeatJSON(), "}") + `,"capabilities":null}`,
		"a device that knows little": strings.TrimSuffix(heartbeatJSON(), "}") + `,"capabilities":[{"id":"x","name":"","device_type":"metal"}]}`,
		"blanks":                     " \r\n\t" + strings.ReplaceAll(heartbeatJSON(workerJSON), ",", " , ") + "\n",
		"an escaped field name":      strings.Replace(heartbeatJSON(workerJSON), `"pid"`, `"p\u0069d"`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			f := open(t, Config{})
			if status, answer := f.post("/v1/hive-heartbeat", body); status != 200 {
				t.Errorf("got %d %s", status, answer)
			}
		})
	}
}

func TestContentTypes(t *testing.T) {
	f := open(t, Config{})
	for contentType, status := range map[string]int{
		"": 415, "text/plain": 415, "application/x-www-form-urlencoded": 415, "multipart/form-data": 415, "json": 415,
		"application/json": 200, "Application/JSON; charset=utf-8": 200, "application/vnd.rbee+json": 200,
	} {
		got, body := f.send(http.MethodPost, "/v1/hive-heartbeat", contentType, strings.NewReader(heartbeatJSON()))
		if got != status {
			t.Errorf("%q: got %d %s, want %d", contentType, got, body, status)
		}
	}
}

func TestBodySize(t *testing.T) {
	f := open(t, Config{})
	fill := func(size int) string {
		return heartbeatJSON() + strings.Repeat(" ", size-len(heartbeatJSON()))
	}
	if status, body := f.post("/v1/hive-heartbeat", fill(maxBody)); status != 200 {
		t.Errorf("a body of the largest size: got %d %s", status, body)
	}
	want := message("the body must be at most 2097152 bytes")
	if status, body := f.post("/v1/hive-heartbeat", fill(maxBody+1)); status != 413 || body != want {
		t.Errorf("got %d %s, want 413 %s", status, body, want)
	}
	// Without a length told beforehand.
	chunked := struct{ *strings.Reader }{strings.NewReader(fill(maxBody + 1))}
	if status, body := f.send(http.MethodPost, "/v1/hive-heartbeat", "application/json", chunked); status != 413 || body != want {
		t.Errorf("chunked: got %d %s, want 413 %s", status, body, want)
	}
}

func TestUnknownIsUnknown(t *testing.T) {
	figures := func(gpu string, used, total int) string {
		s := strings.Replace(workerJSON, `"gpu_util_pct":85.0`, `"gpu_util_pct":`+gpu, 1)
		s = strings.Replace(s, `"vram_mb":8192`, fmt.Sprintf(`"vram_mb":%d`, used), 1)
		return strings.Replace(s, `"total_vram_mb":24576`, fmt.Sprintf(`"total_vram_mb":%d`, total), 1)
	}
	none := registry.OptInt{}
	for _, c := range []struct {
		name        string
		worker      string
		assume      int
		gpu         registry.OptFloat
		used, total registry.OptInt
	}{
		{"0 of 0 is not measured", figures("0.0", 0, 0), 0, registry.OptFloat{}, none, none},
		{"0 of the guess is not measured", figures("0", 0, 24576), 0, registry.OptFloat{}, none, none},
		{"0 of another total is measured", figures("0.0", 0, 8192), 0, registry.Float(0), registry.Int(0), registry.Int(8192)},
		{"memory in use proves the load", figures("0.0", 1, 24576), 0, registry.Float(0), registry.Int(1), registry.Int(24576)},
		{"a load proves the memory", figures("3.5", 0, 24576), 0, registry.Float(3.5), registry.Int(0), registry.Int(24576)},
		{"a total of 0 is unknown", figures("3.5", 100, 0), 0, registry.Float(3.5), registry.Int(100), none},
		{"a total of 0 is assumed", figures("3.5", 100, 0), 16384, registry.Float(3.5), registry.Int(100), registry.Int(16384)},
		{"memory not measured is assumed free, the load stays unknown", figures("0.0", 0, 24576), 16384, registry.OptFloat{}, registry.Int(0), registry.Int(16384)},
		{"a total that is known is not assumed", figures("3.5", 100, 8192), 16384, registry.Float(3.5), registry.Int(100), registry.Int(8192)},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := open(t, Config{AssumeVRAMMB: c.assume})
			f.post("/v1/hive-heartbeat", heartbeatJSON(c.worker))
			w := f.hive("gpu-server-1").Workers[0]
			if w.GPUUtilizationPercent != c.gpu || w.VRAMUsedMB != c.used || w.VRAMTotalMB != c.total {
				t.Errorf("got load %v, used %v, total %v; want %v, %v, %v", w.GPUUtilizationPercent, w.VRAMUsedMB, w.VRAMTotalMB, c.gpu, c.used, c.total)
			}
			if w.CPUPercent.Known() || w.IOReadMBPerSecond.Known() || w.IOWriteMBPerSecond.Known() {
				t.Error("the constants 0 for CPU and I/O were taken for figures")
			}
		})
	}
}
