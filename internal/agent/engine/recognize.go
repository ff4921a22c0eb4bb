package engine

import (
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxModelBytes bounds the name of a model: a registry refuses a whole heartbeat for one that is longer.
const maxModelBytes = 256

// Recognize says which model server a command line starts. False for everything else, and for the clients of such servers:
// `ollama run X` is one, the model it asks for is loaded by `ollama serve`.
func Recognize(args []string) (Server, bool) {
	program, module, rest := programOf(args)
	first := ""
	if len(rest) > 0 {
		first = rest[0]
	}
	switch {
	case program == "llama-server", program == "llama" && (first == "serve" || first == "server"):
		return parse(Llama, rest), true
	case module == "llama_cpp.server":
		s := parse(Llama, rest)
		s.dialect.port = 8000
		return s, true
	case program == "ollama" && first == "serve":
		return parse(Ollama, nil), true
	case program == "ollama" && first == "runner", program == "ollama_llama_server":
		s := parse(Ollama, rest)
		s.Runner = true
		return s, true
	case (program == "vllm" || module == "vllm.entrypoints.cli.main" || module == "vllm") && first == "serve":
		s := parse(VLLM, rest[1:])
		if s.Model == "" {
			s.Model = modelName(positional(rest[1:]))
		}
		return s, true
	case module == "vllm.entrypoints.openai.api_server", module == "vllm.entrypoints.api_server":
		return parse(VLLM, rest), true
	case strings.HasPrefix(program, "vllm::"):
		return Server{Kind: VLLM, Part: true, dialect: dialectOf(VLLM)}, true
	case module == "sglang.launch_server", program == "sglang" && first == "serve":
		return parse(SGLang, rest), true
	case program == "sglang::router": // What sglang_router calls itself once it runs; it has no model of its own.
		return Server{}, false
	case program == "sglang::server": // One of those that sglang_router.launch_server starts: each has a port that nobody told of.
		s := parse(SGLang, nil)
		s.Hidden, s.dialect.port = true, 0
		return s, true
	case strings.HasPrefix(program, "sglang::"):
		return Server{Kind: SGLang, Part: true, dialect: dialectOf(SGLang)}, true
	case program == "text-generation-launcher", program == "text-generation-router":
		return parse(TGI, rest), true
	case program == "text-generation-server" && first == "serve":
		return Server{Kind: TGI, Part: true, dialect: dialectOf(TGI)}, true
	case strings.Contains(program, "-worker-rbee"):
		return parse(RBee, rest), true
	}
	return Server{}, false
}

// Unrecognized is the server of whose command line nothing is understood: rbee says by a control group that it is one.
func Unrecognized(args []string) Server {
	_, _, rest := programOf(args)
	return parse(RBee, rest)
}

var python = regexp.MustCompile(`^(python|pypy)[0-9.]*w?$`)

// programOf returns the program that runs, as its lower-case base name, or the Python module, and the arguments to it.
func programOf(args []string) (program, module string, rest []string) {
	if len(args) == 0 {
		return "", "", nil
	}
	program, rest = baseName(args[0]), args[1:]
	if !python.MatchString(program) {
		return program, "", rest
	}
	for len(rest) > 0 {
		arg := rest[0]
		switch {
		case arg == "-m" && len(rest) > 1:
			return "", rest[1], rest[2:]
		case arg == "-c", arg == "-", arg == "-m": // A program in the line itself, or none.
			return "", "", nil
		case arg == "-W" || arg == "-X" || arg == "--check-hash-based-pycs":
			rest = rest[min(2, len(rest)):]
		case strings.HasPrefix(arg, "-m") && len(arg) > 2 && arg[1] != '-':
			return "", arg[2:], rest[1:]
		case strings.HasPrefix(arg, "-"):
			rest = rest[1:]
		default: // A script: an installed entry point, or a module by its path.
			return strings.TrimSuffix(baseName(arg), ".py"), moduleOf(arg), rest[1:]
		}
	}
	return "", "", nil
}

func baseName(arg string) string {
	arg = strings.ToLower(arg[strings.LastIndexAny(arg, `/\`)+1:])
	return strings.TrimSuffix(arg, ".exe")
}

// moduleOf finds a module's name in the path of its file.
func moduleOf(script string) string {
	dotted := strings.ReplaceAll(strings.ReplaceAll(script, `\`, "/"), "/", ".")
	dotted = strings.TrimSuffix(strings.TrimSuffix(dotted, ".py"), ".__main__")
	for _, module := range []string{"vllm.entrypoints.openai.api_server", "vllm.entrypoints.api_server",
		"vllm.entrypoints.cli.main", "sglang.launch_server", "llama_cpp.server"} {
		if strings.HasSuffix("."+dotted, "."+module) {
			return module
		}
	}
	return ""
}

func parse(kind Kind, args []string) Server {
	s := Server{Kind: kind, dialect: dialectOf(kind)}
	for i := 0; i < len(args); i++ {
		name, value, glued := strings.Cut(args[i], "=")
		meaning, known := s.dialect.options[optionName(name)]
		if !known {
			continue
		}
		if !glued {
			if i+1 >= len(args) || isOption(args[i+1]) {
				continue
			}
			i++
			value = args[i]
		}
		s.learn(meaning, value)
	}
	return s
}

// optionName makes --served_model_name and --served-model-name one: Python's parsers take both.
func optionName(name string) string {
	if strings.HasPrefix(name, "--") {
		return strings.ReplaceAll(name, "_", "-")
	}
	return name
}

func isOption(arg string) bool { return len(arg) > 1 && arg[0] == '-' }

// learn takes in what an option or a variable says; a later one wins over an earlier one, as the servers have it.
func (s *Server) learn(meaning what, value string) {
	switch meaning {
	case alias:
		// llama-server takes several names, separated by commas; the first one is the main one.
		first, _, _ := strings.Cut(value, ",")
		if first = modelName(first); first != "" {
			s.Model, s.named = first, true
		}
	case model:
		if strings.HasPrefix(baseName(value), "sha256-") {
			s.Blob = baseName(value)
		} else if !s.named {
			s.Model = modelName(value)
		}
	case host:
		s.Host = value
	case port:
		s.Port = portNumber(value)
	case address:
		s.learnAddress(value)
	case https:
		s.TLS = value != ""
	case file:
		s.Hidden = value != ""
	case prefix:
		s.Prefix = pathPrefix(value)
	case sleep:
		seconds, err := strconv.Atoi(value) // -1 is never.
		s.Sleeps = err == nil && seconds >= 0
	}
}

// learnAddress reads OLLAMA_HOST, which may be a host, a port after a colon, both, or a URL.
func (s *Server) learnAddress(value string) {
	value = strings.Trim(strings.TrimSpace(value), `"'`)
	scheme, rest, isURL := strings.Cut(value, "://")
	if !isURL {
		rest = value
	}
	rest, _, _ = strings.Cut(rest, "/")
	switch {
	case isURL && scheme == "https":
		s.Port = 443
	case isURL && scheme == "http":
		s.Port = 80
	}
	if ip, err := netip.ParseAddr(strings.Trim(rest, "[]")); err == nil {
		s.Host = ip.String()
		return
	}
	h, p := rest, ""
	if i := strings.LastIndexByte(rest, ':'); i >= 0 {
		h, p = rest[:i], rest[i+1:]
	}
	s.Host = strings.Trim(h, "[]")
	if n := portNumber(p); n > 0 {
		s.Port = n
	}
}

// Complete fills in what the command line left open from the given environment variables.
func (s *Server) Complete(environ map[string]string) {
	env := Server{Kind: s.Kind, dialect: s.dialect}
	for _, name := range slices.Sorted(slices.Values(s.dialect.variables)) {
		if value := environ[name]; value != "" {
			env.learn(s.dialect.meanings[name], value)
		}
	}
	if s.Model == "" || env.named && !s.named {
		s.Model, s.named = env.Model, env.named
	}
	if s.Host == "" {
		s.Host = env.Host
	}
	if s.Port == 0 {
		s.Port = env.Port
	}
	if s.Prefix == "" {
		s.Prefix = env.Prefix
	}
	s.TLS, s.Sleeps = s.TLS || env.TLS, s.Sleeps || env.Sleeps
}

// positional returns the argument that belongs to no option, where that is certain: the first one of all, or the one after
// a --. Anywhere else it may be a further value of an option that takes several, and with --api-key that is a secret.
func positional(args []string) string {
	if len(args) > 0 && !isOption(args[0]) {
		return args[0]
	}
	if i := slices.Index(args, "--"); i >= 0 && i+1 < len(args) {
		return args[i+1]
	}
	return ""
}

var shard = regexp.MustCompile(`-[0-9]{5}-of-[0-9]{5}$`)

// modelName makes a name of a model out of what a command line or an engine calls it: a GGUF file goes by its base name
// without the ending and without the number of its first part, everything else by itself. It is empty when there is none
// that can be reported: one that is too long or unprintable, and a URL of which it is not certain where its secrets are.
func modelName(value string) string {
	value = strings.TrimSpace(value)
	if strings.Contains(value, "://") {
		value = withoutSecrets(value)
	}
	if lower := strings.ToLower(value); strings.HasSuffix(lower, ".gguf") {
		value = value[strings.LastIndexAny(value, `/\`)+1:]
		value = shard.ReplaceAllString(value[:len(value)-len(".gguf")], "")
	}
	if len(value) > maxModelBytes || !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return ""
	}
	return value
}

// withoutSecrets returns a URL without user, password, query and fragment, which may hold keys and tokens; of a web address
// only the last part of its path. An @ that is left, as after a password with a slash in it, shows that it was misread.
func withoutSecrets(value string) string {
	u, err := url.Parse(value)
	if err != nil || u.Scheme == "" || u.Opaque != "" || strings.Contains(u.Host+u.Path, "@") {
		return ""
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return u.Scheme + "://" + u.Host + u.Path
	}
	if strings.Trim(u.Path, "/") == "" {
		return ""
	}
	return path.Base(u.Path)
}

// pathPrefix makes the beginning of a URL's path out of what an option says; empty when it cannot be one. vLLM's --root-path
// and SGLang's --fastapi-root-path are none: they say what a proxy cuts off before the server sees it.
func pathPrefix(value string) string {
	value = strings.TrimRight(value, "/")
	if !strings.HasPrefix(value, "/") || modelName(value) != value {
		return ""
	}
	if value = (&url.URL{Path: value}).EscapedPath(); len(value) > maxModelBytes {
		return ""
	}
	return value
}

func portNumber(value string) int {
	n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 16)
	if err != nil {
		return 0
	}
	return int(n)
}
