package jsonwalk

import (
	"math/bits"
	"strings"
)

// Shape says which fields the objects of a kind have, and how each is read, by a reader R into a T. It is immutable. To read an object by
// its shape is faster than by Walker.Object, and means the same; to make a shape takes longer than to read an object.
type Shape[R, T any] struct {
	names    []string
	keys     []string // the names as nearly all senders write them: quoted, and with the colon
	required uint32   // the fields that must not be missing, a bit for each
	read     []func(R, *T)
}

// Field is a field of a shape.
type Field[R, T any] struct {
	name string
	read func(R, *T)
}

// NewField makes a field. One whose name ends in "?" may be missing.
func NewField[R, T any](name string, read func(R, *T)) Field[R, T] { return Field[R, T]{name, read} }

// NewShape makes a shape of at most 32 fields. It is best to name them in the order in which they come.
func NewShape[R, T any](fields ...Field[R, T]) *Shape[R, T] {
	s := &Shape[R, T]{}
	for i, f := range fields {
		name, mayMiss := strings.CutSuffix(f.name, "?")
		s.names, s.keys, s.read = append(s.names, name), append(s.keys, `"`+name+`":`), append(s.read, f.read)
		if !mayMiss {
			s.required |= 1 << i
		}
	}
	return s
}

// Read reads an object of this shape.
func (s *Shape[R, T]) Read(w *Walker, reader R, to *T) {
	if !w.enter('{', "an object") {
		return
	}
	seen, expected := uint32(0), 0
	for n := 0; ; n++ {
		i := w.keyAhead(s.keys, expected, n)
		if i < 0 {
			if !w.another('}', n) {
				break
			}
			if i = w.fieldKey(s.names); w.err != nil {
				return
			}
			if i < 0 {
				continue
			}
		}
		if seen&(1<<i) != 0 {
			w.Wrong("duplicate field %q", s.names[i])
			return
		}
		if s.read[i](reader, to); w.err != nil {
			w.err.within(s.names[i])
			return
		}
		seen |= 1 << i
		expected = i + 1
	}
	if missing := s.required &^ seen; w.err == nil && missing != 0 {
		w.Wrong("missing field %q", s.names[bits.TrailingZeros32(missing)])
	}
}

// keyAhead reads up to the value of field n if its key is one of those that are expected next, and returns which. Else it reads nothing and
// returns -1.
func (w *Walker) keyAhead(keys []string, expected, n int) int {
	pos := w.pos
	if n > 0 {
		if !w.at(',') {
			return -1
		}
		pos++
	}
	for i := expected; i < len(keys) && i < expected+3; i++ { // some that may be missing may be missing
		if end := pos + len(keys[i]); end <= len(w.data) && w.data[end-1] == ':' && string(w.data[pos:end]) == keys[i] {
			w.pos = end
			return i
		}
	}
	return -1
}
