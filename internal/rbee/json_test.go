package rbee

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzSyntax compares the decoder with encoding/json, which agrees on what JSON is, but for how deep it may be nested.
func FuzzSyntax(f *testing.F) {
	for _, s := range []string{heartbeatJSON(workerJSON), `{"a":[1,-0,2.5e-3,"\u00e4\n",true,false,null,{}]}`, `[1,]`, `{"a":1,}`, `01`, `-`, `1.`, `1e`, `"\ud800"`, `"\x"`, "\"\x01\"", `nul`, "\x00", `[[[]]`, `"\u12`, `{"a" 1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		err := decode(data, func(d *decoder) { d.skip(0) })
		if err != nil && strings.Contains(err.Error(), "nested too deep") {
			return
		}
		if valid := json.Valid(data); valid != (err == nil) {
			t.Errorf("encoding/json says %t, we say %v", valid, err)
		}
	})
}

// FuzzStrings compares how strings are read with encoding/json, which mends what serde refuses.
func FuzzStrings(f *testing.F) {
	for _, s := range []string{`"abc"`, `"\u00e4\ud83d\ude00\n\/"`, `"\ud83d"`, `"\ude00\ud83d"`, "\"\xff\"", `"\\u0041"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got, want string
		err := decode(data, func(d *decoder) { got = d.string() })
		oracle := json.Unmarshal(data, &want)
		switch {
		case err == nil && (oracle != nil || got != want):
			t.Errorf("got %q, want %q, %v", got, want, oracle)
		case err != nil && oracle == nil && utf8.Valid(data) && !strings.Contains(want, "\uFFFD") && strings.HasPrefix(strings.TrimSpace(string(data)), `"`):
			t.Errorf("refused %q: %v", data, err)
		}
	})
}

// FuzzHeartbeat checks that no body makes the door stumble, and that a body it takes is JSON.
func FuzzHeartbeat(f *testing.F) {
	f.Add([]byte(heartbeatJSON(workerJSON, workerJSON)))
	f.Add([]byte(strings.TrimSuffix(heartbeatJSON(), "}") + `,"capabilities":[` + deviceJSON + `]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		err := decode(data, func(d *decoder) { d.hiveHeartbeat(0) })
		if err == nil && !json.Valid(data) {
			t.Error("taken, but not JSON")
		}
		if b := (*bodyError)(nil); err != nil && (!errors.As(err, &b) || b.why == "") {
			t.Errorf("got %v, want an error that says why", err)
		}
	})
}

func BenchmarkDecodeHeartbeat8Workers(b *testing.B) {
	workers := make([]string, 8)
	for i := range workers {
		workers[i] = strings.Replace(workerJSON, "8080", "808"+string(rune('0'+i)), 1)
	}
	body := []byte(heartbeatJSON(workers...))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if err := decode(body, func(d *decoder) { d.hiveHeartbeat(0) }); err != nil {
			b.Fatal(err)
		}
	}
}
