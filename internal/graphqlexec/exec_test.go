package graphqlexec_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/go-cmp/cmp"

	"waggle/internal/graphqlexec"
	"waggle/internal/graphqlexec/exectest"
)

func newExecutor(r *exectest.Resolver, cfg graphqlexec.Config) *graphqlexec.Executor {
	if r.Log == nil {
		r.Log = &exectest.Log{}
	}
	if cfg.Code == nil {
		cfg.Code = exectest.Code
	}
	return graphqlexec.New(exectest.NewExecutableSchema(exectest.Config{Resolvers: r}), cfg)
}

func open(context.Context) bool { return true }

// execute gives the response as a client sees it.
func execute(t *testing.T, e *graphqlexec.Executor, query, variables string) string {
	t.Helper()
	body := fmt.Sprintf(`{"query":%q,"variables":%s}`, query, variables)
	params, err := e.DecodeParams([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	op, errs := e.Prepare(t.Context(), params)
	resp := &graphql.Response{Errors: errs}
	if len(errs) == 0 {
		resp = e.Execute(t.Context(), op)
	}
	b, err := graphqlexec.AppendResponse(nil, resp)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestExecuteAnswers(t *testing.T) {
	t.Parallel()
	e := newExecutor(&exectest.Resolver{}, graphqlexec.Config{Introspection: open})
	f := func(query, variables, want string) {
		t.Helper()
		if got := execute(t, e, query, variables); got != want {
			t.Errorf("%s %s\n got %s\nwant %s", query, variables, got, want)
		}
	}
	f(`{echo(text:"a")}`, `null`, `{"data":{"echo":"a"}}`)
	f(`query($n:[Int!]!){sum(numbers:$n)}`, `{"n":[1,2,3]}`, `{"data":{"sum":6}}`)
	f(`query($n:[Int!]!){sum(numbers:$n)}`, `{"n":4}`, `{"data":{"sum":4}}`)
	f(`mutation{append(text:"x")}`, `null`, `{"data":{"append":1}}`)
	f(`query A{echo(text:"a")} query B{echo(text:"b")}`, `null`,
		`{"errors":[{"message":"operationName is missing: the document has several operations","extensions":{"code":"BAD_USER_INPUT"}}]}`)
	f(`subscription{count(to:1)}`, `null`,
		`{"errors":[{"message":"a subscription has no single answer","extensions":{"code":"BAD_USER_INPUT"}}]}`)
	f(`{echo(text:"a"`, `null`,
		`{"errors":[{"message":"Expected Name, found \u003cEOF\u003e","locations":[{"line":1,"column":15}],"extensions":{"code":"BAD_USER_INPUT"}}]}`)
	f(`query($t:Time){typed(at:$t)}`, `{"t":"noon"}`,
		`{"errors":[{"message":"time should be RFC3339Nano formatted string","path":["typed","at"],"extensions":{"code":"BAD_USER_INPUT"}}],"data":null}`)
}

func TestVariablesAreCoercedAsTheSpecificationSays(t *testing.T) {
	t.Parallel()
	e := newExecutor(&exectest.Resolver{}, graphqlexec.Config{})
	f := func(variables, want string) {
		t.Helper()
		got := execute(t, e, `query($i:TypedInput){typed(input:$i)}`, fmt.Sprintf(`{"i":%s}`, variables))
		if !strings.Contains(got, want) {
			t.Errorf("%s\n got %s\nwant %s", variables, got, want)
		}
	}
	f(`null`, `{"data":{"typed":"null"}}`)
	f(`{"n":5,"ns":7,"f":1,"id":12,"b":true,"color":"GREEN","nested":{"n":-1}}`, `\"n\":5,\"ns\":[7],\"f\":1,\"id\":\"12\"`)
	f(`{"n":5.0}`, `\"n\":5`)
	f(`{"n":"5"}`, `variable $i.n: expected an integer of 32 bits`)
	f(`{"n":2147483648}`, `variable $i.n: expected an integer of 32 bits`)
	f(`{"n":1.5}`, `variable $i.n: expected an integer of 32 bits`)
	f(`{"ns":[1,null]}`, `variable $i.ns[1]: expected Int!, not null`)
	f(`{"color":"green"}`, `variable $i.color: expected a value of enum Color: RED, GREEN`)
	f(`{"color":null}`, `variable $i.color: expected Color!, not null`)
	f(`{"nested":{"nested":{"b":1}}}`, `variable $i.nested.nested.b: expected a value of type Boolean`)
	f(`{"x":1}`, `variable $i: expected only fields of TypedInput`)
	f(`[]`, `variable $i: expected an object of type TypedInput`)
	f(`{"f":"1"}`, `variable $i.f: expected a value of type Float`)
	f(`{"id":1.5}`, `variable $i.id: expected a value of type ID`)
	if got := execute(t, e, `query($n:[Int!]!){sum(numbers:$n)}`, `{}`); !strings.Contains(got, `variable $n: expected [Int!]!, it is missing`) {
		t.Errorf("a missing variable: %s", got)
	}
}

func TestErrorsAboutEnumsSayWhatIsAllowed(t *testing.T) {
	t.Parallel()
	e := newExecutor(&exectest.Resolver{}, graphqlexec.Config{Introspection: func(context.Context) bool { return true }})
	for _, query := range []string{`{typed(input:{color:BLUE})}`, `{typed(input:{color:GREE})}`, `{typed(input:{color:"RED"})}`, `{typed(input:{color:1})}`} {
		if got := execute(t, e, query, `null`); !strings.Contains(got, "Allowed are RED, GREEN.") {
			t.Errorf("%s: %s", query, got)
		}
	}
	if got := execute(t, e, `{echo(text:1)}`, `null`); strings.Contains(got, "Allowed are") {
		t.Errorf("a text: %s", got)
	}
}

// Validation lets a variable that may be null stand where a null may not be, for the sake of a default there or its own. A null that is given is no default.
func TestANullIsRefusedWhereItMayNotBe(t *testing.T) {
	t.Parallel()
	e := newExecutor(&exectest.Resolver{}, graphqlexec.Config{})
	f := func(query, variables, want string) {
		t.Helper()
		if got := execute(t, e, query, variables); !strings.Contains(got, want) {
			t.Errorf("%s %s\n got %s\nwant %s", query, variables, got, want)
		}
	}
	const condition = `variable $v: expected Boolean!, not null","extensions":{"code":"BAD_USER_INPUT"`
	f(`query($v:Boolean=true){echo(text:"a") @include(if:$v)}`, `{"v":null}`, condition)
	f(`query($v:Boolean=true){echo(text:"a") @include(if:$v)}`, `{}`, `{"data":{"echo":"a"}}`)
	f(`query($v:Boolean=true){...F} fragment F on Query{node{id @skip(if:$v)}}`, `{"v":null}`, condition)
	f(`subscription($v:Boolean=true){size @include(if:$v)}`, `{"v":null}`, condition)
	f(`query($n:Int=1){nodes(n:$n){id}}`, `{"n":null}`, `variable $n: expected Int!, not null`)
	f(`query($n:Int=1){sum(numbers:[2,$n])}`, `{"n":null}`, `variable $n: expected Int!, not null`)
	f(`query($n:Int=1){sum(numbers:[2,$n])}`, `{}`, `{"data":{"sum":3}}`)
	f(`query($c:Color){typed(input:{color:$c})}`, `{"c":null}`, `variable $c: expected Color!, not null`)
	f(`query($c:Color){typed(input:{color:$c})}`, `{}`, `RED`)
	f(`query($b:Boolean){typed(input:{b:$b})}`, `{"b":null}`, `{"data":{"typed":`)
}

func TestASubscriptionOfMoreOrLessThanOneFieldIsRefused(t *testing.T) {
	t.Parallel()
	e := newExecutor(&exectest.Resolver{}, graphqlexec.Config{})
	for query, n := range map[string]int{
		`subscription{a:size b:size}`:                                2,
		`subscription{a:size ...F} fragment F on Subscription{size}`: 2,
		`subscription{size @skip(if:true)}`:                          0,
	} {
		want := fmt.Sprintf(`{"errors":[{"message":"a subscription must select exactly one field, not %d","extensions":{"code":"BAD_USER_INPUT"}}]}`, n)
		if got := execute(t, e, query, `{}`); got != want {
			t.Errorf("%s\n got %s\nwant %s", query, got, want)
		}
	}
}

func TestErrorsNotMadeForClientsAreMaskedAndLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	e := newExecutor(&exectest.Resolver{}, graphqlexec.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	f := func(kind, code, message string, logged bool) {
		t.Helper()
		log.Reset()
		got := execute(t, e, fmt.Sprintf(`{fail(kind:%q)}`, kind), `null`)
		var resp struct {
			Errors []struct {
				Message    string
				Extensions struct{ Code string }
			}
		}
		if err := json.Unmarshal([]byte(got), &resp); err != nil || len(resp.Errors) != 1 {
			t.Fatalf("%s: %s %v", kind, got, err)
		}
		if resp.Errors[0].Extensions.Code != code || !strings.HasPrefix(resp.Errors[0].Message, message) {
			t.Errorf("%s: %s", kind, got)
		}
		if strings.Contains(got, "secret") {
			t.Errorf("%s: the client is told an inner text: %s", kind, got)
		}
		if strings.Contains(log.String(), "secret") != logged {
			t.Errorf("%s: logged: %s", kind, log.String())
		}
		if id, ok := strings.CutPrefix(resp.Errors[0].Message, "internal error, logged with id "); ok && !strings.Contains(log.String(), id) {
			t.Errorf("%s: id %s is not in the log", kind, id)
		}
	}
	f("other", "INTERNAL", "internal error, logged with id ", true)
	f("panic", "INTERNAL", "internal error, logged with id ", true)
	f("public", "UNAVAILABLE", "cannot: that is not possible on Sundays", false)
	if s := e.Stats(); s.InternalErrors != 2 || s.Panics != 1 {
		t.Errorf("stats %+v", s)
	}
}

func nested(n int, inner string) string {
	return strings.Repeat("{node", n) + inner + strings.Repeat("}", n)
}

func doubling(levels int, leaf string) string {
	var b strings.Builder
	b.WriteString("{...f0}")
	for i := range levels {
		fmt.Fprintf(&b, " fragment f%d on Query{...f%d ...f%d}", i, i+1, i+1)
	}
	fmt.Fprintf(&b, " fragment f%d on Query{%s}", levels, leaf)
	return b.String()
}

func TestLimitsRefuseBeforeExecution(t *testing.T) {
	t.Parallel()
	e := newExecutor(&exectest.Resolver{}, graphqlexec.Config{Introspection: open, MaxCost: 500})
	f := func(name, query, limit string) {
		t.Helper()
		start := time.Now()
		got := execute(t, e, query, `null`)
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%s took %v", name, took)
		}
		if limit == "" {
			if strings.Contains(got, "errors") {
				t.Errorf("%s: %s", name, got)
			}
			return
		}
		if !strings.Contains(got, `"code":"LIMIT_EXCEEDED"`) || !strings.Contains(got, `"limit":"`+limit) {
			t.Errorf("%s: %s, want limit %s", name, got, limit)
		}
	}
	alias := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, " a%d:__typename", i)
		}
		return "{" + b.String() + "}"
	}
	f("16 KiB", "{echo(text:\"a\")}#"+strings.Repeat("x", 16<<10-17), "")
	f("more than 16 KiB", "{echo(text:\"a\")}#"+strings.Repeat("x", 16<<10-16), "bytes of the document")
	f("tokens", "{"+strings.Repeat("__typename ", 1000)+"}", "tokens of the document")
	f("depth 15", nested(14, "{id}"), "")
	f("depth 16", nested(15, "{id}"), "depth")
	f("50 aliases", alias(50), "")
	f("51 aliases", alias(51), "aliases")
	f("500 selections", "{"+strings.Repeat("__typename ", 500)+"}", "")
	f("501 selections", "{"+strings.Repeat("__typename ", 501)+"}", "selections")
	f("doubling fragments", doubling(60, "__typename"), "selections")
	f("doubling fragments, a little", doubling(5, "__typename"), "")
	costly := newExecutor(&exectest.Resolver{}, graphqlexec.Config{MaxCost: 3})
	if got := execute(t, costly, `{node{node{node{id}}}}`, `null`); !strings.Contains(got, `"limit":"cost"`) {
		t.Errorf("cost: %s", got)
	}
	f("introspection of graphql-js", introspection, "")
}

func TestErrorsListIsBounded(t *testing.T) {
	t.Parallel()
	e := newExecutor(&exectest.Resolver{}, graphqlexec.Config{})
	for _, query := range []string{`{a b c d e f g h i j k l}`, `{nodes(n:20){node{id}}}`} {
		got := execute(t, e, query, `null`)
		if n := strings.Count(got, `"message"`); n != 8 {
			t.Errorf("%s: %d errors, want 8: %s", query, n, got)
		}
	}
}

func TestIntrospectionIsForThoseWhoMay(t *testing.T) {
	t.Parallel()
	e := newExecutor(&exectest.Resolver{}, graphqlexec.Config{})
	for _, query := range []string{`{__schema{types{name}}}`, `{...f} fragment f on Query{...{__type(name:"Node"){name}}}`} {
		if got := execute(t, e, query, `null`); !strings.Contains(got, `"code":"FORBIDDEN"`) {
			t.Errorf("%s: %s", query, got)
		}
	}
	for _, query := range []string{
		`{ech}`, `{typed{x}}`, `{echo(tex:"a")}`, `query($i:TypedInpu){typed(input:$i)}`, `{typed(input:{color:GREE})}`, `{typed(input:{colo:RED})}`,
	} {
		if got := execute(t, e, query, `null`); strings.Contains(got, "Did you mean") || strings.Contains(got, "Allowed are") {
			t.Errorf("%s: a name of the schema was suggested: %s", query, got)
		}
	}
	if got := execute(t, e, `{__typename}`, `null`); got != `{"data":{"__typename":"Query"}}` {
		t.Errorf("__typename: %s", got)
	}
}

func TestDocumentsAreKeptByBytes(t *testing.T) {
	t.Parallel()
	e := newExecutor(&exectest.Resolver{}, graphqlexec.Config{MaxCachedBytes: 100})
	for range 3 {
		execute(t, e, `{a:echo(text:"a")}`, `null`) // 18 bytes
	}
	if got := e.Stats().Parsed; got != 1 {
		t.Errorf("one document was parsed %d times", got)
	}
	for i := range 5 { // 5 x 18 bytes push the first out
		execute(t, e, fmt.Sprintf(`{%c:echo(text:"b")}`, 'b'+i), `null`)
	}
	execute(t, e, `{a:echo(text:"a")}`, `null`)
	if got := e.Stats().Parsed; got != 7 {
		t.Errorf("%d documents were parsed, want 7: the oldest should have been dropped", got)
	}
}

func TestDecodeParams(t *testing.T) {
	t.Parallel()
	e := newExecutor(&exectest.Resolver{}, graphqlexec.Config{})
	f := func(body, want string) {
		t.Helper()
		_, err := e.DecodeParams([]byte(body))
		if got := fmt.Sprint(err); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	f(`{"query":"{a}","variables":null,"operationName":null,"extensions":{}}`, `<nil>`)
	f(`[{"query":"{a}"}]`, graphqlexec.ErrBatch.Error())
	f(`{"query":"{a}"} x`, `the request must be a JSON object: not JSON: something follows the value at byte 16`)
	f(`null`, `the request must be a JSON object`)
	f(``, `the request must be a JSON object: not JSON: a value is missing at byte 0`)
	f(`{"Query":"{a}"}`, `query is missing`)
	f(`{"query":"{a}","query":"{b}"}`, `duplicate field "query"`)
	f(`{"query":1}`, `query must be a string`)
	f(`{"query":"{a}","operationName":{}}`, `operationName must be a string`)
	f(`{"query":"{a}","variables":[]}`, `variables must be an object`)
	f(`{"query":"{a}","extensions":1}`, `extensions must be an object`)
}

func TestAppendResponse(t *testing.T) {
	t.Parallel()
	got, err := graphqlexec.AppendResponse([]byte("x"), &graphql.Response{Data: []byte(`{}`), Extensions: map[string]any{"a": 1}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`x{"data":{},"extensions":{"a":1}}`, string(got)); diff != "" {
		t.Error(diff)
	}
}

// introspection is the deepest that graphql-js 16 writes.
const introspection = `query IntrospectionQuery{__schema{queryType{name kind} mutationType{name kind} subscriptionType{name kind}
types{...FullType} directives{name description locations args{...InputValue}}}}
fragment FullType on __Type{kind name description fields(includeDeprecated:true){name description args{...InputValue}
type{...TypeRef} isDeprecated deprecationReason} inputFields{...InputValue} interfaces{...TypeRef}
enumValues(includeDeprecated:true){name description isDeprecated deprecationReason} possibleTypes{...TypeRef}}
fragment InputValue on __InputValue{name description type{...TypeRef} defaultValue}
fragment TypeRef on __Type{kind name ofType{kind name ofType{kind name ofType{kind name ofType{kind name ofType{kind name
ofType{kind name ofType{kind name ofType{kind name ofType{kind name}}}}}}}}}}`
