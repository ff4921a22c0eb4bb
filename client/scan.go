package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
)

// errNotJSON is all that is told of a message that cannot be read: its bytes may be anybody's.
var errNotJSON = errors.New("a message of the server is not the JSON that was asked for")

// scanner reads JSON from memory in one pass and copies nothing. A mirror of a large fleet reads some 100,000 entries a second: with
// encoding/json that takes most of a core (BenchmarkDecode). Bad input sets failed, once and for good; every
// method then returns zero values and ends every loop. Values that are skipped are checked for balance only.
type scanner struct {
	data   []byte
	at     int
	failed bool
}

func (s *scanner) fail() { s.failed, s.at = true, len(s.data) }

// peek returns the next byte that is no blank, without taking it; 0 at the end.
func (s *scanner) peek() byte {
	for s.at < len(s.data) {
		switch c := s.data[s.at]; c {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return c
		}
	}
	return 0
}

// take takes the byte if it is the next one.
func (s *scanner) take(c byte) bool {
	if s.peek() != c || s.at >= len(s.data) {
		return false
	}
	s.at++
	return true
}

// openObject begins an object and returns its first key; ok is false when there is none.
//
//	for key, ok := s.openObject(); ok; key, ok = s.nextKey() { … take the value … }
func (s *scanner) openObject() (key []byte, ok bool) {
	if !s.take('{') {
		s.fail()
		return nil, false
	}
	if s.take('}') {
		return nil, false
	}
	return s.key()
}

// nextKey goes on to the next key after a value.
func (s *scanner) nextKey() (key []byte, ok bool) {
	if s.take(',') {
		return s.key()
	}
	if !s.take('}') {
		s.fail()
	}
	return nil, false
}

func (s *scanner) key() ([]byte, bool) {
	key := s.text()
	if !s.take(':') {
		s.fail()
	}
	return key, !s.failed
}

// openArray begins an array and reports whether it has an element.
func (s *scanner) openArray() bool {
	if !s.take('[') {
		s.fail()
		return false
	}
	return !s.take(']') && !s.failed
}

// nextElement goes on after an element and reports whether there is another one.
func (s *scanner) nextElement() bool {
	if s.take(',') {
		return !s.failed
	}
	if !s.take(']') {
		s.fail()
	}
	return false
}

// text takes a string. The result lies in data where nothing was escaped, so it is good only as long as data is.
func (s *scanner) text() []byte {
	if !s.take('"') {
		s.fail()
		return nil
	}
	begin := s.at
	for i := begin; i < len(s.data); i++ {
		switch c := s.data[i]; {
		case c == '"':
			s.at = i + 1
			return s.data[begin:i]
		case c == '\\':
			return s.escaped(begin - 1)
		case c < ' ':
			s.fail()
			return nil
		}
	}
	s.fail()
	return nil
}

// escaped takes a string with escapes, which begins at the quote. It is rare, so encoding/json may do it.
func (s *scanner) escaped(begin int) []byte {
	for i := begin + 1; i < len(s.data); i++ {
		switch s.data[i] {
		case '\\':
			i++
		case '"':
			var text string
			if json.Unmarshal(s.data[begin:i+1], &text) != nil {
				s.fail()
				return nil
			}
			s.at = i + 1
			return []byte(text)
		}
	}
	s.fail()
	return nil
}

// optText takes a string or null.
func (s *scanner) optText() []byte {
	if s.null() {
		return nil
	}
	return s.text()
}

// null takes null, if that is next.
func (s *scanner) null() bool { return s.peek() == 'n' && s.word("null") }

// boolean takes true or false.
func (s *scanner) boolean() bool {
	if s.peek() == 't' {
		return s.word("true")
	}
	s.word("false")
	return false
}

func (s *scanner) word(word string) bool {
	if !bytes.HasPrefix(s.data[s.at:], []byte(word)) {
		s.fail()
		return false
	}
	s.at += len(word)
	return true
}

// optInt takes a whole number of 32 bits, or null.
func (s *scanner) optInt() OptInt {
	if s.null() {
		return OptInt{}
	}
	negative := s.take('-')
	begin, value := s.at, int64(0)
	for ; s.at < len(s.data) && s.data[s.at] >= '0' && s.data[s.at] <= '9' && value <= math.MaxInt32; s.at++ {
		value = value*10 + int64(s.data[s.at]-'0')
	}
	digits := s.at - begin
	if negative {
		value = -value
	}
	switch next := s.peek(); {
	case digits == 0, digits > 1 && s.data[begin] == '0', value > math.MaxInt32, value < math.MinInt32,
		next != ',' && next != '}' && next != ']' && next != 0:
		s.fail()
		return OptInt{}
	}
	return OptInt{Value: int32(value), Known: true}
}

// skip takes any value and returns its bytes.
func (s *scanner) skip() []byte {
	c := s.peek()
	begin := s.at
	switch c {
	case '"':
		s.skipText()
	case '{', '[':
		s.skipNested()
	case ',', ':', '}', ']', 0:
		s.fail()
	default:
		for s.at < len(s.data) && !bytes.ContainsRune([]byte(",:}] \t\r\n\"[{"), rune(s.data[s.at])) {
			s.at++
		}
	}
	if s.failed {
		return nil
	}
	return s.data[begin:s.at]
}

// skipNested takes an object or array without recursion, so that no depth can exhaust the stack.
func (s *scanner) skipNested() {
	data, depth := s.data, 0
	for i := s.at; i < len(data); i++ {
		switch data[i] {
		case '"':
			for i++; i < len(data) && data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				s.at = i + 1
				return
			}
		}
	}
	s.fail()
}

func (s *scanner) skipText() {
	for i := s.at + 1; i < len(s.data); {
		n := bytes.IndexByte(s.data[i:], '"')
		if n < 0 {
			break
		}
		end := i + n
		escapes := 0
		for j := end - 1; j >= i && s.data[j] == '\\'; j-- {
			escapes++
		}
		if escapes%2 == 0 {
			s.at = end + 1
			return
		}
		i = end + 1
	}
	s.fail()
}

// end reports whether all was well and nothing follows.
func (s *scanner) end() error {
	if s.failed || s.peek() != 0 || s.at < len(s.data) {
		return errNotJSON
	}
	return nil
}
