package simulate_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"waggle/internal/simulate"
)

// startWaggle runs the real server and returns its URL.
func startWaggle(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "waggle")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "waggle").CombinedOutput(); err != nil {
		t.Fatalf("cannot build: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), binary, "serve", "--no-agent", "--listen", "127.0.0.1:0")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	page := regexp.MustCompile(`page=(http://[^/]+)/`)
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		if m := page.FindStringSubmatch(lines.Text()); m != nil {
			go func() { _, _ = io.Copy(io.Discard, stderr) }()
			return m[1]
		}
	}
	t.Fatal("the server does not say where it listens")
	return ""
}

func TestEveryDoorTakesTheFleetIn(t *testing.T) {
	for _, door := range []simulate.Door{simulate.DoorGraphQL, simulate.DoorBatch, simulate.DoorSocket, simulate.DoorLegacy} {
		t.Run(string(door), func(t *testing.T) {
			rep, err := simulate.Run(t.Context(), simulate.Config{Server: startWaggle(t), Door: door, Batch: 7, Senders: 3,
				Fleet: simulate.FleetConfig{Hives: 40, Seed: 1}, Interval: 500 * time.Millisecond, Duration: 3 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			if f := rep.Heartbeats; f.Failed > 0 || f.Done < 80 || f.P50MS <= 0 {
				t.Errorf("got %+v", f)
			}
		})
	}
}

func TestSubscribersSchedulersAndMirrors(t *testing.T) {
	var progress bytes.Buffer
	rep, err := simulate.Run(t.Context(), simulate.Config{Server: startWaggle(t), Fleet: simulate.FleetConfig{Hives: 20, Seed: 1, Trouble: 1},
		Subscribers: 6, Documents: 3, Schedulers: 2, Mirrors: 2, Warmup: time.Second, Duration: 4 * time.Second, Progress: &progress})
	if err != nil {
		t.Fatal(err)
	}
	for what, f := range map[string]*simulate.Figures{"heartbeats": rep.Heartbeats, "deliveries": rep.Deliveries, "queries": rep.Queries,
		"decisions": rep.Decisions, "mirror lag": rep.MirrorLag} {
		if f == nil || f.Done == 0 || f.Failed > 0 || f.P99MS <= 0 {
			t.Errorf("%s: got %+v", what, f)
		}
	}
	if rep.MirrorLag.P50MS > 5000 {
		t.Errorf("mirrors lag %.0f ms behind", rep.MirrorLag.P50MS)
	}
	if !bytes.Contains(progress.Bytes(), []byte("heartbeats/s")) {
		t.Errorf("progress: %s", &progress)
	}
}

func TestAServerThatIsNotThereIsCountedNotFatal(t *testing.T) {
	rep, err := simulate.Run(t.Context(), simulate.Config{Server: "http://127.0.0.1:1", Fleet: simulate.FleetConfig{Hives: 5}, Duration: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if rep.Heartbeats.Done != 0 || rep.Heartbeats.Failed == 0 || rep.Heartbeats.LastError == "" {
		t.Errorf("got %+v", rep.Heartbeats)
	}
}

func TestConfigurationsThatMakeNoSenseAreRefused(t *testing.T) {
	for name, cfg := range map[string]simulate.Config{
		"too many hives":   {Fleet: simulate.FleetConfig{Hives: 100_001}},
		"too many workers": {Fleet: simulate.FleetConfig{Workers: 257}},
		"too much trouble": {Fleet: simulate.FleetConfig{Trouble: 1001}},
		"too fast":         {Interval: time.Millisecond},
		"too large":        {Batch: 1001},
		"negative":         {Mirrors: -1},
		"no such door":     {Door: "window", Server: "http://127.0.0.1:1", Duration: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := simulate.Run(t.Context(), cfg); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestTheCommandPrintsJSON(t *testing.T) {
	var out bytes.Buffer
	parser, err := kong.New(&struct {
		Simulate simulate.Command `cmd:""`
	}{}, kong.BindTo(t.Context(), (*context.Context)(nil)), kong.BindTo(&out, (*io.Writer)(nil)))
	if err != nil {
		t.Fatal(err)
	}
	command, err := parser.Parse([]string{"simulate", "--server", "http://127.0.0.1:1", "--hives", "2", "--warmup", "0s", "--duration", "500ms", "--json"})
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Run(); err != nil {
		t.Fatal(err)
	}
	var rep simulate.Report
	if err := json.Unmarshal(out.Bytes(), &rep); err != nil || rep.Hives != 2 || rep.Heartbeats.Failed == 0 {
		t.Errorf("%v: %s", err, &out)
	}
}
