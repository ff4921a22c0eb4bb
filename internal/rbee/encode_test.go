package rbee

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestFloatsLookAsRustWritesThem(t *testing.T) {
	for want, v := range map[string]float64{
		"0.0": 0, "-0.0": math.Copysign(0, -1), "85.0": 85, "0.1": 0.1, "99.99": 99.99, "1e-7": 1e-7, "1.5e-7": 1.5e-7, "0.00001": 1e-5, "1e-6": 1e-6,
		"1e21": 1e21, "1e16": 1e16, "1000000000000000.0": 1e15, "1.2345e300": 1.2345e300, "123456.789": 123456.789,
		"1.7976931348623157e308": math.MaxFloat64, "5e-324": math.SmallestNonzeroFloat64, "-2.5": -2.5,
	} {
		if got := string(appendFloat(nil, v)); got != want {
			t.Errorf("%g: got %s, want %s", v, got, want)
		}
	}
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if got := string(appendFloat(nil, v)); got != "null" {
			t.Errorf("%g: got %s, want null", v, got)
		}
	}
}

func TestTimesLookAsRustWritesThem(t *testing.T) {
	at := time.Date(2025, 10, 30, 19, 40, 0, 0, time.FixedZone("", 7200))
	for want, at := range map[string]time.Time{
		`"2025-10-30T17:40:00+00:00"`:           at,
		`"2025-10-30T17:40:00.005+00:00"`:       at.Add(5 * time.Millisecond),
		`"2025-10-30T17:40:00.000005+00:00"`:    at.Add(5 * time.Microsecond),
		`"2025-10-30T17:40:00.123456789+00:00"`: at.Add(123456789),
	} {
		if got := string(appendTime(nil, at)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// FuzzFloat checks that what is written reads back as the same value, and looks like a float.
func FuzzFloat(f *testing.F) {
	f.Add(85.0)
	f.Add(1e-7)
	f.Add(1e16)
	f.Fuzz(func(t *testing.T, v float64) {
		text := string(appendFloat(nil, v))
		if text == "null" {
			return
		}
		back, err := strconv.ParseFloat(text, 64)
		if err != nil || back != v || !json.Valid([]byte(text)) || !strings.ContainsAny(text, ".e") {
			t.Errorf("%g was written as %s", v, text)
		}
	})
}

// FuzzString checks that what is written reads back as the same text.
func FuzzString(f *testing.F) {
	f.Add("a\"b\\c\n\x00\x1fä\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		var back string
		if err := json.Unmarshal(quoted(s), &back); err != nil || back != s {
			t.Errorf("%q was written as %s", s, quoted(s))
		}
	})
}
