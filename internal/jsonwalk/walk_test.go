package jsonwalk_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"waggle/internal/jsonwalk"
)

// FuzzSyntax compares Skip, Raw and Value with encoding/json, which agrees on what JSON is, but for how deep it may be nested.
func FuzzSyntax(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,-0,2.5e-3,"\u00e4\n",true,false,null,{}]}`, `[1,]`, `{"a":1,}`, `{"a":1,"a":[2]}`, `01`, `-`, `1.`, `1e`, `"\ud800"`, `"\x"`, "\"\x01\"",
		`nul`, "\x00", `[[[]]`, `"\u12`, `{"a" 1}`, "\"\xff\"", ` 5 `, `{"\ud83d":"\ude00\ud83d"}`, strings.Repeat("[", 200) + strings.Repeat("]", 200),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		skip, raw, value := jsonwalk.New(data), jsonwalk.New(data), jsonwalk.New(data)
		skip.Skip()
		err := skip.End()
		if err != nil && strings.Contains(err.Error(), "nested too deep") {
			return
		}
		if valid := json.Valid(data); valid != (err == nil) {
			t.Errorf("encoding/json says %t, we say %v", valid, err)
		}
		text := raw.Raw()
		value.MendText = true
		got := value.Value()
		if rawErr, valueErr := raw.End(), value.End(); (rawErr == nil) != (err == nil) || (valueErr == nil) != (err == nil) {
			t.Fatalf("Skip says %v, Raw %v, Value %v", err, rawErr, valueErr)
		}
		if err != nil {
			return
		}
		if want := bytes.Trim(data, " \t\r\n"); !bytes.Equal(text, want) {
			t.Errorf("raw %q, want %q", text, want)
		}
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.UseNumber()
		var want any
		if err := dec.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("value (-encoding/json +ours):\n%s", diff)
		}
	})
}

// FuzzText compares how strings are read with encoding/json, which mends what is refused unless MendText is set.
func FuzzText(f *testing.F) {
	for _, s := range []string{`"abc"`, `"\u00e4\ud83d\ude00\n\/"`, `"\ud83d"`, `"\ude00\ud83d"`, "\"\xff\"", `"\\u0041"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		strict, mending := jsonwalk.New(data), jsonwalk.New(data)
		mending.MendText = true
		got, mended := string(strict.Text()), string(mending.Text())
		err, mendingErr := strict.End(), mending.End()
		var want string
		oracle := json.Unmarshal(data, &want)
		isText := strings.HasPrefix(strings.TrimLeft(string(data), " \t\r\n"), `"`)
		switch {
		case err == nil && (oracle != nil || got != want):
			t.Errorf("got %q, want %q, %v", got, want, oracle)
		case err != nil && oracle == nil && utf8.Valid(data) && !strings.Contains(want, "\uFFFD") && isText:
			t.Errorf("refused %q: %v", data, err)
		case isText && (mendingErr == nil) != (oracle == nil), mendingErr == nil && mended != want:
			t.Errorf("mended %q, %v, want %q, %v", mended, mendingErr, want, oracle)
		}
	})
}

// FuzzPlainNumbers compares the short ways of reading numbers, where they go, with the long ones.
func FuzzPlainNumbers(f *testing.F) {
	for _, s := range []string{
		`0`, `-0`, `7`, `-12`, `007`, `1.5`, `-0.25`, `0.1`, `123456789012345`, `1234567890123456`, `999999999999999999`, `9999999999999999999`, `1.`, `.5`, `-`,
		`1e3`, `1.5E-2`, `3.000000000000001`, `0.000000000000001`, ` 42 `, `4 2`, `1-`, `1.2.3`, `"1"`, ``, `179769313486231`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		short, long := jsonwalk.New(data), jsonwalk.New(data)
		number := string(long.Number())
		longErr := long.End()
		if v, ok := short.PlainInt(); ok {
			err := short.End()
			if want, wantErr := strconv.ParseInt(number, 10, 64); (err == nil) != (longErr == nil) || err == nil && (wantErr != nil || v != want) {
				t.Errorf("%q: %d, %v, want %d, %v, %v", data, v, err, want, wantErr, longErr)
			}
		} else if raw := short.Raw(); short.End() == nil && string(raw) != string(bytes.Trim(data, " \t\r\n")) {
			t.Errorf("%q: something was read of what is not plain: %q is left", data, raw)
		}
		short = jsonwalk.New(data)
		if v, ok := short.PlainDecimal(); ok {
			err := short.End()
			if want, wantErr := strconv.ParseFloat(number, 64); (err == nil) != (longErr == nil) || err == nil && (wantErr != nil || v != want) {
				t.Errorf("%q: %v, %v, want %v, %v, %v", data, v, err, want, wantErr, longErr)
			}
		} else if raw := short.Raw(); short.End() == nil && string(raw) != string(bytes.Trim(data, " \t\r\n")) {
			t.Errorf("%q: something was read of what is not plain: %q is left", data, raw)
		}
	})
}

// pair is what the tests below read: {"a": number, "b": [text], "c": number or nothing}. It returns what was read, and the error.
func pair(text string, skipUnknown bool) (read string, err error) {
	w := jsonwalk.New([]byte(text))
	w.SkipUnknown = skipUnknown
	w.Object([]string{"a", "b", "c?"}, func(name string) {
		if name == "b" {
			read += "b" + texts(&w)
		} else {
			read += name + number(&w)
		}
	})
	return read, w.End()
}

// pairByShape is pair, by a shape.
func pairByShape(text string, skipUnknown bool) (read string, err error) {
	w := jsonwalk.New([]byte(text))
	w.SkipUnknown = skipUnknown
	field := jsonwalk.NewField[*jsonwalk.Walker, string]
	jsonwalk.NewShape(
		field("a", func(w *jsonwalk.Walker, to *string) { *to += "a" + number(w) }),
		field("b", func(w *jsonwalk.Walker, to *string) { *to += "b" + texts(w) }),
		field("c?", func(w *jsonwalk.Walker, to *string) { *to += "c" + number(w) }),
	).Read(&w, &w, &read)
	return read, w.End()
}

func number(w *jsonwalk.Walker) string {
	raw := w.Raw()
	if len(raw) > 0 && (raw[0] < '0' || raw[0] > '9') {
		w.Refuse(raw, "a number")
	}
	return string(raw)
}

func texts(w *jsonwalk.Walker) (all string) {
	w.Array(func(int) { all += string(w.Text()) + "," })
	return all
}

// FuzzShape compares how an object is read by its shape with how it is read by its fields.
func FuzzShape(f *testing.F) {
	for _, s := range []string{
		`{"a":1,"b":["x"],"c":2}`, `{"a":1,"b":[]}`, `{"b":["x","y"],"a":1}`, `{"c":1,"a":2,"b":[]}`, `{ "a" : 1 , "b":[ ] }`, `{"a":1 ,"b":[]}`, `{"a":1, "b":[]}`,
		`{,"a":1,"b":[]}`, `{"a":1,,"b":[]}`, `{"a":1,"b":[],}`, `{"a":1"b":[]}`, `{"a":1,"b":[]`, `{"a":1,"b":[],"c"`, `{"a":1,"b":[],"c":`, `{"a":1,"a":1,"b":[]}`,
		`{"a":1,"x":{},"b":[]}`, `{"\u0061":1,"b":[]}`, `{}`, `{`, `[]`, ``, `{"a":1}`, `{"a":"x","b":[]}`, `{"a":1,"b":[1]}`,
	} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, text string, skipUnknown bool) {
		want, wantErr := pair(text, skipUnknown)
		got, err := pairByShape(text, skipUnknown)
		if fmt.Sprint(err) != fmt.Sprint(wantErr) || err == nil && got != want {
			t.Errorf("%s\nby shape  %q, %v\nby fields %q, %v", text, got, err, want, wantErr)
		}
	})
}

// Keys are compared by parts, so each part must count, and none be read that is not there.
func TestAShapeTellsLongKeysApart(t *testing.T) {
	t.Parallel()
	names := []string{
		"abcd", "abcde", "abcdef", "abcdefg", "abcdefgh", "abcdefghi", "abcdefghijklm", "abcdefghijklmn", "abcdefghijklmnopqr",
		"abcdefXhijklmnopqr", "abcdefgXijklmnopqr", "abcdefghiXklmnopqr", "abcdefghijXlmnopqr", "abcdefghijklmnopqX", "abcdefghijklmnopqrstuvwxyz",
	}
	var fields []jsonwalk.Field[*jsonwalk.Walker, string]
	for _, name := range names {
		fields = append(fields, jsonwalk.NewField(name+"?", func(w *jsonwalk.Walker, to *string) { *to += name + "=" + number(w) }))
	}
	shape := jsonwalk.NewShape(fields...)
	read := func(text string) (read string, err error) {
		w := jsonwalk.New([]byte(text))
		shape.Read(&w, &w, &read)
		return read, w.End()
	}
	for i, name := range names {
		text := `{"` + name + `":7}`
		if got, err := read(text); err != nil || got != name+"=7" {
			t.Errorf("%s: %q, %v", text, got, err)
		}
		for end := range len(text) {
			if got, err := read(text[:end]); err == nil {
				t.Errorf("%s: %q", text[:end], got)
			}
		}
		for at := range name {
			other := name[:at] + "_" + name[at+1:]
			if got, err := read(`{"` + other + `":7}`); err == nil || !strings.Contains(err.Error(), strconv.Quote(other)) {
				t.Errorf("%s was taken for another: %q, %v", other, got, err)
			}
		}
		next := names[(i+1)%len(names)]
		if got, err := read(`{"` + next + `":1,"` + name + `":2}`); err != nil || got != next+"=1"+name+"=2" {
			t.Errorf("%s before %s: %q, %v", next, name, got, err)
		}
	}
}

func TestErrorsNameThePathTheValueAndWhatIsAllowed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"a":1,"b":[]}`:                 `<nil>`,
		`{"c":1, "b":["x"], "\u0061":2}`: `<nil>`,
		`{"a":1}`:                        `missing field "b"`,
		`{"a":1,"a":1,"b":[]}`:           `duplicate field "a"`,
		`{"a":1,"x":{},"b":[]}`:          `unknown field "x"; there are a, b, c`,
		`{"a":"x","b":[]}`:               `a: "x" must be a number`,
		`{"a":true,"b":[]}`:              `a: true must be a number`,
		`{"a":null,"b":[]}`:              `a: must be a number, not null`,
		`{"a":{},"b":[]}`:                `a: must be a number, not an object`,
		`{"a":1,"b":["x",1]}`:            `b[1]: must be a string, not a number`,
		`{"a":1,"b":{}}`:                 `b: must be an array, not an object`,
		`{"a":1,"b":[]`:                  `not JSON: a comma or a closing bracket is missing at byte 13`,
		`{"a":1,"b":[]} x`:               `not JSON: something follows the value at byte 15`,
		`{"a":"` + strings.Repeat("é", 100) + `\u001b"}`: `a: "` + strings.Repeat(`\u00e9`, 24) + `"… must be a number`,
	} {
		if _, err := pair(text, false); fmt.Sprint(err) != want {
			t.Errorf("%s\n got %v\nwant %s", text, err, want)
		}
	}
	if _, err := pair(`{"a":1,"x":{"a":[]},"b":[]}`, true); err != nil {
		t.Errorf("an unknown field: %v", err)
	}
}

func TestRetrySkipsWhatIsOfTheWrongShape(t *testing.T) {
	t.Parallel()
	w := jsonwalk.New([]byte(`[1,"x",{"a":2},3,{]`))
	var numbers []string
	var why []string
	w.Array(func(int) {
		if err := w.Retry(func() { numbers = append(numbers, string(w.Number())) }); err != nil {
			numbers, why = numbers[:len(numbers)-1], append(why, err.Error())
		}
	})
	if diff := cmp.Diff([]string{"1", "3"}, numbers[:2]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"must be a number, not a string", "must be a number, not an object"}, why[:2]); diff != "" {
		t.Error(diff)
	}
	if err := w.Err(); err == nil || !err.Syntax {
		t.Errorf("wrong syntax did not stick: %v", err)
	}
}
