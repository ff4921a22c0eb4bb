package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// standIn answers like an engine: by path; a number is a status, HANG is silence. It counts what it is asked.
type standIn struct {
	mu     sync.Mutex
	routes map[string]string
	asked  map[string]int
}

func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked[r.URL.Path]++
	body, ok := s.routes[r.URL.Path]
	s.mu.Unlock()
	status, err := strconv.Atoi(body)
	switch {
	case !ok:
		http.NotFound(w, r)
	case body == "HANG":
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	case err == nil:
		w.WriteHeader(status)
	default:
		_, _ = io.WriteString(w, body)
	}
}

// probing returns a probe of an engine that was started with the given command line and answers by the given routes.
func probing(t *testing.T, line string, routes map[string]string) (*Probe, *standIn) {
	t.Helper()
	engine := &standIn{routes: routes, asked: map[string]int{}}
	srv := httptest.NewServer(engine)
	t.Cleanup(srv.Close)
	s, ok := Recognize(strings.Fields(line))
	if !ok {
		t.Fatalf("%q is not recognized", line)
	}
	client := NewClient()
	t.Cleanup(client.CloseIdleConnections)
	return NewProbe(client, s, netip.MustParseAddrPort(srv.Listener.Addr().String())), engine
}

func TestWhatEnginesAnswer(t *testing.T) {
	for _, c := range []struct {
		name, line string
		routes     map[string]string
		want       Answer
	}{
		{"llama.cpp tells by its slots", "llama-server -m x.gguf",
			map[string]string{"/health": `{"status":"ok"}`, "/slots": `[{"is_processing":true},{"is_processing":false}]`, "/metrics": "501"},
			Answer{Ready: true, Running: new(1)}},
		{"llama.cpp of old has states", "llama-server -m x.gguf",
			map[string]string{"/health": `{}`, "/slots": `[{"state":1},{"state":1},{"state":0}]`},
			Answer{Ready: true, Running: new(2)}},
		{"llama.cpp without slots tells by its metrics", "llama-server -m x.gguf",
			map[string]string{"/health": `{}`, "/slots": "501", "/metrics": "llamacpp:requests_processing 2\nllamacpp:requests_deferred 3\n"},
			Answer{Ready: true, Running: new(2), Queued: new(3)}},
		{"llama.cpp is asked below its prefix", "llama-server -m x.gguf --api-prefix /llm",
			map[string]string{"/llm/health": `{}`, "/llm/slots": `[{"is_processing":true}]`, "/slots": `[]`}, Answer{Ready: true, Running: new(1)}},
		{"llama.cpp that is loading is not ready", "llama-server -m x.gguf",
			map[string]string{"/health": "503"}, Answer{}},
		{"llama.cpp behind a key tells nothing", "llama-server -m x.gguf",
			map[string]string{"/health": `{}`, "/slots": "401", "/metrics": "401"}, Answer{Ready: true}},
		{"a model that the command line does not name is asked for", "llama-server",
			map[string]string{"/health": `{}`, "/slots": `[]`, "/v1/models": `{"data":[{"id":"/m/Qwen3-8B.gguf"}]}`},
			Answer{Ready: true, Running: new(0), Model: "Qwen3-8B"}},
		{"what is wrong with one way to ask for it does not matter when there is another", "llama-server",
			map[string]string{"/health": `{}`, "/v1/models": "[", "/props": `{"model_path":"/m/Qwen3-8B.gguf"}`},
			Answer{Ready: true, Model: "Qwen3-8B"}},
		{"or taken from the properties", "llama-server",
			map[string]string{"/health": `{}`, "/v1/models": "401", "/props": `{"model_path":"/m/Qwen3-8B.gguf"}`},
			Answer{Ready: true, Model: "Qwen3-8B"}},
		{"a router has models that it has not loaded", "llama-server",
			map[string]string{"/health": `{}`, "/slots": "400", "/v1/models": `{"data":[{"id":"a","status":{"value":"unloaded"}}]}`,
				"/props": `{"role":"router","model_alias":"llama-server","model_path":"none"}`},
			Answer{Ready: true}},
		{"vLLM tells by its metrics", "vllm serve X",
			map[string]string{"/metrics": `vllm:num_requests_running{engine="0"} 2.0` + "\n" + `vllm:num_requests_waiting{engine="0"} 1.0` + "\n"},
			Answer{Ready: true, Running: new(2), Queued: new(1)}},
		{"vLLM's model is asked for when its command line does not tell it for sure", "vllm serve --config c.yaml --api-key sk-old sk-new",
			map[string]string{"/metrics": `vllm:num_requests_running{model_name="m"} 0` + "\n", "/v1/models": `{"data":[{"id":"Qwen/Qwen3-8B"},{"id":"lora"}]}`},
			Answer{Ready: true, Running: new(0), Model: "Qwen/Qwen3-8B"}},
		{"or taken from the labels of its metrics, which need no key", "vllm serve --config c.yaml --api-key sk-old sk-new",
			map[string]string{"/metrics": `vllm:num_requests_running{engine="0",model_name="Qwen/Qwen3-8B"} 0` + "\n", "/v1/models": "401"},
			Answer{Ready: true, Running: new(0), Model: "Qwen/Qwen3-8B"}},
		{"a label with escapes in it names no model", "vllm serve --config c.yaml",
			map[string]string{"/metrics": `vllm:num_requests_running{model_name="a\"b"} 0` + "\n"},
			Answer{Ready: true, Running: new(0)}},
		{"vLLM with its metrics off is still ready", "vllm serve X", map[string]string{}, Answer{Ready: true}},
		{"SGLang tells by its metrics", "sglang serve --model-path X",
			map[string]string{"/metrics": `sglang:num_running_reqs{tp_rank="0"} 2.0` + "\n" + `sglang:num_queue_reqs{tp_rank="0"} 0.0` + "\n"},
			Answer{Ready: true, Running: new(2), Queued: new(0)}},
		{"SGLang without metrics tells its loads", "sglang serve --model-path X",
			map[string]string{"/v1/loads": `{"timestamp":"2026-01-01T00:00:00+00:00","version":"0.5.10","loads":[` +
				`{"dp_rank":0,"num_running_reqs":3,"num_waiting_reqs":2,"token_usage":0.1},{"dp_rank":1,"num_running_reqs":1,"num_waiting_reqs":0}]}`},
			Answer{Ready: true, Running: new(4), Queued: new(2)}},
		{"loads that make no sense are none", "sglang serve --model-path X",
			map[string]string{"/v1/loads": `{"loads":[{"num_running_reqs":1,"num_waiting_reqs":-1}]}`}, Answer{Ready: true}},
		{"loads of another shape are none", "sglang serve --model-path X",
			map[string]string{"/v1/loads": `{"workers":[{"load":1}]}`}, Answer{Ready: true}},
		{"SGLang of old tells its load elsewhere", "sglang serve",
			map[string]string{"/get_load": `[{"dp_rank":0,"num_reqs":5,"num_waiting_reqs":2},{"dp_rank":1,"num_reqs":1,"num_waiting_reqs":0}]`,
				"/get_model_info": `{"model_path":"Qwen/Qwen3-8B"}`},
			Answer{Ready: true, Running: new(4), Queued: new(2), Model: "Qwen/Qwen3-8B"}},
		{"a load that makes no sense is none", "sglang serve --model-path X",
			map[string]string{"/get_load": `[{"num_reqs":1,"num_waiting_reqs":2}]`}, Answer{Ready: true}},
		{"TGI tells by its metrics", "text-generation-launcher",
			map[string]string{"/metrics": "tgi_batch_current_size 4\ntgi_queue_size 9\n", "/info": `{"model_id":"bigscience/bloom"}`},
			Answer{Ready: true, Running: new(4), Queued: new(9), Model: "bigscience/bloom"}},
		{"Ollama tells what it has loaded", "ollama serve",
			map[string]string{"/api/ps": `{"models":[{"name":"llama3.2:3b","digest":"d","size_vram":1048576}]}`,
				"/api/show": `{"modelfile":"# comment\nFROM /root/.ollama/models/blobs/sha256-abc\nTEMPLATE x"}`},
			Answer{Ready: true, Loaded: []Loaded{{Model: "llama3.2:3b", Blob: "sha256-abc", VRAMBytes: new(uint64(1 << 20))}}}},
		{"Ollama with nothing loaded", "ollama serve",
			map[string]string{"/api/ps": `{"models":[]}`}, Answer{Ready: true, Loaded: []Loaded{}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, _ := probing(t, c.line, c.routes)
			got, err := p.Ask(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestNamesOfModelsThatNoRegistryTakesAreNotReported(t *testing.T) {
	for _, name := range []string{strings.Repeat("m", 257), `a\u001bb`, `a\nb`, `a\u0000b`} {
		for _, c := range []struct {
			line   string
			routes map[string]string
			want   Answer
		}{
			{"vllm serve --config c.yaml", map[string]string{"/v1/models": `{"data":[{"id":"` + name + `"}]}`,
				"/metrics": `vllm:num_requests_running{model_name="` + name + `"} 0` + "\n"}, Answer{Ready: true, Running: new(0)}},
			{"vllm serve --config c.yaml", map[string]string{
				"/metrics": "vllm:num_requests_running{model_name=\"a\x1bb\"} 0\n"}, Answer{Ready: true, Running: new(0)}},
			{"llama-server", map[string]string{"/props": `{"model_alias":"` + name + `"}`}, Answer{Ready: true}},
			{"text-generation-launcher", map[string]string{"/info": `{"model_id":"` + name + `"}`}, Answer{Ready: true}},
			{"sglang serve", map[string]string{"/get_model_info": `{"model_path":"` + name + `"}`}, Answer{Ready: true}},
			{"ollama serve", map[string]string{"/api/ps": `{"models":[{"name":"` + name + `","digest":"d"}]}`}, Answer{Ready: true, Loaded: []Loaded{}}},
		} {
			t.Run(fmt.Sprintf("%s %.12s", c.line, name), func(t *testing.T) {
				p, _ := probing(t, c.line, c.routes)
				got, err := p.Ask(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		}
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	for _, c := range []struct {
		name, line string
		routes     map[string]string
	}{
		{"garbage", "llama-server -m x", map[string]string{"/health": `{}`, "/slots": `{"error":`}},
		{"of another shape", "llama-server -m x", map[string]string{"/health": `{}`, "/slots": `{"slots":3}`}},
		{"a failure", "vllm serve X", map[string]string{"/metrics": "500"}},
		{"a redirect", "vllm serve X", map[string]string{"/metrics": "302"}},
		{"a line without end", "vllm serve X", map[string]string{"/metrics": strings.Repeat("x", 2<<20)}},
		{"a page that is too long, which may hold more engines than its beginning", "vllm serve X",
			map[string]string{"/metrics": "vllm:num_requests_running{engine=\"0\"} 1\n" + strings.Repeat("# HELP\n", maxAnswerBytes/7) +
				"vllm:num_requests_running{engine=\"1\"} 1\n"}},
		{"not what Ollama says", "ollama serve", map[string]string{"/api/ps": `[]`}},
		{"an Ollama that does not know its own API", "ollama serve", map[string]string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, _ := probing(t, c.line, c.routes)
			if got, err := p.Ask(t.Context()); err == nil {
				t.Errorf("got %+v and no error", got)
			}
		})
	}
}

func TestAnEngineThatHangsCostsNoMoreThanItsDeadline(t *testing.T) {
	p, _ := probing(t, "llama-server -m x", map[string]string{"/health": "HANG"})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := p.Ask(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestAnEngineThatIsGoneIsNotReady(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	at := netip.MustParseAddrPort(srv.Listener.Addr().String())
	srv.Close()
	s, _ := Recognize([]string{"vllm", "serve", "X"})
	got, err := NewProbe(NewClient(), s, at).Ask(t.Context())
	if err != nil || got.Ready {
		t.Errorf("got %+v, %v; want not ready", got, err)
	}
}

func TestWhatAnEngineDoesNotHaveIsNotAskedEverySecond(t *testing.T) {
	p, engine := probing(t, "llama-server -m x", map[string]string{"/health": `{}`, "/slots": `[]`})
	for range 5 {
		if _, err := p.Ask(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(map[string]int{"/health": 5, "/slots": 5, "/metrics": 1}, engine.asked); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAServerThatMaySleepIsNotKeptAwake(t *testing.T) {
	p, engine := probing(t, "llama-server -m x --sleep-idle-seconds 300", map[string]string{"/health": `{}`, "/slots": `[]`,
		"/metrics": "llamacpp:requests_processing 2\nllamacpp:requests_deferred 3\n"})
	for _, step := range []struct {
		name, properties string
		want             Answer
	}{
		{"it is awake", `{"is_sleeping":false}`, Answer{Ready: true}},
		{"it sleeps", `{"is_sleeping":true}`, Answer{Ready: true, Running: new(0), Queued: new(0)}},
		{"it loads its model", "503", Answer{}},
		{"it does not say", `{}`, Answer{Ready: true}},
		{"it has no properties", "404", Answer{Ready: true}},
	} {
		engine.mu.Lock()
		engine.routes["/props"] = step.properties
		engine.mu.Unlock()
		got, err := p.Ask(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", step.name, diff)
		}
	}
	if diff := cmp.Diff(map[string]int{"/health": 5, "/props": 5}, engine.asked); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestTheModelOfARouterIsAskedForAgain(t *testing.T) {
	models := func(a, b string) string {
		return fmt.Sprintf(`{"data":[{"id":"a","status":{"value":%q}},{"id":"b","status":{"value":%q}}]}`, a, b)
	}
	p, engine := probing(t, "llama-server --models-dir /m", map[string]string{"/health": `{}`, "/slots": "400",
		"/props": `{"role":"router","model_alias":"llama-server","model_path":"none"}`})
	for _, step := range []struct{ name, models, want string }{
		{"one is loaded", models("loaded", "unloaded"), "a"},
		{"it makes room for another", models("unloaded", "loading"), ""},
		{"which is loaded", models("unloaded", "loaded"), "b"},
		{"it does not tell for once", "500", "b"},
		{"it sleeps, and wakes when it is asked for", models("unloaded", "sleeping"), "b"},
		{"all are unloaded", models("unloaded", "unloaded"), ""},
	} {
		engine.mu.Lock()
		engine.routes["/v1/models"] = step.models
		engine.mu.Unlock()
		got, err := p.Ask(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got.Model != step.want {
			t.Errorf("%s: got %q, want %q", step.name, got.Model, step.want)
		}
	}
}

func TestSGLangIsNotAskedInAWayOfWhichItWarns(t *testing.T) {
	p, engine := probing(t, "sglang serve --model-path X", map[string]string{"/v1/loads": `{"loads":[{"num_running_reqs":1,"num_waiting_reqs":0}]}`,
		"/get_load": `[{"num_reqs":1,"num_waiting_reqs":0}]`})
	for range 3 {
		if _, err := p.Ask(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(map[string]int{"/metrics": 1, "/v1/loads": 3}, engine.asked); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAModelFileIsAskedForOncePerModel(t *testing.T) {
	ps := func(names ...string) string {
		var models []string
		for _, name := range names {
			models = append(models, fmt.Sprintf(`{"name":%q,"digest":"d"}`, name))
		}
		return `{"models":[` + strings.Join(models, ",") + `]}`
	}
	p, engine := probing(t, "ollama serve", map[string]string{"/api/ps": ps("a"), "/api/show": `{"modelfile":"FROM /b/sha256-1"}`})
	for _, loaded := range []string{ps("a"), ps("a", "b"), ps("b"), ps("b")} {
		engine.mu.Lock()
		engine.routes["/api/ps"] = loaded
		engine.mu.Unlock()
		if _, err := p.Ask(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := engine.asked["/api/show"]; got != 2 {
		t.Errorf("asked %d times, want once for each of two models", got)
	}
}

func TestAModelFileThatIsNotKnownIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said, asked := "", 0
		p := NewProbe(&http.Client{Transport: inProcess(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == "/api/ps":
				_, _ = io.WriteString(w, `{"models":[{"name":"a","digest":"d"}]}`)
			case said == "404", said == "500":
				asked++
				status, _ := strconv.Atoi(said)
				w.WriteHeader(status)
			default:
				asked++
				_, _ = io.WriteString(w, said)
			}
		})}, Server{Kind: Ollama}, netip.MustParseAddrPort("127.0.0.1:1"))
		for _, step := range []struct {
			name, said string
			after      time.Duration
			asked      int
			want       string
		}{
			{"it does not know the model for once", "404", 0, 1, ""},
			{"it fails", "500", time.Second, 1, ""},
			{"it answers with something else", "[", time.Second, 1, ""},
			{"it names no file", `{"modelfile":"FROM a"}`, time.Second, 1, ""},
			{"it is left alone for a while", `{"modelfile":"FROM /b/sha256-1"}`, time.Second, 0, ""},
			{"it names one", `{"modelfile":"FROM /b/sha256-1"}`, time.Minute, 1, "sha256-1"},
			{"it is not asked any more", `{"modelfile":"FROM /b/sha256-2"}`, time.Hour, 0, "sha256-1"},
		} {
			time.Sleep(step.after)
			said, asked = step.said, 0
			got, err := p.Ask(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Loaded) != 1 || got.Loaded[0].Blob != step.want || asked != step.asked {
				t.Errorf("%s: got %+v, asked %d times; want %q, asked %d times", step.name, got.Loaded, asked, step.want, step.asked)
			}
		}
	})
}

// inProcess answers requests without a network, whose waiting would stop virtual time.
type inProcess http.HandlerFunc

func (h inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h(w, r)
	return w.Result(), nil
}

func TestOnlyThisMachineIsDialled(t *testing.T) {
	for _, at := range []string{"192.0.2.1:80", "10.0.0.1:8000", "[2001:db8::1]:80", "0.0.0.0:80"} {
		s, _ := Recognize([]string{"vllm", "serve", "X"})
		_, err := NewProbe(NewClient(), s, netip.MustParseAddrPort(at)).Ask(t.Context())
		if err == nil || !strings.Contains(err.Error(), "loopback") {
			t.Errorf("%s: got %v", at, err)
		}
	}
}
