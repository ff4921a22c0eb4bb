package graphqlhttp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"waggle/internal/graphqlexec"
)

// Handler answers GraphQL requests. It is safe for concurrent use.
type Handler struct {
	exec  *graphqlexec.Executor
	cfg   Config
	stats counters

	bodies sync.Pool // of *bytes.Buffer: requests of many heartbeats are large

	streams atomic.Int64
	drain   sync.Once
	drained chan struct{}
}

// New makes a handler that executes on exec.
func New(exec *graphqlexec.Executor, cfg Config) *Handler {
	return &Handler{exec: exec, cfg: cfg.withDefaults(), drained: make(chan struct{}), bodies: sync.Pool{New: func() any { return &bytes.Buffer{} }}}
}

// Drain ends all event streams and refuses new ones, so that http.Server.Shutdown need not wait for them.
func (h *Handler) Drain() { h.drain.Do(func() { close(h.drained) }) }

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.stats.requests.Add(1)
	if h.cfg.Browsers != "" && isVisit(r) {
		w.Header().Set("Location", h.cfg.Browsers)
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	mediaType := chooseType(r.Header["Accept"])
	if mediaType == "" {
		h.refuse(w, http.StatusNotAcceptable, "accept "+typeResponse+", "+typeJSON+" or "+typeEvents)
		return
	}
	body := h.bodies.Get().(*bytes.Buffer)
	body.Reset()
	params, status, err := h.read(w, r, body)
	if err != nil {
		if status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", http.MethodPost)
		}
		h.refuse(w, status, err.Error())
		return
	}
	if mediaType == typeEvents {
		if r.Method != http.MethodPost {
			h.refuse(w, http.StatusNotAcceptable, "events are sent in answer to a POST only")
			return
		}
		h.stream(w, r, params)
		return
	}
	h.answer(w, r, params, mediaType)
	h.bodies.Put(body) // What was made of the request has copies of what it keeps.
}

// isVisit tells whether a request is that of somebody who opened the address in a browser, and not a query.
func isVisit(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.URL.RawQuery == "" && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// maxPrealloc is for how many bytes of a body room is made because the client says that they will come.
const maxPrealloc = 64 << 10

// read reads a request's parameters, parts of which stay in body; its error is to be answered with the status.
func (h *Handler) read(w http.ResponseWriter, r *http.Request, body *bytes.Buffer) (*graphql.RawParams, int, error) {
	if h.cfg.AllowGet && r.Method == http.MethodGet {
		params, err := h.readURL(r)
		return params, http.StatusBadRequest, err
	}
	if r.Method != http.MethodPost {
		return nil, http.StatusMethodNotAllowed, errors.New("send GraphQL requests by POST")
	}
	if !isJSON(r.Header.Get("Content-Type")) {
		return nil, http.StatusUnsupportedMediaType, errors.New("the content type must be " + typeJSON + " in UTF-8")
	}
	body.Grow(int(min(max(r.ContentLength, 0), maxPrealloc)) + bytes.MinRead)
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, h.cfg.MaxBodyBytes))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, http.StatusRequestEntityTooLarge, fmt.Errorf("the body must have at most %d bytes", h.cfg.MaxBodyBytes)
	}
	if err != nil {
		return nil, http.StatusBadRequest, errors.New("the body could not be read")
	}
	graphqlexec.NextStage()
	params, err := h.exec.DecodeParams(body.Bytes())
	return params, http.StatusBadRequest, err
}

// readURL reads the parameters of a GET, where variables and extensions are JSON. They are put together as a POST would
// carry them, so that one decoder judges both.
func (h *Handler) readURL(r *http.Request) (*graphql.RawParams, error) {
	values, body := r.URL.Query(), map[string]any{}
	for _, key := range []string{"query", "operationName"} {
		if values.Has(key) {
			body[key] = values.Get(key)
		}
	}
	for _, key := range []string{"variables", "extensions"} {
		if values.Get(key) == "" {
			continue
		}
		if !json.Valid([]byte(values.Get(key))) {
			return nil, errors.New(key + " must be JSON")
		}
		body[key] = json.RawMessage(values.Get(key))
	}
	b, err := json.Marshal(body)
	if err != nil {
		return nil, errors.New("the parameters cannot be read")
	}
	return h.exec.DecodeParams(b)
}

// answer executes a query or a mutation.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, params *graphql.RawParams, mediaType string) {
	op, errs := h.exec.Prepare(r.Context(), params)
	if len(errs) == 0 && op.IsMutation() && r.Method == http.MethodGet {
		w.Header().Set("Allow", http.MethodPost)
		h.refuse(w, http.StatusMethodNotAllowed, "send mutations by POST")
		return
	}
	if len(errs) == 0 && op.IsSubscription() {
		errs = gqlerror.List{graphqlexec.NewError(graphqlexec.CodeBadUserInput,
			"a subscription has more than one answer: send it over a WebSocket with the subprotocol graphql-transport-ws, or with the header Accept: text/event-stream")}
	}
	if len(errs) > 0 {
		h.stats.invalid.Add(1)
		status := http.StatusOK // What clients of application/json expect, as the specification says.
		if mediaType == typeResponse {
			status = http.StatusBadRequest
		}
		h.writeResponse(w, mediaType, status, &graphql.Response{Errors: errs})
		return
	}
	resp := h.exec.Execute(r.Context(), op)
	status := http.StatusOK
	if resp.Data == nil && mediaType == typeResponse {
		status = http.StatusBadRequest
	}
	graphqlexec.NextStage()
	h.writeResponse(w, mediaType, status, resp)
}

// refuse answers a request that is not one of GraphQL over HTTP.
func (h *Handler) refuse(w http.ResponseWriter, status int, message string) {
	h.stats.refused.Add(1)
	h.writeResponse(w, typeJSON, status, &graphql.Response{Errors: gqlerror.List{{Message: message}}})
}

func (h *Handler) writeResponse(w http.ResponseWriter, mediaType string, status int, resp *graphql.Response) {
	b, err := graphqlexec.AppendResponse(nil, resp)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"errors":[{"message":"the answer cannot be encoded"}]}`)
	}
	w.Header().Set("Content-Type", mediaType+"; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	out := newWriter(w, h.cfg.WriteTimeout)
	_ = out.write(b) // The client has gone if it fails.
}
