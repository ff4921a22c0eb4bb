package client_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"waggle/client"
)

// A scheduler that keeps a mirror decides from its own memory: no round trip, no lock.
func ExampleMirror() {
	server, err := startWaggle("127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Kill()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := client.New(client.Config{URL: server.URL()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseIdle()
	mirror := client.NewMirror(c, client.MirrorConfig{})
	ended := make(chan error)
	go func() { ended <- mirror.Run(ctx) }()

	// Elsewhere, a hive reports a worker.
	if err := report(ctx, c, "gpu-1", "llama-3.1-8b"); err != nil {
		fmt.Println(err)
		return
	}

	// Wait for a place, once; from then on ask.
	model, yes := "llama-3.1-8b", true
	if _, err := mirror.Wait(ctx, &client.WorkerFilter{Model: &model, Idle: &yes, Available: &yes}); err != nil {
		fmt.Println(err)
		return
	}
	if mirror.Stale() > 15*time.Second {
		fmt.Println("the server is out of reach: nobody knows")
	}
	if w := mirror.Best("llama-3.1-8b", 8192); w != nil {
		fmt.Println("send it to", w.Endpoint, "with", w.VRAMFreeMB, "MB free")
	}
	if mirror.Best("llama-3.1-8b", 80_000) == nil {
		fmt.Println("nobody has 80 GB free")
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		fmt.Println(err)
	}
	// Output:
	// send it to http://gpu-1.lan:8080 with 16384 MB free
	// nobody has 80 GB free
}

// Who decides now and then asks the server, and needs no mirror.
func ExampleClient_BestWorker() {
	server, err := startWaggle("127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Kill()
	ctx := context.Background()
	c, err := client.New(client.Config{URL: server.URL()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseIdle()
	if err := report(ctx, c, "gpu-1", "llama-3.1-8b"); err != nil {
		fmt.Println(err)
		return
	}
	w, err := c.BestWorker(ctx, "llama-3.1-8b", 8192)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(w.Id, w.Activity, *w.VramFreeMb)
	// Output: gpu-1/llm/8080 IDLE 16384
}

// Any subscription can be watched with a type of one's own. The loop goes on over interruptions.
func ExampleWatch() {
	server, err := startWaggle("127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Kill()
	ctx := context.Background()
	c, err := client.New(client.Config{URL: server.URL()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseIdle()
	if err := report(ctx, c, "gpu-1", "llama-3.1-8b"); err != nil {
		fmt.Println(err)
		return
	}
	type answer struct {
		Workers struct {
			Nodes []struct{ ID, Activity string }
		}
	}
	const query = `subscription idle($model: String!) { workers(filter: {model: $model, idle: true}) { nodes { id activity } } }`
	for a, err := range client.Watch[answer](ctx, c, query, map[string]any{"model": "llama-3.1-8b"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(a.Workers.Nodes)
		break
	}
	// Output: [{gpu-1/llm/8080 IDLE}]
}

// report sends the heartbeat of a hive with one idle worker.
func report(ctx context.Context, c *client.Client, hive, model string) error {
	now, endpoint, load, used, total := time.Now(), "http://"+hive+".lan:8080", 0.0, 8192, 24576
	_, err := c.Heartbeat(ctx, &client.HeartbeatInput{
		Hive: &client.HiveInput{Id: hive, Hostname: hive + ".lan", OperationalStatus: client.OperationalStatusReady,
			HealthStatus: client.HealthStatusHealthy},
		SentAt: &now,
		Workers: []*client.WorkerInput{{Group: "llm", Instance: "8080", Model: &model, Endpoint: &endpoint,
			GpuUtilizationPercent: &load, VramUsedMb: &used, VramTotalMb: &total}},
	})
	return err
}
