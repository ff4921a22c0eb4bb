package agent

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"waggle/client"
)

// The files are those of a proc file system. One that is a pipe can be read no more than that of a process whose memory is locked.
func TestAProcessThatIsStuckHidesNoWorker(t *testing.T) {
	root := t.TempDir()
	for pid, name := range map[string]string{"7": "python3", "8": "llama-server"} {
		writeFile(t, filepath.Join(root, pid, "stat"), pid+" ("+name+") D 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 100 0 9 0\n")
	}
	writeFile(t, filepath.Join(root, "8/cmdline"), "llama-server\x00-m\x00x.gguf\x00")
	var pipes []string
	for _, name := range []string{"7/cmdline", "8/environ", "8/io"} {
		pipes = append(pipes, filepath.Join(root, name))
		if err := syscall.Mkfifo(pipes[len(pipes)-1], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	to := newServer(t)
	c, err := client.New(client.Config{URL: to.url})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdle()
	a, err := New(Config{Sender: c, HiveID: "h", Hostname: "h.lan", Interval: 100 * time.Millisecond, OpenGPU: noGPU, ProcRoot: root})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- a.Run(ctx) }()
	const want = "processes: stuck, and cannot be read: 7 (python3), 8 (llama-server)"
	got := to.await(t, func(in *client.HeartbeatInput) bool {
		return in.Hive.HealthReason != nil && *in.Hive.HealthReason == want
	})
	if len(got.Workers) != 1 || got.Workers[0].Model == nil || *got.Workers[0].Model != "x" || got.Workers[0].RssMb == nil {
		t.Errorf("got workers %v", summary(got.Workers))
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for _, pipe := range pipes { // Whoever waits for somebody who writes goes on.
		if w, err := os.OpenFile(pipe, os.O_RDWR, 0); err == nil {
			_ = w.Close()
		}
	}
}
