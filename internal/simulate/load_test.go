package simulate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/gorilla/websocket"

	"waggle/client"
	"waggle/internal/realwaggle"
	"waggle/internal/simulate"
)

func TestMain(m *testing.M) {
	code := m.Run()
	_ = program.Remove()
	os.Exit(code)
}

var program realwaggle.Program

// startWaggle runs the real server and returns its URL.
func startWaggle(t *testing.T) string {
	t.Helper()
	server, err := program.Serve(t.Context(), "127.0.0.1:0", "--no-agent")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	return server.URL()
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
	if rep.LoadCPUPercent <= 0 {
		t.Error("the load says that it took no processor")
	}
	if rep.MirrorLag.P50MS > 5000 {
		t.Errorf("mirrors lag %.0f ms behind", rep.MirrorLag.P50MS)
	}
	if !bytes.Contains(progress.Bytes(), []byte("heartbeats/s")) {
		t.Errorf("progress: %s", &progress)
	}
}

func TestDashboardsOfAHiveAreToldOfEveryHeartbeat(t *testing.T) {
	rep, err := simulate.Run(t.Context(), simulate.Config{Server: startWaggle(t), Fleet: simulate.FleetConfig{Hives: 2, Workers: 8, Seed: 1}, Interval: 50 * time.Millisecond,
		Subscribers: 5, Silent: 1, Documents: 2, Subscription: simulate.SubscribeHive, Gather: 100 * time.Millisecond, Schedulers: 1, Ask: simulate.AskBoth,
		Warmup: time.Second, Duration: 4 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if d := rep.Deliveries; d.Failed > 0 || d.PerSecond < 60 || d.PerSecond > 110 || d.P50MS <= 0 {
		t.Errorf("deliveries: got %+v, want 100 a second", d)
	}
	if q := rep.Queries; q.Failed > 0 || q.Done == 0 {
		t.Errorf("queries: got %+v", q)
	}
}

// What agents send through package client and what the load sends must be the same to a server.
func TestAServerTakesInWhatTheClientMakesOfAReport(t *testing.T) {
	c, err := client.New(client.Config{URL: startWaggle(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdle()
	fleet := simulate.NewFleet(simulate.FleetConfig{Hives: 20, Seed: 1, Trouble: 100})
	for range 100 {
		for i := range fleet.Len() {
			if !fleet.Beat(i) {
				continue
			}
			in := &client.HeartbeatInput{}
			if err := json.Unmarshal(fleet.AppendInput(nil, i, time.Now()), in); err != nil {
				t.Fatal(err)
			}
			answer, err := c.Heartbeat(t.Context(), in)
			if err != nil || answer.Outcome != client.HeartbeatOutcomeAccepted || len(answer.Warnings) > 0 {
				t.Fatalf("got %+v, %v for %+v", answer, err, in)
			}
		}
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
		"no such door":     {Door: "window"},
		"no such question": {Ask: "why"},
		"no such page":     {Subscription: "news"},
		"gathers too long": {Gather: 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			if err := cfg.Check(); err == nil {
				t.Error("no error")
			}
		})
	}
	if err := (simulate.Config{}).Check(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
	if _, err := simulate.Run(t.Context(), simulate.Config{Server: "ftp://127.0.0.1"}); err == nil {
		t.Error("no error for a server that is none")
	}
}

// A mirror that ended goes on deciding by what it was told last, which must not look like success.
func TestAMirrorThatIsRefusedIsCounted(t *testing.T) {
	probes := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		upgrader := websocket.Upgrader{Subprotocols: []string{"graphql-transport-ws"}}
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			select { // a heartbeat of the probe
			case probes <- struct{}{}:
			default:
			}
			return
		}
		defer func() { _ = conn.Close() }()
		for _, answer := range []string{`{"type":"connection_ack"}`,
			`{"id":"1","type":"next","payload":{"data":{"changes":{"revision":"e.1","reset":"INITIAL","complete":true,"hives":[],"workers":[],"removed":[]}}}}`} {
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
			_ = conn.WriteMessage(websocket.TextMessage, []byte(answer))
		}
		for range 3 { // By then it decides.
			<-probes
		}
		_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4401, "Unauthorized"), time.Now().Add(time.Second))
		_, _, _ = conn.ReadMessage()
	}))
	defer srv.Close()
	rep, err := simulate.Run(t.Context(), simulate.Config{Server: srv.URL, NoFleet: true, Mirrors: 1, Duration: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if f := rep.Decisions; f.Failed != 1 || !strings.Contains(f.LastError, "4401") {
		t.Errorf("got %+v", f)
	}
	if rep.Hives != 0 {
		t.Errorf("%d hives without a fleet", rep.Hives)
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
	command, err := parser.Parse([]string{"simulate", "--server", "http://127.0.0.1:1", "--hives", "2", "--warmup", "0s", "--duration", "2s", "--json"})
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Run(); err == nil || !strings.Contains(err.Error(), "no heartbeat was accepted") {
		t.Errorf("where nobody listens: %v", err)
	}
	var rep simulate.Report
	if err := json.Unmarshal(out.Bytes(), &rep); err != nil || rep.Hives != 2 || rep.Heartbeats.Failed == 0 {
		t.Errorf("%v: %s", err, &out)
	}
}
