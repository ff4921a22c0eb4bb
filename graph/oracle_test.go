package graph_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
	"pgregory.net/rapid"

	"waggle/graph"
	"waggle/registry"
)

// TestCompiledAnswersAreThoseOfTheGeneratedExecutor sends drawn operations to two registries with the same drawn fleet, one behind compiled selections, one
// behind the generated executor alone.
func TestCompiledAnswersAreThoseOfTheGeneratedExecutor(t *testing.T) {
	schema := graph.NewExecutableSchema(graph.Config{}).Schema()
	rapid.Check(t, func(rt *rapid.T) {
		fleet := rapid.SliceOfN(rapid.Custom(drawHeartbeat), 1, 6).Draw(rt, "fleet")
		silence := time.Duration(rapid.SampledFrom([]int{0, 0, 1, 5, 12}).Draw(rt, "silence")) * time.Second
		operations := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) string { return drawOperation(rt, schema) }), 1, 8).Draw(rt, "operations")
		run := func(newAPI func(registry.Config) *api) (answers []string) {
			synctest.Test(t, func(t *testing.T) {
				a := newAPI(registry.Config{})
				go func() { _ = a.reg.Run(t.Context()) }()
				for _, hb := range fleet {
					hb.Devices, hb.Workers = slices.Clone(hb.Devices), slices.Clone(hb.Workers)
					_, _ = a.reg.Apply(&hb)
					time.Sleep(silence + 3*time.Millisecond) // not at the very moment at which the registry judges the silence
					synctest.Wait()
				}
				for _, op := range operations {
					if _, errs := a.prepare(t, op, nil); len(errs) == 0 && strings.HasPrefix(op, "subscription") {
						for _, m := range a.subscribe(t, op, nil).take() {
							answers = append(answers, m.data)
						}
						continue
					}
					answers = append(answers, a.ask(t, op, nil))
				}
			})
			return answers
		}
		got, want := run(newAPI), run(newGeneratedAPI)
		if len(got) != len(want) {
			rt.Fatalf("%d answers, want %d", len(got), len(want))
		}
		for i := range want {
			if got[i] != want[i] && withErrorsSorted(rt, got[i]) != withErrorsSorted(rt, want[i]) {
				rt.Fatalf("got  %s\nwant %s", got[i], want[i])
			}
		}
	})
}

// withErrorsSorted is an answer with its errors in order: gqlgen executes root fields side by side.
func withErrorsSorted(t *rapid.T, answer string) string {
	var parts struct{ Data, Errors json.RawMessage }
	if err := json.Unmarshal([]byte(answer), &parts); err != nil {
		t.Fatalf("%v: %s", err, answer)
	}
	var errs []json.RawMessage
	if parts.Errors != nil {
		if err := json.Unmarshal(parts.Errors, &errs); err != nil {
			t.Fatal(err)
		}
	}
	slices.SortFunc(errs, func(a, b json.RawMessage) int { return bytes.Compare(a, b) })
	return fmt.Sprintf("%s %s", errs, parts.Data)
}

func drawHeartbeat(t *rapid.T) registry.Heartbeat {
	text := rapid.SampledFrom([]string{"llama", "", `say "hi" \ there`, "line\u2028para\u2029", "<&>'/", "größe 🐝", "a\tb\r\nc\x00\x1f\x7f", "\xff\xfe", "x"})
	optInt := rapid.Custom(func(t *rapid.T) registry.OptInt {
		return rapid.SampledFrom([]registry.OptInt{{}, registry.Int(0), registry.Int(1), registry.Int(8192), registry.Int(81920), registry.Int(-5)}).Draw(t, "int")
	})
	optFloat := rapid.Custom(func(t *rapid.T) registry.OptFloat {
		if rapid.Bool().Draw(t, "known") {
			return registry.Float(rapid.OneOf(rapid.SampledFrom([]float64{0, 100, 33.3, 1e-7, 1e21, 1e6, 123456.789}), rapid.Float64Range(0, 100)).Draw(t, "float"))
		}
		return registry.OptFloat{}
	})
	hb := registry.Heartbeat{Hive: registry.HiveReport{
		ID:                rapid.SampledFrom([]string{"a", "b", "gpu-1", "x_y.z:1"}).Draw(t, "id"),
		Hostname:          rapid.SampledFrom([]string{"localhost", "10.0.0.1", "::1", "gpu.example"}).Draw(t, "hostname"),
		Port:              rapid.SampledFrom([]int32{0, 7835, 65535}).Draw(t, "port"),
		Version:           text.Draw(t, "version"),
		OperationalStatus: registry.OperationalStatus(rapid.IntRange(0, 4).Draw(t, "status")),
		HealthStatus:      registry.HealthStatus(rapid.IntRange(0, 2).Draw(t, "health")),
		HealthReason:      registry.OptString(text.Draw(t, "reason")),
	}}
	for i := range rapid.IntRange(0, 2).Draw(t, "devices") {
		hb.Devices = append(hb.Devices, registry.Device{
			ID: fmt.Sprintf("GPU-%d", i), Name: text.Draw(t, "name"), Kind: registry.DeviceKind(rapid.IntRange(0, 1).Draw(t, "kind")),
			MemoryTotalMB: optInt.Draw(t, "total"), MemoryUsedMB: optInt.Draw(t, "used"), UtilizationPercent: optFloat.Draw(t, "utilization"),
			TemperatureCelsius: optFloat.Draw(t, "temperature"), PowerWatts: optFloat.Draw(t, "power"), ComputeCapability: registry.OptString(text.Draw(t, "capability")),
		})
	}
	for i := range rapid.SampledFrom([]int{0, 1, 2, 4}).Draw(t, "workers") {
		hb.Workers = append(hb.Workers, registry.WorkerReport{
			Group: "llm", Instance: strconv.Itoa(i), PID: optInt.Draw(t, "pid"), Model: registry.OptString(text.Draw(t, "model")),
			Endpoint: rapid.SampledFrom([]registry.OptString{"", "http://localhost:80", "http://10.0.0.1:8080/x?y=%22"}).Draw(t, "endpoint"),
			Telemetry: registry.Telemetry{
				GPUUtilizationPercent: optFloat.Draw(t, "gpu"), VRAMUsedMB: optInt.Draw(t, "used"), VRAMTotalMB: optInt.Draw(t, "total"),
				CPUPercent: optFloat.Draw(t, "cpu"), RSSMB: optInt.Draw(t, "rss"), IOReadMBPerSecond: optFloat.Draw(t, "read"), IOWriteMBPerSecond: optFloat.Draw(t, "write"),
				UptimeSeconds: optInt.Draw(t, "uptime"), RequestsRunning: optInt.Draw(t, "running"), RequestsQueued: optInt.Draw(t, "queued"),
			},
		})
	}
	return hb
}

// operationDrawer draws a valid operation of a schema.
type operationDrawer struct {
	*rapid.T
	schema     *ast.Schema
	directives bool // with them, nothing compiles
	fragments  []string
}

func drawOperation(t *rapid.T, schema *ast.Schema) string {
	d := &operationDrawer{T: t, schema: schema, directives: rapid.IntRange(0, 5).Draw(t, "directives") == 0}
	kind := rapid.SampledFrom([]*ast.Definition{schema.Query, schema.Query, schema.Mutation, schema.Subscription}).Draw(t, "kind")
	var set string
	if kind == schema.Subscription {
		set = "{ " + d.rootField(kind) + " }"
	} else {
		set = d.set(kind, 0)
	}
	return strings.ToLower(kind.Name) + " " + set + strings.Join(d.fragments, "")
}

func (d *operationDrawer) set(def *ast.Definition, depth int) string {
	var b strings.Builder
	b.WriteString("{")
	for range rapid.IntRange(1, 6).Draw(d.T, "selections") {
		b.WriteString(" ")
		switch rapid.IntRange(0, 11).Draw(d.T, "selection") {
		case 0:
			b.WriteString(rapid.SampledFrom([]string{"__typename", "type: __typename"}).Draw(d.T, "typename"))
		case 1:
			b.WriteString("..." + rapid.SampledFrom([]string{"", " on " + def.Name}).Draw(d.T, "condition") + d.directive() + " " + d.set(def, depth+1))
		case 2:
			if depth > 3 {
				b.WriteString("__typename")
				continue
			}
			set := d.set(def, depth+1)
			name := fmt.Sprintf("F%d", len(d.fragments))
			d.fragments = append(d.fragments, fmt.Sprintf(" fragment %s on %s %s", name, def.Name, set))
			b.WriteString("..." + name + d.directive())
		default:
			if def == d.schema.Query || def == d.schema.Mutation {
				b.WriteString(d.rootField(def))
			} else {
				b.WriteString(d.field(def, depth))
			}
		}
	}
	return b.String() + " }"
}

func (d *operationDrawer) directive() string {
	if !d.directives {
		return ""
	}
	return rapid.SampledFrom([]string{"", "", "", "", " @include(if: true)", " @skip(if: true)"}).Draw(d.T, "directive")
}

// field draws a field below the root. Its alias names its arguments, so that equal keys always merge.
func (d *operationDrawer) field(def *ast.Definition, depth int) string {
	var fields []string
	for _, f := range def.Fields {
		if depth < 4 || d.schema.Types[f.Type.Name()].IsLeafType() {
			fields = append(fields, f.Name)
		}
	}
	if len(fields) == 0 {
		return "__typename"
	}
	f := def.Fields.ForName(rapid.SampledFrom(fields).Draw(d.T, "field"))
	text := f.Name
	switch {
	case len(f.Arguments) > 0: // Fleet.models
		n := rapid.SampledFrom([]int{1, 2, 50, 0, 5000}).Draw(d.T, "first")
		text = fmt.Sprintf("%s%d: %s(first: %d)", f.Name, n, f.Name, n)
	case rapid.IntRange(0, 5).Draw(d.T, "alias") == 0:
		text = f.Name + "2: " + f.Name
	}
	text += d.directive()
	if child := d.schema.Types[f.Type.Name()]; !child.IsLeafType() {
		text += " " + d.set(child, depth+1)
	}
	return text
}

// rootField draws a root field with arguments, under an alias of its own but for subscriptions.
func (d *operationDrawer) rootField(def *ast.Definition) string {
	var fields []*ast.FieldDefinition
	for _, f := range def.Fields {
		if f.Name != "__type" {
			fields = append(fields, f)
		}
	}
	f := rapid.SampledFrom(fields).Draw(d.T, "root")
	if f.Name == "__schema" {
		return "__schema { queryType { name } }"
	}
	var args []string
	for _, arg := range f.Arguments {
		if arg.Type.NonNull && arg.DefaultValue == nil || rapid.IntRange(0, 3).Draw(d.T, "given") == 0 {
			args = append(args, arg.Name+": "+d.value(arg.Type, arg.Name))
		}
	}
	text := f.Name
	if len(args) > 0 {
		text += "(" + strings.Join(args, ", ") + ")"
	}
	if def != d.schema.Subscription || rapid.Bool().Draw(d.T, "alias") {
		text = fmt.Sprintf("r%d: %s", rapid.IntRange(0, 1<<30).Draw(d.T, "key"), text)
	}
	if child := d.schema.Types[f.Type.Name()]; !child.IsLeafType() {
		text += d.directive() + " " + d.set(child, 1)
	}
	return text
}

// value draws a literal, mostly one that means something in the drawn fleets.
func (d *operationDrawer) value(typ *ast.Type, name string) string {
	if typ.Elem != nil {
		var values []string
		for range rapid.IntRange(0, 2).Draw(d.T, "elements") {
			values = append(values, d.value(typ.Elem, name))
		}
		return "[" + strings.Join(values, ", ") + "]"
	}
	def := d.schema.Types[typ.NamedType]
	switch def.Kind {
	case ast.Enum:
		var names []string
		for _, v := range def.EnumValues {
			names = append(names, v.Name)
		}
		return rapid.SampledFrom(names).Draw(d.T, "enum")
	case ast.InputObject:
		var fields []string
		for _, f := range def.Fields {
			if f.Type.NonNull && f.DefaultValue == nil || rapid.IntRange(0, 3).Draw(d.T, "given") == 0 {
				fields = append(fields, f.Name+": "+d.value(f.Type, f.Name))
			}
		}
		return "{" + strings.Join(fields, ", ") + "}"
	default:
	}
	draw := func(values ...string) string { return rapid.SampledFrom(values).Draw(d.T, name) }
	switch name {
	case "id", "ids":
		return draw(`"a"`, `"b"`, `"gpu-1"`, `"a/llm/0"`, `"gpu-1/llm/1"`, `"none"`)
	case "hiveId", "hiveIds":
		return draw(`"a"`, `"gpu-1"`, `"none"`)
	case "first":
		return draw("100", "100", "2", "1", "0", "5000")
	case "offset":
		return draw("0", "1", "-1")
	case "intervalMs":
		return draw("100", "1000", "5")
	case "hostname":
		return draw(`"localhost"`, `"10.0.0.9"`, `""`)
	case "group", "instance", "groups":
		return draw(`"llm"`, `"0"`)
	}
	switch def.Name {
	case "Int":
		return draw("0", "1", "3", "50", "100", "5000", "-1")
	case "Float":
		return draw("0", "50", "33.3", "1e-7")
	case "Boolean":
		return draw("true", "false")
	case "DateTime":
		return draw(`"2000-01-01T00:00:00Z"`, `"today"`)
	case "Revision":
		return draw(`"x.1"`, `"nothing"`)
	default:
		return draw(`"llama"`, `""`, `"x"`, `"say \"hi\""`)
	}
}
