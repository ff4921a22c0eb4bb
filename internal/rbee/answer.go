package rbee

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"waggle/internal/jsonwalk"
)

// answer is the body of every answer but an event stream, a list of facts and nothing at all.
type answer struct {
	Status  string `json:"status"` // "ok" or "error"
	Message string `json:"message"`
}

// refusal is an error that a client is told, with an HTTP status.
type refusal struct {
	status int
	why    string
}

func (r *refusal) Error() string { return r.why }

func refuse(status int, format string, args ...any) error {
	return &refusal{status, fmt.Sprintf(format, args...)}
}

func reply(w http.ResponseWriter, status int, a answer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	body, _ := json.Marshal(a) // two strings cannot fail
	_, _ = w.Write(body)       // a client that went away needs no answer
}

// methods serves one path: each method by its function, which returns the message of the answer.
type methods map[string]func(http.ResponseWriter, *http.Request)

func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	serve := m[method]
	if serve == nil {
		allow := "GET, HEAD"
		if m[http.MethodGet] == nil {
			allow = http.MethodPost
		}
		w.Header().Set("Allow", allow)
		reply(w, http.StatusMethodNotAllowed, answer{"error", "the method must be " + allow})
		return
	}
	serve(w, r)
}

// accept makes a handler of a function that takes in a JSON body and returns the message of the acknowledgement.
func (d *Door) accept(take func(r *http.Request, body []byte) (message string, err error)) methods {
	return methods{http.MethodPost: func(w http.ResponseWriter, r *http.Request) {
		body, err := readJSON(w, r)
		var message string
		if err == nil {
			message, err = take(r, body)
		}
		if err != nil {
			d.stats.refused.Add(1)
			status := http.StatusUnprocessableEntity
			if r := (*refusal)(nil); errors.As(err, &r) {
				status = r.status
			} else if b := (*jsonwalk.Error)(nil); errors.As(err, &b) && b.Syntax {
				status = http.StatusBadRequest
			}
			reply(w, status, answer{"error", err.Error()})
			return
		}
		reply(w, http.StatusOK, answer{"ok", message})
	}}
}

func readJSON(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if !isJSON(r.Header.Get("Content-Type")) {
		return nil, refuse(http.StatusUnsupportedMediaType, "the Content-Type must be application/json")
	}
	// Who is still sending does not hear the answer if the connection is closed, so a little too much is taken in first.
	defer func() { _, _ = io.CopyN(io.Discard, r.Body, maxBody) }()
	if r.ContentLength > maxBody {
		return nil, tooLarge()
	}
	body := make([]byte, 0, max(r.ContentLength, 0)+512)
	limited := http.MaxBytesReader(w, r.Body, maxBody)
	for {
		n, err := limited.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if errors.Is(err, io.EOF) {
			return body, nil
		}
		if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
			return nil, tooLarge()
		}
		if err != nil {
			return nil, refuse(http.StatusBadRequest, "the body ended early")
		}
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
	}
}

func tooLarge() error {
	return refuse(http.StatusRequestEntityTooLarge, "the body must be at most %d bytes", maxBody)
}

// isJSON reports whether a content type is application/json or application/*+json.
func isJSON(contentType string) bool {
	if contentType == "application/json" {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	subtype, ok := strings.CutPrefix(media, "application/")
	return ok && (subtype == "json" || strings.HasSuffix(subtype, "+json"))
}
