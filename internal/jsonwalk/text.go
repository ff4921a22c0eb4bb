package jsonwalk

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/bits"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Text reads a string. The result is valid as long as the text of the walker.
func (w *Walker) Text() []byte {
	if w.err != nil {
		return nil
	}
	if w.Next() != '"' {
		w.Mismatch("a string")
		return nil
	}
	start := w.pos
	if end := start + 1 + plainPrefix(w.data[start+1:]); end < len(w.data) && w.data[end] == '"' {
		w.pos = end + 1
		return w.data[start+1 : end]
	}
	plain := w.skipString()
	if w.err != nil {
		return nil
	}
	raw := w.data[start+1 : w.pos-1]
	if plain {
		return raw
	}
	valid := utf8.Valid(raw)
	if valid {
		if text, ok := unescape(raw); ok {
			return text
		}
	}
	switch {
	case w.MendText:
		return mended(w.data[start:w.pos])
	case !valid:
		w.Broken("a string is not UTF-8")
	default:
		w.Broken("half a surrogate pair is in a string")
	}
	return nil
}

// mended reads a string whose syntax is known to be right as encoding/json does, so that both always agree.
func mended(token []byte) []byte {
	var s string
	_ = json.Unmarshal(token, &s) // cannot fail
	return []byte(s)
}

// unescape replaces the escapes of a string whose syntax is known to be right. It is false for half a surrogate pair.
func unescape(raw []byte) ([]byte, bool) {
	i := bytes.IndexByte(raw, '\\')
	if i < 0 {
		return raw, true
	}
	text := make([]byte, 0, len(raw))
	for ; i >= 0; i = bytes.IndexByte(raw, '\\') {
		text = append(text, raw[:i]...)
		c := raw[i+1]
		raw = raw[i+2:]
		if c != 'u' {
			if at := strings.IndexByte("bfnrt", c); at >= 0 {
				c = "\b\f\n\r\t"[at]
			}
			text = append(text, c)
			continue
		}
		r := hexRune(raw)
		raw = raw[4:]
		if utf16.IsSurrogate(r) {
			low := utf8.RuneError
			if len(raw) >= 6 && raw[0] == '\\' && raw[1] == 'u' {
				low = hexRune(raw[2:])
			}
			if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
				return nil, false
			}
			raw = raw[6:]
		}
		text = utf8.AppendRune(text, r)
	}
	return append(text, raw...), true
}

func hexRune(digits []byte) rune {
	v, _ := strconv.ParseUint(string(digits[:4]), 16, 32) // known to be hexadecimal
	return rune(v)
}

// skipString reports whether the string is plain: ASCII without escapes.
func (w *Walker) skipString() (plain bool) {
	plain = true
	data := w.data
	for pos := w.pos + 1; pos < len(data); pos++ {
		pos += plainPrefix(data[pos:])
		if pos >= len(data) {
			break
		}
		c := data[pos]
		if c == '"' {
			w.pos = pos + 1
			return plain
		}
		plain = false
		switch w.pos = pos; {
		case c == '\\':
			w.pos++
			w.skipEscape()
			if w.err != nil {
				return false
			}
			pos = w.pos
		case c < ' ':
			w.Broken("a control character is in a string")
			return false
		}
	}
	w.pos = len(data)
	w.Broken("a string does not end")
	return false
}

// plainPrefix returns how many bytes come before the first that is a quote, a backslash, a control character or not ASCII. It
// looks at eight at a time: a request's bytes are nearly all in strings, and are looked at twice.
func plainPrefix(text []byte) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; len(text)-n >= 8; n += 8 {
		// A byte's high bit is set in found if the byte is one of those. Bits above the first that is right may be wrong.
		x := binary.LittleEndian.Uint64(text[n:])
		quote, backslash := x^(ones*'"'), x^(ones*'\\')
		found := (x | (x-ones*' ')&^x | (quote-ones)&^quote | (backslash-ones)&^backslash) & highs
		if found != 0 {
			return n + bits.TrailingZeros64(found)/8
		}
	}
	for n < len(text) && text[n] >= ' ' && text[n] < utf8.RuneSelf && text[n] != '"' && text[n] != '\\' {
		n++
	}
	return n
}

// skipEscape reads all but the last byte of what follows a backslash.
func (w *Walker) skipEscape() {
	if w.pos < len(w.data) && strings.IndexByte(`"\/bfnrt`, w.data[w.pos]) >= 0 {
		return
	}
	if w.pos+4 < len(w.data) && w.data[w.pos] == 'u' {
		for range 4 {
			w.pos++
			if !isHex(w.data[w.pos]) {
				w.Broken("an escape in a string is not complete")
				return
			}
		}
		return
	}
	w.Broken("an escape in a string is unknown")
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
