package graphqlexec

import (
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// limitError says which limit was passed, so that a client can be changed to keep it.
func limitError(name string, limit int) *gqlerror.Error {
	return &gqlerror.Error{
		Message:    fmt.Sprintf("the operation is too large: %s must be at most %d", name, limit),
		Extensions: map[string]any{"code": CodeLimitExceeded, "limit": name, "max": limit},
	}
}

// measure walks an operation with its fragments expanded and stops at the first limit that is passed. It therefore
// looks at no more than MaxSelections selections, however the fragments multiply, and must come before anything that
// walks without such a stop, as gqlgen's complexity does. The document must be valid: fragments exist, without cycles.
type measure struct {
	cfg        Config
	doc        *ast.QueryDocument
	selections int
	aliases    int
}

func (m *measure) operation(op *ast.OperationDefinition) *gqlerror.Error {
	m.selections, m.aliases = 0, 0
	return m.set(op.SelectionSet, 1)
}

func (m *measure) set(set ast.SelectionSet, depth int) *gqlerror.Error {
	for _, sel := range set {
		if m.selections++; m.selections > m.cfg.MaxSelections {
			return limitError("selections after fragments are expanded", m.cfg.MaxSelections)
		}
		var err *gqlerror.Error
		switch sel := sel.(type) {
		case *ast.Field:
			err = m.field(sel, depth)
		case *ast.InlineFragment:
			err = m.set(sel.SelectionSet, depth)
		case *ast.FragmentSpread:
			if def := m.doc.Fragments.ForName(sel.Name); def != nil {
				err = m.set(def.SelectionSet, depth)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *measure) field(f *ast.Field, depth int) *gqlerror.Error {
	if depth > m.cfg.MaxDepth {
		return limitError("depth", m.cfg.MaxDepth)
	}
	if f.Alias != f.Name { // The parser puts the name where there is no alias.
		if m.aliases++; m.aliases > m.cfg.MaxAliases {
			return limitError("aliases after fragments are expanded", m.cfg.MaxAliases)
		}
	}
	return m.set(f.SelectionSet, depth+1)
}
