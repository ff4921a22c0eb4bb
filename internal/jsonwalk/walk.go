// Package jsonwalk reads JSON texts straight into Go values, a value at a time, where encoding/json is too slow or cannot
// be told the rules: which fields there must be, that none is there twice, what a number may be. Errors name the path of
// the value that is wrong.
package jsonwalk

import (
	"fmt"
	"strconv"
	"strings"
)

// maxDepth bounds how deep a value may be nested that is not read by its shape.
const maxDepth = 128

// Error says what is wrong with a JSON text: its syntax, or the shape of a value in it.
type Error struct {
	Syntax bool
	Offset int    // where the syntax is wrong
	Path   string // of the value, e.g. "workers[1].pid"
	Why    string
}

func (e *Error) Error() string {
	switch {
	case e.Syntax:
		return fmt.Sprintf("not JSON: %s at byte %d", e.Why, e.Offset)
	case e.Path == "":
		return e.Why
	default:
		return e.Path + ": " + e.Why
	}
}

// within puts a step in front of the path.
func (e *Error) within(step string) {
	if e.Path != "" && e.Path[0] != '[' {
		step += "."
	}
	e.Path = step + e.Path
}

// Walker reads one JSON text from front to back. Each of its methods reads the value that comes next.
//
// The first error sticks: all methods do nothing from then on, and what they return means nothing.
type Walker struct {
	// SkipUnknown makes Object skip fields that it was not told of, which are errors otherwise.
	SkipUnknown bool
	// MendText makes U+FFFD of what is no UTF-8 in a string, and of half a surrogate pair, as encoding/json does. They are
	// errors otherwise.
	MendText bool

	data []byte
	pos  int
	err  *Error
}

// New makes a walker for a text, which must not be changed as long as the walker is used.
func New(text []byte) Walker { return Walker{data: text} }

// Err returns the first error; nil when there was none.
func (w *Walker) Err() *Error { return w.err }

// End returns the first error, after checking that nothing follows the value that was read.
func (w *Walker) End() error {
	if w.err == nil && w.Next() != 0 {
		w.Broken("something follows the value")
	}
	if w.err != nil {
		return w.err
	}
	return nil
}

// Retry reads a value by read, or skips it when it is of the wrong shape, and then returns why. Wrong syntax sticks.
func (w *Walker) Retry(read func()) *Error {
	start := w.pos
	read()
	err := w.err
	if err == nil || err.Syntax {
		return nil
	}
	w.err, w.pos = nil, start
	w.Skip()
	return err
}

// Object reads an object. It calls set with the name of each field that is in fields, to read the value. A field whose
// name ends in "?" there may be missing, all others may not, and none may be there twice. There may be at most 32.
func (w *Walker) Object(fields []string, set func(name string)) {
	if !w.enter('{', "an object") {
		return
	}
	var seen uint32
	expected := 0 // senders keep the order of declaration
	for n := 0; w.another('}', n); n++ {
		i := w.expectedKey(fields, expected)
		if i < 0 {
			if i = w.fieldKey(fields); w.err != nil {
				return
			}
			if i < 0 {
				continue
			}
		}
		name := bare(fields[i])
		if seen&(1<<i) != 0 {
			w.Wrong("duplicate field %q", name)
			return
		}
		if set(name); w.err != nil {
			w.err.within(name)
			return
		}
		seen |= 1 << i
		expected = i + 1
	}
	if w.err != nil || seen == 1<<len(fields)-1 {
		return
	}
	for i, field := range fields {
		if seen&(1<<i) == 0 && bare(field) == field {
			w.Wrong("missing field %q", field)
			return
		}
	}
}

// bare returns the name of a field.
func bare(field string) string {
	if n := len(field) - 1; field[n] == '?' {
		return field[:n]
	}
	return field
}

// expectedKey reads a key and the colon behind it if it is one of the fields that come next and stands there as nearly all senders write
// it. Else it reads nothing and returns -1.
func (w *Walker) expectedKey(fields []string, expected int) int {
	for i := expected; i < len(fields) && i < expected+3; i++ { // some that may be missing may be missing
		name := bare(fields[i])
		end := w.pos + len(name) + 2
		if end < len(w.data) && w.data[end] == ':' && w.data[end-1] == '"' && w.data[w.pos] == '"' && string(w.data[w.pos+1:end-1]) == name {
			w.pos = end + 1
			return i
		}
	}
	return -1
}

// fieldKey reads a key and the colon behind it, and returns which of the fields it names. For one that it does not know it returns -1, after
// skipping its value if it is told to.
func (w *Walker) fieldKey(fields []string) int {
	key := w.key()
	if w.err != nil {
		return -1
	}
	for i, field := range fields {
		if bare(field) == string(key) {
			return i
		}
	}
	if w.SkipUnknown {
		w.Skip()
	} else {
		w.Wrong("unknown field %s; there are %s", quote(key), strings.ReplaceAll(strings.Join(fields, ", "), "?", ""))
	}
	return -1
}

// Members reads an object of any fields. It calls member with the name of each, to read the value. The name is valid as
// long as the text of the walker.
func (w *Walker) Members(member func(key []byte)) {
	if !w.enter('{', "an object") {
		return
	}
	for n := 0; w.another('}', n); n++ {
		key := w.key()
		if w.err != nil {
			return
		}
		if member(key); w.err != nil {
			return
		}
	}
}

// Array reads an array. It calls element for each element, to read it.
func (w *Walker) Array(element func(i int)) {
	if !w.enter('[', "an array") {
		return
	}
	for i := 0; w.another(']', i); i++ {
		if element(i); w.err != nil {
			w.err.within("[" + strconv.Itoa(i) + "]")
			return
		}
	}
}

// Null reads a null, if that is what comes next, and reports whether it was.
func (w *Walker) Null() bool {
	if w.Next() != 'n' {
		return false
	}
	w.literal("null")
	return w.err == nil
}

// Number reads a number and returns its text, which is a part of that of the walker.
func (w *Walker) Number() []byte {
	if c := w.Next(); c != '-' && (c < '0' || c > '9') {
		w.Mismatch("a number")
		return nil
	}
	start := w.pos
	w.skipNumber()
	return w.data[start:w.pos]
}

// PlainInt reads a whole number of at most 18 digits that is written without fraction and exponent. It returns false, and reads nothing, if
// that is not what comes next.
func (w *Walker) PlainInt() (int64, bool) {
	v, digits, pos, negative := w.wholePart()
	if digits == 0 || digits > 18 || !endsNumber(w.data, pos) {
		return 0, false
	}
	w.pos = pos
	if negative {
		v = -v
	}
	return v, true
}

// PlainDecimal reads a number of at most 15 digits that is written without exponent. It returns false, and reads nothing, if
// that is not what comes next. Up to 15 digits, and up to 22 powers of ten, a float64 holds exactly, so that their quotient is the float64
// nearest to the number (W. D. Clinger, How to Read Floating Point Numbers Accurately, 1990).
func (w *Walker) PlainDecimal() (float64, bool) {
	v, digits, pos, negative := w.wholePart()
	if digits == 0 {
		return 0, false
	}
	places := 0
	if pos < len(w.data) && w.data[pos] == '.' {
		fraction := pos + 1
		if v, pos = addDigits(v, w.data, fraction); pos == fraction {
			return 0, false
		}
		places = pos - fraction
		digits += places
	}
	if digits >= len(powersOfTen) || !endsNumber(w.data, pos) {
		return 0, false
	}
	w.pos = pos
	f := float64(v)
	if places > 0 {
		f /= powersOfTen[places]
	}
	if negative {
		f = -f
	}
	return f, true
}

//nolint:gochecknoglobals // a table that nobody changes
var powersOfTen = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// wholePart looks at a number up to where its fraction, exponent or end would be. There are no digits if there is no number.
func (w *Walker) wholePart() (v int64, digits, pos int, negative bool) {
	negative = w.Next() == '-'
	start := w.pos
	if negative {
		start++
	}
	v, pos = addDigits(0, w.data, start)
	if w.err != nil || pos-start > 1 && w.data[start] == '0' {
		return 0, 0, 0, false
	}
	return v, pos - start, pos, negative
}

// addDigits reads digits from a position on, to the right of those of v. It returns where they end.
func addDigits(v int64, data []byte, pos int) (int64, int) {
	for pos < len(data) && data[pos]-'0' <= 9 {
		v = v*10 + int64(data[pos]-'0')
		pos++
	}
	return v, pos
}

// endsNumber reports whether a number that has been read up to a position ends there.
func endsNumber(data []byte, pos int) bool {
	return pos >= len(data) || data[pos] != '.' && data[pos] != 'e' && data[pos] != 'E'
}

// Mismatch says that the value that comes next is not of the kind wanted, or that there is none.
func (w *Walker) Mismatch(want string) {
	found := kindOf(w.Next())
	if found == "" {
		w.Broken("a value is missing")
		return
	}
	w.Wrong("must be %s, not %s", want, found)
}

// kindOf tells by its first byte what a value is; "" when it is none.
func kindOf(c byte) string {
	switch {
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	case c == '"':
		return "a string"
	case c == '-', '0' <= c && c <= '9':
		return "a number"
	case c == 't', c == 'f':
		return "a boolean"
	case c == 'n':
		return "null"
	default:
		return ""
	}
}

// Refuse says that a value, which Raw returned, is not what is wanted. It shows texts, numbers and booleans, shortened and
// with everything unprintable escaped.
func (w *Walker) Refuse(raw []byte, want string) {
	if w.err != nil {
		return
	}
	switch c := raw[0]; c {
	case '{', '[', 'n':
		w.Wrong("must be %s, not %s", want, kindOf(c))
	case '"':
		w.Wrong("%s must be %s", quote(mended(raw)), want)
	default:
		w.Wrong("%s must be %s", shorten(raw, "%s"), want)
	}
}

// enter reads the bracket that opens what is wanted.
func (w *Walker) enter(bracket byte, want string) bool {
	if w.err == nil && w.Next() != bracket {
		w.Mismatch(want)
	}
	w.pos++
	return w.err == nil
}

// another reads up to the element n of an object or array, or past its closing bracket, and reports which.
func (w *Walker) another(bracket byte, n int) bool {
	if w.err != nil {
		return false
	}
	c := w.Next()
	if c == bracket {
		w.pos++
		return false
	}
	if n > 0 {
		if c != ',' {
			w.Broken("a comma or a closing bracket is missing")
			return false
		}
		w.pos++
		if w.Next() == bracket {
			w.Broken("a comma comes before a closing bracket")
			return false
		}
	}
	return true
}

// key reads a name and the colon behind it.
func (w *Walker) key() []byte {
	if w.Next() != '"' {
		w.Broken("a field name is missing")
		return nil
	}
	key := w.Text()
	if w.err == nil && w.Next() != ':' {
		w.Broken("a colon is missing")
	}
	w.pos++
	return key
}

// Next skips blanks and returns the byte behind them; 0 at the end.
func (w *Walker) Next() byte {
	if w.pos < len(w.data) && w.data[w.pos] > ' ' {
		return w.data[w.pos]
	}
	return w.skipBlanks()
}

func (w *Walker) skipBlanks() byte {
	for w.pos < len(w.data) {
		switch c := w.data[w.pos]; c {
		case ' ', '\t', '\n', '\r':
			w.pos++
		case 0:
			return 1 // as wrong as any other, but not the end
		default:
			return c
		}
	}
	return 0
}

// Skip reads a value of any kind. Only its syntax counts.
func (w *Walker) Skip() { w.skip(0) }

// Rest returns what has not been read, from the next value on.
func (w *Walker) Rest() []byte {
	if w.err != nil {
		return nil
	}
	w.skipBlanks()
	return w.data[w.pos:]
}

// Raw reads a value of any kind and returns its text, which is a part of that of the walker.
func (w *Walker) Raw() []byte {
	w.Next()
	start := w.pos
	w.skip(0)
	if w.err != nil {
		return nil
	}
	return w.data[start:w.pos:w.pos]
}

func (w *Walker) skip(depth int) {
	if w.err != nil {
		return
	}
	if depth >= maxDepth {
		w.Broken("values are nested too deep")
		return
	}
	switch c := w.Next(); c {
	case '{':
		w.pos++
		for n := 0; w.another('}', n); n++ {
			if w.Next() != '"' {
				w.Broken("a field name is missing")
				return
			}
			w.skipString()
			if w.err == nil && w.Next() != ':' {
				w.Broken("a colon is missing")
			}
			w.pos++
			w.skip(depth + 1)
		}
	case '[':
		w.pos++
		for n := 0; w.another(']', n); n++ {
			w.skip(depth + 1)
		}
	case '"':
		w.skipString()
	case 't':
		w.literal("true")
	case 'f':
		w.literal("false")
	case 'n':
		w.literal("null")
	default:
		w.skipNumber()
	}
}

func (w *Walker) skipNumber() {
	if w.at('-') {
		w.pos++
	}
	switch {
	case w.at('0'):
		w.pos++
	case w.skipDigits() == 0:
		w.Broken("a value is missing")
		return
	}
	if w.at('.') {
		w.pos++
		if w.skipDigits() == 0 {
			w.Broken("a digit is missing")
			return
		}
	}
	if w.at('e') || w.at('E') {
		w.pos++
		if w.at('+') || w.at('-') {
			w.pos++
		}
		if w.skipDigits() == 0 {
			w.Broken("a digit is missing")
		}
	}
}

func (w *Walker) skipDigits() int {
	data, pos := w.data, w.pos
	for pos < len(data) && '0' <= data[pos] && data[pos] <= '9' {
		pos++
	}
	n := pos - w.pos
	w.pos = pos
	return n
}

func (w *Walker) at(c byte) bool { return w.pos < len(w.data) && w.data[w.pos] == c }

func (w *Walker) literal(word string) {
	if !strings.HasPrefix(string(w.data[w.pos:min(w.pos+len(word), len(w.data))]), word) {
		w.Broken("a word is unknown")
		return
	}
	w.pos += len(word)
}

// Broken says that the syntax is wrong where the walker is.
func (w *Walker) Broken(why string) {
	if w.err == nil {
		w.err = &Error{Syntax: true, Offset: w.pos, Why: why}
	}
}

// Wrong says what is wrong with the value that was read last, or comes next. The path is added to it.
func (w *Walker) Wrong(format string, args ...any) {
	if w.err == nil {
		w.err = &Error{Why: fmt.Sprintf(format, args...)}
	}
}
