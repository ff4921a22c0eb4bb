package graphqlexec

import (
	"encoding/json"
	"math"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// coerceVariables makes the variables of an operation from those of the request, as the specification's
// CoerceVariableValues says. It is used in place of gqlparser's VariableValues, which takes an Int in quotes, an enum
// value in any case and an Int beyond 32 bits, and walks the values by reflection.
func coerceVariables(schema *ast.Schema, op *ast.OperationDefinition, raw map[string]any) (map[string]any, *gqlerror.Error) {
	vars := make(map[string]any, len(op.VariableDefinitions))
	for _, def := range op.VariableDefinitions {
		v, given := raw[def.Variable]
		switch {
		case given:
			c, bad := coerceValue(schema, def.Type, v)
			if bad != nil {
				return nil, NewError(CodeBadUserInput, "variable $%s%s: expected %s", def.Variable, bad.path, bad.want)
			}
			vars[def.Variable] = c
		case def.DefaultValue != nil:
			c, err := def.DefaultValue.Value(nil)
			if err != nil {
				return nil, NewError(CodeBadUserInput, "the default of variable $%s cannot be read", def.Variable)
			}
			vars[def.Variable] = c
		case def.Type.NonNull:
			return nil, NewError(CodeBadUserInput, "variable $%s: expected %s, it is missing", def.Variable, def.Type)
		}
	}
	return vars, nil
}

// invalid says where in a variable a value is wrong and what is wanted there.
type invalid struct {
	path string
	want string
}

func (i *invalid) under(step string) *invalid {
	i.path = step + i.path
	return i
}

func coerceValue(schema *ast.Schema, typ *ast.Type, v any) (any, *invalid) {
	if v == nil {
		if typ.NonNull {
			return nil, &invalid{want: typ.String() + ", not null"}
		}
		return nil, nil
	}
	if typ.Elem != nil {
		return coerceList(schema, typ, v)
	}
	def := schema.Types[typ.NamedType]
	if def == nil {
		return nil, &invalid{want: "a known type"}
	}
	switch def.Kind {
	case ast.Scalar:
		return coerceScalar(def.Name, v)
	case ast.Enum:
		if name, ok := v.(string); ok && def.EnumValues.ForName(name) != nil {
			return v, nil
		}
		return nil, &invalid{want: "a value of enum " + def.Name}
	case ast.InputObject:
		return coerceInput(schema, def, v)
	default:
		return nil, &invalid{want: "an input type"}
	}
}

func coerceList(schema *ast.Schema, typ *ast.Type, v any) (any, *invalid) {
	list, ok := v.([]any)
	if !ok { // The specification: a value that is no list stands for the list of it.
		c, bad := coerceValue(schema, typ.Elem, v)
		return []any{c}, bad
	}
	for i, el := range list {
		c, bad := coerceValue(schema, typ.Elem, el)
		if bad != nil {
			return nil, bad.under("[" + strconv.Itoa(i) + "]")
		}
		list[i] = c
	}
	return list, nil
}

func coerceInput(schema *ast.Schema, def *ast.Definition, v any) (any, *invalid) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, &invalid{want: "an object of type " + def.Name}
	}
	known := 0
	for _, f := range def.Fields {
		el, given := m[f.Name]
		if !given {
			if f.Type.NonNull && f.DefaultValue == nil {
				return nil, (&invalid{want: f.Type.String() + ", it is missing"}).under("." + f.Name)
			}
			continue
		}
		known++
		c, bad := coerceValue(schema, f.Type, el)
		if bad != nil {
			return nil, bad.under("." + f.Name)
		}
		if _, isList := el.([]any); f.Type.Elem != nil && !isList || isInt(f.Type) {
			m[f.Name] = c
		}
	}
	if known < len(m) {
		return nil, &invalid{want: "only fields of " + def.Name}
	}
	return m, nil
}

func isInt(t *ast.Type) bool { return t.NamedType == "Int" }

func coerceScalar(name string, v any) (any, *invalid) {
	ok := true
	switch name {
	case "Int":
		n, isInt := integer(v)
		if !isInt || n < math.MinInt32 || n > math.MaxInt32 {
			return nil, &invalid{want: "an integer of 32 bits"}
		}
		return n, nil
	case "Float":
		switch v.(type) {
		case json.Number, float64, int, int64:
		default:
			ok = false
		}
	case "String":
		_, ok = v.(string)
	case "Boolean":
		_, ok = v.(bool)
	case "ID":
		if _, isString := v.(string); !isString {
			_, ok = integer(v)
		}
	}
	if !ok {
		return nil, &invalid{want: "a value of type " + name}
	}
	return v, nil // Other scalars are judged by their own unmarshaller.
}

// integer reads a whole number; 3.0 is one, as the specification allows.
func integer(v any) (int64, bool) {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, true
		}
		f, err := v.Float64()
		return wholeNumber(f, err == nil)
	case int:
		return int64(v), true
	case int64:
		return v, true
	case float64:
		return wholeNumber(v, true)
	default:
		return 0, false
	}
}

func wholeNumber(f float64, ok bool) (int64, bool) {
	if !ok || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}
