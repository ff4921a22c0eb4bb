package graph

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"waggle/registry"
)

// MarshalDateTime writes RFC 3339 in UTC.
func MarshalDateTime(t time.Time) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		var room [len(time.RFC3339Nano) + 2]byte
		b := append(room[:0], '"')
		b = t.UTC().AppendFormat(b, time.RFC3339Nano)
		_, _ = w.Write(append(b, '"'))
	})
}

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
func MarshalRevision(rev registry.Revision) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		var room [48]byte
		_, _ = w.Write(append(rev.Append(append(room[:0], '"')), '"'))
	})
}

// UnmarshalRevision reads "<epoch>.<counter>".
func UnmarshalRevision(v any) (registry.Revision, error) {
	s, ok := v.(string)
	if !ok {
		return registry.Revision{}, errors.New("must be a string, a revision that this API gave out")
	}
	return registry.ParseRevision(s)
}

// MarshalOptInt writes null for what is unknown.
func MarshalOptInt(v registry.OptInt) graphql.Marshaler {
	if !v.Known {
		return graphql.Null
	}
	return graphql.MarshalInt32(v.Value)
}

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
	if !v.Known || math.IsNaN(v.Value) || math.IsInf(v.Value, 0) {
		return graphql.ContextWriterFunc(func(_ context.Context, w io.Writer) error {
			_, err := io.WriteString(w, "null")
			return err
		})
	}
	return graphql.ContextWriterFunc(func(_ context.Context, w io.Writer) error {
		var room [32]byte
		_, err := w.Write(strconv.AppendFloat(room[:0], v.Value, 'g', -1, 64))
		return err
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

// MarshalOptString writes null for what is unknown.
func MarshalOptString(v registry.OptString) graphql.Marshaler {
	if v == "" {
		return graphql.Null
	}
	return graphql.MarshalString(string(v))
}

// UnmarshalOptString reads a string, or null as unknown.
func UnmarshalOptString(v any) (registry.OptString, error) {
	if v == nil {
		return "", nil
	}
	s, err := graphql.UnmarshalString(v)
	return registry.OptString(s), err
}
