package graph_test

import (
	"strconv"
	"testing"
	"time"

	"waggle/internal/simulate"
	"waggle/registry"
)

// BenchmarkHeartbeats takes in batches of 100 heartbeats of 10 workers and their devices, from the bytes of the request on: of hives that
// are known, in a fleet of 1,000, and of ones that are new. It counts single heartbeats.
func BenchmarkHeartbeats(b *testing.B) {
	const hives, batch = 1000, 100
	run := func(b *testing.B, known bool) {
		fleet := simulate.NewFleet(simulate.FleetConfig{Hives: hives, Workers: 10})
		a := newAPI(registry.Config{})
		var text []byte
		body := func(first int) []byte {
			text = append(append(append(text[:0], `{"query":`...), strconv.Quote(simulate.HeartbeatsQuery)...), `,"variables":{"inputs":[`...)
			for i := range batch {
				for !fleet.Beat(first + i) {
				}
				text = append(fleet.AppendInput(text, first+i, time.Now()), ',')
			}
			text = append(text[:len(text)-1], `]}}`...)
			return text
		}
		send := func(text []byte) {
			params, err := a.exec.DecodeParams(text)
			if err != nil {
				b.Fatal(err)
			}
			op, errs := a.exec.Prepare(b.Context(), params)
			if errs != nil {
				b.Fatal(errs)
			}
			if resp := a.exec.Execute(b.Context(), op); len(resp.Errors) > 0 {
				b.Fatal(resp.Errors)
			}
		}
		if known {
			for first := 0; first < hives; first += batch {
				send(body(first))
			}
		}
		b.ReportAllocs()
		b.ResetTimer()
		for n := 0; n < b.N; n += batch {
			b.StopTimer()
			first := n % hives
			if first == 0 && !known {
				a = newAPI(registry.Config{})
				send([]byte(`{"query":` + strconv.Quote(simulate.HeartbeatsQuery) + `,"variables":{"inputs":[]}}`)) // so that the document is known
			}
			next := body(first)
			b.StartTimer()
			send(next)
		}
	}
	b.Run("known", func(b *testing.B) { run(b, true) })
	b.Run("new", func(b *testing.B) { run(b, false) })
}
