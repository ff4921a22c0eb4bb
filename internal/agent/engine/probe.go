package engine

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	// maxAnswerBytes bounds one answer of an engine.
	maxAnswerBytes = 8 << 20
	// absentFor is how long an engine is not asked again for what it said it does not have.
	absentFor = time.Minute
)

// Answer is what an engine says of itself.
type Answer struct {
	// Ready is false when the engine is known not to serve: nobody listens, or it says that it is still loading.
	Ready bool
	// Model it serves; empty when it does not say, or need not, since the command line does.
	Model string
	// Running and Queued are the requests it works on and those that wait; nil when it does not say.
	Running, Queued *int
	// Loaded are the models that an Ollama server holds in memory; nil for others.
	Loaded []Loaded
}

// Loaded is a model that an Ollama server holds in memory.
type Loaded struct {
	// Model is its name, e.g. llama3.2:3b.
	Model string
	// Blob is the name of the file that its runner was started with; empty when unknown.
	Blob string
	// VRAMBytes is the GPU memory it takes, as the server reckons; nil when unknown.
	VRAMBytes *uint64
}

// Probe asks one server, again and again. It must not be used concurrently.
type Probe struct {
	server Server
	base   string
	http   *http.Client
	absent map[string]time.Time
	model  string
	blobs  map[string]blob
}

// blob is what an Ollama server said of the file of a model that it has loaded.
type blob struct {
	name  string // empty when it did not say
	asked time.Time
}

var (
	errAbsent   = errors.New("the engine does not have this")
	errNotReady = errors.New("the engine is not ready")
)

// NewClient returns the HTTP client for probes: it dials addresses of this machine only, follows no redirect and uses no proxy.
func NewClient() *http.Client {
	dialer := &net.Dialer{Timeout: time.Second, KeepAlive: -1}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				if to, err := netip.ParseAddrPort(address); err != nil || !ofThisMachine(to.Addr()) {
					return nil, errors.New("engines are asked at addresses of this machine only, loopback ones or its own")
				}
				return dialer.DialContext(ctx, network, address)
			},
			MaxIdleConnsPerHost: 1,
			IdleConnTimeout:     30 * time.Second,
			DisableCompression:  true,
			// A certificate is made out to a name, and an address of this machine needs none to be known.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // only this machine is dialled, and nothing secret is sent
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ofThisMachine says whether an address leads to this machine and nowhere else. That a socket is bound to it does not say
// so: Linux can be told to let processes bind addresses that another machine has now.
func ofThisMachine(ip netip.Addr) bool {
	if ip.IsLoopback() {
		return true
	}
	own, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(own, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.Equal(ip.AsSlice())
	})
}

// NewProbe returns a probe of a server that listens at an address of this machine.
func NewProbe(client *http.Client, s Server, at netip.AddrPort) *Probe {
	return &Probe{server: s, base: s.Scheme() + at.String() + s.Prefix, http: client, absent: map[string]time.Time{}, blobs: map[string]blob{}}
}

// Ask asks the server. An error means that it gave no answer, which says nothing about what it is doing.
func (p *Probe) Ask(ctx context.Context) (Answer, error) {
	var answer Answer
	var err error
	switch p.server.Kind {
	case Llama:
		answer, err = p.askLlama(ctx)
	case VLLM:
		answer, err = p.askGauges(ctx, "vllm:num_requests_running", "vllm:num_requests_waiting")
	case SGLang:
		answer, err = p.askSGLang(ctx)
	case TGI:
		answer, err = p.askGauges(ctx, "tgi_batch_current_size", "tgi_queue_size")
	case Ollama:
		answer, err = p.askOllama(ctx)
	default:
		return Answer{}, errAbsent
	}
	switch {
	case errors.Is(err, errNotReady), errors.Is(err, syscall.ECONNREFUSED):
		return Answer{}, nil
	case err != nil:
		return Answer{}, err
	}
	answer.Ready = true
	if p.server.Model == "" && p.server.Kind != Ollama {
		// A router of llama.cpp loads another model whenever it is asked for one; all others serve one for life.
		if p.model == "" || p.server.Kind == Llama {
			if name, err := p.askModel(ctx); err == nil {
				p.model = name
			}
		}
		// vLLM's /v1/models is behind its key, its metrics are not.
		answer.Model = cmp.Or(p.model, answer.Model)
	}
	return answer, nil
}

// Asks says whether there is anything to ask a server of this kind.
func (s Server) Asks() bool { return s.Kind != RBee && (s.Kind != Ollama || !s.Runner) }

// Scheme is how its addresses begin.
func (s Server) Scheme() string {
	if s.TLS {
		return "https://"
	}
	return "http://"
}

// askModel asks in all the ways there are which model is served; none is an answer, too. An error means that it is not known.
func (p *Probe) askModel(ctx context.Context) (string, error) {
	var list struct {
		Data []struct {
			ID     string `json:"id"`
			Status struct {
				Value string `json:"value"`
			} `json:"status"` // llama.cpp as a router: it lists what it could load, too. One that sleeps wakes for a request.
		} `json:"data"`
	}
	err := p.get(ctx, "/v1/models", &list)
	if err == nil {
		for _, m := range list.Data {
			if name := modelName(m.ID); name != "" && slices.Contains([]string{"", "loaded", "sleeping"}, m.Status.Value) {
				return name, nil
			}
		}
	}
	var own struct {
		Role       string `json:"role"`        // llama.cpp: a router calls itself one, and names a model that is none.
		ModelID    string `json:"model_id"`    // TGI
		ModelAlias string `json:"model_alias"` // llama.cpp
		ModelPath  string `json:"model_path"`  // llama.cpp, SGLang
	}
	if at, ok := map[Kind]string{TGI: "/info", Llama: "/props", SGLang: "/get_model_info"}[p.server.Kind]; ok {
		ownErr := p.get(ctx, at, &own)
		if ownErr == nil && own.Role != "router" {
			for _, name := range []string{own.ModelID, own.ModelAlias, own.ModelPath} {
				if name = modelName(name); name != "" {
					return name, nil
				}
			}
		}
		if err == nil || errors.Is(err, errAbsent) {
			err = ownErr
		}
	}
	if errors.Is(err, errAbsent) {
		err = nil
	}
	return "", err
}

// get asks for JSON and decodes it.
func (p *Probe) get(ctx context.Context, path string, into any) error {
	return p.do(ctx, http.MethodGet, path, nil, func(r io.Reader) error { return json.NewDecoder(r).Decode(into) })
}

// gauges asks for the given gauges of a Prometheus page, and for the model that their labels name.
func (p *Probe) gauges(ctx context.Context, names ...string) (found gauges, model string, err error) {
	found = gauges{}
	err = p.do(ctx, http.MethodGet, "/metrics", nil, func(r io.Reader) error {
		return scanMetrics(r, func(name string) bool { return slices.Contains(names, name) }, func(s sample) {
			found.add(s)
			// Escapes stand as they are, so a name with one would not be the model's.
			if label := s.label("model_name"); model == "" && !strings.Contains(label, `\`) {
				model = modelName(label)
			}
		})
	})
	return found, model, err
}

func (p *Probe) do(ctx context.Context, method, path string, body []byte, read func(io.Reader) error) error {
	if since, ok := p.absent[path]; ok && time.Since(since) < absentFor {
		return errAbsent
	}
	req, err := http.NewRequestWithContext(ctx, method, p.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	switch resp.StatusCode {
	case http.StatusOK:
		limited := &io.LimitedReader{R: resp.Body, N: maxAnswerBytes + 1}
		err := read(limited)
		if err == nil {
			_, _ = io.Copy(io.Discard, limited) // So that the connection can be used again.
		}
		switch {
		case limited.N <= 0: // Part of a page of metrics reads like a whole one.
			return fmt.Errorf("the engine's answer to %s is longer than %d bytes", path, maxAnswerBytes)
		case err != nil:
			return fmt.Errorf("cannot read the engine's answer to %s: %w", path, err)
		}
		return nil
	case http.StatusServiceUnavailable:
		return errNotReady
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
		http.StatusMethodNotAllowed, http.StatusNotImplemented:
		if method == http.MethodGet { // What is posted may be a question about something that is not there; others may be.
			p.absent[path] = time.Now()
		}
		return errAbsent
	default:
		return fmt.Errorf("the engine answers %s with status %d", path, resp.StatusCode)
	}
}
