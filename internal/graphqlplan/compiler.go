package graphqlplan

import (
	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// Compiler compiles selections of one document, which must be valid. It is for one goroutine.
type Compiler struct {
	op        *graphql.OperationContext
	variables bool // op has those of the request
}

// New makes a compiler of what holds for every request that has the document.
func New(doc *ast.QueryDocument) *Compiler {
	return &Compiler{op: &graphql.OperationContext{Doc: doc}}
}

// NewBound makes a compiler for one request, with its variables.
func NewBound(op *graphql.OperationContext) *Compiler {
	return &Compiler{op: op, variables: true}
}

// Collect returns the fields of a selection set of the type with this name, as gqlgen collects them. It is false when there are directives.
func (c *Compiler) Collect(set ast.SelectionSet, typeName string) ([]graphql.CollectedField, bool) {
	if c.hasDirectives(set) {
		return nil, false
	}
	return graphql.CollectFields(c.op, set, []string{typeName}), true
}

// Arguments returns the arguments of a field, defaults included. It is false when they depend on a request that is not known.
func (c *Compiler) Arguments(f graphql.CollectedField) (map[string]any, bool) {
	if !c.variables {
		for _, arg := range f.Arguments {
			if usesVariable(arg.Value) {
				return nil, false
			}
		}
	}
	return f.ArgumentMap(c.op.Variables), true
}

func usesVariable(v *ast.Value) bool {
	if v.Kind == ast.Variable {
		return true
	}
	for _, child := range v.Children {
		if usesVariable(child.Value) {
			return true
		}
	}
	return false
}

// hasDirectives tells whether there is a directive in a selection set, before the selection sets of its fields.
func (c *Compiler) hasDirectives(set ast.SelectionSet) bool {
	for _, sel := range set {
		switch sel := sel.(type) {
		case *ast.Field:
			if len(sel.Directives) > 0 {
				return true
			}
		case *ast.InlineFragment:
			if len(sel.Directives) > 0 || c.hasDirectives(sel.SelectionSet) {
				return true
			}
		case *ast.FragmentSpread:
			if len(sel.Directives) > 0 || c.hasDirectives(sel.Definition.SelectionSet) {
				return true
			}
		}
	}
	return false
}
