package engine

import (
	"bufio"
	"io"
	"math"
	"strconv"
	"strings"
)

// sample is one line of the Prometheus text format.
type sample struct {
	name   string
	labels string // between the braces, as it stands
	value  float64
}

// scanMetrics calls yield for each sample whose name is wanted. Lines that are not of the format are skipped: engines
// add what they like, and one odd line must not hide the others. A scanner of our own, because a whole parse of an
// engine's some hundred kilobytes every second, for two numbers, is work nobody needs.
func scanMetrics(r io.Reader, wanted func(name string) bool, yield func(sample)) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 16<<10), 1<<20)
	for lines.Scan() {
		line := lines.Bytes()
		end := 0
		for end < len(line) && line[end] != '{' && line[end] != ' ' && line[end] != '\t' {
			end++
		}
		if end == 0 || line[0] == '#' || !wanted(string(line[:end])) {
			continue
		}
		if s, ok := parseSample(string(line), end); ok {
			yield(s)
		}
	}
	return lines.Err()
}

func parseSample(line string, end int) (sample, bool) {
	s := sample{name: line[:end]}
	rest := line[end:]
	if strings.HasPrefix(rest, "{") {
		closing := labelsEnd(rest)
		if closing < 0 {
			return s, false
		}
		s.labels, rest = rest[1:closing], rest[closing+1:]
	}
	fields := strings.Fields(rest) // The value, and perhaps a timestamp.
	if len(fields) == 0 {
		return s, false
	}
	value, err := strconv.ParseFloat(fields[0], 64)
	if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
		return s, false
	}
	s.value = value
	return s, true
}

// labelsEnd finds the brace that ends the labels; values are quoted and may hold braces.
func labelsEnd(rest string) int {
	quoted := false
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == '}' && !quoted:
			return i
		}
	}
	return -1
}

// label returns the value of one label, escapes left as they are.
func (s sample) label(name string) string {
	rest := s.labels
	for rest != "" {
		key, after, ok := strings.Cut(rest, "=\"")
		if !ok {
			return ""
		}
		end := 0
		for end < len(after) && after[end] != '"' {
			if after[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(after) {
			return ""
		}
		if strings.Trim(key, ", ") == name {
			return after[:end]
		}
		rest = after[end+1:]
	}
	return ""
}

// gauges adds up gauges over what runs side by side. Ranks of one tensor or pipeline parallel group each report the
// requests of the whole group, so of those only the highest counts.
type gauges map[string]map[string]float64 // name -> rest of the labels -> value

func (g gauges) add(s sample) {
	group := s.label("dp_rank") + "|" + s.label("engine") + "|" + s.label("model_name") + "|" + s.label("engine_type")
	if g[s.name] == nil {
		g[s.name] = map[string]float64{}
	}
	if old, ok := g[s.name][group]; !ok || s.value > old {
		g[s.name][group] = s.value
	}
}

// total returns the sum of a gauge as a count; nil when it was not there or is none.
func (g gauges) total(name string) *int {
	if len(g[name]) == 0 {
		return nil
	}
	sum := 0.0
	for _, v := range g[name] {
		sum += v
	}
	if sum < 0 || sum > math.MaxInt32 {
		return nil
	}
	n := int(math.Round(sum))
	return &n
}
