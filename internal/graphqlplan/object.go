package graphqlplan

import (
	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// Writer appends what is selected of a value. It returns nil when it cannot; gqlgen then finds out why.
type Writer[T any] func(b []byte, v *T) []byte

// Field compiles the selection of one field of T into a writer of the field's value. It returns nil for what is not plain.
type Field[T any] func(c *Compiler, f graphql.CollectedField) Writer[T]

// Object is an object type of the schema: its name, and the fields that compile, by name. Objects may refer to each other.
type Object[T any] struct {
	Name   string
	Fields map[string]Field[T]
}

// Compile compiles a selection set of the type. It returns nil for one that is not plain.
func (o *Object[T]) Compile(c *Compiler, set ast.SelectionSet) Writer[T] {
	type member struct {
		key   string // with what comes before and after it: `{"id":`, then `,"name":`
		write Writer[T]
	}
	fields, plain := c.Collect(set, o.Name)
	if !plain || len(fields) == 0 {
		return nil
	}
	members := make([]member, 0, len(fields))
	opening := `{"`
	for _, f := range fields {
		write := o.field(c, f)
		if write == nil {
			return nil
		}
		members = append(members, member{opening + f.Alias + `":`, write})
		opening = `,"`
	}
	return func(b []byte, v *T) []byte {
		if v == nil {
			return nil
		}
		for i := range members {
			m := &members[i]
			if b = m.write(append(b, m.key...), v); b == nil {
				return nil
			}
		}
		return append(b, '}')
	}
}

func (o *Object[T]) field(c *Compiler, f graphql.CollectedField) Writer[T] {
	if f.Name == "__typename" {
		name := `"` + o.Name + `"`
		return func(b []byte, _ *T) []byte { return append(b, name...) }
	}
	if field := o.Fields[f.Name]; field != nil {
		return field(c, f)
	}
	return nil
}

// Leaf is a field without arguments or selection.
func Leaf[T any](write Writer[T]) Field[T] {
	return func(_ *Compiler, f graphql.CollectedField) Writer[T] {
		if len(f.Definition.Arguments) > 0 {
			return nil
		}
		return write
	}
}

// One is a field that is never null.
func One[T, C any](o *Object[C], get func(*T) *C) Field[T] {
	return func(c *Compiler, f graphql.CollectedField) Writer[T] {
		write := o.Compile(c, f.Selections)
		if write == nil {
			return nil
		}
		return func(b []byte, v *T) []byte { return write(b, get(v)) }
	}
}

// Maybe is a field that may be null, and is when get returns nil.
func Maybe[T, C any](o *Object[C], get func(*T) *C) Field[T] {
	return func(c *Compiler, f graphql.CollectedField) Writer[T] {
		write := o.Compile(c, f.Selections)
		if write == nil {
			return nil
		}
		return func(b []byte, v *T) []byte {
			if child := get(v); child != nil {
				return write(b, child)
			}
			return append(b, "null"...)
		}
	}
}

// List is a field that lists objects, none of them null.
func List[T, C any](o *Object[C], get func(*T) []*C) Field[T] {
	return func(c *Compiler, f graphql.CollectedField) Writer[T] {
		write := o.Compile(c, f.Selections)
		if write == nil {
			return nil
		}
		return func(b []byte, v *T) []byte { return AppendList(b, get(v), write) }
	}
}

// Values is a List of objects that are kept by value.
func Values[T, C any](o *Object[C], get func(*T) []C) Field[T] {
	return func(c *Compiler, f graphql.CollectedField) Writer[T] {
		write := o.Compile(c, f.Selections)
		if write == nil {
			return nil
		}
		return func(b []byte, v *T) []byte {
			list := get(v)
			b = append(b, '[')
			for i := range list {
				if i > 0 {
					b = append(b, ',')
				}
				if b = write(b, &list[i]); b == nil {
					return nil
				}
			}
			return append(b, ']')
		}
	}
}

// AppendList appends a list of objects, or returns nil when write cannot write one of them.
func AppendList[C any](b []byte, list []*C, write Writer[C]) []byte {
	b = append(b, '[')
	for i, child := range list {
		if i > 0 {
			b = append(b, ',')
		}
		if b = write(b, child); b == nil {
			return nil
		}
	}
	return append(b, ']')
}
