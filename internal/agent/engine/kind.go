// Package engine knows the model servers: how their command lines look and what they answer when asked.
//
// [Recognize] reads a command line; it judges by the program that runs, never by words somewhere in the line, so that
// an editor that has llama-server.log open is not taken for a server. [Probe] asks a running server what it is doing.
// Only addresses of this machine are ever dialled.
package engine

// Kind is a sort of model server. Its text is also the default service group of its workers.
type Kind string

// The model servers that are recognized.
const (
	Llama  Kind = "llama"  // llama.cpp's llama-server, and llama-cpp-python's server.
	Ollama Kind = "ollama" // ollama serve, and its runners.
	VLLM   Kind = "vllm"   // vllm serve, and its module started by hand.
	SGLang Kind = "sglang" // sglang.launch_server, and the servers behind sglang_router.launch_server.
	TGI    Kind = "tgi"    // text-generation-launcher and -router.
	RBee   Kind = "llm"    // rbee's workers, which are in rbee's group llm.
)

// Server is what a command line, and the environment beside it, say of a model server.
type Server struct {
	// Kind of the server.
	Kind Kind
	// Part is true for a process that only ever serves within another one's tree: an engine core, a shard.
	Part bool
	// Runner is true for a process that a server starts for one model, and that clients reach through that server.
	Runner bool
	// Model is what a client asks for: the alias if one was given, else the model; empty when not said.
	Model string
	// Blob is the file name under which Ollama stores the model that a runner runs; empty for all others.
	Blob string
	// Host is the address it was told to listen at; empty when not said.
	Host string
	// Port is the port it was told to listen at; 0 when not said.
	Port int
	// Prefix is the path, beginning with a slash, below which all that it serves is; empty for most.
	Prefix string
	// TLS is true when it was told to speak HTTPS.
	TLS bool
	// Hidden is true when it may have been told more than its command line says: in a file, or on one that it has overwritten.
	Hidden bool
	// Sleeps is true when it was told to unload its model when nobody asks for anything.
	Sleeps bool

	named   bool // Model is an alias.
	dialect *dialect
}

// DefaultPort is where a server of this kind listens when it is not told; 0 when there is no such rule.
func (s Server) DefaultPort() int { return s.dialect.port }

// ListensEverywhere is true when a server of this kind, not told otherwise, listens at all addresses and not only at
// loopback ones.
func (s Server) ListensEverywhere() bool { return s.dialect.everywhere }

// Variables are the environment variables that [Server.Complete] wants to see.
func (s Server) Variables() []string { return s.dialect.variables }

// what is something that an option or a variable can say of a server.
type what int

const (
	model what = iota // a path, or the name of a model
	alias             // the name under which it is served
	host
	port
	address // OLLAMA_HOST: host, port, both, or a URL
	https
	file   // that tells more
	prefix // of all its paths
	sleep  // after how many seconds
)

// dialect is how the command lines of one kind of server are spoken.
type dialect struct {
	kind       Kind
	options    map[string]what
	variables  []string
	meanings   map[string]what // of the variables
	port       int
	everywhere bool
}

func dialectOf(kind Kind) *dialect {
	switch kind {
	case Llama:
		return (&dialect{kind: kind, port: 8080, options: map[string]what{
			"-m": model, "--model": model, "-a": alias, "--alias": alias, "-hf": model, "-hfr": model, "--hf-repo": model,
			"-mu": model, "--model-url": model, "-dr": model, "--docker-repo": model, "--host": host, "--port": port,
			"--ssl-key-file": https, "--model-alias": alias, "--hf-model-repo-id": model, "--ssl-keyfile": https,
			"--sleep-idle-seconds": sleep, "--api-prefix": prefix,
		}}).reading(map[string]what{"LLAMA_ARG_MODEL": model, "LLAMA_ARG_ALIAS": alias, "LLAMA_ARG_HF_REPO": model,
			"LLAMA_ARG_HOST": host, "LLAMA_ARG_PORT": port, "LLAMA_ARG_SSL_KEY_FILE": https, "LLAMA_ARG_SLEEP_IDLE_SECONDS": sleep,
			"LLAMA_ARG_API_PREFIX": prefix})
	case Ollama:
		return (&dialect{kind: kind, port: 11434, options: map[string]what{
			"--model": model, "-model": model, "--port": port, "-port": port,
		}}).reading(map[string]what{"OLLAMA_HOST": address})
	case VLLM:
		return &dialect{kind: kind, port: 8000, everywhere: true, options: map[string]what{
			"--model": model, "--served-model-name": alias, "--host": host, "--port": port, "--ssl-certfile": https,
			"--ssl-keyfile": https, "--config": file,
		}}
	case SGLang:
		return &dialect{kind: kind, port: 30000, options: map[string]what{
			"--model-path": model, "--model": model, "--served-model-name": alias, "--host": host, "--port": port,
			"--ssl-certfile": https, "--ssl-keyfile": https, "--config": file,
		}}
	case TGI:
		return (&dialect{kind: kind, port: 3000, everywhere: true, options: map[string]what{
			"--model-id": model, "--tokenizer-name": model, "--hostname": host, "--port": port, "-p": port,
		}}).reading(map[string]what{"MODEL_ID": model, "HOSTNAME": host, "PORT": port})
	default:
		return &dialect{kind: RBee, options: map[string]what{
			"-m": model, "--model": model, "--model-path": model, "--model-ref": model, "--alias": alias,
			"--host": host, "--port": port,
		}}
	}
}

func (d *dialect) reading(variables map[string]what) *dialect {
	d.meanings = variables
	for name := range variables {
		d.variables = append(d.variables, name)
	}
	return d
}
