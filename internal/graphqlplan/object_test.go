package graphqlplan_test

import (
	"strconv"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"waggle/internal/graphqlplan"
)

const sdl = `
	type Query { tree: Tree }
	type Tree { name: String! crown: Crown! nest: Nest branches: [Branch!]! leaves: [Leaf!]! oldest(n: Int! = 1): [Branch!]! secret: Int }
	type Crown { width: Int! }
	type Nest { eggs: Int! tree: Tree! }
	type Branch { length: Int! tree: Tree! }
	type Leaf { length: Int! }`

type tree struct {
	name     string
	crown    *crown
	nest     *nest
	branches []*branch
	leaves   []leaf
}

type (
	crown  struct{ width int }
	nest   struct{ eggs int }
	branch struct {
		length int
		tree   *tree
	}
	leaf struct{ length int }
)

func appendInt(b []byte, n int) []byte { return strconv.AppendInt(b, int64(n), 10) }

func treeTable() *graphqlplan.Object[tree] {
	trees := &graphqlplan.Object[tree]{Name: "Tree"}
	branches := &graphqlplan.Object[branch]{Name: "Branch", Fields: map[string]graphqlplan.Field[branch]{
		"length": graphqlplan.Leaf(func(b []byte, v *branch) []byte { return appendInt(b, v.length) }),
		"tree":   graphqlplan.One(trees, func(v *branch) *tree { return v.tree }),
	}}
	trees.Fields = map[string]graphqlplan.Field[tree]{
		"name": graphqlplan.Leaf(func(b []byte, v *tree) []byte { return strconv.AppendQuote(b, v.name) }),
		"crown": graphqlplan.One(&graphqlplan.Object[crown]{Name: "Crown", Fields: map[string]graphqlplan.Field[crown]{
			"width": graphqlplan.Leaf(func(b []byte, v *crown) []byte { return appendInt(b, v.width) }),
		}}, func(v *tree) *crown { return v.crown }),
		"nest": graphqlplan.Maybe(&graphqlplan.Object[nest]{Name: "Nest", Fields: map[string]graphqlplan.Field[nest]{
			"eggs": graphqlplan.Leaf(func(b []byte, v *nest) []byte { return appendInt(b, v.eggs) }),
		}}, func(v *tree) *nest { return v.nest }),
		"branches": graphqlplan.List(branches, func(v *tree) []*branch { return v.branches }),
		"leaves": graphqlplan.Values(&graphqlplan.Object[leaf]{Name: "Leaf", Fields: map[string]graphqlplan.Field[leaf]{
			"length": graphqlplan.Leaf(func(b []byte, v *leaf) []byte { return appendInt(b, v.length) }),
		}}, func(v *tree) []leaf { return v.leaves }),
		"oldest": func(c *graphqlplan.Compiler, f graphql.CollectedField) graphqlplan.Writer[tree] {
			args, known := c.Arguments(f)
			write := branches.Compile(c, f.Selections)
			if !known || write == nil {
				return nil
			}
			n := int(args["n"].(int64))
			return func(b []byte, v *tree) []byte { return graphqlplan.AppendList(b, v.branches[:n], write) }
		},
	}
	return trees
}

// compile compiles what is selected of Query.tree. It returns nil for what is not plain.
func compile(t *testing.T, document string, vars map[string]any) graphqlplan.Writer[tree] {
	t.Helper()
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: sdl})
	doc, errs := gqlparser.LoadQueryWithRules(schema, document, rules.NewDefaultRules())
	if errs != nil {
		t.Fatal(errs)
	}
	c := graphqlplan.New(doc)
	if vars != nil {
		c = graphqlplan.NewBound(&graphql.OperationContext{Doc: doc, Variables: vars})
	}
	fields, plain := c.Collect(doc.Operations[0].SelectionSet, "Query")
	if !plain || len(fields) != 1 {
		t.Fatalf("%s: %d fields of the root, plain: %v", document, len(fields), plain)
	}
	return treeTable().Compile(c, fields[0].Selections)
}

func oak() *tree {
	v := &tree{name: "oak", crown: &crown{7}, nest: &nest{3}, leaves: []leaf{{1}, {2}}}
	v.branches = []*branch{{4, v}, {5, v}}
	return v
}

func TestSelectionsAreWritten(t *testing.T) {
	for _, c := range []struct{ document, want string }{
		{`{ tree { name } }`, `{"name":"oak"}`},
		{`{ tree { n: name name __typename kind: __typename } }`, `{"n":"oak","name":"oak","__typename":"Tree","kind":"Tree"}`},
		{`{ tree { crown { width } nest { eggs } } }`, `{"crown":{"width":7},"nest":{"eggs":3}}`},
		{`{ tree { branches { length tree { name } } leaves { length } } }`,
			`{"branches":[{"length":4,"tree":{"name":"oak"}},{"length":5,"tree":{"name":"oak"}}],"leaves":[{"length":1},{"length":2}]}`},
		// Equal keys are merged where they came first, with all that is selected of them.
		{`{ tree { crown { __typename } name ...F } } fragment F on Tree { name crown { width } ... { leaves { length } } }`,
			`{"crown":{"__typename":"Crown","width":7},"name":"oak","leaves":[{"length":1},{"length":2}]}`},
		{`{ tree { ...F ... on Tree { ...F } } } fragment F on Tree { name }`, `{"name":"oak"}`},
		{`{ tree { name } ...F } fragment F on Query { tree { nest { eggs } } }`, `{"name":"oak","nest":{"eggs":3}}`},
		{`{ tree { oldest { length } } }`, `{"oldest":[{"length":4}]}`},
		{`{ tree { oldest(n: 2) { length } } }`, `{"oldest":[{"length":4},{"length":5}]}`},
	} {
		write := compile(t, c.document, nil)
		if write == nil {
			t.Errorf("%s is not plain", c.document)
			continue
		}
		if got := string(write(nil, oak())); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.document, got, c.want)
		}
	}
}

func TestNullsAndEmptyLists(t *testing.T) {
	write := compile(t, `{ tree { nest { eggs } branches { length } leaves { length } } }`, nil)
	if got, want := string(write(nil, &tree{})), `{"nest":null,"branches":[],"leaves":[]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestNothingIsWrittenWhereTheSchemaForbidsNull(t *testing.T) {
	for document, v := range map[string]*tree{
		`{ tree { name } }`:                       nil,
		`{ tree { name crown { width } name } }`:  {},
		`{ tree { branches { length } name } }`:   {branches: []*branch{{}, nil}},
		`{ tree { branches { tree { name } } } }`: {branches: []*branch{{}}},
	} {
		if got := compile(t, document, nil)(nil, v); got != nil {
			t.Errorf("%s: got %s, want nothing", document, got)
		}
	}
}

func TestWhatIsNotPlainDoesNotCompile(t *testing.T) {
	for _, document := range []string{
		`{ tree { name @include(if: true) } }`,
		`{ tree { name crown { width @skip(if: false) } } }`,
		`{ tree { ... @include(if: true) { name } } }`,
		`{ tree { ...F @include(if: true) } } fragment F on Tree { name }`,
		`{ tree { ...F } } fragment F on Tree { ... { name @include(if: true) } }`,
		`{ tree { secret } }`,
		`{ tree { nest { tree { name } } } }`,
		`query($n: Int!) { tree { oldest(n: $n) { length } } }`,
	} {
		if compile(t, document, nil) != nil {
			t.Errorf("%s compiled", document)
		}
	}
}

func TestVariablesOfARequestAreArguments(t *testing.T) {
	write := compile(t, `query($n: Int!) { tree { oldest(n: $n) { length } } }`, map[string]any{"n": int64(2)})
	if got, want := string(write(nil, oak())), `{"oldest":[{"length":4},{"length":5}]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
