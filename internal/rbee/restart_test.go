package rbee

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"waggle/registry"
)

// TestRestart kills the server and starts another at its address: pushed hives are back with their next heartbeat, and pulled ones when they announce
// themselves.
func TestRestart(t *testing.T) {
	pulled := hatch(t, local, &fakeHive{id: "gpu-2"})
	address := local
	start := func() (*registry.TelemetryRegistry, func()) {
		t.Helper()
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		address = listener.Addr().String()
		reg := registry.New(registry.Config{})
		door, err := New(Config{Registry: reg})
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: door.Handler(), ReadHeaderTimeout: time.Second}
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { _ = door.Run(ctx) })
		running.Go(func() { _ = server.Serve(listener) })
		return reg, func() {
			_ = server.Close()
			cancel()
			running.Wait()
		}
	}
	announce := func() {
		t.Helper()
		f := &fleet{t: t, url: "http://" + address}
		f.follow(pulled)
	}

	reg, stop := start()
	ctx, cancel := context.WithCancel(context.Background())
	var beating sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		beating.Wait()
	})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	target := "http://" + address + "/v1/hive-heartbeat"
	beating.Go(func() { // a hive of generation C
		for ctx.Err() == nil {
			if resp, err := client.Post(target, "application/json", strings.NewReader(heartbeatJSON())); err == nil {
				_ = resp.Body.Close()
			}
			pause(ctx, time.Second)
		}
	})
	announce()
	eventually(t, "both are there", func() bool { return reg.Snapshot().Fleet().Hives.Online == 2 })
	stop()
	reg, stop = start()
	defer stop()
	began := time.Now()
	eventually(t, "the pushed hive is back", func() bool { return reg.Snapshot().Fleet().Hives.Online == 1 })
	if took := time.Since(began); took > 5*time.Second { // two on a machine that does nothing else
		t.Errorf("it took %s, want at most two heartbeats", took)
	}
	announce()
	eventually(t, "the pulled hive is back", func() bool { return reg.Snapshot().Fleet().Hives.Online == 2 })
}
