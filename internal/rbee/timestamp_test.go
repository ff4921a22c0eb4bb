package rbee

import (
	"testing"
	"time"
)

func TestTimestamps(t *testing.T) {
	want := time.Date(2025, 10, 30, 17, 40, 0, 0, time.UTC)
	for s, want := range map[string]time.Time{
		"2025-10-30T17:40:00Z":               want,
		"2025-10-30T17:40:00.123456789Z":     want.Add(123456789),
		"2025-10-30T17:40:00.5Z":             want.Add(500 * time.Millisecond),
		"2025-10-30T17:40:00.1234567899999Z": want.Add(123456789),
		"2025-10-30T17:40:00+00:00":          want,
		"2025-10-30T17:40:00-00:00":          want,
		"2025-10-30T19:40:00+02:00":          want,
		"2025-10-30T19:40:00+0200":           want,
		"2025-10-30T12:10:00-05:30":          want,
		"2025-10-30T17:40:00UTC":             want,
		"2025-10-30T17:40:00 UTC":            want,
		"2025-10-30 17:40:00Z":               want,
		"2025-10-30T17:40:00   +00:00":       want,
		" 2025-10-30T17:40:00Z":              want,
		"2025-10-30T17:39:60Z":               want,
		"0000-01-01T00:00:00Z":               time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC),
		"+12025-10-30T17:40:00Z":             want.AddDate(10_000, 0, 0),
	} {
		got, ok := parseTimestamp(s)
		if !ok || !got.Equal(want) {
			t.Errorf("%q: got %v, %t; want %v", s, got, ok, want)
		}
	}
	for _, s := range []string{
		"", " ", "2025-10-30T17:40:00", "2025-10-30T17:40Z", "2025-10-30T24:00:00Z", "2025-02-30T00:00:00Z", "2025-13-01T00:00:00Z",
		"1761846000", "2025-10-30t17:40:00Z", "2025-10-30T17:40:00z", "2025-10-30T17:40:61Z", "2025-10-30T17:40:00.Z", "12025-10-30T17:40:00Z",
		"2025-10-30T17:40:00ZZ", "2025-10-30T17:40:00+2:00", "2025-10-30T17:40:00+02:60", "2025-10-30T17:60:00Z", "2025-00-30T17:40:00Z", "today",
	} {
		if got, ok := parseTimestamp(s); ok {
			t.Errorf("%q: got %v, want it refused", s, got)
		}
	}
}

// FuzzTimestamp uses package time as the oracle for RFC 3339.
func FuzzTimestamp(f *testing.F) {
	f.Add("2025-10-30T17:40:00.123456789Z")
	f.Add("2024-02-29T23:59:60.5+02:00")
	f.Add("+12025-10-30 17:40:00 UTC")
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseTimestamp(s)
		want, err := time.Parse(time.RFC3339Nano, s)
		if err == nil && s[10] == 'T' && (!ok || !got.Equal(want)) {
			t.Errorf("%q: got %v, %t; want %v", s, got, ok, want)
		}
	})
}
