package graphqlexec

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"waggle/internal/jsonwalk"
)

// ErrBatch says that a request is a list of operations.
var ErrBatch = errors.New("batches are not supported: send one operation a request")

// DecodeParams reads the parameters of one operation: an object with query, operationName, variables and extensions, none
// of them twice. Other keys are ignored, and all but query may be null or absent. Its errors name the key and what it must
// be, and quote nothing of the request.
//
// How a variable is to be read depends on its type, so variables stay as they are written, each a json.RawMessage, for
// Prepare. They are parts of data, which must not be changed before Prepare has returned. Where the document is known already and comes first,
// those of Config.Inputs are read at once, since they are most of what a heartbeat is, and a pass over it takes as long as all else.
func (e *Executor) DecodeParams(data []byte) (*graphql.RawParams, error) {
	w := jsonwalk.New(data)
	params, err := e.ReadParams(&w)
	if wrong := w.End(); wrong != nil && !errors.Is(err, ErrBatch) {
		return nil, fmt.Errorf("%w: %w", errNoObject, wrong)
	}
	return params, err
}

var errNoObject = errors.New("the request must be a JSON object")

// ReadParams is DecodeParams for what a walker comes to next, as part of a larger text. Wrong syntax is the walker's error.
func (e *Executor) ReadParams(w *jsonwalk.Walker) (*graphql.RawParams, error) {
	switch w.Next() {
	case '{':
	case '[':
		w.Skip()
		return nil, ErrBatch
	default:
		w.Skip()
		return nil, errNoObject
	}
	var r rawParams
	mend, skip := w.MendText, w.SkipUnknown
	w.MendText, w.SkipUnknown = false, true
	err := w.Retry(func() { r.read(w, e) })
	w.MendText, w.SkipUnknown = mend, skip
	if err != nil {
		return nil, err // a key is there twice
	}
	return r.params()
}

// rawParams are the parameters of an operation as they are written, but for variables that could be read at once.
type rawParams struct {
	query, operationName, otherVariables, extensions json.RawMessage
	variables                                        map[string]any
}

func (r *rawParams) read(w *jsonwalk.Walker, e *Executor) {
	w.Object([]string{"query?", "variables?", "operationName?", "extensions?"}, func(name string) {
		switch name {
		case "query":
			r.query = w.Raw()
		case "variables":
			if w.Next() == '{' {
				r.variables = readObject(w, e.variableReader(r.query))
			} else {
				r.otherVariables = w.Raw()
			}
		case "operationName":
			r.operationName = w.Raw()
		case "extensions":
			r.extensions = w.Raw()
		}
	})
}

func (r *rawParams) params() (*graphql.RawParams, error) {
	p := &graphql.RawParams{Variables: r.variables}
	if isAbsent(r.query) {
		return nil, errors.New("query is missing")
	}
	var ok bool
	if p.Query, ok = decodeText(r.query); !ok {
		return nil, errors.New("query must be a string")
	}
	if p.OperationName, ok = decodeText(r.operationName); !ok {
		return nil, errors.New("operationName must be a string")
	}
	if !isAbsent(r.otherVariables) {
		return nil, errors.New("variables must be an object")
	}
	if p.Extensions, ok = decodeObject(r.extensions, func(w *jsonwalk.Walker, _ string) any { return w.Value() }); !ok {
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

func decodeObject(raw json.RawMessage, value func(w *jsonwalk.Walker, key string) any) (map[string]any, bool) {
	if isAbsent(raw) {
		return nil, true
	}
	w := walk(raw)
	object := readObject(&w, value)
	return object, w.Err() == nil
}

// readObject reads an object whose names may be broken text.
func readObject(w *jsonwalk.Walker, value func(w *jsonwalk.Walker, key string) any) map[string]any {
	object := map[string]any{}
	mend, skip := w.MendText, w.SkipUnknown
	w.MendText, w.SkipUnknown = true, false
	w.Members(func(key []byte) {
		name := string(key)
		object[name] = value(w, name)
	})
	w.MendText, w.SkipUnknown = mend, skip
	return object
}

// readVariable is a variable that was read before its operation was prepared.
type readVariable struct {
	value any
	bad   *invalid
}

// variableReader returns what reads the variables of a request with this query, if that came already.
func (e *Executor) variableReader(query json.RawMessage) func(w *jsonwalk.Walker, name string) any {
	var defs ast.VariableDefinitionList
	if text, ok := decodeText(query); ok && text != "" {
		// With several operations the name decides which it is, and equal subscriptions are found by variables as they are.
		if doc := e.docs.get(text); doc != nil && len(doc.Operations) == 1 && doc.Operations[0].Operation != ast.Subscription {
			defs = doc.Operations[0].VariableDefinitions
		}
	}
	return func(w *jsonwalk.Walker, name string) any {
		def := defs.ForName(name)
		if def == nil || e.cfg.Inputs[def.Type.Name()] == nil {
			return json.RawMessage(w.Raw())
		}
		var v readVariable
		if err := w.Retry(func() { v.value = readInput(w, def.Type, e.cfg.Inputs[def.Type.Name()]) }); err != nil {
			v.bad = invalidJSON(err)
		}
		return v
	}
}

// walk mends broken text: clients pass on names of files and processes as they find them.
func walk(raw json.RawMessage) jsonwalk.Walker {
	w := jsonwalk.New(raw)
	w.MendText = true
	return w
}
