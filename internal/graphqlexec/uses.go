package graphqlexec

import "github.com/vektah/gqlparser/v2/ast"

// eachUse calls visit with each place of an operation where a variable is used. The measure has bounded the walk.
func eachUse(doc *ast.QueryDocument, op *ast.OperationDefinition, visit func(*ast.Value)) {
	u := uses{doc: doc, visit: visit}
	u.directives(op.Directives)
	u.set(op.SelectionSet)
}

type uses struct {
	doc   *ast.QueryDocument
	visit func(*ast.Value)
}

func (u *uses) set(set ast.SelectionSet) {
	for _, sel := range set {
		switch sel := sel.(type) {
		case *ast.Field:
			u.arguments(sel.Arguments)
			u.directives(sel.Directives)
			u.set(sel.SelectionSet)
		case *ast.InlineFragment:
			u.directives(sel.Directives)
			u.set(sel.SelectionSet)
		case *ast.FragmentSpread:
			u.directives(sel.Directives)
			if def := u.doc.Fragments.ForName(sel.Name); def != nil {
				u.directives(def.Directives)
				u.set(def.SelectionSet)
			}
		}
	}
}

func (u *uses) directives(list ast.DirectiveList) {
	for _, d := range list {
		u.arguments(d.Arguments)
	}
}

func (u *uses) arguments(list ast.ArgumentList) {
	for _, a := range list {
		u.value(a.Value)
	}
}

func (u *uses) value(v *ast.Value) {
	if v.Kind == ast.Variable {
		u.visit(v)
	}
	for _, c := range v.Children {
		u.value(c.Value)
	}
}
