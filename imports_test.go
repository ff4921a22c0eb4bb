package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestImports reads from ARCHITECTURE.md who may import whom, and fails on every other import between packages of this module.
// Tests may import what they like.
func TestImports(t *testing.T) {
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	allowed := importTable(t, string(text))
	actual := map[string]map[string]bool{}
	sources(t, func(dir string, file *ast.File, _ *token.FileSet) {
		if actual[dir] == nil {
			actual[dir] = map[string]bool{}
		}
		for _, spec := range file.Imports {
			to, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if to == "waggle" || strings.HasPrefix(to, "waggle/") {
				actual[dir][shortName(strings.TrimPrefix(to, "waggle/"))] = true
			}
		}
	})
	if len(actual) < 5 {
		t.Fatalf("found %d packages only: %v", len(actual), slices.Sorted(maps.Keys(actual)))
	}
	for from, imports := range actual {
		row, ok := allowed[from]
		if !ok {
			t.Errorf("package %s is not in the table of ARCHITECTURE.md", from)
			continue
		}
		for to := range imports {
			if !slices.Contains(row, to) {
				t.Errorf("%s imports %s; ARCHITECTURE.md allows it %v", from, to, row)
			}
		}
	}
}

// importTable reads the first fenced block that is marked imports: one line a package, its name, an arrow, and what it may import.
func importTable(t *testing.T, text string) map[string][]string {
	t.Helper()
	_, block, found := strings.Cut(text, "```imports\n")
	block, _, ended := strings.Cut(block, "```")
	if !found || !ended {
		t.Fatal("ARCHITECTURE.md has no block ```imports")
	}
	table := map[string][]string{}
	for line := range strings.Lines(block) {
		from, to, ok := strings.Cut(line, "->")
		from = strings.TrimSpace(from)
		if !ok {
			t.Fatalf("no arrow in %q", line)
		}
		if _, twice := table[from]; twice {
			t.Errorf("%s is in the table twice", from)
		}
		table[from] = strings.Fields(to)
	}
	for from, row := range table {
		for _, to := range row {
			if _, ok := table[to]; !ok {
				t.Errorf("%s may import %s, which has no line of its own", from, to)
			}
		}
	}
	return table
}

// shortName is what the table calls the package in a directory: its path, without internal/.
func shortName(dir string) string {
	if dir == "." || dir == "waggle" {
		return "server.go"
	}
	return strings.TrimPrefix(filepath.ToSlash(dir), "internal/")
}

// sources visits all hand-written Go files that are no tests.
func sources(t *testing.T, visit func(pkg string, file *ast.File, fset *token.FileSet)) {
	t.Helper()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch base := path.Base(filepath.ToSlash(name)); {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (base == "testdata" || base == "node_modules" || strings.HasPrefix(base, ".")):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(base, ".go") || strings.HasSuffix(base, "_test.go"):
			return nil
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		visit(shortName(filepath.Dir(name)), file, fset)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestNoPackageHasState finds variables of packages, which two servers in one process would share, and init functions. Errors, regular
// expressions, embedded files and blank assignments are none, and what a linter was told to let pass, with a reason, may stay.
func TestNoPackageHasState(t *testing.T) {
	sources(t, func(pkg string, file *ast.File, fset *token.FileSet) {
		if ast.IsGenerated(file) {
			return
		}
		excused := map[int]bool{} // lines
		for _, group := range file.Comments {
			for _, c := range group.List {
				if strings.HasPrefix(c.Text, "//go:embed ") || strings.HasPrefix(c.Text, "//nolint:gochecknoglobals // ") {
					line := fset.Position(c.Pos()).Line
					excused[line], excused[line+1] = true, true
				}
			}
		}
		for _, decl := range file.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				if decl.Recv == nil && decl.Name.Name == "init" {
					t.Errorf("%s: package %s has an init function", fset.Position(decl.Pos()), pkg)
				}
			case *ast.GenDecl:
				if decl.Tok != token.VAR {
					continue
				}
				for _, spec := range decl.Specs {
					spec := spec.(*ast.ValueSpec)
					for i, name := range spec.Names {
						at := fset.Position(name.Pos())
						if !excused[at.Line] && !isConstant(name.Name, spec, i) {
							t.Errorf("%s: package %s has the variable %s", at, pkg, name.Name)
						}
					}
				}
			}
		}
	})
}

// isConstant reports whether a variable is one only because Go has no such constants: an error, a regular expression, a blank.
func isConstant(name string, spec *ast.ValueSpec, i int) bool {
	if name == "_" || strings.HasPrefix(name, "err") || strings.HasPrefix(name, "Err") {
		return true
	}
	if i >= len(spec.Values) {
		return false
	}
	call, ok := spec.Values[i].(*ast.CallExpr)
	if !ok {
		return false
	}
	fun, ok := call.Fun.(*ast.SelectorExpr)
	return ok && fun.Sel.Name == "MustCompile"
}
