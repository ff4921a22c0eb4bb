package jsonwalk

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

func TestPlainPrefixEndsAtTheFirstByteThatIsNotPlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(rapid.StringOfN(rapid.RuneFrom([]rune("abz !#[]~\x7f")), 0, 40, -1).Draw(t, "plain"))
		for range rapid.IntRange(0, 3).Draw(t, "others") {
			other := rapid.OneOf(rapid.SampledFrom([]byte("\"\\\x00\x1f\x80\xff")), rapid.Byte()).Draw(t, "other")
			text = append(text, other)
			text = append(text, rapid.StringOfN(rapid.RuneFrom([]rune("ab\x7f")), 0, 20, -1).Draw(t, "rest")...)
		}
		want := bytes.IndexFunc(text, func(r rune) bool { return r < ' ' || r > '\x7f' || r == '"' || r == '\\' })
		if want < 0 {
			want = len(text)
		}
		if got := plainPrefix(text); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	})
}
