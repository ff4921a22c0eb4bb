package rbee

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds how deep a value may be nested, as serde_json does.
const maxDepth = 128

// bodyError says what is wrong with a JSON text: its syntax, or the shape of a value in it.
type bodyError struct {
	syntax bool
	offset int    // where the syntax is wrong
	path   string // of the value, e.g. "workers[1].pid"
	why    string
}

func (e *bodyError) Error() string {
	switch {
	case e.syntax:
		return fmt.Sprintf("the body is not JSON: %s at byte %d", e.why, e.offset)
	case e.path == "":
		return e.why
	default:
		return e.path + ": " + e.why
	}
}

// within puts a step in front of the path.
func (e *bodyError) within(step string) {
	if e.path != "" && e.path[0] != '[' {
		step += "."
	}
	e.path = step + e.path
}

// decoder reads one JSON text by the rules that serde applies to rbee's types: unknown fields are skipped, a repeated known field is an
// error, an integer may stand for a float but not the other way round, and nothing is converted. encoding/json cannot be
// told these rules, and is several times slower.
//
// The first error sticks: all methods do nothing from then on.
type decoder struct {
	data []byte
	pos  int
	err  *bodyError
}

// decode reads all of data with read, which must read exactly one value.
func decode(data []byte, read func(*decoder)) error {
	d := &decoder{data: data}
	read(d)
	if d.err == nil && d.next() != 0 {
		d.broken("something follows the value")
	}
	if d.err != nil {
		return d.err
	}
	return nil
}

// object reads an object. It calls set with the name of each field that is in fields, to read the value. A field whose
// name ends in "?" there may be missing. There may be at most 32.
func (d *decoder) object(fields []string, set func(name string)) {
	if !d.enter('{', "an object") {
		return
	}
	var seen uint32
	expected := 0 // senders keep the order of declaration, so the search mostly ends where it begins
	for n := 0; d.another('}', n); n++ {
		key := d.key()
		if d.err != nil {
			return
		}
		i := find(fields, key, expected)
		if i < 0 {
			d.skip(0)
			continue
		}
		name := strings.TrimSuffix(fields[i], "?")
		if seen&(1<<i) != 0 {
			d.wrong("duplicate field %q", name)
			return
		}
		if set(name); d.err != nil {
			d.err.within(name)
			return
		}
		seen |= 1 << i
		expected = i + 1
	}
	if d.err != nil {
		return
	}
	for i, name := range fields {
		if seen&(1<<i) == 0 && !strings.HasSuffix(name, "?") {
			d.wrong("missing field %q", name)
			return
		}
	}
}

func find(fields []string, key []byte, expected int) int {
	for n := range fields {
		i := expected + n
		if i >= len(fields) {
			i -= len(fields)
		}
		if strings.TrimSuffix(fields[i], "?") == string(key) {
			return i
		}
	}
	return -1
}

// array reads an array. It calls element for each element, to read it.
func (d *decoder) array(element func(i int)) {
	if !d.enter('[', "an array") {
		return
	}
	for i := 0; d.another(']', i); i++ {
		if element(i); d.err != nil {
			d.err.within("[" + strconv.Itoa(i) + "]")
			return
		}
	}
}

// null reads a null, if that is what comes next, and reports whether it was.
func (d *decoder) null() bool {
	if d.next() != 'n' {
		return false
	}
	d.literal("null")
	return d.err == nil
}

func (d *decoder) string() string {
	if d.next() != '"' {
		d.mismatch("a string")
		return ""
	}
	return string(d.text())
}

// optString reads a string or null; null gives "".
func (d *decoder) optString() string {
	if d.null() {
		return ""
	}
	return d.string()
}

// uint reads an integer from 0 to most.
func (d *decoder) uint(most uint64) uint64 {
	token := d.number()
	if d.err != nil {
		return 0
	}
	var v uint64
	for _, c := range token {
		digit := uint64(c - '0')
		if digit > 9 || v > (most-digit)/10 {
			d.wrong("must be an integer from 0 to %d", most)
			return 0
		}
		v = v*10 + digit
	}
	return v
}

// float reads a number.
func (d *decoder) float() float64 {
	token := d.number()
	if d.err != nil {
		return 0
	}
	if string(token) == "0.0" { // what rbee sends for most figures
		return 0
	}
	v, err := strconv.ParseFloat(string(token), 64)
	if err != nil && math.IsInf(v, 0) {
		d.broken("number out of range")
	}
	return v
}

// number returns the text of the number that comes next.
func (d *decoder) number() []byte {
	if c := d.next(); c != '-' && (c < '0' || c > '9') {
		d.mismatch("a number")
		return nil
	}
	start := d.pos
	d.skipNumber()
	return d.data[start:d.pos]
}

// mismatch says that a value is not of the kind wanted, or that there is no value.
func (d *decoder) mismatch(want string) {
	var found string
	switch c := d.next(); {
	case c == '{':
		found = "an object"
	case c == '[':
		found = "an array"
	case c == '"':
		found = "a string"
	case c == '-', '0' <= c && c <= '9':
		found = "a number"
	case c == 't', c == 'f':
		found = "a boolean"
	case c == 'n':
		found = "null"
	default:
		d.broken("a value is missing")
		return
	}
	d.wrong("must be %s, not %s", want, found)
}

// enter reads the bracket that opens what is wanted.
func (d *decoder) enter(bracket byte, want string) bool {
	if d.err == nil && d.next() != bracket {
		d.mismatch(want)
	}
	d.pos++
	return d.err == nil
}

// another reads up to the element n of an object or array, or past its closing bracket, and reports which.
func (d *decoder) another(bracket byte, n int) bool {
	if d.err != nil {
		return false
	}
	c := d.next()
	if c == bracket {
		d.pos++
		return false
	}
	if n > 0 {
		if c != ',' {
			d.broken("a comma or a closing bracket is missing")
			return false
		}
		d.pos++
		if d.next() == bracket {
			d.broken("a comma comes before a closing bracket")
			return false
		}
	}
	return true
}

// key reads a name and the colon behind it.
func (d *decoder) key() []byte {
	if d.next() != '"' {
		d.broken("a field name is missing")
		return nil
	}
	key := d.text()
	if d.err == nil && d.next() != ':' {
		d.broken("a colon is missing")
	}
	d.pos++
	return key
}

// next skips blanks and returns the byte behind them; 0 at the end.
func (d *decoder) next() byte {
	for d.pos < len(d.data) {
		switch c := d.data[d.pos]; c {
		case ' ', '\t', '\n', '\r':
			d.pos++
		case 0:
			return 1 // as wrong as any other, but not the end
		default:
			return c
		}
	}
	return 0
}

// text reads a string, whose opening quote comes next. The result is valid until the decoder's data changes.
func (d *decoder) text() []byte {
	start := d.pos + 1
	d.skipString()
	if d.err != nil {
		return nil
	}
	raw := d.data[start : d.pos-1]
	if !utf8.Valid(raw) {
		d.broken("a string is not UTF-8")
		return nil
	}
	for i, c := range raw {
		if c == '\\' {
			return d.unescape(raw, i)
		}
	}
	return raw
}

// unescape replaces the escapes of a string whose syntax is known to be right, the first of which is at position i.
func (d *decoder) unescape(raw []byte, i int) []byte {
	text := append(make([]byte, 0, len(raw)), raw[:i]...)
	for i < len(raw) {
		c := raw[i]
		if c != '\\' {
			text = append(text, c)
			i++
			continue
		}
		c = raw[i+1]
		i += 2
		if c != 'u' {
			if at := strings.IndexByte("bfnrt", c); at >= 0 {
				c = "\b\f\n\r\t"[at]
			}
			text = append(text, c)
			continue
		}
		r := hexRune(raw[i:])
		i += 4
		if utf16.IsSurrogate(r) {
			low := utf8.RuneError
			if len(raw) >= i+6 && raw[i] == '\\' && raw[i+1] == 'u' {
				low = hexRune(raw[i+2:])
			}
			if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
				d.broken("half a surrogate pair is in a string")
				return nil
			}
			i += 6
		}
		text = utf8.AppendRune(text, r)
	}
	return text
}

func hexRune(digits []byte) rune {
	v, _ := strconv.ParseUint(string(digits[:4]), 16, 32) // known to be hexadecimal
	return rune(v)
}

// skip reads a value of any kind. Only its syntax counts.
func (d *decoder) skip(depth int) {
	if d.err != nil {
		return
	}
	if depth >= maxDepth {
		d.broken("values are nested too deep")
		return
	}
	switch c := d.next(); c {
	case '{':
		d.pos++
		for n := 0; d.another('}', n); n++ {
			if d.next() != '"' {
				d.broken("a field name is missing")
				return
			}
			d.skipString()
			if d.err == nil && d.next() != ':' {
				d.broken("a colon is missing")
			}
			d.pos++
			d.skip(depth + 1)
		}
	case '[':
		d.pos++
		for n := 0; d.another(']', n); n++ {
			d.skip(depth + 1)
		}
	case '"':
		d.skipString()
	case 't':
		d.literal("true")
	case 'f':
		d.literal("false")
	case 'n':
		d.literal("null")
	default:
		d.skipNumber()
	}
}

func (d *decoder) skipString() {
	for d.pos++; d.pos < len(d.data); d.pos++ {
		switch c := d.data[d.pos]; {
		case c == '"':
			d.pos++
			return
		case c == '\\':
			d.pos++
			d.skipEscape()
			if d.err != nil {
				return
			}
		case c < ' ':
			d.broken("a control character is in a string")
			return
		}
	}
	d.broken("a string does not end")
}

// skipEscape reads all but the last byte of what follows a backslash.
func (d *decoder) skipEscape() {
	if d.pos < len(d.data) && strings.IndexByte(`"\/bfnrt`, d.data[d.pos]) >= 0 {
		return
	}
	if d.pos+4 < len(d.data) && d.data[d.pos] == 'u' {
		for range 4 {
			d.pos++
			if !isHex(d.data[d.pos]) {
				d.broken("an escape in a string is not complete")
				return
			}
		}
		return
	}
	d.broken("an escape in a string is unknown")
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func (d *decoder) skipNumber() {
	if d.at('-') {
		d.pos++
	}
	switch {
	case d.at('0'):
		d.pos++
	case d.skipDigits() == 0:
		d.broken("a value is missing")
		return
	}
	if d.at('.') {
		d.pos++
		if d.skipDigits() == 0 {
			d.broken("a digit is missing")
			return
		}
	}
	if d.at('e') || d.at('E') {
		d.pos++
		if d.at('+') || d.at('-') {
			d.pos++
		}
		if d.skipDigits() == 0 {
			d.broken("a digit is missing")
		}
	}
}

func (d *decoder) skipDigits() int {
	start := d.pos
	for d.pos < len(d.data) && '0' <= d.data[d.pos] && d.data[d.pos] <= '9' {
		d.pos++
	}
	return d.pos - start
}

func (d *decoder) at(c byte) bool { return d.pos < len(d.data) && d.data[d.pos] == c }

func (d *decoder) literal(word string) {
	if !strings.HasPrefix(string(d.data[d.pos:min(d.pos+len(word), len(d.data))]), word) {
		d.broken("a word is unknown")
		return
	}
	d.pos += len(word)
}

func (d *decoder) broken(why string) {
	if d.err == nil {
		d.err = &bodyError{syntax: true, offset: d.pos, why: why}
	}
}

func (d *decoder) wrong(format string, args ...any) {
	if d.err == nil {
		d.err = &bodyError{why: fmt.Sprintf(format, args...)}
	}
}
