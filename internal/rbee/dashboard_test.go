package rbee

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waggle/registry"
)

// dashboard is what rbee's dashboards are to the server: somebody who reads its event stream.
type dashboard struct {
	t      testing.TB
	resp   *http.Response
	lines  *bufio.Reader
	cancel context.CancelFunc
}

func (f *fleet) watch() *dashboard {
	f.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, f.url+"/v1/heartbeats/stream", nil)
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		cancel()
		f.t.Fatal(err)
	}
	d := &dashboard{f.t, resp, bufio.NewReaderSize(resp.Body, 1<<20), cancel}
	f.t.Cleanup(d.close)
	return d
}

func (d *dashboard) close() {
	d.cancel()
	_ = d.resp.Body.Close()
}

// frame returns the next frame as it came.
func (d *dashboard) frame() string {
	d.t.Helper()
	var frame strings.Builder
	for {
		line, err := d.lines.ReadString('\n')
		if err != nil {
			d.t.Fatalf("the stream ended: %v", err)
		}
		frame.WriteString(line)
		if line == "\n" {
			return frame.String()
		}
	}
}

// heard is an event as a dashboard reads it.
type heard struct {
	Type             string
	HiveID           string `json:"hive_id"`
	Workers          []struct{ Group, Instance string }
	WorkersOnline    int      `json:"workers_online"`
	WorkersAvailable int      `json:"workers_available"`
	HivesOnline      int      `json:"hives_online"`
	HivesAvailable   int      `json:"hives_available"`
	WorkerIDs        []string `json:"worker_ids"`
	HiveIDs          []string `json:"hive_ids"`
	Timestamp        string
}

// next returns the next event of a type.
func (d *dashboard) next(kind string) heard {
	d.t.Helper()
	for {
		data := strings.TrimSuffix(strings.TrimPrefix(d.frame(), "event: heartbeat\ndata: "), "\n\n")
		var h heard
		if err := json.Unmarshal([]byte(data), &h); err != nil {
			d.t.Fatalf("%q: %v", data, err)
		}
		if h.Type == kind {
			return h
		}
	}
}

var timestamps = regexp.MustCompile(`"timestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.(\d{3}){1,3})?\+00:00"`)

func TestStreamBytes(t *testing.T) {
	f := open(t, Config{})
	unknown := strings.NewReplacer(`"8080"`, `"8081"`, `85.0`, `0.0`, `8192`, `0`, `"llama-3.2-1b"`, `null`).Replace(workerJSON)
	other := strings.NewReplacer("gpu-server-1", "gpu-server-2", `"ready"`, `"stopping"`)
	f.post("/v1/hive-heartbeat", heartbeatJSON(workerJSON, unknown))
	f.post("/v1/hive-heartbeat", other.Replace(heartbeatJSON()))
	d := f.watch()
	if got, want := d.resp.Header.Get("Content-Type"), "text/event-stream"; got != want {
		t.Errorf("content type: got %s, want %s", got, want)
	}
	if got, want := d.resp.Header.Get("Cache-Control"), "no-cache"; got != want {
		t.Errorf("cache control: got %s, want %s", got, want)
	}
	var got strings.Builder
	for range 3 {
		got.WriteString(timestamps.ReplaceAllString(d.frame(), `"timestamp":"T"`))
	}
	want := `event: heartbeat
data: {"type":"queen","workers_online":2,"workers_available":2,"hives_online":2,"hives_available":1,"worker_ids":["llm-8080","llm-8081"],"hive_ids":["gpu-server-1","gpu-server-2"],"timestamp":"T"}

event: heartbeat
data: {"type":"hive_telemetry","hive_id":"gpu-server-1","timestamp":"T","workers":[` + workerJSON +
		`,{"pid":12345,"group":"llm","instance":"8081","cpu_pct":0.0,"rss_mb":4096,"io_r_mb_s":0.0,"io_w_mb_s":0.0,"uptime_s":3600,"gpu_util_pct":0.0,"vram_mb":0,"total_vram_mb":0,"model":null}]}

event: heartbeat
data: {"type":"hive_telemetry","hive_id":"gpu-server-2","timestamp":"T","workers":[]}

`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("stream (-want +got):\n%s", diff)
	}
}

func TestStreamToDashboards(t *testing.T) {
	t.Run("an empty fleet is summed up at once and each 2.5 s", func(t *testing.T) {
		f := open(t, Config{})
		began := time.Now()
		d := f.watch()
		d.next("queen")
		if took := time.Since(began); took >= queenEvery {
			t.Errorf("the first sum took %s", took)
		}
		d.next("queen")
		if took := time.Since(began); took < queenEvery || took > 2*queenEvery {
			t.Errorf("the second sum came after %s, want %s", took, queenEvery)
		}
	})
	t.Run("telemetry comes as hives send it", func(t *testing.T) {
		f := open(t, Config{})
		d := f.watch()
		d.next("queen")
		for range 3 {
			f.post("/v1/hive-heartbeat", heartbeatJSON(workerJSON))
			if h := d.next("hive_telemetry"); h.HiveID != "gpu-server-1" || len(h.Workers) != 1 {
				t.Errorf("got %+v, want gpu-server-1 with one worker", h)
			}
		}
	})
	t.Run("a hive that is gone has no workers any more", func(t *testing.T) {
		f := open(t, Config{})
		f.post("/v1/hive-heartbeat", heartbeatJSON(workerJSON))
		d := f.watch()
		if h := d.next("hive_telemetry"); len(h.Workers) != 1 {
			t.Fatalf("got %+v, want one worker", h)
		}
		f.reg.Remove("gpu-server-1")
		if h := d.next("hive_telemetry"); h.HiveID != "gpu-server-1" || len(h.Workers) != 0 {
			t.Errorf("got %+v, want no worker", h)
		}
		if h := d.next("queen"); h.HivesOnline != 0 || h.WorkersOnline != 0 || len(h.HiveIDs) != 0 {
			t.Errorf("got %+v, want nothing counted", h)
		}
		if h := f.watch().next("queen"); h.HivesOnline != 0 {
			t.Errorf("somebody new: got %+v, want nothing counted", h)
		}
	})
	t.Run("a hive that is given up has no workers and is not counted", func(t *testing.T) {
		f := open(t, Config{Registry: registry.New(registry.Config{SuspectAfter: 200 * time.Millisecond, OfflineAfter: 400 * time.Millisecond, ForgetAfter: time.Minute})})
		d := f.watch()
		f.post("/v1/hive-heartbeat", heartbeatJSON(workerJSON))
		if h := d.next("hive_telemetry"); len(h.Workers) != 1 {
			t.Errorf("got %+v, want one worker", h)
		}
		if h := d.next("hive_telemetry"); len(h.Workers) != 0 {
			t.Errorf("got %+v, want no worker", h)
		}
		if h := f.watch().next("queen"); h.HivesOnline != 0 || h.WorkersOnline != 0 {
			t.Errorf("got %+v, want nothing counted", h)
		}
		f.post("/v1/hive-heartbeat", heartbeatJSON(workerJSON))
		if h := d.next("hive_telemetry"); len(h.Workers) != 1 {
			t.Errorf("back again: got %+v, want one worker", h)
		}
	})
	t.Run("there is a bound", func(t *testing.T) {
		f := open(t, Config{MaxDashboards: 1})
		d := f.watch()
		d.next("queen")
		if status, body := f.send(http.MethodGet, "/v1/heartbeats/stream", "", nil); status != 503 {
			t.Errorf("got %d %s, want 503", status, body)
		}
		d.close()
		eventually(t, "the place is free again", func() bool { return f.door.Stats().Dashboards == 0 })
		f.watch().next("queen")
	})
	t.Run("stopping the door ends the streams", func(t *testing.T) {
		reg := registry.New(registry.Config{})
		door, err := New(Config{Registry: reg})
		if err != nil {
			t.Fatal(err)
		}
		f := &fleet{t: t, reg: reg, door: door, url: serve(t, door.Handler())}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- door.Run(ctx) }()
		d := f.watch()
		d.next("queen")
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: got %v, want %v", err, context.Canceled)
		}
		if _, err := io.ReadAll(d.lines); err != nil {
			t.Errorf("the stream ended with %v", err)
		}
	})
}
