package jsonwalk

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strings"
)

// Shape says which fields the objects of a kind have, and how each is read, by a reader R into a T. It is immutable. To read an object by
// its shape is faster than by Walker.Object, and means the same; to make a shape takes longer than to read an object.
type Shape[R, T any] struct {
	names    []string
	keys     []key  // the names as nearly all senders write them
	required uint32 // the fields that must not be missing, a bit for each
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
		s.names, s.keys, s.read = append(s.names, name), append(s.keys, newKey(name)), append(s.read, f.read)
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

// keyAhead reads up to the value of field n if its key is one of those that are known and stands there as nearly all senders write it, and returns which. Else
// it reads nothing and returns -1.
func (w *Walker) keyAhead(keys []key, expected, n int) int {
	pos := w.pos
	if n > 0 {
		if !w.at(',') {
			return -1
		}
		pos++
	}
	i := expected
	for range keys {
		if i >= len(keys) {
			i = 0
		}
		if keys[i].begins(w.data[pos:]) {
			w.pos = pos + len(keys[i].text)
			return i
		}
		i++
	}
	return -1
}

// key is a name as it stands before a value: quoted, and with the colon. It is compared eight bytes at a time.
type key struct {
	text       string
	head, tail uint64 // the first and the last eight bytes; of a shorter one, head is all of it, and mask where it is
	mask       uint64
}

func newKey(name string) key {
	k := key{text: `"` + name + `":`, mask: math.MaxUint64}
	var head [8]byte
	if copy(head[:], k.text); len(k.text) < 8 {
		k.mask >>= 64 - 8*len(k.text)
	} else {
		k.tail = binary.LittleEndian.Uint64([]byte(k.text[len(k.text)-8:]))
	}
	k.head = binary.LittleEndian.Uint64(head[:])
	return k
}

// begins reports whether a text begins with the key.
func (k *key) begins(text []byte) bool {
	n := len(k.text)
	if len(text) < max(n, 8) {
		return n <= len(text) && string(text[:n]) == k.text
	}
	if binary.LittleEndian.Uint64(text)&k.mask != k.head {
		return false
	}
	return n <= 8 || binary.LittleEndian.Uint64(text[n-8:]) == k.tail && (n <= 16 || string(text[8:n-8]) == k.text[8:n-8])
}
