package main

import (
	"strings"
	"testing"
)

func TestTheTableSaysWhatWasMet(t *testing.T) {
	for _, f := range []struct {
		row  row
		want string
	}{
		{least("queries", 10_000, "/s", 10_000), "queries 10000 /s >= 10000 1.00 met"},
		{least("queries", 9_000, "/s", 10_000), "queries 9000 /s >= 10000 0.90 missed"},
		{most("p99", 250, "ms", 250), "p99 250 ms <= 250 1.00 met"},
		{most("p99", 500, "ms", 250), "p99 500 ms <= 250 2.00 missed"},
		{note("load", 12.34, "%"), "load 12.3 %"},
	} {
		var out strings.Builder
		if err := writeTable(&out, []row{f.row}); err != nil {
			t.Fatal(err)
		}
		_, line, _ := strings.Cut(out.String(), "\n")
		if got := strings.Join(strings.Fields(line), " "); got != f.want {
			t.Errorf("got %q, want %q", got, f.want)
		}
	}
}
