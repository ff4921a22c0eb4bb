package graph

import (
	"context"
	"errors"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"
	"pgregory.net/rapid"

	"waggle/registry"
)

func newTestSchema() *Schema {
	return NewSchema(&Resolver{Registry: registry.New(registry.Config{})})
}

// notCompiled returns the root fields of a valid document that are left to gqlgen.
func notCompiled(t *testing.T, s *Schema, document string, vars map[string]any) []string {
	t.Helper()
	doc, errs := gqlparser.LoadQueryWithRules(s.Schema(), document, rules.NewDefaultRules())
	if errs != nil {
		t.Fatalf("%v: %s", errs, document)
	}
	var names []string
	for _, op := range doc.Operations {
		p := s.planOf(&graphql.OperationContext{Doc: doc, Operation: op, Variables: vars})
		if p == nil {
			names = append(names, op.Name)
		}
		for _, f := range p {
			if f.answer == nil {
				names = append(names, f.Name)
			}
		}
	}
	return names
}

// Every field of every object type compiles, so a new field of the schema needs its line in a table. Scalars of a root have nothing to compile.
func TestEveryFieldCompiles(t *testing.T) {
	s := newTestSchema()
	required := strings.NewReplacer(
		"(id)", `(id: "a")`, "(model)", `(model: "m")`, "(inputs)", `(inputs: [])`,
		"(input)", `(input: {hive: {id: "a", hostname: "a", port: 1}, workers: []})`,
	)
	seen := map[string]bool{}
	var visit func(def *ast.Definition, before, after string)
	visit = func(def *ast.Definition, before, after string) {
		if seen[def.Name] {
			return
		}
		seen[def.Name] = true
		for _, f := range def.Fields {
			if strings.HasPrefix(f.Name, "__") {
				continue
			}
			name := f.Name
			for _, arg := range f.Arguments {
				if arg.Type.NonNull && arg.DefaultValue == nil {
					name = required.Replace(name + "(" + arg.Name + ")")
				}
			}
			child := s.Schema().Types[f.Type.Name()]
			switch {
			case !child.IsLeafType():
				visit(child, before+name+" { ", " }"+after)
				if left := notCompiled(t, s, before+name+" { __typename }"+after, nil); left != nil {
					t.Errorf("%s.%s does not compile", def.Name, f.Name)
				}
			case def != s.Schema().Mutation:
				if left := notCompiled(t, s, before+name+after, nil); left != nil {
					t.Errorf("%s.%s does not compile", def.Name, f.Name)
				}
			}
		}
	}
	visit(s.Schema().Query, "query { ", " }")
	visit(s.Schema().Mutation, "mutation { ", " }")
	visit(s.Schema().Subscription, "subscription { ", " }")
	for name, def := range s.Schema().Types {
		if def.Kind == ast.Object && !seen[name] && !strings.HasPrefix(name, "__") {
			t.Errorf("type %s was not reached", name)
		}
	}
}

// What clients and the page send must not fall back to the slow way unnoticed.
func TestOperationsOfClientsAndThePageCompile(t *testing.T) {
	s := newTestSchema()
	for _, file := range []string{"../client/operations.graphql", "../web/src/api/operations.graphql"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range notCompiled(t, s, string(text), map[string]any{"models": int64(50)}) {
			if name != "removeHive" && name != "endProtection" { // scalars
				t.Errorf("%s: %s does not compile", file, name)
			}
		}
	}
}

func TestWhatIsNotPlainIsLeftToGqlgen(t *testing.T) {
	s := newTestSchema()
	for _, document := range []string{
		`query { workers { nodes @include(if: true) { id } } }`,
		`query { workers { nodes { ... @skip(if: false) { id } } } }`,
		`query { workers { nodes { ...F @include(if: true) } } } fragment F on Worker { id }`,
		`query { workers @include(if: true) { totalCount } }`,
		`query($n: Int!) { fleet { models(first: $n) { model } } }`, // compiled without variables, for all requests
		`query { __schema { queryType { name } } }`,
	} {
		if left := notCompiled(t, s, document, map[string]any{"n": int64(1)}); len(left) != 1 {
			t.Errorf("%s: %q left to gqlgen, want one root field", document, left)
		}
	}
}

// That a selection compiles is of no use unless gqlgen takes what it wrote.
func TestCompiledSelectionsAreUsed(t *testing.T) {
	s := newTestSchema()
	for i, document := range []string{
		`mutation { heartbeat(input: {hive: {id: "a", hostname: "a", port: 1}, workers: []}) { outcome } }`,
		`query { hive(id: "a") { id } }`,
		`subscription { hives { nodes { id } } }`,
		`subscription { changes { revision } }`,
	} {
		ctx, cancel := context.WithCancel(t.Context())
		if got := execute(ctx, t, s, document); strings.Contains(got, "null") {
			t.Errorf("%s: got %s", document, got)
		}
		cancel()
		if got, want := s.Stats(), (Stats{Compiled: int64(i + 1)}); got != want {
			t.Errorf("%s: got %+v, want %+v", document, got, want)
		}
	}
	execute(t.Context(), t, s, `query { hive(id: "a") { id @skip(if: true) } server { version } removed: hive(id: "none") { id } }`)
	if got, want := s.Stats(), (Stats{Compiled: 5, Generated: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// execute returns the first response, as gqlgen's own transports would send it.
func execute(ctx context.Context, t *testing.T, schema graphql.ExecutableSchema, document string) string {
	t.Helper()
	return executeWith(ctx, t, schema, document, nil)
}

// executeWith is execute with variables that are read already.
func executeWith(ctx context.Context, t *testing.T, schema graphql.ExecutableSchema, document string, vars map[string]any) string {
	t.Helper()
	exec := executor.New(schema)
	ctx = graphql.StartOperationTrace(ctx)
	doc, errs := gqlparser.LoadQueryWithRules(schema.Schema(), document, rules.NewDefaultRules())
	if errs != nil {
		t.Fatal(errs)
	}
	op := &graphql.OperationContext{
		RawQuery: document, Doc: doc, Operation: doc.Operations[0], Variables: vars, RecoverFunc: graphql.DefaultRecover,
		ResolverMiddleware:     func(ctx context.Context, next graphql.Resolver) (any, error) { return next(ctx) },
		RootResolverMiddleware: func(ctx context.Context, next graphql.RootResolver) graphql.Marshaler { return next(ctx) },
	}
	responses, ctx := exec.DispatchOperation(ctx, op)
	resp := responses(ctx)
	found := strings.Split(resp.Errors.Error(), "\n")
	slices.Sort(found) // gqlgen goes through a list on many goroutines
	return string(resp.Data) + " " + strings.Join(found, "\n")
}

// A plan goes with the document that it is for.
func TestPlansAreForgottenWithTheirDocuments(t *testing.T) {
	s := newTestSchema()
	count := func() (n int) {
		s.plans.Range(func(any, any) bool { n++; return true })
		return n
	}
	for range 100 {
		notCompiled(t, s, `query { workers { nodes { id } } }`, nil)
	}
	for i := 0; count() > 0; i++ {
		if i == 100 {
			t.Fatalf("%d plans are left of documents that nobody has", count())
		}
		runtime.GC()
		runtime.Gosched()
	}
}

// broken resolves to what the schema forbids.
type broken struct{ *Resolver }

type brokenQuery struct{ QueryResolver }

func (b broken) Query() QueryResolver { return brokenQuery{b.Resolver.Query()} }

type brokenSubscription struct{ SubscriptionResolver }

func (b broken) Subscription() SubscriptionResolver {
	return brokenSubscription{b.Resolver.Subscription()}
}

func (brokenSubscription) Fleet(context.Context, int) (<-chan *registry.Fleet, error) {
	fleets := make(chan *registry.Fleet, 1)
	fleets <- &registry.Fleet{HeartbeatsPerSecond: math.Inf(1)}
	return fleets, nil
}

func (brokenSubscription) Events(context.Context, *string) (<-chan *registry.Event, error) {
	events := make(chan *registry.Event, 1)
	events <- nil
	return events, nil
}

func (brokenQuery) Workers(context.Context, *registry.WorkerFilter, *registry.WorkerOrder, int, int) (*registry.WorkerPage, error) {
	hive := &registry.Hive{ID: "a"}
	worker := func(id string, hive *registry.Hive) *registry.Worker {
		return &registry.Worker{WorkerProfile: &registry.WorkerProfile{ID: id}, Hive: hive}
	}
	return &registry.WorkerPage{Nodes: []*registry.Worker{worker("a/0", hive), nil, worker("a/1", nil), {WorkerProfile: worker("", nil).WorkerProfile, Hive: hive, Activity: 9}}}, nil
}

func (brokenQuery) Hive(context.Context, string) (*registry.Hive, error) { panic("no hives") }

func (brokenQuery) Fleet(context.Context) (*registry.Fleet, error) {
	return &registry.Fleet{HeartbeatsPerSecond: math.NaN()}, nil
}

func (brokenQuery) Server(context.Context) (*ServerInfo, error) { return nil, nil }

func (brokenQuery) Worker(context.Context, string) (*registry.Worker, error) {
	return nil, errors.New("no workers")
}

func (brokenQuery) Events(context.Context, int, *string) ([]*registry.Event, error) {
	return []*registry.Event{{}, nil}, nil
}

// Errors, their paths and the nulls they leave are those of the generated executor.
func TestWhatCannotBeWrittenEndsAsItWouldWithoutCompiledSelections(t *testing.T) {
	r := broken{&Resolver{Registry: registry.New(registry.Config{})}}
	compiled := newTestSchema()
	compiled.generated.Resolvers = r
	for _, document := range []string{
		`{ workers { nodes { id } } }`,
		`{ workers { nodes { id hive { id } } } }`,
		`{ workers { nodes { activity } } }`,
		`{ hive(id: "a") { id } }`,
		`{ fleet { heartbeatsPerSecond } }`,
		`{ fleet { models(first: 0) { model } } }`,
		`{ server { version } }`,
		`{ worker(id: "a") { id } }`,
		`{ events { message } }`,
		`subscription { summary: fleet { revision heartbeatsPerSecond } }`,
		`subscription { events { message } }`,
	} {
		got, want := execute(t.Context(), t, compiled, document), execute(t.Context(), t, NewExecutableSchema(Config{Resolvers: r}), document)
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", document, got, want)
		}
	}
}

func TestStringsAreQuotedAsGqlgenDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "text")
		var want strings.Builder
		graphql.MarshalString(s).MarshalGQL(&want)
		if got := string(appendString(nil, s)); got != want.String() {
			t.Errorf("got %s, want %s", got, want.String())
		}
	})
}

func TestFloatsAreWrittenAsGqlgenDoes(t *testing.T) {
	f := func(v float64) {
		t.Helper()
		var want strings.Builder
		if err := graphql.MarshalFloatContext(v).MarshalGQLContext(t.Context(), &want); err != nil {
			want.Reset()
		}
		if got := string(appendFloat(nil, v)); got != want.String() {
			t.Errorf("got %s, want %s", got, want.String())
		}
	}
	for _, v := range []float64{0, math.Copysign(0, -1), 1, -1, 100, 33.3, 1e5, 999999, 1e6, 1234567, 1e20, 1e21, 1e-4, 1e-5, 1e-7, math.MaxFloat64, math.NaN(), math.Inf(1), math.Inf(-1)} {
		f(v)
	}
	rapid.Check(t, func(t *rapid.T) { f(rapid.Float64().Draw(t, "float")) })
}
