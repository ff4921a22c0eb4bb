package graph

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"waggle/registry"
)

// directOperations returns which operations of a document do not need gqlgen's executor.
func directOperations(t *testing.T, s *Schema, document string) (names []string) {
	t.Helper()
	doc, errs := gqlparser.LoadQueryWithRules(s.Schema(), document, rules.NewDefaultRules())
	if errs != nil {
		t.Fatalf("%v: %s", errs, document)
	}
	for _, op := range doc.Operations {
		if op.Operation != ast.Subscription && s.planOf(&graphql.OperationContext{Doc: doc, Operation: op}).isDirect() {
			names = append(names, op.Name)
		}
	}
	return names
}

// What schedulers and agents send all the time must not fall back to the slow way unnoticed.
func TestOperationsOfTheClientAreDirect(t *testing.T) {
	text, err := os.ReadFile("../client/operations.graphql")
	if err != nil {
		t.Fatal(err)
	}
	got := directOperations(t, newTestSchema(), string(text))
	for _, name := range []string{"bestWorker", "workers", "Heartbeat"} {
		if !slices.Contains(got, name) {
			t.Errorf("%s is not among %q", name, got)
		}
	}
}

func TestWhatIsNotPlainIsNotDirect(t *testing.T) {
	s := newTestSchema()
	for _, document := range []string{
		`query A { workers { totalCount } fleet { revision } }`,
		`query A { workers { totalCount } again: workers { totalCount } }`,
		`query A { workers { totalCount @include(if: true) } }`,
		`query A { workers @skip(if: false) { totalCount } }`,
		`query A { __typename }`,
		`query A { hives { totalCount } }`,
		`mutation A { heartbeat(input: {hive: {id: "a", hostname: "a", port: 1}, workers: []}) { outcome } }`,
	} {
		if got := directOperations(t, s, document); got != nil {
			t.Errorf("%s is direct", document)
		}
	}
}

// counting resolves to what cannot be written just so, and counts.
type counting struct {
	*Resolver
	calls *int
}

type countingQuery struct {
	QueryResolver
	calls *int
}

type countingMutation struct {
	MutationResolver
	calls *int
}

func (c counting) Query() QueryResolver { return countingQuery{c.Resolver.Query(), c.calls} }

func (c counting) Mutation() MutationResolver {
	return countingMutation{c.Resolver.Mutation(), c.calls}
}

func (c countingQuery) Workers(context.Context, *registry.WorkerFilter, *registry.WorkerOrder, int, int) (*registry.WorkerPage, error) {
	*c.calls++
	return &registry.WorkerPage{Nodes: []*registry.Worker{nil}}, nil
}

func (c countingQuery) BestWorker(_ context.Context, model string, _ *int) (*registry.Worker, error) {
	*c.calls++
	if model == "panic" {
		panic("no worker is good enough")
	}
	return nil, &registry.InvalidError{Field: "model", Why: "is no model"}
}

func (c countingMutation) Heartbeat(_ context.Context, input HeartbeatInput) (*registry.Terms, error) {
	*c.calls++
	if input.Hive.ID == "refused" {
		return nil, errors.New("refused")
	}
	return &registry.Terms{Outcome: 99, HiveID: input.Hive.ID}, nil // no outcome of the schema
}

// A mutation that was executed twice would be a wrong answer, and a query twice as slow.
func TestAResolverIsCalledOnceWhateverItReturns(t *testing.T) {
	calls := 0
	schema := NewSchema(&Resolver{Registry: registry.New(registry.Config{})})
	r := counting{schema.generated.Resolvers.(*Resolver), &calls}
	schema.generated.Resolvers = r
	generated := NewExecutableSchema(Config{Resolvers: r})
	beat := func(id string) map[string]any {
		return map[string]any{"input": &registry.Heartbeat{Hive: registry.HiveReport{ID: id}}}
	}
	for _, c := range []struct {
		document string
		vars     map[string]any
	}{
		{`{ w: workers { nodes { id } } }`, nil},
		{`{ bestWorker(model: "m") { id } }`, nil},
		{`{ b: bestWorker(model: "panic") { id } }`, nil},
		{`{ ...F } fragment F on Query { bestWorker(model: "m") { id ...G } } fragment G on Worker { id model }`, nil},
		{`query($model: String! = "m", $free: Int) { bestWorker(model: $model, minFreeVramMb: $free) { id } }`, map[string]any{"model": "m", "free": nil}},
		{`mutation($input: HeartbeatInput!) { h: heartbeat(input: $input) { hiveId outcome } }`, beat("a")},
		{`mutation($input: HeartbeatInput!) { heartbeat(input: $input) { hiveId } }`, beat("refused")},
		{`mutation($input: HeartbeatInput!) { heartbeat(input: $input) { hiveId } }`, beat("fine")},
	} {
		if got := directOperations(t, schema, c.document); len(got) != 1 {
			t.Errorf("%s is not direct", c.document)
		}
		calls = 0
		got := executeWith(t.Context(), t, schema, c.document, c.vars)
		if calls != 1 {
			t.Errorf("%s: %d calls", c.document, calls)
		}
		if want := executeWith(t.Context(), t, generated, c.document, c.vars); got != want {
			t.Errorf("%s\n got %s\nwant %s", c.document, got, want)
		}
	}
}
