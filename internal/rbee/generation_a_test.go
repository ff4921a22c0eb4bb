package rbee

import (
	"net/http"
	"strings"
	"testing"

	"waggle/registry"
)

const workerStateJSON = `{"worker_id":"worker-abc","state":"Idle","last_heartbeat":"2025-10-21T10:00:00Z","health_status":"healthy","url":"http://localhost:9301",` +
	`"model_id":"llama-3.2-1b","backend":"cuda","device_id":0,"vram_bytes":8589934592,"ram_bytes":1073741824,"cpu_percent":12.5,"gpu_percent":0}`

func generationAJSON(workers ...string) string {
	return `{"hive_id":"pool-1","timestamp":"2025-10-21T10:00:01Z","workers":[` + strings.Join(workers, ",") + `]}`
}

func TestGenerationA(t *testing.T) {
	for _, path := range []string{"/heartbeat", "/v1/heartbeat"} {
		t.Run(path+" takes a hive with its workers", func(t *testing.T) {
			f := open(t, Config{})
			status, body := f.post(path, generationAJSON(workerStateJSON))
			if want := `{"status":"ok","message":"Heartbeat received from pool-1"}`; status != 200 || body != want {
				t.Fatalf("got %d %s, want 200 %s", status, body, want)
			}
			h := f.hive("pool-1")
			if h.Hostname != "127.0.0.1" || !h.Available {
				t.Errorf("got %+v, want an available hive at the peer's address", h)
			}
			w := h.Worker("pool-1/worker/worker-abc")
			if w == nil {
				t.Fatal("the worker is missing")
			}
			want := registry.Telemetry{
				GPUUtilizationPercent: registry.Float(0), VRAMUsedMB: registry.Int(8192), RSSMB: registry.Int(1024),
				CPUPercent: registry.Float(12.5), RequestsRunning: registry.Int(0),
			}
			if w.Telemetry != want {
				t.Errorf("got %+v, want %+v", w.Telemetry, want)
			}
			if w.Model != "llama-3.2-1b" || w.Endpoint != "http://localhost:9301" || w.Activity != registry.Idle {
				t.Errorf("got model %s, endpoint %s, %s", w.Model, w.Endpoint, w.Activity)
			}
		})
	}
	for name, c := range map[string]struct {
		old, replacement string
		want             registry.Activity
	}{
		"a busy worker is busy though its GPU rests":   {`"Idle"`, `"Busy"`, registry.Working},
		"a worker that loads its model is not idle":    {`"Idle"`, `"Loading"`, registry.UnknownActivity},
		"an unhealthy worker is not idle":              {`"healthy"`, `"unhealthy"`, registry.UnknownActivity},
		"a worker's word counts where there is no GPU": {`,"gpu_percent":0`, ``, registry.Idle},
	} {
		t.Run(name, func(t *testing.T) {
			f := open(t, Config{})
			if status, body := f.post("/v1/heartbeat", generationAJSON(strings.Replace(workerStateJSON, c.old, c.replacement, 1))); status != 200 {
				t.Fatalf("got %d %s", status, body)
			}
			if got := f.hive("pool-1").Workers[0].Activity; got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	t.Run("optional fields may be null or missing, and an address that is none is left out", func(t *testing.T) {
		f := open(t, Config{})
		least := `{"worker_id":"w","state":"Idle","last_heartbeat":"","health_status":"healthy","url":"somewhere","model_id":null,"gpu_percent":null,"vram_bytes":null,"backend":null,"device_id":null}`
		if status, body := f.post("/v1/heartbeat", generationAJSON(least)); status != 200 {
			t.Fatalf("got %d %s", status, body)
		}
		if w := f.hive("pool-1").Workers[0]; w.Endpoint != "" || w.Model != "" {
			t.Errorf("got endpoint %q, model %q, want none", w.Endpoint, w.Model)
		}
	})
	t.Run("a missing field is named", func(t *testing.T) {
		f := open(t, Config{})
		status, body := f.post("/v1/heartbeat", generationAJSON(workerStateJSON, strings.Replace(workerStateJSON, `"state":"Idle",`, ``, 1)))
		if want := message(`workers[1]: missing field "state"`); status != 422 || body != want {
			t.Errorf("got %d %s, want 422 %s", status, body, want)
		}
	})
}

func TestPaths(t *testing.T) {
	f := open(t, Config{Version: "1.2.3", PublicURL: "http://queen.lan:7833"})
	for _, c := range []struct {
		method, path string
		status       int
		body         string
	}{
		{http.MethodGet, "/health", 200, ``},
		{http.MethodHead, "/health", 200, ``},
		{http.MethodGet, "/v1/info", 200, `{"base_url":"http://queen.lan:7833","port":7833,"version":"1.2.3","features":[],"build_timestamp":"unknown"}`},
		{http.MethodPost, "/v1/worker-heartbeat", 410, message("workers report through their hive: a worker's own heartbeat is not taken")},
		{http.MethodPost, "/v1/shutdown", 404, message("there is nothing at this path")},
		{http.MethodGet, "/v1/jobs", 404, message("there is nothing at this path")},
		{http.MethodGet, "/v1/", 404, message("there is nothing at this path")},
		{http.MethodGet, "/v1/hive-heartbeat", 405, message("the method must be POST")},
		{http.MethodPost, "/v1/heartbeats/stream", 405, message("the method must be GET, HEAD")},
		{http.MethodHead, "/v1/heartbeats/stream", 200, ``},
		{http.MethodDelete, "/v1/info", 405, message("the method must be GET, HEAD")},
	} {
		if status, body := f.send(c.method, c.path, "application/json", strings.NewReader("{}")); status != c.status || body != c.body {
			t.Errorf("%s %s: got %d %s, want %d %s", c.method, c.path, status, body, c.status, c.body)
		}
	}
	t.Run("the facts name the host that was asked when no address is configured", func(t *testing.T) {
		f := open(t, Config{})
		port := f.url[strings.LastIndex(f.url, ":")+1:]
		want := `{"base_url":"` + f.url + `","port":` + port + `,"version":"unknown","features":[],"build_timestamp":"unknown"}`
		if status, body := f.send(http.MethodGet, "/v1/info", "", nil); status != 200 || body != want {
			t.Errorf("got %d %s, want 200 %s", status, body, want)
		}
	})
}

func TestConfigurationsThatCannotBe(t *testing.T) {
	reg := registry.New(registry.Config{})
	discover := func(host string) Config {
		return Config{Registry: reg, PublicURL: "http://x", Discover: []string{"a", host}}
	}
	for want, cfg := range map[string]Config{
		"rbee: a registry is required":                                                                          {},
		"--rbee-assume-vram-mb: -1 must be 0 to 67108864":                                                       {Registry: reg, AssumeVRAMMB: -1},
		`--public-url: "ftp://x" must begin with http:// or https://`:                                           {Registry: reg, PublicURL: "ftp://x"},
		"--discover needs --public-url, which hives are told to announce themselves at":                         {Registry: reg, Discover: []string{"x"}},
		`--pull-allow: "10.0.0.0/99" must be a network such as 10.0.0.0/8, an address, a host name or *.suffix`: {Registry: reg, PullAllow: []string{"10.0.0.0/99"}},
		`--discover: "http://x:1" must be a host name or address, or host:port`:                                 discover("http://x:1"),
		`--discover: "http://x" must be a host name or address, or host:port`:                                   discover("http://x"),
		`--discover: "x:y" must be a host name or address, or host:port`:                                        discover("x:y"),
		`--discover: "x:0" must be a host name or address, or host:port`:                                        discover("x:0"),
		`--discover: ":1" must be a host name or address, or host:port`:                                         discover(":1"),
		`--discover: "" must be a host name or address, or host:port`:                                           discover(""),
		`--discover: "u@x" must be a host name or address, or host:port`:                                        discover("u@x"),
	} {
		if _, err := New(cfg); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
