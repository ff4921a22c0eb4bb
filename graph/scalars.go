package graph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"waggle/registry"
)

// What gqlgen's executor writes by the marshallers below, and compiled selections by the append functions, is the same.

// written makes a marshaller of an append function.
func written[T any](v T, appendTo func([]byte, T) []byte) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		var room [64]byte
		_, _ = w.Write(appendTo(room[:0], v))
	})
}

func appendDateTime(b []byte, t time.Time) []byte {
	return append(t.UTC().AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
}

func appendRevision(b []byte, rev registry.Revision) []byte {
	return append(rev.Append(append(b, '"')), '"')
}

func appendInt[T int | int32 | int64](b []byte, v T) []byte {
	return strconv.AppendInt(b, int64(v), 10)
}

func appendOptInt(b []byte, v registry.OptInt) []byte {
	if !v.Known() {
		return append(b, "null"...)
	}
	return appendInt(b, v.Value())
}

// appendFloat returns nil for what JSON has no number for.
func appendFloat(b []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return strconv.AppendFloat(b, v, 'g', -1, 64)
}

func appendOptFloat(b []byte, v registry.OptFloat) []byte {
	if !v.Known() || math.IsNaN(v.Value()) || math.IsInf(v.Value(), 0) {
		return append(b, "null"...)
	}
	return appendFloat(b, v.Value())
}

// appendString quotes as gqlgen does, which leaves everything alone that need not be escaped.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	b = append(b, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '\\' && c != '"' {
			continue
		}
		b = append(append(b, s[start:i]...), '\\')
		start = i + 1
		switch c {
		case '\t':
			b = append(b, 't')
		case '\r':
			b = append(b, 'r')
		case '\n':
			b = append(b, 'n')
		case '\\', '"':
			b = append(b, c)
		default:
			b = append(b, 'u', '0', '0', hex[c>>4], hex[c&0xf])
		}
	}
	return append(append(b, s[start:]...), '"')
}

func appendBool(b []byte, v bool) []byte { return strconv.AppendBool(b, v) }

func appendArray[T any](b []byte, list []T, appendTo func([]byte, T) []byte) []byte {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendTo(b, v)
	}
	return append(b, ']')
}

func appendOptString(b []byte, s registry.OptString) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return appendString(b, string(s))
}

// appendEnum writes the name of an enum's value, which has nothing to escape.
func appendEnum[T fmt.Stringer](b []byte, v T) []byte {
	return append(append(append(b, '"'), v.String()...), '"')
}

// MarshalDateTime writes RFC 3339 in UTC.
func MarshalDateTime(t time.Time) graphql.Marshaler { return written(t, appendDateTime) }

// UnmarshalDateTime reads RFC 3339 with any offset.
func UnmarshalDateTime(v any) (time.Time, error) {
	if v == nil {
		return time.Time{}, nil // where the schema allows null, it means not told
	}
	s, ok := v.(string)
	if !ok {
		return time.Time{}, errors.New("must be a string with a time as RFC 3339, e.g. 2026-01-31T12:00:00Z")
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, errors.New("must be a time as RFC 3339, e.g. 2026-01-31T12:00:00Z")
	}
	return t, nil
}

// MarshalRevision writes "<epoch>.<counter>".
func MarshalRevision(rev registry.Revision) graphql.Marshaler { return written(rev, appendRevision) }

// UnmarshalRevision reads "<epoch>.<counter>".
func UnmarshalRevision(v any) (registry.Revision, error) {
	s, ok := v.(string)
	if !ok {
		return registry.Revision{}, errors.New("must be a string, a revision that this API gave out")
	}
	return registry.ParseRevision(s)
}

// MarshalOptInt writes null for what is unknown.
func MarshalOptInt(v registry.OptInt) graphql.Marshaler { return written(v, appendOptInt) }

// UnmarshalOptInt reads an integer, or null as unknown.
func UnmarshalOptInt(v any) (registry.OptInt, error) {
	if v == nil {
		return registry.OptInt{}, nil
	}
	n, err := graphql.UnmarshalInt32(v)
	if err != nil {
		return registry.OptInt{}, err
	}
	return registry.Int(n), nil
}

// MarshalOptFloat writes null for what is unknown.
func MarshalOptFloat(v registry.OptFloat) graphql.ContextMarshaler {
	return graphql.ContextWriterFunc(func(_ context.Context, w io.Writer) error {
		written(v, appendOptFloat).MarshalGQL(w)
		return nil
	})
}

// UnmarshalOptFloat reads a number, or null as unknown.
func UnmarshalOptFloat(_ context.Context, v any) (registry.OptFloat, error) {
	switch n := v.(type) {
	case nil:
		return registry.OptFloat{}, nil
	case float64:
		return registry.Float(n), nil
	case int64:
		return registry.Float(float64(n)), nil
	case json.Number:
		f, err := n.Float64()
		if err != nil {
			return registry.OptFloat{}, errors.New("must be a number that 64 bits hold")
		}
		return registry.Float(f), nil
	default:
		return registry.OptFloat{}, errors.New("must be a number")
	}
}

// MarshalWholeFloat writes a whole number of more than 32 bits, for which GraphQL has no type but Float, as one without fraction or exponent.
func MarshalWholeFloat(v int64) graphql.ContextMarshaler {
	return graphql.ContextWriterFunc(func(_ context.Context, w io.Writer) error {
		written(v, appendInt).MarshalGQL(w)
		return nil
	})
}

// UnmarshalWholeFloat is for gqlgen, which wants both; no input is such a number.
func UnmarshalWholeFloat(_ context.Context, v any) (int64, error) { return graphql.UnmarshalInt64(v) }

// MarshalOptString writes null for what is unknown.
func MarshalOptString(v registry.OptString) graphql.Marshaler { return written(v, appendOptString) }

// UnmarshalOptString reads a string, or null as unknown.
func UnmarshalOptString(v any) (registry.OptString, error) {
	if v == nil {
		return "", nil
	}
	s, err := graphql.UnmarshalString(v)
	return registry.OptString(s), err
}
