package graphqlexec

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/99designs/gqlgen/graphql"
)

// ErrBatch says that a request is a list of operations.
var ErrBatch = errors.New("batches are not supported: send one operation a request")

// DecodeParams reads the parameters of one operation: an object with query, operationName, variables and extensions.
// Other keys are ignored, and all but query may be null or absent. Its errors name the key and what it must be, and
// quote nothing of the request.
func DecodeParams(data []byte) (*graphql.RawParams, error) {
	data = bytes.TrimLeft(data, " \t\r\n")
	if len(data) > 0 && data[0] == '[' {
		return nil, ErrBatch
	}
	var keys map[string]json.RawMessage // A struct would accept keys in any case.
	if err := json.Unmarshal(data, &keys); err != nil || keys == nil {
		return nil, errors.New("the request must be a JSON object")
	}
	p := &graphql.RawParams{}
	if isAbsent(keys["query"]) {
		return nil, errors.New("query is missing")
	}
	if json.Unmarshal(keys["query"], &p.Query) != nil {
		return nil, errors.New("query must be a string")
	}
	if raw := keys["operationName"]; !isAbsent(raw) && json.Unmarshal(raw, &p.OperationName) != nil {
		return nil, errors.New("operationName must be a string")
	}
	var ok bool
	if p.Variables, ok = decodeObject(keys["variables"]); !ok {
		return nil, errors.New("variables must be an object")
	}
	if p.Extensions, ok = decodeObject(keys["extensions"]); !ok {
		return nil, errors.New("extensions must be an object")
	}
	return p, nil
}

func isAbsent(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// decodeObject keeps numbers as they were written, so that an ID or an Int64 loses nothing.
func decodeObject(raw json.RawMessage) (map[string]any, bool) {
	if isAbsent(raw) {
		return nil, true
	}
	if raw[0] != '{' {
		return nil, false
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var m map[string]any
	if dec.Decode(&m) != nil {
		return nil, false
	}
	_, err := dec.Token()
	return m, errors.Is(err, io.EOF)
}
