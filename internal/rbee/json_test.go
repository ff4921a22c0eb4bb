package rbee

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"waggle/internal/jsonwalk"
)

// FuzzHeartbeat checks that no body makes the door stumble, and that a body it takes is JSON.
func FuzzHeartbeat(f *testing.F) {
	f.Add([]byte(heartbeatJSON(workerJSON, workerJSON)))
	f.Add([]byte(strings.TrimSuffix(heartbeatJSON(), "}") + `,"capabilities":[` + deviceJSON + `]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		err := decode(data, func(d *decoder) { d.hiveHeartbeat(0) })
		if err == nil && !json.Valid(data) {
			t.Error("taken, but not JSON")
		}
		if b := (*jsonwalk.Error)(nil); err != nil && (!errors.As(err, &b) || b.Why == "") {
			t.Errorf("got %v, want an error that says why", err)
		}
	})
}

func BenchmarkDecodeHeartbeat8Workers(b *testing.B) {
	workers := make([]string, 8)
	for i := range workers {
		workers[i] = strings.Replace(workerJSON, "8080", "808"+string(rune('0'+i)), 1)
	}
	body := []byte(heartbeatJSON(workers...))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if err := decode(body, func(d *decoder) { d.hiveHeartbeat(0) }); err != nil {
			b.Fatal(err)
		}
	}
}
