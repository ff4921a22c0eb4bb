package jsonwalk

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// Value reads a value of any kind as encoding/json does into an any: a map[string]any, a []any, a string, a bool or nil. Numbers
// stay as they are written, as a json.Number. Of fields with the same name the last one counts.
func (w *Walker) Value() any { return w.value(0) }

func (w *Walker) value(depth int) any {
	if w.err != nil {
		return nil
	}
	if depth >= maxDepth {
		w.Broken("values are nested too deep")
		return nil
	}
	switch w.Next() {
	case '{':
		object := map[string]any{}
		w.Members(func(key []byte) { object[string(key)] = w.value(depth + 1) })
		return object
	case '[':
		list := []any{}
		w.Array(func(int) { list = append(list, w.value(depth+1)) })
		return list
	case '"':
		return string(w.Text())
	case 't':
		w.literal("true")
		return true
	case 'f':
		w.literal("false")
		return false
	case 'n':
		w.literal("null")
		return nil
	default:
		return json.Number(w.Number())
	}
}

// quote shows a text.
func quote(text []byte) string { return shorten(text, "%+q") }

// shorten formats the beginning of a text.
func shorten(text []byte, format string) string {
	const most = 48
	if len(text) <= most {
		return fmt.Sprintf(format, text)
	}
	end := most
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return fmt.Sprintf(format, text[:end]) + "…"
}
