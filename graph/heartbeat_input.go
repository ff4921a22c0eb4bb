package graph

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"waggle/internal/jsonwalk"
	"waggle/registry"
)

// Inputs are the input types that are read straight from JSON, for graphqlexec.Config.Inputs. Heartbeats are most of what a
// server does, and gqlgen's way over maps takes ten times as long.
func Inputs() map[string]func(*jsonwalk.Walker) any {
	shapes := newHeartbeatShapes()
	readers := sync.Pool{New: func() any { return &heartbeatReader{shapes: shapes} }}
	return map[string]func(*jsonwalk.Walker) any{
		"HeartbeatInput": func(w *jsonwalk.Walker) any {
			r := readers.Get().(*heartbeatReader)
			hb := r.read(w)
			readers.Put(r)
			return hb
		},
	}
}

// HeartbeatInput is the argument of the heartbeat mutations. A variable that stands for several is one heartbeat: it is immutable.
type HeartbeatInput struct{ *registry.Heartbeat }

// UnmarshalGQL takes what the function of Inputs has read of a variable, or the map that gqlgen makes of a literal.
func (in *HeartbeatInput) UnmarshalGQL(v any) error {
	switch v := v.(type) {
	case *registry.Heartbeat:
		in.Heartbeat = v
		return nil
	case map[string]any:
		fillLists(v)
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		w := jsonwalk.New(text)
		in.Heartbeat = (&heartbeatReader{shapes: newHeartbeatShapes()}).read(&w)
		return w.End()
	default:
		return errors.New("must be an object of type HeartbeatInput")
	}
}

// fillLists makes empty lists of those that are nil, as gqlgen has them: in JSON they would be null, and "unchanged" in place
// of "none".
func fillLists(object map[string]any) {
	for name, v := range object {
		switch v := v.(type) {
		case []any:
			if v == nil {
				object[name] = []any{}
			}
		case map[string]any:
			fillLists(v)
		}
	}
}

// MarshalGQL is there for gqlgen only, which takes a type for one that reads itself when it writes itself, too.
func (in *HeartbeatInput) MarshalGQL(w io.Writer) { _, _ = io.WriteString(w, "null") }

// heartbeatReader reads one HeartbeatInput after the other, as strictly as the schema has it. What it keeps from one to the next spares
// memory and nothing else.
type heartbeatReader struct {
	*jsonwalk.Walker
	shapes  *heartbeatShapes
	names   names
	workers []registry.WorkerReport // room for those of one heartbeat, until it is known how many there are
	devices []registry.Device
}

func (r *heartbeatReader) read(w *jsonwalk.Walker) *registry.Heartbeat {
	r.Walker = w
	hb := &registry.Heartbeat{}
	r.shapes.heartbeat.Read(w, r, hb)
	r.Walker = nil
	return hb
}

// readList reads a list of objects into a room for it, and returns a copy of just its size. A value that is no list stands for the list of
// it, as the specification has it.
func readList[E any](r *heartbeatReader, room *[]E, shape *jsonwalk.Shape[*heartbeatReader, E]) []E {
	list := (*room)[:0]
	read := func() {
		var zero E
		list = append(list, zero)
		shape.Read(r.Walker, r, &list[len(list)-1])
	}
	switch r.Next() {
	case '[':
		r.Array(func(int) { read() })
	case '{':
		read()
	default:
		r.Refuse(r.Raw(), "a list")
	}
	*room = list
	exact := make([]E, len(list))
	copy(exact, list)
	return exact
}

// text reads a string.
func (r *heartbeatReader) text() string {
	if r.Next() != '"' {
		r.Refuse(r.Raw(), "a string")
		return ""
	}
	return string(r.Text())
}

// name reads a string that has probably been read before, and then shares its memory.
func (r *heartbeatReader) name() string {
	if r.Next() != '"' {
		return r.text() // which says what is wrong
	}
	return r.names.of(r.Text())
}

// optName reads such a string or null; null gives "".
func (r *heartbeatReader) optName() string {
	if r.Null() {
		return ""
	}
	return r.name()
}

// optText reads a string or null; null gives "".
func (r *heartbeatReader) optText() string {
	if r.Null() {
		return ""
	}
	return r.text()
}

// id reads a string, or a whole number, which stays as it is written.
func (r *heartbeatReader) id() string {
	if r.Next() == '"' {
		return r.text()
	}
	token := r.Raw()
	if _, ok := wholeNumber(token); !ok {
		r.Refuse(token, "a string or a whole number")
	}
	return string(token)
}

// int reads an integer of 32 bits. 3.0 and 3e2 are integers, as the specification allows.
func (r *heartbeatReader) int() int32 {
	if n, ok := r.PlainInt(); ok {
		return r.narrow(n)
	}
	token := r.Raw()
	n, ok := wholeNumber(token)
	if !ok || n < math.MinInt32 || n > math.MaxInt32 {
		r.Refuse(token, "an integer of 32 bits")
	}
	return int32(n)
}

// narrow returns an integer that was read as one of 32 bits.
func (r *heartbeatReader) narrow(n int64) int32 {
	if n != int64(int32(n)) {
		r.Refuse(strconv.AppendInt(nil, n, 10), "an integer of 32 bits")
	}
	return int32(n)
}

// wholeNumber reads a number without fraction, as graphqlexec does for all other input.
func wholeNumber(token []byte) (int64, bool) {
	if n, err := strconv.ParseInt(string(token), 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(string(token), 64) // takes nothing else that JSON knows
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

// optInt reads an integer of 32 bits, or null as unknown.
func (r *heartbeatReader) optInt() registry.OptInt {
	if n, ok := r.PlainInt(); ok {
		return registry.Int(r.narrow(n))
	}
	if r.Null() {
		return registry.OptInt{}
	}
	return registry.Int(r.int())
}

// optFloat reads a number, or null as unknown.
func (r *heartbeatReader) optFloat() registry.OptFloat {
	if v, ok := r.PlainDecimal(); ok {
		return registry.Float(v)
	}
	if r.Null() {
		return registry.OptFloat{}
	}
	token := r.Raw()
	v, err := strconv.ParseFloat(string(token), 64)
	if err != nil {
		r.Refuse(token, "a number that 64 bits hold")
	}
	return registry.Float(v)
}

// optTime reads a time, or null as not told.
func (r *heartbeatReader) optTime() time.Time {
	if r.Null() {
		return time.Time{}
	}
	token := r.Raw()
	t, err := time.Parse(time.RFC3339Nano, string(textOf(token)))
	if err != nil {
		r.Refuse(token, "a time as RFC 3339, e.g. 2026-01-31T12:00:00Z")
	}
	return t
}

// enum reads the name of one of the values.
func enum[T fmt.Stringer](r *heartbeatReader, values ...T) T {
	token := r.Raw()
	name := textOf(token)
	for _, v := range values {
		if v.String() == string(name) {
			return v
		}
	}
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = v.String()
	}
	r.Refuse(token, strings.Join(names, ", "))
	return values[0]
}

// textOf returns the string that a value is; nil when it is none.
func textOf(token []byte) []byte {
	w := jsonwalk.New(token)
	return w.Text()
}
