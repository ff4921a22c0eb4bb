package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waggle/internal/agent/engine"
	"waggle/internal/agent/proc"
)

// processes reads a table of processes: pid, parent, control group or -, command line. They start in order of their pids
// unless the pid is followed by @start.
func processes(t *testing.T, table string) *proc.Snapshot {
	t.Helper()
	snap := &proc.Snapshot{At: time.Now()}
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		p := proc.Process{Args: f[3:], RSS: 1 << 20, Age: time.Hour}
		if f[2] != "-" {
			p.Cgroup = f[2]
		}
		if _, err := fmt.Sscanf(f[0], "%d@%d", &p.PID, &p.Start); err != nil {
			if _, err := fmt.Sscan(f[0], &p.PID); err != nil {
				t.Fatal(err)
			}
			p.Start = uint64(p.PID)
		}
		if _, err := fmt.Sscan(f[1], &p.Parent); err != nil {
			t.Fatal(err)
		}
		snap.Processes = append(snap.Processes, p)
	}
	slices.SortFunc(snap.Processes, func(a, b proc.Process) int { return a.PID - b.PID })
	return snap
}

func describe(workers []*worker, indent string) string {
	var b strings.Builder
	for _, w := range workers {
		name := w.group
		if w.instance != "" {
			name += "/" + w.instance
		}
		fmt.Fprintf(&b, "%s%s %s %v\n", indent, name, w.server.Model, w.pids)
		b.WriteString(describe(w.runners, indent+"  "))
	}
	return b.String()
}

func TestProcessesMakeWorkers(t *testing.T) {
	for _, c := range []struct{ name, table, want string }{
		{"one server", "10 1 - llama-server -m x.gguf", "llama x [10]\n"},
		{"an engine with its children is one worker", `
			10 1 - vllm serve X
			11 10 - VLLM::EngineCore
			12 11 - VLLM::Worker_TP0
			13 11 - VLLM::Worker_TP1
			14 10 - python -c from_multiprocessing.resource_tracker`, "vllm X [10 11 12 13 14]\n"},
		{"a forked child that still has its parent's command line is no second worker", `
			10 1 - vllm serve X --port 8000
			11 10 - vllm serve X --port 8000`, "vllm X [10 11]\n"},
		{"pids that went round", `
			30000@1 1 - vllm serve X
			20@2 30000 - VLLM::EngineCore
			10@3 20 - VLLM::Worker_TP0`, "vllm X [30000 10 20]\n"},
		{"two engines of a group, the older one first", `
			20@1 1 - llama-server -m a.gguf --port 8080
			10@2 1 - llama-server -m b.gguf --port 8081`, "llama a [20]\nllama b [10]\n"},
		{"what started it does not matter", `
			5 1 - bash -c llama-server
			6 5 - sudo llama-server -m x.gguf
			10 6 - llama-server -m x.gguf`, "llama x [10]\n"},
		{"a swapping proxy's servers are workers each", `
			5 1 - llama-swap --config c.yaml
			10 5 - llama-server -m a.gguf --port 5801
			11 5 - llama-server -m b.gguf --port 5802`, "llama a [10]\nllama b [11]\n"},
		{"TGI's launcher, router and shards are one", `
			10 1 - text-generation-launcher --model-id X
			11 10 - /opt/conda/bin/python3 /opt/conda/bin/text-generation-server serve X
			12 10 - text-generation-router --port 80 --tokenizer-name X`, "tgi X [10 11 12]\n"},
		{"SGLang's router is none, the servers that it starts are", `
			10 1 - sglang::router
			11 10 - sglang::server
			12 11 - sglang::scheduler
			13 10 - sglang::server
			14 13 - sglang::scheduler
			15 10 - python -c from_multiprocessing.resource_tracker`, "sglang  [11 12]\nsglang  [13 14]\n"},
		{"a server of SGLang that only calls itself so is still one", `
			10 1 - python3 -m sglang.launch_server --model-path X
			11 10 - sglang::server`, "sglang X [10 11]\n"},
		{"an engine core whose server died serves nobody", "11 1 - VLLM::EngineCore", ""},
		{"Ollama's runners stand below it", `
			10 1 - ollama serve
			11 10 - ollama runner --model /b/sha256-1 --port 4001
			12 10 - ollama runner --model /b/sha256-2 --port 4002
			13 12 - something`, "ollama  [10]\n  ollama  [11]\n  ollama  [12 13]\n"},
		{"so do those of llama.cpp's router", `
			10 1 - llama-server --models-dir /m --port 8080
			11 10 - llama-server --model /m/a.gguf --port 4001 --host 127.0.0.1`, "llama  [10]\n  llama a [11]\n"},
		{"rbee's control group says group and instance", `
			10 1 0::/x - 
			11 1 /rbee.slice/llm/8080 llm-worker-rbee --model a.gguf
			12 11 /rbee.slice/llm/8080 helper
			13 1 /system.slice/rbee.slice/vllm/8000/x vllm serve X
			14 13 /system.slice/rbee.slice/vllm/8000/x VLLM::EngineCore`, "llm/8080 a [11 12]\nvllm/8000 X [13 14]\n"},
		{"whatever runs in it", "11 1 /rbee.slice/comfy/8188 python main.py --port 8188", "comfy/8188  [11]\n"},
		{"even behind a wrapper", `
			11@1 1 /rbee.slice/vllm/8000 bash start.sh
			10@2 11 /rbee.slice/vllm/8000 vllm serve X`, "vllm/8000 X [11 10]\n"},
		{"a control group with an unfit name is none", "11 1 /rbee.slice/-/8080 llama-server -m x.gguf", "llama x [11]\n"},
		{"a circle of parents harms nothing", "10 11 - a\n11 10 - b\n12 12 - llama-server -m x.gguf", "llama x [12]\n"},
		{"no servers", "1 0 - init\n2 1 - bash", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := describe(findWorkers(processes(t, c.table)), "")
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// bound makes a list of addresses out of a text.
func bound(text string) []netip.Addr {
	var list []netip.Addr
	for a := range strings.FieldsSeq(text) {
		list = append(list, netip.MustParseAddr(a))
	}
	return list
}

func samePlace(t *testing.T, got, want place) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(place{}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestWhereAWorkerListens(t *testing.T) {
	for _, c := range []struct {
		line, listening string
		want            place
	}{
		{"llama-server --port 81", "127.0.0.1:81", place{port: 81, reach: reachLoopback, address: netip.MustParseAddrPort("127.0.0.1:81"), bound: bound("127.0.0.1")}},
		{"llama-server --port 81", "0.0.0.0:81", place{port: 81, reach: reachAll, address: netip.MustParseAddrPort("127.0.0.1:81")}},
		{"llama-server --port 81", "[::]:81", place{port: 81, reach: reachAll, address: netip.MustParseAddrPort("[::1]:81")}},
		{"llama-server --port 81", "[::1]:81", place{port: 81, reach: reachLoopback, address: netip.MustParseAddrPort("[::1]:81"), bound: bound("::1")}},
		{"llama-server --port 81", "10.0.0.1:81", place{port: 81, reach: reachAll, address: netip.MustParseAddrPort("10.0.0.1:81"), bound: bound("10.0.0.1")}},
		{"llama-server --port 81", "10.0.0.1:81 127.0.0.1:81", place{port: 81, reach: reachAll, address: netip.MustParseAddrPort("127.0.0.1:81"), bound: bound("10.0.0.1 127.0.0.1")}},
		{"llama-server --port 81", "10.0.0.1:81 10.0.0.2:81", place{port: 81, reach: reachAll, address: netip.MustParseAddrPort("10.0.0.1:81"), bound: bound("10.0.0.1 10.0.0.2")}},
		{"llama-server --port 81", "10.0.0.1:81 0.0.0.0:81", place{port: 81, reach: reachAll, address: netip.MustParseAddrPort("127.0.0.1:81")}},
		{"llama-server --port 81", "10.0.0.1:82 127.0.0.1:81", place{port: 81, reach: reachLoopback, address: netip.MustParseAddrPort("127.0.0.1:81"), bound: bound("127.0.0.1")}},
		{"llama-server --port 81", "[fd00::1]:81", place{port: 81, reach: reachAll, address: netip.MustParseAddrPort("[fd00::1]:81"), bound: bound("fd00::1")}},
		{"llama-server --port 81", "[fe80::1]:81", place{port: 81, reach: reachForeign}},
		{"llama-server --port 81", "127.0.0.1:82", place{port: 81}},
		{"vllm serve X", "127.0.0.1:29500 0.0.0.0:8000", place{port: 8000, reach: reachAll, address: netip.MustParseAddrPort("127.0.0.1:8000")}},
		{"vllm serve X", "0.0.0.0:9000", place{port: 8000}},
		{"python -m sglang.launch_server", "0.0.0.0:9000", place{port: 30000}},
		{"text-generation-launcher", "0.0.0.0:29500", place{port: 3000}},
		{"llama-server", "0.0.0.0:9000", place{port: 9000, reach: reachAll, address: netip.MustParseAddrPort("127.0.0.1:9000")}},
		{"vllm serve X", "", place{port: 8000}},
		{"llm-worker-rbee --model x", "127.0.0.1:8085", place{port: 8085, reach: reachLoopback, address: netip.MustParseAddrPort("127.0.0.1:8085"), bound: bound("127.0.0.1")}},
		{"llm-worker-rbee --model x", "", place{}},
	} {
		t.Run(c.line+" at "+c.listening, func(t *testing.T) {
			server, _ := engine.Recognize(strings.Fields(c.line))
			var listening []netip.AddrPort
			for a := range strings.FieldsSeq(c.listening) {
				listening = append(listening, netip.MustParseAddrPort(a))
			}
			got := place{port: server.Port}
			got.choose(server, listening)
			samePlace(t, got, c.want)
		})
	}
}

func TestWhereAWorkerSaysThatItListens(t *testing.T) {
	for _, c := range []struct {
		line string
		want place
	}{
		{"llama-server", place{port: 8080, reach: reachLoopback, address: netip.MustParseAddrPort("127.0.0.1:8080")}},
		{"llama-server --host 0.0.0.0", place{port: 8080, reach: reachAll, address: netip.MustParseAddrPort("127.0.0.1:8080")}},
		{"llama-server --host 10.0.0.1", place{port: 8080, reach: reachAll, bound: bound("10.0.0.1")}},
		{"llama-server --host gpu-1", place{port: 8080, reach: reachAll}},
		{"llama-server --host fe80::1", place{port: 8080}},
		{"vllm serve X", place{port: 8000, reach: reachAll, address: netip.MustParseAddrPort("127.0.0.1:8000")}},
		{"vllm serve X --host ::1", place{port: 8000, reach: reachLoopback, address: netip.MustParseAddrPort("[::1]:8000"), bound: bound("::1")}},
		{"vllm serve X --host localhost", place{port: 8000, reach: reachLoopback, address: netip.MustParseAddrPort("127.0.0.1:8000")}},
		{"llm-worker-rbee", place{}},
	} {
		t.Run(c.line, func(t *testing.T) {
			server, _ := engine.Recognize(strings.Fields(c.line))
			got := place{port: server.Port}
			got.choose(server, nil)
			got.guess(server)
			samePlace(t, got, c.want)
		})
	}
}

func TestWhereAWorkerOfAnUnknownNetworkListensIsNotGuessed(t *testing.T) {
	w := serving(7, "vllm serve X") // In a proc file system that says nothing of it.
	got := newSurveyor(t.TempDir()).locate(t.Context(), w, &proc.Snapshot{})
	samePlace(t, got, place{port: 8000})
}

// await looks until the survey is good enough.
func await(t *testing.T, s *surveyor, good func([]*worker) bool) []*worker {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		found, err := s.look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if good(found.workers) {
			return found.workers
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("no survey was as wanted; the last one: %s", describe(found.workers, ""))
		}
	}
}

func TestFiguresAreSummedOverTheProcessTree(t *testing.T) {
	e := start(t, fake{Args: []string{"vllm", "serve", "X", "--port", "PORT"}, MB: 32,
		Children: []fake{{Args: []string{"VLLM::EngineCore"}, Deaf: true, MB: 48, Busy: true}}})
	s := newSurveyor("")
	s.only = among(e)
	workers := await(t, s, func(w []*worker) bool { return len(w) == 1 && w[0].cpu != nil && *w[0].cpu > 20 })
	w := workers[0]
	if diff := cmp.Diff(e.pids, w.pids); diff != "" {
		t.Errorf("processes, -want +got:\n%s", diff)
	}
	if w.rss < 80<<20 {
		t.Errorf("resident memory is %d MB, want 80 or more", w.rss>>20)
	}
	if w.read == nil || w.written == nil {
		t.Error("storage traffic is unknown, although these processes are ours")
	}
}

func TestRatesNeedTwoLooks(t *testing.T) {
	e := start(t, fake{Args: []string{"llama-server", "-m", "x.gguf", "--port", "PORT"}, Busy: true})
	s := newSurveyor("")
	s.only = among(e)
	found, err := s.look(t.Context())
	if err != nil || len(found.workers) != 1 {
		t.Fatalf("got %v, %v", found, err)
	}
	if w := found.workers[0]; w.cpu != nil || w.read != nil || w.written != nil {
		t.Errorf("got rates %v %v %v of one look", w.cpu, w.read, w.written)
	}
}

func TestThePortIsFoundWithoutBeingTold(t *testing.T) {
	for _, c := range []fake{
		{Args: []string{"llm-worker-rbee", "--model", "x.gguf"}},
		{Args: []string{"ollama", "serve"}, Env: []string{"OLLAMA_HOST=127.0.0.1:PORT"}},
		{Args: []string{"vllm", "serve", "X"}},
	} {
		t.Run(strings.Join(c.Args, " "), func(t *testing.T) {
			e := start(t, c)
			s := newSurveyor("")
			s.only = among(e)
			found, err := s.look(t.Context())
			if err != nil || len(found.workers) != 1 {
				t.Fatalf("got %v, %v", found, err)
			}
			if w := found.workers[0]; w.port != e.port || w.reach != reachLoopback || int(w.address.Port()) != e.port {
				t.Errorf("got port %d, reach %d, address %v; want port %d", w.port, w.reach, w.address, e.port)
			}
		})
	}
}

func TestAPortThatIsNotForClientsIsNotTheWorkers(t *testing.T) {
	for _, c := range []struct {
		name      string
		fake      fake
		wantUsual bool
	}{
		{"that of a child of vLLM while it loads", fake{Args: []string{"vllm", "serve", "X"}, Deaf: true,
			Children: []fake{{Args: []string{"VLLM::EngineCore"}}}}, true},
		{"that of a child of SGLang while it loads", fake{Args: []string{"python3", "-m", "sglang.launch_server", "--model-path", "X"}, Deaf: true,
			Children: []fake{{Args: []string{"sglang::scheduler_TP0"}}}}, true},
		{"an own one at which nothing answers", fake{Args: []string{"vllm", "serve", "X"}, Routes: map[string]string{"/metrics": "HANG"}}, true},
		{"an own one at which it says that it loads", fake{Args: []string{"vllm", "serve", "X"}, Routes: map[string]string{"/metrics": "503"}}, true},
		{"but an own one at which it answers is", fake{Args: []string{"vllm", "serve", "X"}, Routes: map[string]string{"/metrics": "vllm:num_requests_running 1\n"}},
			false},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := start(t, c.fake)
			s := newSurveyor("")
			s.only = among(e)
			found, err := s.look(t.Context())
			if err != nil || len(found.workers) != 1 {
				t.Fatalf("got %v, %v", found, err)
			}
			w := found.workers[0]
			usual := w.port == w.server.DefaultPort() && w.reach == reachClosed && !w.address.IsValid()
			its := w.port == e.port && w.reach == reachLoopback && w.address.IsValid()
			if c.wantUsual && !usual || !c.wantUsual && !its {
				t.Errorf("got port %d, reach %d, address %v; it listens at %d", w.port, w.reach, w.address, e.port)
			}
		})
	}
}

func TestAPortAtWhichAnEngineAnsweredStays(t *testing.T) {
	e := start(t, fake{Args: []string{"vllm", "serve", "X"}, Routes: map[string]string{"/metrics": "HANG"}})
	s := newSurveyor("")
	s.only = among(e)
	found, err := s.look(t.Context())
	if err != nil || len(found.workers) != 1 || found.workers[0].port != 8000 {
		t.Fatalf("got %v, %v", found, err)
	}
	w := found.workers[0]
	s.places[w.ID] = place{port: e.port, answered: true} // Before it came to hang.
	if got := s.locate(t.Context(), w, &proc.Snapshot{At: time.Now()}); got.port != e.port || got.reach != reachLoopback || !got.answered {
		t.Errorf("got %+v, want port %d", got, e.port)
	}
}

func TestTheHeadOfAControlGroupIsTheServer(t *testing.T) {
	for _, table := range []string{
		"11@1 1 /rbee.slice/vllm/one bash start.sh\n10@2 11 /rbee.slice/vllm/one vllm serve X\n12@3 10 /rbee.slice/vllm/one VLLM::EngineCore",
		"10@1 1 - vllm serve X\n11@2 10 - vllm serve X",
	} {
		if workers := findWorkers(processes(t, table)); len(workers) != 1 || workers[0].head != 10 {
			t.Errorf("%s: got %+v", table, workers)
		}
	}
}

// writeFile makes a file, and the directories that it is in.
func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A proc file system of files: control groups cannot be made everywhere.
func TestTheEnvironmentIsThatOfTheServerNotOfWhatStartedIt(t *testing.T) {
	const wrapper, server = "bash\x00start.sh\x00", "llama-server\x00-m\x00x.gguf\x00"
	for _, c := range []struct {
		name   string
		change func(write func(path, content string))
	}{
		{"a wrapper executes it", func(write func(path, content string)) {
			write("7/stat", "7 (llama-server) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 100 0 0 0\n")
			write("7/cmdline", server)
			write("7/environ", "LLAMA_ARG_PORT=9001\x00")
		}},
		{"a wrapper starts it", func(write func(path, content string)) {
			write("8/stat", "8 (llama-server) S 7 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 200 0 0 0\n")
			write("8/cmdline", server)
			write("8/cgroup", "0::/rbee.slice/llama/one\n")
			write("8/environ", "LLAMA_ARG_PORT=9001\x00")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			write := func(path, content string) {
				t.Helper()
				writeFile(t, filepath.Join(root, path), content)
			}
			write("7/stat", "7 (bash) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 100 0 0 0\n")
			write("7/cmdline", wrapper)
			write("7/cgroup", "0::/rbee.slice/llama/one\n")
			write("7/environ", "LLAMA_ARG_PORT=1\x00")
			s := newSurveyor(root)
			if found, err := s.look(t.Context()); err != nil || len(found.workers) != 1 || found.workers[0].port != 0 {
				t.Fatalf("got %v, %v", found, err)
			}
			c.change(write)
			s.places = map[proc.ID]place{} // As if that was a while ago.
			found, err := s.look(t.Context())
			if err != nil || len(found.workers) != 1 || found.workers[0].server.Port != 9001 {
				t.Errorf("got %s, %v, want port 9001", describe(found.workers, ""), err)
			}
		})
	}
}

func TestAServerAtOneAddressIsAskedThere(t *testing.T) {
	for _, address := range ownAddresses(t) {
		t.Run(address, func(t *testing.T) {
			e := start(t, fake{Args: []string{"llama-server", "-m", "x.gguf", "--port", "PORT"}, At: address})
			s := newSurveyor("")
			s.only = among(e)
			found, err := s.look(t.Context())
			if err != nil || len(found.workers) != 1 {
				t.Fatalf("got %v, %v", found, err)
			}
			w := found.workers[0]
			want := netip.AddrPortFrom(netip.MustParseAddr(address), uint16(e.port))
			if w.address != want || !slices.Equal(w.bound, []netip.Addr{want.Addr()}) {
				t.Errorf("got address %v, bound to %v, want %v", w.address, w.bound, want)
			}
		})
	}
}

// ownAddresses are those of this machine that are no 127.0.0.1.
func ownAddresses(t *testing.T) []string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && (n.IP.IsGlobalUnicast() || n.IP.Equal(net.IPv6loopback)) {
			list = append(list, n.IP.String())
		}
	}
	return list
}

func TestAServerThatDoesNotListenYetIsClosed(t *testing.T) {
	e := start(t, fake{Args: []string{"vllm", "serve", "X", "--port", "PORT"}, Deaf: true})
	s := newSurveyor("")
	s.only = among(e)
	found, err := s.look(t.Context())
	if err != nil || len(found.workers) != 1 {
		t.Fatalf("got %v, %v", found, err)
	}
	if w := found.workers[0]; w.reach != reachClosed || w.address.IsValid() || w.port != e.port {
		t.Errorf("got reach %d, address %v, port %d", w.reach, w.address, w.port)
	}
}

func TestASurveyThatFailsIsAnError(t *testing.T) {
	if found, err := newSurveyor(filepath.Join(t.TempDir(), "none")).look(t.Context()); err == nil {
		t.Errorf("got %v", found)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if found, err := newSurveyor("").look(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v", found, err)
	}
}

// BenchmarkLook is one look at this machine with a worker on it.
func BenchmarkLook(b *testing.B) {
	s := newSurveyor("")
	for b.Loop() {
		if _, err := s.look(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
