package graph_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"waggle/graph"
	"waggle/internal/graphqlexec"
	"waggle/internal/jsonwalk"
	"waggle/registry"
)

// genericAPI reads heartbeats in the generic way: into maps, which graphqlexec holds against the schema and gqlgen's generated code
// makes into reports. Its mutation removeHive does that with the variable $input, and keeps the result.
type genericAPI struct {
	*graph.Resolver
	exec *graphqlexec.Executor
	got  registry.Heartbeat
	err  error
}

type genericMutation struct {
	graph.MutationResolver
	api *genericAPI
}

func newGenericAPI() *genericAPI {
	a := &genericAPI{Resolver: &graph.Resolver{}}
	a.exec = graphqlexec.New(graph.NewExecutableSchema(graph.Config{Resolvers: a}), graphqlexec.Config{})
	return a
}

func (a *genericAPI) Mutation() graph.MutationResolver {
	return genericMutation{a.Resolver.Mutation(), a}
}

func (m genericMutation) RemoveHive(ctx context.Context, _ string) (bool, error) {
	m.api.got, m.api.err = m.api.read(ctx, graphql.GetOperationContext(ctx).Variables["input"].(map[string]any))
	return true, nil
}

// read is what gqlgen would generate for a HeartbeatInput.
func (a *genericAPI) read(ctx context.Context, in map[string]any) (hb registry.Heartbeat, err error) {
	var errs [8]error
	hb.Hive, errs[0] = graph.UnmarshalHiveInput(ctx, in["hive"])
	hb.SentAt, errs[1] = graph.UnmarshalDateTime(in["sentAt"])
	if v := in["incarnation"]; v != nil {
		hb.Incarnation, errs[2] = graphql.UnmarshalString(v)
	}
	hb.Sequence, errs[3] = graph.UnmarshalOptInt(in["sequence"])
	if v := in["devices"]; v != nil {
		hb.Devices, errs[4] = unmarshalAll(ctx, v, graph.UnmarshalDeviceInput)
	}
	hb.Workers, errs[5] = unmarshalAll(ctx, in["workers"], graph.UnmarshalWorkerInput)
	return hb, errors.Join(errs[:]...)
}

func unmarshalAll[T any](ctx context.Context, v any, unmarshal func(context.Context, any) (T, error)) ([]T, error) {
	all := []T{}
	for _, el := range graphql.CoerceList(v) {
		x, err := unmarshal(ctx, el)
		if err != nil {
			return nil, err
		}
		all = append(all, x)
	}
	return all, nil
}

// heartbeat reads a heartbeat from JSON.
func (a *genericAPI) heartbeat(t errorer, input []byte) (*registry.Heartbeat, error) {
	t.Helper()
	// The variable must be used, but not for its own field, which would read it in the way under test.
	const query = `mutation($input: HeartbeatInput!, $no: Boolean! = false) { heartbeat(input: $input) @include(if: $no) { outcome } removeHive(id: "") }`
	op, errs := a.exec.Prepare(context.Background(), &graphql.RawParams{Query: query, Variables: map[string]any{"input": json.RawMessage(input)}})
	if len(errs) > 0 {
		return nil, errs
	}
	if resp := a.exec.Execute(context.Background(), op); len(resp.Errors) > 0 {
		t.Errorf("the generic way is broken: %v", resp.Errors)
	}
	return &a.got, a.err
}

type errorer interface {
	Helper()
	Errorf(format string, args ...any)
}

// newReader returns what reads a heartbeat as the variable of an operation is read.
func newReader() func(input []byte) (*registry.Heartbeat, error) {
	read := graph.Inputs()["HeartbeatInput"]
	return func(input []byte) (*registry.Heartbeat, error) {
		w := jsonwalk.New(input)
		w.MendText = true
		hb, _ := read(&w).(*registry.Heartbeat)
		return hb, w.End()
	}
}

// figures lets cmp.Diff compare figures that may be unknown.
var figures = cmpopts.EquateComparable(registry.OptInt{}, registry.OptFloat{})

// sameAsGeneric checks that a heartbeat is read, or refused, as in the generic way, whether it is a variable or a literal. It returns whether
// it was read.
func sameAsGeneric(t errorer, generic *genericAPI, input []byte) (isRead bool) {
	t.Helper()
	got, err := newReader()(input)
	if err != nil && strings.Contains(err.Error(), "duplicate field") {
		return false // the generic way takes the last one
	}
	want, wantErr := generic.heartbeat(t, input)
	if (err == nil) != (wantErr == nil) {
		t.Errorf("%s\n got error %v\nwant error %v", input, err, wantErr)
		return false
	}
	if err != nil {
		if len(err.Error()) > 1000 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
		return false
	}
	if diff := cmp.Diff(want, got, figures); diff != "" {
		t.Errorf("%s\n(-generic +ours):\n%s", input, diff)
	}
	w := jsonwalk.New(input)
	w.MendText = true
	var literal graph.HeartbeatInput
	if err := literal.UnmarshalGQL(w.Value()); err != nil {
		t.Errorf("%s\nas a literal: %v", input, err)
	} else if diff := cmp.Diff(want, literal.Heartbeat, figures); diff != "" {
		t.Errorf("%s\nas a literal (-generic +ours):\n%s", input, diff)
	}
	return true
}

const (
	usualHive   = `{"id":"a","hostname":"h","port":7835}`
	usualWorker = `{"group":"llm","instance":"8080","pid":1,"model":"m","gpuUtilizationPercent":40.5,"vramUsedMb":8192}`
	usualDevice = `{"id":"GPU-0","name":"H200","kind":"GPU","memoryTotalMb":81920,"utilizationPercent":3}`
)

func usual(hive, devices, workers string) string {
	return fmt.Sprintf(`{"hive":%s,"devices":%s,"workers":%s,"sentAt":"2026-01-31T12:00:00.5+01:00","incarnation":"x","sequence":3}`, hive, devices, workers)
}

// FuzzHeartbeatInput compares with the generic way whatever the fuzzer finds.
func FuzzHeartbeatInput(f *testing.F) {
	for _, s := range []string{
		usual(usualHive, "["+usualDevice+"]", "["+usualWorker+","+usualWorker+"]"), usual(usualHive, "null", usualWorker),
		usual(usualHive, usualDevice, `[]`), `{"hive":{"id":1e3,"hostname":"\ud800","port":1.0},"workers":[]}`, `null`, `[]`, `{"hive":5}`,
	} {
		f.Add([]byte(s))
	}
	generic := newGenericAPI()
	f.Fuzz(func(t *testing.T, input []byte) {
		if !json.Valid(input) || string(input) == "null" {
			if _, err := newReader()(input); err == nil {
				t.Error("taken, but it is no object")
			}
			return
		}
		sameAsGeneric(t, generic, input)
	})
}

// odd are values for any field; about every third is right for one of them.
func odd() *rapid.Generator[any] {
	return rapid.OneOf(
		rapid.Just[any](nil), rapid.Just[any](true), rapid.Just[any](map[string]any{}), rapid.Just[any]([]any{}),
		rapid.Map(rapid.SampledFrom([]string{
			"0", "-0", "1", "1.0", "1.5", "3e2", "1e-400", "1e400", "-7", "2147483647", "2147483648", "-2147483648", "-2147483649", "2147483647.0",
			"9007199254740993.0", "9223372036854775808", "12345678901234567890123",
		}), func(s string) any { return json.RawMessage(s) }),
		rapid.Map(rapid.SampledFrom([]string{
			"", "a", "READY", "ready", "STOPPED", "DEGRADED", "GPU", "CPU", "5", "1.5", "é\x00\u2028", "2026-01-31T12:00:00Z", "2026-01-31", "2026-01-31T12:00:00.123456789-05:00",
		}), func(s string) any { return s }),
		rapid.Map(rapid.SampledFrom([]string{`"\ud83d"`, `"\u0041\ud83d\ude00"`, `"\/"`}), func(s string) any { return json.RawMessage(s) }),
	)
}

// drawObject draws an object: mostly with the values of usual, sometimes with others, with fields left out or unknown. How often is up to r, since numbers that
// rapid draws are mostly small.
func drawObject(t *rapid.T, r *rand.Rand, usual map[string]any, label string) map[string]any {
	object := map[string]any{}
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range usual {
			if !yield(name) {
				return
			}
		}
	}) {
		switch r.IntN(120) {
		case 0:
			object[name] = odd().Draw(t, label+name)
		case 1:
		default:
			object[name] = usual[name]
		}
	}
	if r.IntN(50) == 0 {
		object["other"] = 1
	}
	return object
}

func TestHeartbeatsAreReadAsInTheGenericWay(t *testing.T) {
	t.Parallel()
	generic := newGenericAPI()
	schema := graph.NewExecutableSchema(graph.Config{}).Schema()
	usualOf := func(t *rapid.T, input, label string) map[string]any {
		usual := map[string]any{}
		for _, f := range schema.Types[input].Fields {
			values := map[string][]any{
				"Int": {1, 0}, "Float": {1.5, 2}, "String": {"a", "b"}, "ID": {"a", 5}, "DateTime": {"2026-01-31T12:00:00Z"},
				"OperationalStatus": {"READY", "BUSY", "STARTING", "STOPPING", "STOPPED"}, "HealthStatus": {"HEALTHY", "DEGRADED", "UNHEALTHY"}, "DeviceKind": {"GPU", "CPU"},
			}[f.Type.Name()]
			if values != nil {
				usual[f.Name] = rapid.SampledFrom(values).Draw(t, label+f.Name)
			}
		}
		return usual
	}
	read, all := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		hb := usualOf(t, "HeartbeatInput", "")
		hb["hive"] = drawObject(t, r, usualOf(t, "HiveInput", "hive."), "hive.")
		for list, input := range map[string]string{"devices": "DeviceInput", "workers": "WorkerInput"} {
			objects := []any{}
			for i := range rapid.IntRange(0, 3).Draw(t, list) {
				label := fmt.Sprintf("%s[%d].", list, i)
				objects = append(objects, drawObject(t, r, usualOf(t, input, label), label))
			}
			hb[list] = objects
			if len(objects) == 1 && rapid.Bool().Draw(t, list+" as one") {
				hb[list] = objects[0]
			}
		}
		input, err := json.Marshal(drawObject(t, r, hb, ""))
		if err != nil {
			t.Fatal(err)
		}
		if all++; sameAsGeneric(t, generic, input) {
			read++
		}
	})
	if read < all/5 || read > all*9/10 {
		t.Errorf("%d of %d heartbeats were read, the others refused: one of the two is hardly tested", read, all)
	}
}

func TestHeartbeatErrorsNameThePathTheValueAndWhatIsAllowed(t *testing.T) {
	t.Parallel()
	a := newAPI(registry.Config{})
	worker := func(old, replacement string) string {
		return usual(usualHive, "null", "["+usualWorker+","+strings.Replace(usualWorker, old, replacement, 1)+"]")
	}
	hive := func(more string) string { return usual(strings.Replace(usualHive, "}", more+"}", 1), "null", "[]") }
	for input, want := range map[string]string{
		worker(`40.5`, `"high"`):             `variable $input.workers[1].gpuUtilizationPercent: "high" must be a number that 64 bits hold`,
		worker(`40.5`, `1e999`):              `variable $input.workers[1].gpuUtilizationPercent: 1e999 must be a number that 64 bits hold`,
		worker(`8192`, `1.5`):                `variable $input.workers[1].vramUsedMb: 1.5 must be an integer of 32 bits`,
		worker(`8192`, `[]`):                 `variable $input.workers[1].vramUsedMb: must be an integer of 32 bits, not an array`,
		worker(`"llm"`, `7`):                 `variable $input.workers[1].group: 7 must be a string`,
		worker(`"llm"`, `null`):              `variable $input.workers[1].group: must be a string, not null`,
		worker(`"m"`, `false`):               `variable $input.workers[1].model: false must be a string`,
		worker(`"pid"`, `"pit"`):             `variable $input.workers[1]: unknown field "pit"; there are group, instance, pid, model, endpoint, `,
		worker(`"pid":1`, `"pid":1,"pid":1`): `variable $input.workers[1]: duplicate field "pid"`,
		worker(`"group":"llm",`, ``):         `variable $input.workers[1]: missing field "group"`,
		hive(`,"operationalStatus":"ready"`): `variable $input.hive.operationalStatus: "ready" must be READY, STARTING, BUSY, STOPPING, STOPPED`,
		hive(`,"healthStatus":null`):         `variable $input.hive.healthStatus: must be HEALTHY, DEGRADED, UNHEALTHY, not null`,
		hive(`,"version":null`):              `variable $input.hive.version: must be a string, not null`,
		usual(usualHive, `[null]`, `[]`):     `variable $input.devices[0]: must be an object, not null`,
		usual(usualHive, `null`, `null`):     `variable $input.workers: must be a list, not null`,
		usual(usualHive, `null`, `7`):        `variable $input.workers: 7 must be a list`,
		`[]`:                                 `variable $input: must be an object, not an array`,
		`null`:                               `variable $input: must be a HeartbeatInput!, not null`,
		hive(`,"version":"` + strings.Repeat("\x7f", 100) + `","healthReason":5`): `variable $input.hive.healthReason: 5 must be a string`,
		worker(`8192`, `"`+strings.Repeat("x", 1000)+`"`):                         `variable $input.workers[1].vramUsedMb: "` + strings.Repeat("x", 48) + `"… must be an integer of 32 bits`,
	} {
		got := a.ask(t, `mutation($input: HeartbeatInput!) { heartbeat(input: $input) { outcome } }`, map[string]any{"input": json.RawMessage(input)})
		var resp struct {
			Errors []struct {
				Message    string
				Extensions struct{ Code string }
			}
			Data any
		}
		if err := json.Unmarshal([]byte(got), &resp); err != nil || len(resp.Errors) != 1 || strings.Contains(got, `"data"`) {
			t.Errorf("%s\n got %s", input, got)
		} else if e := resp.Errors[0]; !strings.HasPrefix(e.Message, want) || e.Extensions.Code != graph.CodeBadUserInput {
			t.Errorf("%s\n got %s\nwant %s", input, e.Message, want)
		}
	}
}

func TestHeartbeatsComeAsVariablesAndLiteralsAndLists(t *testing.T) {
	t.Parallel()
	vars := map[string]any{
		"input": json.RawMessage(usual(strings.Replace(usualHive, "}", `,"healthReason":"\u0007"}`, 1), "null", "[]")), "workers": json.RawMessage("[" + usualWorker + "]"), "none": nil,
	}
	for query, want := range map[string]string{
		`mutation($input: HeartbeatInput!) { heartbeat(input: $input) { outcome } }`:                                                                                      `{"data":{"heartbeat":{"outcome":"ACCEPTED"}}}`,
		`mutation($input: HeartbeatInput!) { heartbeats(inputs: [$input, $input]) { outcome } }`:                                                                          `{"data":{"heartbeats":[{"outcome":"ACCEPTED"},{"outcome":"DUPLICATE"}]}}`,
		`mutation($input: [HeartbeatInput!]!) { heartbeats(inputs: $input) { outcome } }`:                                                                                 `{"data":{"heartbeats":[{"outcome":"ACCEPTED"}]}}`,
		`mutation($workers: [WorkerInput!]!) { heartbeat(input: {hive: {id: 7, hostname: "h", port: 1, healthStatus: DEGRADED}, workers: $workers}) { outcome hiveId } }`: `{"data":{"heartbeat":{"outcome":"ACCEPTED","hiveId":"7"}}}`,
		`mutation($other: HeartbeatInput! = {hive: {id: "d", hostname: "h", port: 1}, workers: []}) { heartbeat(input: $other) { hiveId } }`:                              `{"data":{"heartbeat":{"hiveId":"d"}}}`,
	} {
		if got := newAPI(registry.Config{}).ask(t, query, vars); got != want {
			t.Errorf("%s\n got %s\nwant %s", query, got, want)
		}
	}
	// Of a literal, too, an empty list of devices is none, and null is as before.
	devices := newAPI(registry.Config{})
	for _, step := range []struct{ devices, want string }{
		{`[{id: "GPU-0", name: "H200", kind: GPU}]`, `[{"id":"GPU-0"}]`}, {`null`, `[{"id":"GPU-0"}]`}, {`[]`, `[]`},
	} {
		devices.ask(t, `mutation { heartbeat(input: {hive: {id: "a", hostname: "h", port: 1}, workers: [], devices: `+step.devices+`}) { outcome } }`, nil)
		if got, want := devices.ask(t, `{ hive(id: "a") { devices { id } } }`, nil), `{"data":{"hive":{"devices":`+step.want+`}}}`; got != want {
			t.Errorf("after devices %s\n got %s\nwant %s", step.devices, got, want)
		}
	}
	// The registry mends what it takes in, but not the heartbeat itself: a variable that is used twice must be mended, and warned of, twice.
	got := newAPI(registry.Config{}).ask(t, `mutation($input: HeartbeatInput!) { a: heartbeat(input: $input) { warnings } b: heartbeat(input: $input) { warnings } }`,
		map[string]any{"input": json.RawMessage(usual(usualHive, "null", "["+strings.Replace(usualWorker, "8192", "-1", 1)+"]"))})
	if strings.Count(got, "vramUsedMb") != 2 {
		t.Errorf("a variable used twice: %s", got)
	}
}

func usualWorkers(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = strings.Replace(usualWorker, "8080", strconv.Itoa(8080+i), 1)
	}
	return "[" + strings.Join(all, ",") + "]"
}

// A heartbeat costs its list of workers and the strings that no other has, which are three here, and some that fall into one place with others.
// A worker costs nothing of its own.
func TestReadingAHeartbeatAllocatesLittle(t *testing.T) {
	read := newReader()
	for _, workers := range []int{1, 8, 16} {
		input := []byte(usual(usualHive, "null", usualWorkers(workers)))
		if got := testing.AllocsPerRun(100, func() {
			if _, err := read(input); err != nil {
				t.Fatal(err)
			}
		}); got > 12 {
			t.Errorf("%v allocations for %d workers, want at most 12", got, workers)
		}
	}
}

// One reader reads one heartbeat after the other, in room that it keeps. Heartbeats that were read before must not be touched.
func TestHeartbeatsThatWereReadStayAsTheyAre(t *testing.T) {
	t.Parallel()
	read := newReader()
	rapid.Check(t, func(t *rapid.T) {
		type beat struct {
			text string
			read *registry.Heartbeat
		}
		var beats []beat
		for n := range rapid.IntRange(2, 10).Draw(t, "beats") {
			numbered := func(one string) string {
				all := make([]string, rapid.IntRange(0, 20).Draw(t, "entries"))
				for i := range all {
					all[i] = strings.NewReplacer("8080", strconv.Itoa(1000*n+i), "H200", "H"+strconv.Itoa(i%3*n), `"m"`, `"`+strings.Repeat("m", i*n%100)+`"`).Replace(one)
				}
				return "[" + strings.Join(all, ",") + "]"
			}
			text := usual(usualHive, numbered(usualDevice), numbered(usualWorker))
			if rapid.IntRange(0, 4).Draw(t, "broken") == 0 {
				text = text[:rapid.IntRange(1, len(text)-1).Draw(t, "end")]
			}
			if hb, err := read([]byte(text)); err == nil {
				beats = append(beats, beat{text, hb})
			}
		}
		for _, b := range beats {
			fresh, err := newReader()([]byte(b.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(fresh, b.read, figures); diff != "" {
				t.Errorf("%s\n(-as a first one +as one of many):\n%s", b.text, diff)
			}
		}
	})
}
