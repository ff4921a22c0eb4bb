package engine

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"waggle/registry"
)

var saidOnly = cmpopts.IgnoreUnexported(Server{})

func TestCommandLinesOfModelServers(t *testing.T) {
	for _, c := range []struct {
		line string
		want Server
	}{
		// llama.cpp
		{"llama-server", Server{Kind: Llama}},
		{"/opt/bin/llama-server -m /m/Qwen3-8B-Q4_K_M.gguf --port 8081", Server{Kind: Llama, Model: "Qwen3-8B-Q4_K_M", Port: 8081}},
		{"llama-server --model /m/x.GGUF --host 0.0.0.0", Server{Kind: Llama, Model: "x", Host: "0.0.0.0"}},
		{"llama-server --model=/m/x.gguf --port=9", Server{Kind: Llama, Model: "x", Port: 9}},
		{"llama-server -m big-00001-of-00003.gguf", Server{Kind: Llama, Model: "big"}},
		{"llama-server -hf ggml-org/gemma-3-4b-it-GGUF:Q4_K_M", Server{Kind: Llama, Model: "ggml-org/gemma-3-4b-it-GGUF:Q4_K_M"}},
		{"llama-server -mu https://hf.co/a/b/resolve/main/tiny.gguf?download=true", Server{Kind: Llama, Model: "tiny"}},
		{"llama-server -mu https://user:hf_secret@hf.co/a/b/tiny.gguf?token=hf_secret#hf_secret", Server{Kind: Llama, Model: "tiny"}},
		{"llama-server -mu https://hf.co/%zz/tiny?token=hf_secret", Server{Kind: Llama}},
		{"llama-server -mu https://hf.co", Server{Kind: Llama}},
		{"llama-server -m /m/x.gguf --alias qwen", Server{Kind: Llama, Model: "qwen"}},
		{"llama-server -a qwen,qwen3 -m /m/x.gguf", Server{Kind: Llama, Model: "qwen"}},
		{"llama-server --ssl-key-file k --ssl-cert-file c -m x.gguf", Server{Kind: Llama, Model: "x", TLS: true}},
		{"llama-server -m x.gguf --sleep-idle-seconds 300", Server{Kind: Llama, Model: "x", Sleeps: true}},
		{"llama-server -m x.gguf --sleep-idle-seconds=-1", Server{Kind: Llama, Model: "x"}},
		{"llama-server -m x.gguf --sleep-idle-seconds -1 --port 9", Server{Kind: Llama, Model: "x", Port: 9}},
		{"llama-server -m x.gguf --api-prefix /llm/a", Server{Kind: Llama, Model: "x", Prefix: "/llm/a"}},
		{"llama-server -m x.gguf --api-prefix=/llm/", Server{Kind: Llama, Model: "x", Prefix: "/llm"}},
		{"llama-server -m x.gguf --api-prefix /a&b?c", Server{Kind: Llama, Model: "x", Prefix: "/a&b%3Fc"}},
		{"llama-server -m x.gguf --api-prefix llm", Server{Kind: Llama, Model: "x"}},
		{"llama-server -m x.gguf --api-prefix /" + strings.Repeat("%", 100), Server{Kind: Llama, Model: "x"}},
		{`C:\llama\llama-server.exe -m C:\models\x.gguf`, Server{Kind: Llama, Model: "x"}},
		{"llama serve -m x.gguf", Server{Kind: Llama, Model: "x"}},
		{"python3 -m llama_cpp.server --model /m/x.gguf --model_alias q", Server{Kind: Llama, Model: "q"}},
		{"llama-server -m x.gguf --port", Server{Kind: Llama, Model: "x"}},
		{"llama-server -m --port 7", Server{Kind: Llama, Port: 7}},
		{"llama-server -m x.gguf --port 99999", Server{Kind: Llama, Model: "x"}},
		// Ollama
		{"/usr/local/bin/ollama serve", Server{Kind: Ollama}},
		{"ollama runner --ollama-engine --model /r/.ollama/models/blobs/sha256-abc --port 43211", Server{Kind: Ollama, Runner: true, Blob: "sha256-abc", Port: 43211}},
		{"/tmp/ollama1/runners/cuda_v12/ollama_llama_server --model /r/blobs/sha256-abc --port 9", Server{Kind: Ollama, Runner: true, Blob: "sha256-abc", Port: 9}},
		// vLLM
		{"/venv/bin/python3 /venv/bin/vllm serve meta-llama/Llama-3.1-8B --port 8001", Server{Kind: VLLM, Model: "meta-llama/Llama-3.1-8B", Port: 8001}},
		{"vllm serve --api-key sk-old sk-new -- Qwen/Qwen3-8B", Server{Kind: VLLM, Model: "Qwen/Qwen3-8B"}},
		{"vllm serve Qwen/Qwen3-8B --api-key sk-old sk-new", Server{Kind: VLLM, Model: "Qwen/Qwen3-8B"}},
		// What follows an option may be one of several values of it, and a key is no model.
		{"vllm serve --config c.yaml --api-key sk-old sk-new", Server{Kind: VLLM, Hidden: true}},
		{"vllm serve --enable-prefix-caching Qwen/X --api-key sk-a sk-b", Server{Kind: VLLM}},
		{"vllm serve --api-key=sk-old sk-new", Server{Kind: VLLM}},
		{"vllm serve --lora-modules a=b code=/l", Server{Kind: VLLM}},
		{"vllm serve --cuda-graph-sizes 1 2", Server{Kind: VLLM}},
		{"vllm serve --port 8001 Qwen/Qwen3-8B", Server{Kind: VLLM, Port: 8001}},
		{"vllm serve --trust-remote-code --", Server{Kind: VLLM}},
		{"vllm serve Qwen/Qwen3-8B --served-model-name qwen q3 --host 127.0.0.1", Server{Kind: VLLM, Model: "qwen", Host: "127.0.0.1"}},
		{"vllm serve --served-model-name qwen q3 --model Qwen/Qwen3-8B", Server{Kind: VLLM, Model: "qwen"}},
		{"vllm serve --trust-remote-code", Server{Kind: VLLM}},
		{"python -m vllm.entrypoints.openai.api_server --model X", Server{Kind: VLLM, Model: "X"}},
		{"python3.12 -u -X dev -m vllm.entrypoints.openai.api_server --model=X --served_model_name=Y", Server{Kind: VLLM, Model: "Y"}},
		{"python -mvllm.entrypoints.openai.api_server --model X", Server{Kind: VLLM, Model: "X"}},
		{"python /w/vllm/entrypoints/openai/api_server.py --model X", Server{Kind: VLLM, Model: "X"}},
		{"vllm serve s3://bucket/llama", Server{Kind: VLLM, Model: "s3://bucket/llama"}},
		{"vllm serve s3://KEY:SECRET@bucket/llama?token=SECRET#SECRET", Server{Kind: VLLM, Model: "s3://bucket/llama"}},
		{"vllm serve S3://bucket/llama --served-model-name s3://KEY:SECRET@bucket/q", Server{Kind: VLLM, Model: "s3://bucket/q"}},
		{"vllm serve s3://KEY:SEC/RET@bucket/llama", Server{Kind: VLLM}},
		{"vllm serve s3://KEY:12/RET@bucket/llama", Server{Kind: VLLM}},
		{"vllm serve https://KEY:12/RET@host", Server{Kind: VLLM}},
		{"vllm serve s3://bucket/%zz?token=SECRET", Server{Kind: VLLM}},
		{"vllm serve model=s3://KEY:SECRET@bucket/llama", Server{Kind: VLLM}},
		{"vllm serve x/s3://KEY:SECRET@bucket/llama", Server{Kind: VLLM}},
		{"vllm serve x:s3://KEY:SECRET@bucket/llama", Server{Kind: VLLM}},
		{"vllm serve s3://bucket/%ff", Server{Kind: VLLM}},
		{"vllm serve s3://bucket/%0a", Server{Kind: VLLM}},
		{"vllm serve llama\xff", Server{Kind: VLLM}},
		{"vllm serve file:///models/llama", Server{Kind: VLLM, Model: "file:///models/llama"}},
		{"vllm serve X --root-path /v", Server{Kind: VLLM, Model: "X"}}, // A proxy's path, below which it need not be asked.
		{"vllm serve /models/llama --ssl-certfile c", Server{Kind: VLLM, Model: "/models/llama", TLS: true}},
		{"VLLM::EngineCore_DP0", Server{Kind: VLLM, Part: true}},
		// SGLang
		{"python3 -m sglang.launch_server --model-path X --port 30001", Server{Kind: SGLang, Model: "X", Port: 30001}},
		{"sglang serve --model-path X --served-model-name Y --host 0.0.0.0", Server{Kind: SGLang, Model: "Y", Host: "0.0.0.0"}},
		{"sglang::scheduler_TP0", Server{Kind: SGLang, Part: true}},
		{"sglang::server", Server{Kind: SGLang, Hidden: true}},
		// TGI
		{"text-generation-launcher --model-id X --port 80 --hostname ::", Server{Kind: TGI, Model: "X", Port: 80, Host: "::"}},
		{"text-generation-router --tokenizer-name X -p 3001", Server{Kind: TGI, Model: "X", Port: 3001}},
		{"/opt/conda/bin/python3 /opt/conda/bin/text-generation-server serve X --sharded", Server{Kind: TGI, Part: true}},
		// rbee
		{"/home/r/bin/llm-worker-rbee --model /m/llama-3.2-1b.gguf --port 8080", Server{Kind: RBee, Model: "llama-3.2-1b", Port: 8080}},
		{"sd-worker-rbee-cuda --model flux --port=8082", Server{Kind: RBee, Model: "flux", Port: 8082}},
	} {
		t.Run(c.line, func(t *testing.T) {
			got, ok := Recognize(strings.Fields(c.line))
			if !ok {
				t.Fatal("not recognized")
			}
			if diff := cmp.Diff(c.want, got, saidOnly); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestCommandLinesOfOthers(t *testing.T) {
	for _, line := range []string{
		"", "bash -c llama-server", "vim llama-server.log", "grep llama-server", "sudo llama-server -m x", "ssh host llama-server",
		"docker run vllm/vllm-openai --model X", "tail -f /var/log/vllm/serve", "ollama", "ollama run llama3", "ollama ps", "vllm",
		"vllm bench serve", "vllm chat", "python", "python -m", "python -c import_vllm", "python -m vllm.benchmarks.serve",
		"python -m sglang.bench_serving", "python -m sglang_router.launch_router --worker-urls http://a:1",
		"python -m sglang_router.launch_server --model-path X --dp-size 2", "sglang-router launch", "/v/bin/python /v/bin/sglang-router launch", "smg launch", "sglang::router", "python serve.py --model X", "python -",
		"sglang", "llama", "llama-cli -m x.gguf", "text-generation-benchmark", "rbee-hive", "worker-rbee", "text-generation-server download-weights X",
	} {
		t.Run(line, func(t *testing.T) {
			if got, ok := Recognize(strings.Fields(line)); ok {
				t.Errorf("taken for %+v", got)
			}
		})
	}
}

func TestTheEnvironmentSaysWhatTheCommandLineLeavesOpen(t *testing.T) {
	for _, c := range []struct {
		line, env string
		want      Server
	}{
		{"ollama serve", "OLLAMA_HOST=0.0.0.0", Server{Kind: Ollama, Host: "0.0.0.0"}},
		{"ollama serve", "OLLAMA_HOST=:11435", Server{Kind: Ollama, Port: 11435}},
		{"ollama serve", "OLLAMA_HOST=10.0.0.5:9", Server{Kind: Ollama, Host: "10.0.0.5", Port: 9}},
		{"ollama serve", "OLLAMA_HOST=[::]:9", Server{Kind: Ollama, Host: "::", Port: 9}},
		{"ollama serve", "OLLAMA_HOST=::1", Server{Kind: Ollama, Host: "::1"}},
		{"ollama serve", "OLLAMA_HOST=http://gpu:9/x", Server{Kind: Ollama, Host: "gpu", Port: 9}},
		{"ollama serve", "OLLAMA_HOST=https://gpu", Server{Kind: Ollama, Host: "gpu", Port: 443}},
		{"llama-server", "LLAMA_ARG_MODEL=/m/x.gguf LLAMA_ARG_PORT=9 LLAMA_ARG_HOST=::", Server{Kind: Llama, Model: "x", Port: 9, Host: "::"}},
		{"llama-server -m y.gguf --port 8", "LLAMA_ARG_MODEL=/m/x.gguf LLAMA_ARG_PORT=9", Server{Kind: Llama, Model: "y", Port: 8}},
		{"llama-server -m y.gguf", "LLAMA_ARG_SSL_KEY_FILE=k LLAMA_ARG_SSL_CERT_FILE=c", Server{Kind: Llama, Model: "y", TLS: true}},
		{"llama-server -m y.gguf --ssl-key-file k", "LLAMA_ARG_PORT=9", Server{Kind: Llama, Model: "y", Port: 9, TLS: true}},
		{"llama-server -m y.gguf", "LLAMA_ARG_SLEEP_IDLE_SECONDS=300", Server{Kind: Llama, Model: "y", Sleeps: true}},
		{"llama-server -m y.gguf", "LLAMA_ARG_SLEEP_IDLE_SECONDS=-1", Server{Kind: Llama, Model: "y"}},
		{"llama-server -m y.gguf --sleep-idle-seconds 9", "LLAMA_ARG_PORT=9", Server{Kind: Llama, Model: "y", Port: 9, Sleeps: true}},
		{"llama-server -m y.gguf", "LLAMA_ARG_API_PREFIX=/llm", Server{Kind: Llama, Model: "y", Prefix: "/llm"}},
		{"llama-server -m y.gguf --api-prefix /a", "LLAMA_ARG_API_PREFIX=/b", Server{Kind: Llama, Model: "y", Prefix: "/a"}},
		{"llama-server -m y.gguf", "LLAMA_ARG_ALIAS=qwen", Server{Kind: Llama, Model: "qwen"}},
		{"text-generation-launcher", "MODEL_ID=X PORT=80", Server{Kind: TGI, Model: "X", Port: 80}},
		{"vllm serve X", "PORT=80", Server{Kind: VLLM, Model: "X"}},
	} {
		t.Run(c.line+" "+c.env, func(t *testing.T) {
			got, _ := Recognize(strings.Fields(c.line))
			env := map[string]string{}
			for entry := range strings.FieldsSeq(c.env) {
				name, value, _ := strings.Cut(entry, "=")
				env[name] = value
			}
			got.Complete(env)
			if diff := cmp.Diff(c.want, got, saidOnly); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestAnyNameOfAModelThatIsReportedIsTakenByARegistry(t *testing.T) {
	long := strings.Repeat("m", registry.MaxTextLength)
	for _, c := range []struct{ name, want string }{
		{long, long},
		{long + "m", ""},
		{strings.Repeat("ü", registry.MaxTextLength/2), strings.Repeat("ü", registry.MaxTextLength/2)},
		{strings.Repeat("ü", registry.MaxTextLength/2+1), ""},
		{"/" + long + "/" + long + ".gguf", long},
		{"https://hf.co/" + long + "/" + long + "?token=" + long, long},
		{"s3://" + long + "/" + long, ""},
		{"a\nb", ""},
		{"a\x1b[2Jb", ""},
		{"a\x7fb", ""},
		{"a\xffb", ""},
	} {
		got := modelName(c.name)
		if got != c.want {
			t.Errorf("%q: got %q, want %q", c.name, got, c.want)
		}
		if err := (registry.WorkerReport{Group: "g", Instance: "i", Model: registry.OptString(got)}).Check(); err != nil {
			t.Errorf("%q: %v", c.name, err)
		}
	}
}

func FuzzRecognize(f *testing.F) {
	for _, line := range []string{"llama-server\x00-m\x00/m/x.gguf", "vllm\x00serve\x00X\x00--port=8000", "python3\x00-m\x00sglang.launch_server",
		"ollama\x00serve", "python\x00-W", "llama-server\x00-m\x00http://%zz/x.gguf", "llama\x00server\x00-a\x00,\x00--port\x00-1"} {
		f.Add(line, "0.0.0.0:1")
	}
	f.Fuzz(func(t *testing.T, line, env string) {
		s, ok := Recognize(strings.Split(line, "\x00"))
		if !ok {
			return
		}
		for _, name := range s.Variables() {
			s.Complete(map[string]string{name: env})
		}
		if s.Port < 0 || s.Port > 65535 {
			t.Errorf("port %d", s.Port)
		}
		if !utf8.ValidString(s.Model) || len(s.Model) > maxModelBytes || strings.ContainsAny(s.Model, "\n\r\x00\x1b") {
			t.Errorf("model %q", s.Model)
		}
	})
}
