package agent

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waggle/client"
	"waggle/internal/agent/engine"
	"waggle/internal/agent/gpu"
	"waggle/internal/agent/proc"
)

// serving makes a worker out of a command line.
func serving(pid int, line string) *worker {
	server, ok := engine.Recognize(strings.Fields(line))
	if !ok {
		panic(line)
	}
	return &worker{ID: proc.ID{PID: pid, Start: uint64(pid)}, server: server, group: string(server.Kind), port: server.Port,
		reach: reachAll, pids: []int{pid}, age: time.Minute, rss: 1 << 30}
}

// said is what the engines answered, by pid.
type said map[int]engine.Answer

func (s said) report() report {
	return report{hostname: "gpu-1", figures: true, gpusFresh: true, answers: func(id proc.ID) (engine.Answer, bool, bool) {
		a, ok := s[id.PID]
		return a, ok, ok
	}}
}

func summary(list []*client.WorkerInput) []string {
	lines := []string{}
	for _, w := range list {
		text := func(s *string) string {
			if s == nil {
				return "-"
			}
			return *s
		}
		lines = append(lines, fmt.Sprintf("%s/%s pid %d model %s at %s", w.Group, w.Instance, deref(w.Pid), text(w.Model), text(w.Endpoint)))
	}
	return lines
}

func expect(t *testing.T, r report, workers []*worker, want ...string) []*client.WorkerInput {
	t.Helper()
	got, _ := r.workers(survey{workers: workers})
	if diff := cmp.Diff(append([]string{}, want...), summary(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	return got
}

func TestWorkersAreNamedByTheirPort(t *testing.T) {
	t.Run("each its own", func(t *testing.T) {
		expect(t, said{}.report(), []*worker{serving(1, "llama-server -m a.gguf --port 81"), serving(2, "llama-server -m b.gguf --port 82")},
			"llama/81 pid 1 model a at http://gpu-1:81", "llama/82 pid 2 model b at http://gpu-1:82")
	})
	t.Run("the same one in two networks is told apart by pid", func(t *testing.T) {
		other, third := serving(2, "vllm serve Y --port 81"), serving(3, "vllm serve Z --port 81")
		other.reach, third.reach = reachForeign, reachForeign
		expect(t, said{}.report(), []*worker{serving(1, "vllm serve X --port 81"), other, third},
			"vllm/81 pid 1 model X at http://gpu-1:81", "vllm/81:2 pid 2 model Y at -", "vllm/81:3 pid 3 model Z at -")
	})
	t.Run("the same one in two groups is no trouble", func(t *testing.T) {
		expect(t, said{}.report(), []*worker{serving(1, "vllm serve X --port 81"), serving(2, "llama-server -m y --port 81")},
			"vllm/81 pid 1 model X at http://gpu-1:81", "llama/81 pid 2 model y at http://gpu-1:81")
	})
	t.Run("without a port by pid", func(t *testing.T) {
		expect(t, said{}.report(), []*worker{serving(7, "llm-worker-rbee --model x")}, "llm/pid-7 pid 7 model x at -")
	})
	t.Run("rbee's by its control group", func(t *testing.T) {
		w := serving(7, "llm-worker-rbee --model x --port 8080")
		w.group, w.instance = "gpu", "one"
		expect(t, said{}.report(), []*worker{w}, "gpu/one pid 7 model x at http://gpu-1:8080")
	})
}

func TestEndpointsAreWhatOthersCanReach(t *testing.T) {
	for _, c := range []struct {
		hostname string
		reach    reach
		line     string
		want     string
	}{
		{"gpu-1", reachAll, "vllm serve X --port 81", "http://gpu-1:81"},
		{"gpu-1", reachLoopback, "vllm serve X --port 81", "-"},
		{"gpu-1", reachUnknown, "vllm serve X --port 81", "-"},
		{"gpu-1", reachForeign, "vllm serve X --port 81", "-"},
		{"127.0.0.1", reachLoopback, "vllm serve X --port 81", "http://127.0.0.1:81"},
		{"localhost", reachLoopback, "vllm serve X --port 81", "http://localhost:81"},
		{"::1", reachLoopback, "vllm serve X --port 81", "http://[::1]:81"},
		{"2001:db8::5", reachAll, "vllm serve X --port 81", "http://[2001:db8::5]:81"},
		{"gpu-1", reachAll, "vllm serve X --port 81 --ssl-certfile c", "https://gpu-1:81"},
	} {
		r := said{}.report()
		r.hostname = c.hostname
		w := serving(1, c.line)
		w.reach = c.reach
		expect(t, r, []*worker{w}, "vllm/81 pid 1 model X at "+c.want)
	}
}

func TestTheEndpointOfAServerBelowAPrefixNamesIt(t *testing.T) {
	front := serving(1, "llama-server --port 81 --api-prefix /llm")
	expect(t, said{}.report(), []*worker{front}, "llama/81 pid 1 model - at http://gpu-1:81/llm")
	front.runners = []*worker{serving(2, "llama-server -m a.gguf --port 4001")}
	expect(t, said{}.report(), []*worker{front}, "llama/81:a pid 2 model a at http://gpu-1:81/llm")
}

func TestTheEndpointOfAServerAtOneAddressNamesIt(t *testing.T) {
	for _, c := range []struct {
		hostname string
		reach    reach
		bound    string
		want     string
	}{
		{"gpu-1", reachAll, "192.168.1.10", "http://192.168.1.10:81"},
		{"127.0.0.1", reachAll, "192.168.1.10", "http://192.168.1.10:81"},
		{"localhost", reachAll, "fd00::1", "http://[fd00::1]:81"},
		{"gpu-1", reachAll, "127.0.0.1 192.168.1.10", "http://192.168.1.10:81"},
		{"127.0.0.1", reachAll, "127.0.0.1 192.168.1.10", "http://127.0.0.1:81"},
		{"192.168.1.11", reachAll, "192.168.1.10 192.168.1.11", "http://192.168.1.11:81"},
		{"gpu-1", reachLoopback, "::1", "-"},
		{"127.0.0.1", reachLoopback, "::1", "http://[::1]:81"},
		{"localhost", reachLoopback, "::1", "http://[::1]:81"},
		{"localhost", reachLoopback, "127.0.0.1 ::1", "http://localhost:81"},
		{"::1", reachLoopback, "127.0.0.1 ::1", "http://[::1]:81"},
		{"[::1]", reachLoopback, "127.0.0.1", "http://127.0.0.1:81"},
		{"127.0.0.1", reachLoopback, "127.0.0.2", "http://127.0.0.2:81"},
	} {
		t.Run(c.hostname+" with a server at "+c.bound, func(t *testing.T) {
			r := said{}.report()
			r.hostname = c.hostname
			w := serving(1, "vllm serve X --port 81")
			w.reach, w.bound = c.reach, bound(c.bound)
			expect(t, r, []*worker{w}, "vllm/81 pid 1 model X at "+c.want)
		})
	}
}

func TestAWorkerThatDoesNotServeYetHasNoModel(t *testing.T) {
	t.Run("because its port is closed", func(t *testing.T) {
		w := serving(1, "vllm serve X --port 81")
		w.reach = reachClosed
		expect(t, said{}.report(), []*worker{w}, "vllm/81 pid 1 model - at -")
	})
	t.Run("because it says so", func(t *testing.T) {
		expect(t, said{1: {Ready: false}}.report(), []*worker{serving(1, "vllm serve X --port 81")}, "vllm/81 pid 1 model - at -")
	})
	t.Run("but silence is no such word", func(t *testing.T) {
		got := expect(t, said{}.report(), []*worker{serving(1, "vllm serve X --port 81")}, "vllm/81 pid 1 model X at http://gpu-1:81")
		if got[0].RequestsRunning != nil || got[0].RequestsQueued != nil {
			t.Errorf("got requests %v %v of an engine that did not answer", got[0].RequestsRunning, got[0].RequestsQueued)
		}
	})
}

func TestAnUnknownUptimeIsLeftOut(t *testing.T) {
	for age, want := range map[time.Duration]*int{-1: nil, 0: new(0), time.Minute: new(60)} {
		w := serving(1, "vllm serve X --port 81")
		w.age = age
		list, _ := said{}.report().workers(survey{workers: []*worker{w}})
		if diff := cmp.Diff(want, list[0].UptimeSeconds); diff != "" {
			t.Errorf("%v: -want +got:\n%s", age, diff)
		}
	}
}

func ollama(blobs ...string) *worker {
	front := serving(1, "ollama serve")
	front.port = 11434
	for i, blob := range blobs {
		front.runners = append(front.runners, serving(i+2, "ollama runner --model /b/"+blob+" --port 4000"))
	}
	return front
}

func TestEachModelThatOllamaHasLoadedIsAWorker(t *testing.T) {
	a, b := engine.Loaded{Model: "llama3.2:3b", Blob: "sha256-1"}, engine.Loaded{Model: "hf.co/x/y:Q4", Blob: "sha256-2", VRAMBytes: new(uint64(5 << 20))}
	nameOfB := "11434:hf.co-x-y:Q4-" + mend("11434:hf.co/x/y:Q4", maxName, true)[len("11434:hf.co-x-y:Q4-"):]
	t.Run("with the pid of its runner and the endpoint of the server", func(t *testing.T) {
		got := expect(t, said{1: {Ready: true, Loaded: []engine.Loaded{a, b}}}.report(), []*worker{ollama("sha256-2", "sha256-1")},
			"ollama/11434:llama3.2:3b pid 3 model llama3.2:3b at http://gpu-1:11434",
			"ollama/"+nameOfB+" pid 2 model hf.co/x/y:Q4 at http://gpu-1:11434")
		if got[0].VramUsedMb != nil || deref(got[1].VramUsedMb) != 5 {
			t.Errorf("got VRAM %v and %v, want what Ollama says where the GPU does not", got[0].VramUsedMb, got[1].VramUsedMb)
		}
	})
	t.Run("the only runner is that of the only model", func(t *testing.T) {
		expect(t, said{1: {Ready: true, Loaded: []engine.Loaded{{Model: "m"}}}}.report(), []*worker{ollama("sha256-9")},
			"ollama/11434:m pid 2 model m at http://gpu-1:11434")
	})
	t.Run("a runner that cannot be told gives no figures", func(t *testing.T) {
		got := expect(t, said{1: {Ready: true, Loaded: []engine.Loaded{{Model: "m"}, {Model: "n"}}}}.report(), []*worker{ollama("sha256-8", "sha256-9")},
			"ollama/11434:m pid 0 model m at http://gpu-1:11434", "ollama/11434:n pid 0 model n at http://gpu-1:11434")
		if got[0].Pid != nil || got[0].RssMb != nil {
			t.Errorf("got %+v", got[0])
		}
	})
	t.Run("with none loaded the server is one worker without model", func(t *testing.T) {
		expect(t, said{1: {Ready: true, Loaded: []engine.Loaded{}}}.report(), []*worker{ollama()}, "ollama/11434 pid 1 model - at http://gpu-1:11434")
	})
	t.Run("a server that does not answer is one worker with all its processes", func(t *testing.T) {
		got := expect(t, said{}.report(), []*worker{ollama("sha256-1")}, "ollama/11434 pid 1 model - at http://gpu-1:11434")
		if deref(got[0].RssMb) != 2048 {
			t.Errorf("got %d MB, want those of both processes", deref(got[0].RssMb))
		}
	})
}

func TestModelsBehindALlamaRouterAreWorkers(t *testing.T) {
	front := serving(1, "llama-server --port 8080")
	front.runners = []*worker{serving(2, "llama-server -m a.gguf --port 4001"), serving(3, "llama-server -m b.gguf --port 4002")}
	got := expect(t, said{2: {Ready: true, Running: new(1)}, 3: {Ready: false}}.report(), []*worker{front},
		"llama/8080:a pid 2 model a at http://gpu-1:8080", "llama/8080:b pid 3 model - at -")
	if deref(got[0].RequestsRunning) != 1 {
		t.Errorf("got %+v", got[0])
	}
}

func TestGPUFiguresOfAProcessTree(t *testing.T) {
	const gib = 1 << 30
	bytes := func(n uint64) *uint64 { return new(n * gib) }
	devices := []gpu.Device{{Index: 0, MemoryTotal: bytes(80)}, {Index: 1, MemoryTotal: bytes(80)}, {Index: 2}}
	type figures struct{ Used, Total, Busy string }
	show := func(v any) string {
		switch v := v.(type) {
		case *int:
			if v != nil {
				return strconv.Itoa(*v / 1024)
			}
		case *float64:
			if v != nil {
				return fmt.Sprint(*v)
			}
		}
		return "unknown"
	}
	for _, c := range []struct {
		name   string
		usages []gpu.Usage
		stale  bool
		want   figures
	}{
		{"on no GPU", nil, false, figures{"unknown", "unknown", "unknown"}},
		{"of others are not its own", []gpu.Usage{{PID: 99, Memory: bytes(9), Utilization: new(9.0)}}, false, figures{"unknown", "unknown", "unknown"}},
		{"on one", []gpu.Usage{{PID: 2, Memory: bytes(9), Utilization: new(70.0)}}, false, figures{"9", "80", "70"}},
		{"on one by two processes", []gpu.Usage{{PID: 1, Memory: bytes(1), Utilization: new(60.0)}, {PID: 2, Memory: bytes(9), Utilization: new(70.0)}}, false,
			figures{"10", "80", "100"}},
		{"on two", []gpu.Usage{{PID: 1, Memory: bytes(9), Utilization: new(100.0)}, {PID: 2, Device: 1, Memory: bytes(9), Utilization: new(50.0)}}, false,
			figures{"18", "160", "75"}},
		{"idle is known", []gpu.Usage{{PID: 1, Memory: bytes(9), Utilization: new(0.0)}}, false, figures{"9", "80", "0"}},
		{"one unknown part makes the whole unknown", []gpu.Usage{{PID: 1, Memory: bytes(9), Utilization: new(0.0)}, {PID: 2, Device: 1}}, false,
			figures{"unknown", "160", "unknown"}},
		{"on a device of unknown size", []gpu.Usage{{PID: 1, Device: 2, Memory: bytes(9), Utilization: new(0.0)}}, false, figures{"9", "unknown", "0"}},
		{"of long ago", []gpu.Usage{{PID: 1, Memory: bytes(9), Utilization: new(0.0)}}, true, figures{"unknown", "80", "unknown"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := said{}.report()
			r.gpus, r.gpusFresh = gpu.Reading{Devices: devices, Usages: c.usages}, !c.stale
			w := serving(1, "vllm serve X --port 81")
			w.pids = []int{1, 2}
			got, _ := r.workers(survey{workers: []*worker{w}})
			have := figures{show(got[0].VramUsedMb), show(got[0].VramTotalMb), show(got[0].GpuUtilizationPercent)}
			if have != c.want {
				t.Errorf("got %+v, want %+v", have, c.want)
			}
		})
	}
}

func TestAHeartbeatHoldsAtMost256Workers(t *testing.T) {
	var many []*worker
	for i := range 300 {
		many = append(many, serving(i+1, fmt.Sprintf("vllm serve X --port %d", 1000+i)))
	}
	got, truncated := said{}.report().workers(survey{workers: many})
	if len(got) != 256 || !truncated {
		t.Errorf("got %d, truncated %v", len(got), truncated)
	}
	if got, truncated := (said{}).report().workers(survey{workers: many[:256]}); len(got) != 256 || truncated {
		t.Errorf("got %d, truncated %v", len(got), truncated)
	}
	if got, _ := (said{}).report().workers(survey{}); got == nil {
		t.Error("no workers must be an empty list, not null")
	}
}

func TestNamesThatAreMadeFitTheSchema(t *testing.T) {
	seen := map[string]string{}
	for _, text := range []string{"GPU Server", "GPU-Server", "a/b", "a-b", "a_b", "-a", "a-", "", "üü", "ü", strings.Repeat("x", 65), strings.Repeat("x", 66)} {
		got := mend(text, maxName, true)
		if !validName(got) {
			t.Errorf("%q: got %q, which is not allowed", text, got)
		}
		if other, taken := seen[got]; taken {
			t.Errorf("%q and %q are both %q", text, other, got)
		}
		seen[got] = text
	}
	for _, text := range []string{"a", "llama3.2:3b", "11434:m", "a_b-c", strings.Repeat("x", 64)} {
		if got := mend(text, maxName, true); got != text {
			t.Errorf("%q is allowed, and became %q", text, got)
		}
	}
}
