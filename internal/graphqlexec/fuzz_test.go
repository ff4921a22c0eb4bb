package graphqlexec_test

import (
	"strings"
	"testing"

	"waggle/internal/graphqlexec"
	"waggle/internal/graphqlexec/exectest"
)

// FuzzRequest is the door of all transports: whatever comes, there is a request error or a response, and no panic.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		`{"query":"{echo(text:\"a\")}"}`, `{"query":"query($i:TypedInput){typed(input:$i)}","variables":{"i":{"ns":[1,null],"nested":{"n":1e9}}}}`,
		`{"query":"{...f} fragment f on Query{...f}"}`, `[]`, `{"query":"subscription{size}"}`, `{"query":"{nodes(n:3){node{id}}}"}`,
		`{"query":"query($s:Boolean!){node@skip(if:$s){id}}","variables":{"s":false},"operationName":null}`, `{"query":"{__schema{types{name}}}"}`,
		`{"query":"query($t:Time,$n:[Int!]!){typed(at:$t) sum(numbers:$n)}","variables":{"t":5,"n":3}}`,
	} {
		f.Add([]byte(seed))
	}
	e := newExecutor(&exectest.Resolver{}, graphqlexec.Config{Introspection: open, MaxCost: 1000})
	f.Fuzz(func(t *testing.T, body []byte) {
		params, err := e.DecodeParams(body)
		if err != nil {
			if len(err.Error()) > 100 {
				t.Errorf("an error of %d bytes quotes the request", len(err.Error()))
			}
			return
		}
		op, errs := e.Prepare(t.Context(), params)
		if len(errs) > 0 {
			for _, err := range errs {
				if err.Extensions["code"] == nil || len(err.Message) > 600 {
					t.Errorf("error %+v", err)
				}
			}
			return
		}
		if op.IsSubscription() || op.IsMutation() || strings.Contains(params.Query, "nodes") {
			return // Not to wait for, to fill the log, or to fill memory by n.
		}
		resp := e.Execute(t.Context(), op)
		if resp.Data == nil || len(resp.Errors) > 8 {
			t.Errorf("response %s with %d errors", resp.Data, len(resp.Errors))
		}
		if _, err := graphqlexec.AppendResponse(nil, resp); err != nil {
			t.Error(err)
		}
	})
}
