package graphqlexec

import (
	"encoding/json"
	"errors"

	"github.com/99designs/gqlgen/graphql"

	"waggle/internal/jsonwalk"
)

// ErrBatch says that a request is a list of operations.
var ErrBatch = errors.New("batches are not supported: send one operation a request")

// DecodeParams reads the parameters of one operation: an object with query, operationName, variables and extensions, none
// of them twice. Other keys are ignored, and all but query may be null or absent. Its errors name the key and what it must
// be, and quote nothing of the request.
//
// How a variable is to be read depends on its type, so variables stay as they are written, each a json.RawMessage, for
// Prepare. They are parts of data, which must not be changed before Prepare has returned.
func DecodeParams(data []byte) (*graphql.RawParams, error) {
	w := jsonwalk.New(data)
	w.SkipUnknown = true
	opening := w.Next()
	if opening == '[' {
		return nil, ErrBatch
	}
	var query, operationName, otherVariables, extensions json.RawMessage
	var variables map[string]any
	w.Object([]string{"query?", "variables?", "operationName?", "extensions?"}, func(name string) {
		switch name {
		case "query":
			query = w.Raw()
		case "variables": // at once, since they are most of what a heartbeat is
			if w.Next() == '{' {
				variables = readObject(&w, rawValue)
			} else {
				otherVariables = w.Raw()
			}
		case "operationName":
			operationName = w.Raw()
		case "extensions":
			extensions = w.Raw()
		}
	})
	if err := w.End(); err != nil {
		if opening == '{' && !w.Err().Syntax {
			return nil, err // a key is there twice
		}
		return nil, errors.New("the request must be a JSON object")
	}
	p := &graphql.RawParams{}
	if isAbsent(query) {
		return nil, errors.New("query is missing")
	}
	var ok bool
	if p.Query, ok = decodeText(query); !ok {
		return nil, errors.New("query must be a string")
	}
	if p.OperationName, ok = decodeText(operationName); !ok {
		return nil, errors.New("operationName must be a string")
	}
	if !isAbsent(otherVariables) {
		return nil, errors.New("variables must be an object")
	}
	p.Variables = variables
	if p.Extensions, ok = decodeObject(extensions, (*jsonwalk.Walker).Value); !ok {
		return nil, errors.New("extensions must be an object")
	}
	return p, nil
}

func isAbsent(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

func decodeText(raw json.RawMessage) (string, bool) {
	if isAbsent(raw) {
		return "", true
	}
	w := walk(raw)
	text := w.Text()
	return string(text), w.Err() == nil
}

func decodeObject(raw json.RawMessage, value func(*jsonwalk.Walker) any) (map[string]any, bool) {
	if isAbsent(raw) {
		return nil, true
	}
	w := walk(raw)
	object := readObject(&w, value)
	return object, w.Err() == nil
}

// readObject reads an object whose names may be broken text.
func readObject(w *jsonwalk.Walker, value func(*jsonwalk.Walker) any) map[string]any {
	object := map[string]any{}
	mend := w.MendText
	w.MendText = true
	w.Members(func(key []byte) { object[string(key)] = value(w) })
	w.MendText = mend
	return object
}

func rawValue(w *jsonwalk.Walker) any { return json.RawMessage(w.Raw()) }

// walk mends broken text: clients pass on names of files and processes as they find them.
func walk(raw json.RawMessage) jsonwalk.Walker {
	w := jsonwalk.New(raw)
	w.MendText = true
	return w
}
