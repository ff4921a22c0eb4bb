package graph_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"waggle/internal/graphqlexec"
	"waggle/registry"
)

// allWorkerFields is what the client's typed calls select.
const allWorkerFields = `id hiveId group instance pid model endpoint activity activitySince liveness available gpuUtilizationPercent vramUsedMb vramTotalMb
	vramFreeMb cpuPercent rssMb ioReadMbPerSecond ioWriteMbPerSecond uptimeSeconds requestsRunning requestsQueued lastSeenAt revision`

// benchEachWay runs a benchmark with compiled selections and with the generated executor alone, on a fleet of so many workers.
func benchEachWay(b *testing.B, workers int, bench func(b *testing.B, a *api)) {
	for _, way := range []struct {
		name   string
		newAPI func(registry.Config) *api
	}{{"compiled", newAPI}, {"generated", newGeneratedAPI}} {
		b.Run(way.name, func(b *testing.B) {
			a := way.newAPI(registry.Config{})
			for i := range workers / 8 {
				a.apply(b, benchHeartbeat(i))
			}
			b.ReportAllocs()
			bench(b, a)
		})
	}
}

func benchHeartbeat(hive int) *registry.Heartbeat {
	hb := &registry.Heartbeat{Hive: registry.HiveReport{ID: fmt.Sprintf("gpu-%05d", hive), Hostname: "10.0.0.1", Port: 7835}}
	for i := range 8 {
		hb.Workers = append(hb.Workers, registry.WorkerReport{
			Group: "llm", Instance: strconv.Itoa(8080 + i), PID: registry.Int(int32(1000 + i)), Model: registry.OptString(fmt.Sprintf("model-%d", hive%50)),
			Endpoint: "http://10.0.0.1:8080",
			Telemetry: registry.Telemetry{
				GPUUtilizationPercent: registry.Float(float64(i % 2 * 40)), VRAMUsedMB: registry.Int(8192), VRAMTotalMB: registry.Int(81920),
				CPUPercent: registry.Float(12.5), RSSMB: registry.Int(4096), IOReadMBPerSecond: registry.Float(0.5), IOWriteMBPerSecond: registry.Float(0),
				UptimeSeconds: registry.Int(3600), RequestsRunning: registry.Int(int32(i % 2)), RequestsQueued: registry.Int(0),
			},
		})
	}
	return hb
}

func benchQuery(b *testing.B, workers int, query string) {
	benchEachWay(b, workers, func(b *testing.B, a *api) {
		for b.Loop() {
			op, errs := a.prepare(b, query, nil)
			if len(errs) > 0 {
				b.Fatal(errs)
			}
			resp := a.exec.Execute(b.Context(), op)
			if len(resp.Errors) > 0 {
				b.Fatal(resp.Errors)
			}
			b.SetBytes(int64(len(resp.Data)))
		}
	})
}

func BenchmarkPageOf100Workers(b *testing.B) {
	benchQuery(b, 10_000, `{ workers(first: 100) { totalCount nodes { `+allWorkerFields+` } } }`)
}

func BenchmarkPageOf1000Workers(b *testing.B) {
	benchQuery(b, 10_000, `{ workers(first: 1000) { totalCount nodes { `+allWorkerFields+` } } }`)
}

// BenchmarkFirst5Workers is a scheduler's question.
func BenchmarkFirst5Workers(b *testing.B) {
	benchQuery(b, 10_000, `{ workers(filter: {idle: true, model: "model-7", minFreeVramMb: 8000}, first: 5) {
		nodes { id hiveId endpoint model activity vramFreeMb vramTotalMb gpuUtilizationPercent requestsQueued } } }`)
}

// snapshotSink takes everything up to the update that completes a snapshot.
type snapshotSink struct {
	bytes    int
	complete chan struct{}
}

func (s *snapshotSink) Next(m *graphqlexec.Message) bool {
	s.bytes += len(m.Response())
	if bytes.Contains(m.Response()[:120], []byte(`"complete":true`)) {
		close(s.complete)
	}
	return true
}

func (s *snapshotSink) Error(gqlerror.List) {}

func (s *snapshotSink) Complete() {}

// BenchmarkSnapshotOf100000Workers is what `changes` begins with.
func BenchmarkSnapshotOf100000Workers(b *testing.B) {
	const workers = 100_000
	benchEachWay(b, workers, func(b *testing.B, a *api) {
		for b.Loop() {
			op, errs := a.prepare(b, `subscription { changes { revision reset complete workers { `+allWorkerFields+` } } }`, nil)
			if len(errs) > 0 {
				b.Fatal(errs)
			}
			sink := &snapshotSink{complete: make(chan struct{})}
			sub, errs := a.exec.Subscribe(b.Context(), op, "", sink)
			if len(errs) > 0 {
				b.Fatal(errs)
			}
			<-sink.complete
			sub.Leave()
			b.SetBytes(int64(sink.bytes))
		}
	})
}

// BenchmarkReadHeartbeat reads a request with a heartbeat of 8 workers, from its bytes to its type: with the fields in the order of the
// schema, as agents have them, and by the alphabet, as it comes of maps.
func BenchmarkReadHeartbeat(b *testing.B) {
	const worker = `{"group":"llm","instance":"8080","pid":1000,"model":"llama-3.2-1b","endpoint":"http://10.0.0.1:8080","gpuUtilizationPercent":40.5,` +
		`"vramUsedMb":8192,"vramTotalMb":81920,"cpuPercent":12.5,"rssMb":4096,"ioReadMbPerSecond":0.5,"ioWriteMbPerSecond":0,"uptimeSeconds":3600,` +
		`"requestsRunning":1,"requestsQueued":0}`
	schemaOrder := []byte(`{"query":"mutation Heartbeat($input: HeartbeatInput!) { heartbeat(input: $input) { outcome hiveId revision nextHeartbeatMs warnings } }",` +
		`"variables":{"input":{"hive":{"id":"gpu-00001","hostname":"10.0.0.1","port":7835,"version":"0.1.0"},"workers":[` +
		strings.Join(slices.Repeat([]string{worker}, 8), ",") + `]}}}`)
	var decoded any
	if err := json.Unmarshal(schemaOrder, &decoded); err != nil {
		b.Fatal(err)
	}
	alphabet, err := json.Marshal(decoded)
	if err != nil {
		b.Fatal(err)
	}
	a := newAPI(registry.Config{})
	for _, body := range []struct {
		order string
		text  []byte
	}{{"schema", schemaOrder}, {"alphabet", alphabet}} {
		b.Run("order="+body.order, func(b *testing.B) {
			b.SetBytes(int64(len(body.text)))
			b.ReportAllocs()
			for b.Loop() {
				params, err := a.exec.DecodeParams(body.text)
				if err != nil {
					b.Fatal(err)
				}
				if _, errs := a.exec.Prepare(b.Context(), params); errs != nil {
					b.Fatal(errs)
				}
			}
		})
	}
}
