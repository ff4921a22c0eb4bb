package engine

import (
	"math"
	"strings"
	"testing"
)

func total(page, name string) *int {
	found := gauges{}
	_ = scanMetrics(strings.NewReader(page), func(n string) bool { return n == name }, found.add)
	return found.total(name)
}

func TestGauges(t *testing.T) {
	for _, c := range []struct {
		name, page string
		want       int // -1: unknown
	}{
		{"a plain gauge", "m 3\n", 3},
		{"the last line needs no end", "m 3", 3},
		{"with a timestamp", "m 3 1700000000000\n", 3},
		{"with labels", `m{model_name="x"} 3.0` + "\n", 3},
		{"with braces, blanks and quotes in labels", `m{model_name="a } \" 9 {"} 3` + "\n", 3},
		{"with scientific notation", "m 1.2e+01\n", 12},
		{"data parallel engines add up", "m{engine=\"0\"} 3\nm{engine=\"1\"} 4\n", 7},
		{"ranks of one group count once", "m{dp_rank=\"0\",tp_rank=\"0\"} 3\nm{dp_rank=\"0\",tp_rank=\"1\"} 3\nm{dp_rank=\"1\",tp_rank=\"0\"} 4\n", 7},
		{"zero is known", "m 0\n", 0},
		{"others are not counted", "m_total 9\nmm 9\n# m 9\n m 9\n", -1},
		{"nothing", "", -1},
		{"not a number", "m NaN\n", -1},
		{"infinite", "m +Inf\n", -1},
		{"negative", "m -1\n", -1},
		{"absurd", "m 1e300\n", -1},
		{"without a value", "m\nm \nm{a=\"b\"}\n", -1},
		{"unended labels", "m{a=\"b 3\n", -1},
		{"an odd line hides no other", "m{ 9\nm{a=\"b\"} x\nm 2\n", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := -1
			if n := total(c.page, "m"); n != nil {
				got = *n
			}
			if got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

func FuzzScanMetrics(f *testing.F) {
	f.Add("m{a=\"b\"} 3\nm{dp_rank=\"\\\"\"} 1e3 7\n# HELP m x\n")
	f.Add("m{a=\"\\")
	f.Fuzz(func(t *testing.T, page string) {
		_ = scanMetrics(strings.NewReader(page), func(string) bool { return true }, func(s sample) {
			if s.name == "" || strings.ContainsAny(s.name, "{ \t\n") || math.IsNaN(s.value) || math.IsInf(s.value, 0) {
				t.Errorf("got %+v", s)
			}
			_ = s.label("dp_rank")
		})
		if n := total(page, "m"); n != nil && *n < 0 {
			t.Errorf("got %d", *n)
		}
	})
}
