package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"waggle/client"
	"waggle/internal/agent/gpu"
)

// server takes heartbeats as Waggle does and keeps them.
type server struct {
	url string

	mu    sync.Mutex
	beats []*client.HeartbeatInput
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			OperationName string
			Variables     struct{ Input *client.HeartbeatInput }
		}
		decoder := json.NewDecoder(r.Body)
		decoder.DisallowUnknownFields()
		var raw struct {
			Query         string          `json:"query"`
			OperationName string          `json:"operationName"`
			Variables     json.RawMessage `json:"variables"`
		}
		if err := decoder.Decode(&raw); err != nil {
			t.Errorf("the request is not GraphQL: %v", err)
		}
		inner := json.NewDecoder(strings.NewReader(string(raw.Variables)))
		inner.DisallowUnknownFields()
		if err := inner.Decode(&body.Variables); err != nil || raw.OperationName != "Heartbeat" {
			t.Errorf("the request is no heartbeat: %v", err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.beats = append(s.beats, body.Variables.Input)
		_, _ = fmt.Fprintf(w, `{"data":{"heartbeat":{"outcome":"ACCEPTED","hiveId":%q,"revision":"e.%d","nextHeartbeatMs":100,"warnings":[]}}}`,
			body.Variables.Input.Hive.Id, len(s.beats))
	}))
	t.Cleanup(srv.Close)
	s.url = srv.URL
	return s
}

// await returns the first heartbeat that is good enough.
func (s *server) await(t *testing.T, good func(*client.HeartbeatInput) bool) *client.HeartbeatInput {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for seen := 0; ; {
		s.mu.Lock()
		fresh := s.beats[seen:]
		seen = len(s.beats)
		s.mu.Unlock()
		for _, b := range fresh {
			if good(b) {
				return b
			}
		}
		select {
		case <-tick.C:
		case <-deadline:
			s.mu.Lock()
			defer s.mu.Unlock()
			last, _ := json.MarshalIndent(s.beats[max(0, len(s.beats)-1):], "", " ")
			t.Fatalf("no heartbeat was as wanted; %d came, the last one %s", len(s.beats), last)
		}
	}
}

func noGPU(context.Context) (gpu.Reader, error) { return nil, gpu.ErrAbsent }

// run lets an agent report the given engines to the server until the test ends.
func runAgent(t *testing.T, to *server, engines ...*engineProcess) {
	t.Helper()
	c, err := client.New(client.Config{URL: to.url})
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(Config{Sender: c, HiveID: "test-hive", Hostname: "127.0.0.1", Port: 7835, Version: "1.2.3",
		Interval: 100 * time.Millisecond, OpenGPU: noGPU, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	a.survey.only = among(engines...)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		c.CloseIdle()
	})
}

func llamaServer() fake {
	return fake{
		Args: []string{"/opt/llama.cpp/bin/llama-server", "-m", "/models/Qwen3-8B-Q4_K_M.gguf", "--port", "PORT"},
		Routes: map[string]string{
			"/health":  `{"status":"ok"}`,
			"/slots":   `[{"id":0,"is_processing":true},{"id":1,"is_processing":true},{"id":2,"is_processing":false}]`,
			"/metrics": "# TYPE llamacpp:requests_deferred gauge\nllamacpp:requests_deferred 5\n",
		},
		Busy: true, MB: 64,
	}
}

func TestAHiveReportsItsEngines(t *testing.T) {
	llama := start(t, llamaServer())
	vllm := start(t, fake{
		Args: []string{"/usr/bin/python3", "-m", "vllm.entrypoints.openai.api_server", "--model=meta-llama/Llama-3.1-8B", "--port=PORT"},
		Routes: map[string]string{"/metrics": `vllm:num_requests_running{engine="0",model_name="meta-llama/Llama-3.1-8B"} 3.0
vllm:num_requests_running{engine="1",model_name="meta-llama/Llama-3.1-8B"} 1.0
vllm:num_requests_waiting{engine="0",model_name="meta-llama/Llama-3.1-8B"} 7.0
`},
		Children: []fake{{Args: []string{"VLLM::EngineCore"}, Deaf: true, MB: 64}},
	})
	to := newServer(t)
	runAgent(t, to, llama, vllm)
	got := to.await(t, func(in *client.HeartbeatInput) bool {
		return len(in.Workers) == 2 && in.Workers[0].CpuPercent != nil && *in.Workers[0].CpuPercent > 20 &&
			in.Workers[0].RequestsRunning != nil && in.Workers[1].RequestsRunning != nil
	})

	for _, w := range got.Workers {
		if w.RssMb == nil || *w.RssMb < 64 {
			t.Errorf("%s: resident memory is %v, want at least the 64 MB it touched", w.Group, deref(w.RssMb))
		}
		if w.UptimeSeconds == nil || *w.UptimeSeconds > 60 {
			t.Errorf("%s: got uptime %v", w.Group, deref(w.UptimeSeconds))
		}
		w.CpuPercent, w.RssMb, w.UptimeSeconds, w.IoReadMbPerSecond, w.IoWriteMbPerSecond = nil, nil, nil, nil, nil
	}
	endpoint := func(e *engineProcess) *string { return new(fmt.Sprintf("http://127.0.0.1:%d", e.port)) }
	want := []*client.WorkerInput{
		{Group: "llama", Instance: strconv.Itoa(llama.port), Pid: new(llama.Process.Pid), Model: new("Qwen3-8B-Q4_K_M"),
			Endpoint: endpoint(llama), RequestsRunning: new(2), RequestsQueued: new(5)},
		{Group: "vllm", Instance: strconv.Itoa(vllm.port), Pid: new(vllm.Process.Pid), Model: new("meta-llama/Llama-3.1-8B"),
			Endpoint: endpoint(vllm), RequestsRunning: new(4), RequestsQueued: new(7)},
	}
	if diff := cmp.Diff(want, got.Workers); diff != "" {
		t.Errorf("workers, -want +got:\n%s", diff)
	}
	wantHive := &client.HiveInput{Id: "test-hive", Hostname: "127.0.0.1", Port: 7835, Version: "1.2.3",
		OperationalStatus: client.OperationalStatusReady, HealthStatus: client.HealthStatusHealthy}
	if diff := cmp.Diff(wantHive, got.Hive); diff != "" {
		t.Errorf("hive, -want +got:\n%s", diff)
	}
	if len(got.Devices) != 1 || got.Devices[0].Id != "CPU-0" || deref(got.Devices[0].MemoryTotalMb) == 0 || deref(got.Devices[0].MemoryUsedMb) == 0 {
		t.Errorf("got devices %+v", got.Devices)
	}
	second := to.await(t, func(in *client.HeartbeatInput) bool { return *in.Sequence == *got.Sequence+1 })
	if diff := cmp.Diff(got, second, cmpopts.IgnoreFields(client.HeartbeatInput{}, "Hive", "SentAt", "Sequence", "Devices", "Workers")); diff != "" {
		t.Errorf("the next one is of the same incarnation; -first +second:\n%s", diff)
	}
}

func TestAnEngineThatHangsHidesOnlyItsOwnRequests(t *testing.T) {
	good := start(t, llamaServer())
	hung := llamaServer()
	hung.Routes["/slots"], hung.Busy = "HANG", false
	stuck := start(t, hung)
	to := newServer(t)
	runAgent(t, to, good, stuck)
	got := to.await(t, func(in *client.HeartbeatInput) bool {
		return *in.Sequence > 5 && len(in.Workers) == 2 && in.Workers[0].RequestsRunning != nil
	})
	w := got.Workers[1]
	if w.RequestsRunning != nil || w.RequestsQueued != nil {
		t.Errorf("got requests %v, %v of an engine that hangs", w.RequestsRunning, w.RequestsQueued)
	}
	if w.Model == nil || w.RssMb == nil || got.Hive.HealthStatus != client.HealthStatusHealthy {
		t.Errorf("all else is known; got %+v", w)
	}
}

func TestAnEngineThatDiesIsGoneAndTheOthersStay(t *testing.T) {
	stays, dies := start(t, llamaServer()), start(t, llamaServer())
	to := newServer(t)
	runAgent(t, to, stays, dies)
	both := to.await(t, func(in *client.HeartbeatInput) bool {
		return len(in.Workers) == 2 && in.Workers[0].RequestsRunning != nil && in.Workers[1].RequestsRunning != nil
	})
	if both.Workers[0].Group != both.Workers[1].Group || both.Workers[0].Instance == both.Workers[1].Instance {
		t.Errorf("two of one group are told apart by their instance; got %s and %s", both.Workers[0].Instance, both.Workers[1].Instance)
	}
	if err := dies.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	after := to.await(t, func(in *client.HeartbeatInput) bool { return *in.Sequence > *both.Sequence && len(in.Workers) == 1 })
	if got := deref(after.Workers[0].Pid); got != stays.Process.Pid {
		t.Errorf("pid %d is left, want %d", got, stays.Process.Pid)
	}
}

func TestAnEngineThatLoadsHasNoModelUntilItServes(t *testing.T) {
	loading := llamaServer()
	loading.Routes["/health"] = "503"
	e := start(t, loading)
	to := newServer(t)
	runAgent(t, to, e)
	got := to.await(t, func(in *client.HeartbeatInput) bool { return len(in.Workers) == 1 && in.Workers[0].Model == nil })
	if w := got.Workers[0]; w.Endpoint != nil || w.RequestsRunning != nil || deref(w.Pid) != e.Process.Pid {
		t.Errorf("got %+v", w)
	}
}

func TestAServerAtOneAddressTellsItsFigures(t *testing.T) {
	for _, address := range ownAddresses(t) {
		t.Run(address, func(t *testing.T) {
			engine := llamaServer()
			engine.At = address
			e := start(t, engine)
			to := newServer(t)
			runAgent(t, to, e)
			got := to.await(t, func(in *client.HeartbeatInput) bool {
				return len(in.Workers) == 1 && in.Workers[0].RequestsRunning != nil
			})
			want := "http://" + net.JoinHostPort(address, strconv.Itoa(e.port))
			if w := got.Workers[0]; w.Endpoint == nil || *w.Endpoint != want {
				t.Errorf("got endpoint %v, want %s", w.Endpoint, want)
			}
		})
	}
}

func TestVLLMIsNotOfferedAtAnInnerPortWhileItLoads(t *testing.T) {
	e := start(t, fake{Args: []string{"/venv/bin/python", "/venv/bin/vllm", "serve", "Qwen/Qwen3-8B"}, Deaf: true,
		Children: []fake{{Args: []string{"VLLM::EngineCore"}}}})
	to := newServer(t)
	runAgent(t, to, e)
	got := to.await(t, func(in *client.HeartbeatInput) bool { return len(in.Workers) == 1 })
	if w := got.Workers[0]; w.Instance != "8000" || w.Endpoint != nil || w.Model != nil {
		t.Errorf("got worker %s with endpoint %v and model %v", w.Instance, w.Endpoint, w.Model)
	}
}

func TestOllamaWithItsRunners(t *testing.T) {
	e := start(t, fake{
		Args: []string{"/usr/local/bin/ollama", "serve"}, Env: []string{"OLLAMA_HOST=127.0.0.1:PORT"},
		Routes: map[string]string{
			"/api/ps":   `{"models":[{"name":"llama3.2:3b","model":"llama3.2:3b","digest":"a80c","size":2019393189,"size_vram":2019393189}]}`,
			"/api/show": `{"modelfile":"FROM /root/.ollama/models/blobs/sha256-dde5"}`,
		},
		Children: []fake{{Args: []string{"/usr/local/bin/ollama", "runner", "--model", "/root/.ollama/models/blobs/sha256-dde5", "--port", "PORT"}, MB: 64}},
	})
	to := newServer(t)
	runAgent(t, to, e)
	got := to.await(t, func(in *client.HeartbeatInput) bool { return len(in.Workers) == 1 && in.Workers[0].Model != nil })
	w := got.Workers[0]
	want := &client.WorkerInput{Group: "ollama", Instance: fmt.Sprintf("%d:llama3.2:3b", e.port), Pid: new(e.pids[1]), Model: new("llama3.2:3b"),
		Endpoint: new(fmt.Sprintf("http://127.0.0.1:%d", e.port)), VramUsedMb: new(1925)}
	if deref(w.RssMb) < 64 {
		t.Errorf("got %d MB, want the 64 MB that the runner touched", deref(w.RssMb))
	}
	w.CpuPercent, w.RssMb, w.UptimeSeconds, w.IoReadMbPerSecond, w.IoWriteMbPerSecond = nil, nil, nil, nil, nil
	if diff := cmp.Diff(want, w); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestOtherMachinesAreNotSentToALoopbackAddress(t *testing.T) {
	e := start(t, llamaServer())
	to := newServer(t)
	c, err := client.New(client.Config{URL: to.url})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdle()
	a, err := New(Config{Sender: c, HiveID: "gpu-1", Hostname: "gpu-1.lan", Interval: 100 * time.Millisecond, OpenGPU: noGPU})
	if err != nil {
		t.Fatal(err)
	}
	a.survey.only = among(e)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- a.Run(ctx) }()
	got := to.await(t, func(in *client.HeartbeatInput) bool {
		return len(in.Workers) == 1 && in.Workers[0].RequestsRunning != nil
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if w := got.Workers[0]; w.Endpoint != nil || w.Model == nil {
		t.Errorf("got endpoint %v and model %v of a server that listens at 127.0.0.1", w.Endpoint, w.Model)
	}
}

func TestEveryEngineIsFoundAndUnderstood(t *testing.T) {
	for _, c := range []struct {
		group, model    string
		prefix          string
		running, queued *int
		fake            fake
	}{
		{"sglang", "Qwen/Qwen3-8B", "", new(4), new(2), fake{
			Args:   []string{"python3", "-m", "sglang.launch_server", "--model-path", "Qwen/Qwen3-8B", "--port", "PORT"},
			Routes: map[string]string{"/get_load": `[{"dp_rank":0,"num_reqs":6,"num_waiting_reqs":2,"num_tokens":9}]`},
			Children: []fake{{Args: []string{"sglang::scheduler_TP0"}, Deaf: true},
				{Args: []string{"sglang::detokenizer"}, Deaf: true}},
		}},
		{"tgi", "bigscience/bloom", "", new(3), new(8), fake{
			Args: []string{"text-generation-launcher", "--port", "PORT"}, Env: []string{"MODEL_ID=bigscience/bloom"},
			Routes: map[string]string{"/metrics": "tgi_batch_current_size 3\ntgi_queue_size 8\n"},
			Children: []fake{{Args: []string{"/opt/conda/bin/python3", "/opt/conda/bin/text-generation-server", "serve", "bigscience/bloom"},
				Deaf: true}},
		}},
		{"vllm", "llama", "", new(1), new(0), fake{
			Args: []string{"/venv/bin/python", "/venv/bin/vllm", "serve", "/models/llama-3", "--served-model-name=llama", "--port", "PORT"},
			Routes: map[string]string{"/metrics": `vllm:num_requests_running{engine="0",model_name="llama"} 1.0` + "\n" +
				`vllm:num_requests_waiting{engine="0",model_name="llama"} 0.0` + "\n"},
		}},
		{"llama", "ggml-org/gemma-3-4b-it-GGUF", "", new(0), nil, fake{
			Args:   []string{"llama-server", "-hf", "ggml-org/gemma-3-4b-it-GGUF", "--port", "PORT"},
			Routes: map[string]string{"/health": `{"status":"ok"}`, "/slots": `[{"id":0,"is_processing":false}]`},
		}},
		{"llm", "llama-3.2-1b", "", nil, nil, fake{
			Args: []string{"/home/rbee/llm-worker-rbee", "--model", "/models/llama-3.2-1b.gguf", "--port", "PORT"},
		}},
		{"llama", "x", "/llm", new(1), nil, fake{
			Args: []string{"llama-server", "-m", "x.gguf", "--port", "PORT"}, Env: []string{"LLAMA_ARG_API_PREFIX=/llm"},
			Routes: map[string]string{"/llm/health": `{"status":"ok"}`, "/llm/slots": `[{"id":0,"is_processing":true}]`},
		}},
	} {
		t.Run(c.fake.Args[0]+" as "+c.group, func(t *testing.T) {
			t.Parallel()
			e := start(t, c.fake)
			to := newServer(t)
			runAgent(t, to, e)
			got := to.await(t, func(in *client.HeartbeatInput) bool {
				return len(in.Workers) == 1 && (c.running == nil || in.Workers[0].RequestsRunning != nil)
			})
			want := &client.WorkerInput{Group: c.group, Instance: strconv.Itoa(e.port), Pid: new(e.Process.Pid), Model: &c.model,
				Endpoint: new(fmt.Sprintf("http://127.0.0.1:%d%s", e.port, c.prefix)), RequestsRunning: c.running, RequestsQueued: c.queued}
			measured := cmpopts.IgnoreFields(client.WorkerInput{}, "CpuPercent", "RssMb", "UptimeSeconds", "IoReadMbPerSecond", "IoWriteMbPerSecond")
			if diff := cmp.Diff(want, got.Workers[0], measured); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestTheServersBehindSGLangsRouterAreWorkers(t *testing.T) {
	behind := func(running, waiting int) fake {
		return fake{Args: []string{"sglang::server"}, Routes: map[string]string{
			"/v1/loads":  fmt.Sprintf(`{"loads":[{"num_running_reqs":%d,"num_waiting_reqs":%d}]}`, running, waiting),
			"/v1/models": `{"data":[{"id":"Qwen/Qwen3-8B"}]}`,
		}, Children: []fake{{Args: []string{"sglang::scheduler"}}}}
	}
	e := start(t, fake{Args: []string{"sglang::router"}, Children: []fake{behind(1, 2), behind(3, 4)}})
	to := newServer(t)
	runAgent(t, to, e)
	got := to.await(t, func(in *client.HeartbeatInput) bool {
		return len(in.Workers) == 2 && in.Workers[0].RequestsRunning != nil && in.Workers[1].RequestsRunning != nil
	})
	var want []string
	for i, pid := range []int{e.pids[1], e.pids[3]} {
		port := e.ports[[]int{1, 3}[i]]
		want = append(want, fmt.Sprintf("sglang/%d pid %d model Qwen/Qwen3-8B at http://127.0.0.1:%d", port, pid, port))
	}
	list := summary(got.Workers)
	if diff := cmp.Diff(want, list, cmpopts.SortSlices(strings.Compare)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestEnginesThatSpeakHTTPSAreAskedToo(t *testing.T) {
	routes := map[string]string{"/metrics": "vllm:num_requests_running 3\nvllm:num_requests_waiting 0\n", "/v1/models": `{"data":[{"id":"m"}]}`}
	for _, c := range []struct {
		name string
		args string
		tls  bool
	}{
		{"as its command line says", "vllm serve m --port PORT --ssl-certfile c --ssl-keyfile k", true},
		{"at a port that only a file tells", "vllm serve m --config c.yaml --ssl-certfile c --ssl-keyfile k", true},
		{"as only a file tells", "vllm serve m --config c.yaml --port PORT", true},
		{"as only a file tells, like the port", "vllm serve --config c.yaml", true},
		{"not", "vllm serve --config c.yaml --port PORT", false},
		{"not, at a port that only a file tells", "vllm serve --config c.yaml", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := start(t, fake{Args: strings.Fields(c.args), Routes: routes, TLS: c.tls})
			to := newServer(t)
			runAgent(t, to, e)
			got := to.await(t, func(in *client.HeartbeatInput) bool {
				return len(in.Workers) == 1 && in.Workers[0].RequestsRunning != nil && in.Workers[0].Model != nil
			})
			scheme := map[bool]string{false: "http", true: "https"}[c.tls]
			want := fmt.Sprintf("vllm/%d pid %d model m at %s://127.0.0.1:%d", e.port, e.pids[0], scheme, e.port)
			if list := summary(got.Workers); list[0] != want {
				t.Errorf("got %s, want %s", list[0], want)
			}
		})
	}
}
