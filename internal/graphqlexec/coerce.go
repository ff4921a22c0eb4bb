package graphqlexec

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"waggle/internal/jsonwalk"
)

// coerceVariables makes the variables of an operation from those of the request, in the same map, as the specification's
// CoerceVariableValues says. It is used in place of gqlparser's VariableValues, which takes an Int in quotes, an enum
// value in any case and an Int beyond 32 bits, and walks the values by reflection.
func (e *Executor) coerceVariables(op *ast.OperationDefinition, vars map[string]any) (map[string]any, *gqlerror.Error) {
	if vars == nil {
		vars = map[string]any{}
	}
	vars = asked(op.VariableDefinitions, vars)
	for _, def := range op.VariableDefinitions {
		v, isGiven := vars[def.Variable]
		switch {
		case isGiven:
			c, bad := e.coerceVariable(op, def, v)
			if bad != nil {
				return nil, NewError(CodeBadUserInput, "variable $%s%s: %s", def.Variable, bad.path, bad.why)
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

// misplacedNull finds a variable that is null where a null may not be, or returns nil. Validation lets a variable that may be null stand there if the place or
// the variable has a default, which a null that is given overrides. gqlgen would take it for zero, or panic where it is the condition of a directive.
func misplacedNull(op *graphql.OperationContext) (found *gqlerror.Error) {
	isNull := func(name string) bool {
		v, given := op.Variables[name]
		return given && v == nil
	}
	if !slices.ContainsFunc(op.Operation.VariableDefinitions, func(def *ast.VariableDefinition) bool { return isNull(def.Variable) }) {
		return nil
	}
	eachUse(op.Doc, op.Operation, func(v *ast.Value) {
		if found == nil && v.ExpectedType != nil && v.ExpectedType.NonNull && isNull(v.Raw) {
			found = NewError(CodeBadUserInput, "variable $%s: expected %s, not null", v.Raw, v.ExpectedType)
		}
	})
	return found
}

// asked returns those of the variables that are defined, in the same map if all are. There may be very many that are not, so these are not gone through.
func asked(defs ast.VariableDefinitionList, vars map[string]any) map[string]any {
	defined := 0
	for _, def := range defs {
		if _, ok := vars[def.Variable]; ok {
			defined++
		}
	}
	if defined == len(vars) {
		return vars
	}
	few := make(map[string]any, defined)
	for _, def := range defs {
		if v, ok := vars[def.Variable]; ok {
			few[def.Variable] = v
		}
	}
	return few
}

// coerceVariable reads a variable as DecodeParams leaves it. A caller in Go may also give what encoding/json would make of
// it.
func (e *Executor) coerceVariable(op *ast.OperationDefinition, def *ast.VariableDefinition, v any) (any, *invalid) {
	if v, ok := v.(readVariable); ok {
		return v.value, v.bad
	}
	raw, isRaw := v.(json.RawMessage)
	if !isRaw {
		return coerceValue(e.schema.Schema(), def.Type, v)
	}
	w := walk(raw)
	// Equal subscriptions are found by their variables, so these stay plain.
	if read := e.cfg.Inputs[def.Type.Name()]; read != nil && op.Operation != ast.Subscription {
		v = readInput(&w, def.Type, read)
		return v, invalidJSON(w.End())
	}
	v = w.Value()
	if bad := invalidJSON(w.End()); bad != nil {
		return nil, bad
	}
	return coerceValue(e.schema.Schema(), def.Type, v)
}

// readInput reads a value of a type that is, or lists, an input type of Config.Inputs.
func readInput(w *jsonwalk.Walker, typ *ast.Type, read func(*jsonwalk.Walker) any) any {
	if typ.NonNull && w.Next() == 'n' {
		w.Mismatch("a " + typ.String())
	}
	switch {
	case w.Null(), w.Err() != nil:
		return nil
	case typ.Elem == nil:
		return read(w)
	case w.Next() != '[': // The specification: a value that is no list stands for the list of it.
		return []any{readInput(w, typ.Elem, read)}
	}
	list := []any{}
	w.Array(func(int) { list = append(list, readInput(w, typ.Elem, read)) })
	return list
}

// invalid says where in a variable a value is wrong, and why.
type invalid struct {
	path string
	why  string
}

func expected(want string) *invalid { return &invalid{why: "expected " + want} }

// invalidJSON returns nil when there is no error.
func invalidJSON(err error) *invalid {
	if err == nil {
		return nil
	}
	wrong, ok := errors.AsType[*jsonwalk.Error](err)
	if !ok || wrong.Syntax {
		return &invalid{why: err.Error()}
	}
	path := wrong.Path
	if path != "" && path[0] != '[' {
		path = "." + path
	}
	return &invalid{path: path, why: wrong.Why}
}

func (i *invalid) under(step string) *invalid {
	i.path = step + i.path
	return i
}

func coerceValue(schema *ast.Schema, typ *ast.Type, v any) (any, *invalid) {
	if v == nil {
		if typ.NonNull {
			return nil, expected(typ.String() + ", not null")
		}
		return nil, nil
	}
	if typ.Elem != nil {
		return coerceList(schema, typ, v)
	}
	def := schema.Types[typ.NamedType]
	if def == nil {
		return nil, expected("a known type")
	}
	switch def.Kind {
	case ast.Scalar:
		return coerceScalar(def.Name, v)
	case ast.Enum:
		if name, ok := v.(string); ok && def.EnumValues.ForName(name) != nil {
			return v, nil
		}
		return nil, expected("a value of enum " + def.Name + ": " + enumValues(def))
	case ast.InputObject:
		return coerceInput(schema, def, v)
	default:
		return nil, expected("an input type")
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
		return nil, expected("an object of type " + def.Name)
	}
	known := 0
	for _, f := range def.Fields {
		el, given := m[f.Name]
		if !given {
			if f.Type.NonNull && f.DefaultValue == nil {
				return nil, expected(f.Type.String() + ", it is missing").under("." + f.Name)
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
		return nil, expected("only fields of " + def.Name)
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
			return nil, expected("an integer of 32 bits")
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
		return nil, expected("a value of type " + name)
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
