package graph_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"waggle/graph"
	"waggle/registry"
)

var updateGolden = flag.Bool("update", false, "write the golden files")

const goldenDir = "testdata/golden"

// TestGolden sends testdata/golden/*/query.graphql, with variables.json where there is one, and compares the answer with want.json. Before it
// the fleet of heartbeats.json, or that of testdata/golden/heartbeats.json, reports twice, a second apart. Time is virtual and begins
// with the year 2000, so answers are the same to the nanosecond; the epoch is written as EPOCH.
func TestGolden(t *testing.T) {
	for _, dir := range goldenDirs(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			eachWay(t, func(t *testing.T, newAPI func(registry.Config) *api) {
				a := newAPI(registry.Config{})
				fleet := readFile(t, filepath.Join(dir, "heartbeats.json"))
				if fleet == nil {
					fleet = readFile(t, filepath.Join(goldenDir, "heartbeats.json"))
				}
				for range 2 {
					time.Sleep(time.Second)
					a.ask(t, `mutation($inputs: [HeartbeatInput!]!) { heartbeats(inputs: $inputs) { outcome } }`, map[string]any{"inputs": json.RawMessage(fleet)})
				}
				var vars json.RawMessage = readFile(t, filepath.Join(dir, "variables.json"))
				got := indent(t, a.ask(t, string(readFile(t, filepath.Join(dir, "query.graphql"))), vars))
				want := filepath.Join(dir, "want.json")
				if *updateGolden {
					if err := os.WriteFile(want, []byte(got), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if diff := cmp.Diff(string(readFile(t, want)), got); diff != "" {
					t.Errorf("answer (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func goldenDirs(t *testing.T) []string {
	t.Helper()
	queries, err := filepath.Glob(goldenDir + "/*/query.graphql")
	if err != nil || len(queries) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for i := range queries {
		queries[i] = filepath.Dir(queries[i])
	}
	return queries
}

// readFile returns nil when there is no such file.
func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return b
}

func indent(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(s), "", "  "); err != nil {
		t.Fatalf("%v: %s", err, s)
	}
	b.WriteByte('\n')
	return b.String()
}

// Every field of every type that queries and mutations reach, and every argument and input field, is in some golden file.
func TestGoldenFilesLeaveNothingOut(t *testing.T) {
	schema := graph.NewExecutableSchema(graph.Config{}).Schema()
	seen := map[string]bool{}
	err := fs.WalkDir(os.DirFS(goldenDir), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Base(path) != "query.graphql" {
			return err
		}
		doc, gerr := gqlparser.LoadQueryWithRules(schema, string(readFile(t, filepath.Join(goldenDir, path))), rules.NewDefaultRules())
		if gerr != nil {
			return nil //nolint:nilerr // a golden file of an invalid document
		}
		for _, op := range doc.Operations {
			noteFields(op.SelectionSet, seen)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, def := range schema.Types {
		if def.BuiltIn || def.Kind != ast.Object || slices.Contains([]string{"Subscription", "RegistryUpdate", "Removal", "FleetMap", "FleetMapLayout", "FleetMapGroup"}, def.Name) {
			continue
		}
		for _, f := range def.Fields {
			if name := def.Name + "." + f.Name; !seen[name] && f.Name[:2] != "__" {
				t.Errorf("no golden file selects %s", name)
			} else {
				for _, arg := range f.Arguments {
					if !seen[name+"."+arg.Name] && f.Name[:2] != "__" {
						t.Errorf("no golden file gives %s of %s", arg.Name, name)
					}
				}
			}
		}
	}
}

func noteFields(set ast.SelectionSet, seen map[string]bool) {
	for _, sel := range set {
		switch sel := sel.(type) {
		case *ast.Field:
			name := sel.ObjectDefinition.Name + "." + sel.Name
			seen[name] = true
			for _, arg := range sel.Arguments {
				seen[name+"."+arg.Name] = true
			}
			noteFields(sel.SelectionSet, seen)
		case *ast.InlineFragment:
			noteFields(sel.SelectionSet, seen)
		case *ast.FragmentSpread:
			noteFields(sel.Definition.SelectionSet, seen)
		}
	}
}

func TestEverythingInTheSchemaIsDescribed(t *testing.T) {
	for _, def := range graph.NewExecutableSchema(graph.Config{}).Schema().Types {
		if def.BuiltIn {
			continue
		}
		described(t, def.Name, def.Description)
		for _, f := range def.Fields {
			if len(f.Name) > 2 && f.Name[:2] == "__" {
				continue
			}
			described(t, def.Name+"."+f.Name, f.Description)
			for _, arg := range f.Arguments {
				described(t, def.Name+"."+f.Name+"("+arg.Name+":)", arg.Description)
			}
		}
		for _, v := range def.EnumValues {
			described(t, def.Name+"."+v.Name, v.Description)
		}
	}
}

func described(t *testing.T, name, description string) {
	t.Helper()
	if len(description) < 4 || !strings.ContainsAny(description[len(description)-1:], ".?") {
		t.Errorf("%s is described as %q, want a sentence", name, description)
	}
}
