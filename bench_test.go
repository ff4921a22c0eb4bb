package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"waggle/internal/httpserver"
	"waggle/registry"
)

// benchAPI is the API without sockets: what a request costs the server beside net/http.
func benchAPI(b testing.TB, hives int) http.Handler {
	b.Helper()
	policy, err := httpserver.NewPolicy(nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	api := newAPI(registry.New(registry.Config{}), policy, slog.New(slog.DiscardHandler))
	for i := range hives {
		post(b, api, heartbeatBody(i))
	}
	return api
}

func post(b testing.TB, h http.Handler, body []byte) {
	b.Helper()
	r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK || strings.Contains(w.Body.String(), `"errors"`) {
		b.Fatalf("status %d: %s", w.Code, w.Body)
	}
}

// heartbeatBody reports a hive with 8 workers of two models.
func heartbeatBody(hive int) []byte {
	var workers []map[string]any
	for i := range 8 {
		workers = append(workers, map[string]any{
			"group": "llm", "instance": strconv.Itoa(8080 + i), "pid": 1000 + i, "model": fmt.Sprintf("model-%d", (hive+i%2)%50),
			"endpoint": fmt.Sprintf("http://10.0.0.1:%d", 8080+i), "gpuUtilizationPercent": float64(i % 2 * 40), "vramUsedMb": 8192, "vramTotalMb": 81920,
			"cpuPercent": 12.5, "rssMb": 4096, "ioReadMbPerSecond": 0.5, "ioWriteMbPerSecond": 0, "uptimeSeconds": 3600, "requestsRunning": i % 2, "requestsQueued": 0,
		})
	}
	body, _ := json.Marshal(map[string]any{
		"query": `mutation Heartbeat($input: HeartbeatInput!) { heartbeat(input: $input) { outcome hiveId revision nextHeartbeatMs warnings } }`,
		"variables": map[string]any{"input": map[string]any{
			"hive":    map[string]any{"id": fmt.Sprintf("gpu-%05d", hive), "hostname": "10.0.0.1", "port": 7835, "version": "0.1.0"},
			"workers": workers,
		}},
	})
	return body
}

// BenchmarkHeartbeat takes in heartbeats of 8 workers over GraphQL.
func BenchmarkHeartbeat(b *testing.B) {
	const hives = 1250
	api := benchAPI(b, hives)
	bodies := make([][]byte, hives)
	for i := range bodies {
		bodies[i] = heartbeatBody(i)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		post(b, api, bodies[i%hives])
	}
}

// BenchmarkSchedulerQuery asks workers(idle, model, minFreeVramMb, first: 5) of 10,000 workers over GraphQL.
func BenchmarkSchedulerQuery(b *testing.B) {
	api := benchAPI(b, 1250)
	body := []byte(`{"query":"query($model: String!) { workers(filter: {idle: true, model: $model, minFreeVramMb: 8000}, first: 5) { nodes { id hiveId endpoint model activity vramFreeMb vramTotalMb gpuUtilizationPercent requestsQueued } } }","variables":{"model":"model-7"}}`)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		post(b, api, body)
	}
}

// A heartbeat of 8 workers takes some 15 allocations to be read and as many in the registry, some 20 in graphqlhttp, 60 in gqlgen, which reads the
// argument and calls the resolver, and the rest for net/http's test request.
func TestTakingInAHeartbeatAllocatesLittle(t *testing.T) {
	api, body := benchAPI(t, 10), heartbeatBody(3)
	if got := testing.AllocsPerRun(100, func() { post(t, api, body) }); got > 140 {
		t.Errorf("%v allocations, want at most 140", got)
	}
}
