package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"waggle/internal/cli"
)

type commands struct {
	Workers  cli.Workers  `cmd:""`
	Hives    cli.Hives    `cmd:""`
	Watch    cli.Watch    `cmd:""`
	Cordon   cli.Cordon   `cmd:""`
	Uncordon cli.Uncordon `cmd:""`
}

// server answers operations by name, over HTTP and over a socket, and remembers what was asked.
type server struct {
	*httptest.Server
	answers map[string]string
	asked   []request
	breaks  bool // a socket breaks off after two messages
	fails   int  // the number of the request from which on all fail; 0: none
}

type request struct {
	Operation string         `json:"operationName"`
	Variables map[string]any `json:"variables"`
}

func serving(t *testing.T, answers map[string]string) *server {
	t.Helper()
	s := &server{answers: answers}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if websocket.IsWebSocketUpgrade(r) {
		s.serveSocket(w, r)
		return
	}
	var req request
	_ = json.NewDecoder(r.Body).Decode(&req)
	s.asked = append(s.asked, req)
	if s.fails > 0 && len(s.asked) >= s.fails {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	_, _ = io.WriteString(w, `{"data":`+s.answers[req.Operation]+`}`)
}

func (s *server) serveSocket(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{Subprotocols: []string{"graphql-transport-ws"}}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	for {
		var m struct {
			ID, Type string
			Payload  request
		}
		if conn.ReadJSON(&m) != nil {
			return
		}
		switch m.Type {
		case "connection_init":
			_ = conn.WriteJSON(map[string]string{"type": "connection_ack"})
		case "subscribe":
			next := map[string]any{"type": "next", "id": m.ID, "payload": map[string]any{"data": json.RawMessage(s.answers[m.Payload.Operation])}}
			_ = conn.WriteJSON(next)
			_ = conn.WriteJSON(next)
			if s.breaks {
				return
			}
		}
	}
}

// waggle runs a command line and returns what it printed.
func waggle(t *testing.T, s *server, args ...string) (string, error) {
	t.Helper()
	return waggleLogging(t, io.Discard, s, args...)
}

// waggleLogging is waggle with a log.
func waggleLogging(t *testing.T, log io.Writer, s *server, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	parser, err := kong.New(&commands{}, kong.BindTo(t.Context(), (*context.Context)(nil)), kong.BindTo(&out, (*io.Writer)(nil)),
		kong.Bind(slog.New(slog.NewTextHandler(log, nil))))
	if err != nil {
		t.Fatal(err)
	}
	command, err := parser.Parse(append(args, "--server", s.URL))
	if err != nil {
		return "", err
	}
	err = command.Run()
	return out.String(), err
}

const twoWorkers = `{"workers":{"revision":"e.1","totalCount":3,"offset":0,"nodes":[
	{"id":"a/llm/8080","hiveId":"a","group":"llm","instance":"8080","model":"llama\u001b[2J","activity":"BUSY","liveness":"ONLINE","available":true,
	 "activitySince":"2026-01-01T00:00:00Z","lastSeenAt":"2026-01-01T00:00:00Z","revision":"e.1","gpuUtilizationPercent":71.4,"vramUsedMb":18400,
	 "vramTotalMb":24576,"vramFreeMb":6176,"requestsRunning":3,"requestsQueued":0,"uptimeSeconds":4000},
	{"id":"b/llm/8080","hiveId":"b","group":"llm","instance":"8080","activity":"UNKNOWN","liveness":"SUSPECT","available":false,
	 "activitySince":"2026-01-01T00:00:00Z","lastSeenAt":"2026-01-01T00:00:00Z","revision":"e.1"}]}}`

func TestWorkersForPeople(t *testing.T) {
	s := serving(t, map[string]string{"workers": twoWorkers})
	got, err := waggle(t, s, "workers", "--model", "llama", "--idle", "--min-free-vram", "8192", "--order", "vram-free", "--desc", "--first", "2")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(`
WORKER      MODEL      ACTIVITY  GPU  VRAM USED  VRAM FREE  RUNNING  QUEUED  UP     HIVE IS
a/llm/8080  llama?[2J  BUSY      71%  18.0 GB    6176 MB    3        0       1h06m  ONLINE
b/llm/8080  -          UNKNOWN   -    -          -          -        -       -      SUSPECT
2 of 3 workers; --first and --offset show others.
`, "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	asked := s.asked[0].Variables
	filter, _ := asked["filter"].(map[string]any)
	for name, c := range map[string][2]any{
		"models": {filter["models"], []any{"llama"}}, "idle": {filter["idle"], true}, "minFreeVramMb": {filter["minFreeVramMb"], 8192.0},
		"available": {filter["available"], nil}, "orderBy": {asked["orderBy"], map[string]any{"field": "VRAM_FREE", "direction": "DESC"}},
		"first": {asked["first"], 2.0},
	} {
		if diff := cmp.Diff(c[1], c[0]); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

func TestWorkersForScripts(t *testing.T) {
	got, err := waggle(t, serving(t, map[string]string{"workers": twoWorkers}), "workers", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var page struct {
		TotalCount int
		Nodes      []struct {
			ID         string `json:"id"`
			VRAMFreeMB *int   `json:"vramFreeMb"`
		}
	}
	if err := json.Unmarshal([]byte(got), &page); err != nil {
		t.Fatalf("%v:\n%s", err, got)
	}
	if page.TotalCount != 3 || page.Nodes[0].ID != "a/llm/8080" || *page.Nodes[0].VRAMFreeMB != 6176 || page.Nodes[1].VRAMFreeMB != nil {
		t.Errorf("got %s", got)
	}
}

// fleetNow is the answer of a server by whose clock it is a minute after what it has heard.
const fleetNow = `{"fleet":{"revision":"e.1","serverTime":"2026-01-01T00:01:00Z","hives":{},"workers":{},"models":[]}}`

func TestHivesForPeople(t *testing.T) {
	s := serving(t, map[string]string{"hives": `{"hives":{"revision":"e.1","totalCount":1,"offset":0,"nodes":[{"id":"a","hostname":"a.lan","port":7835,
		"endpoint":"http://a.lan:7835","version":"1","operationalStatus":"READY","health":{"status":"DEGRADED","reason":"hot"},"liveness":"ONLINE",
		"available":false,"cordoned":true,"firstSeenAt":"2026-01-01T00:00:00Z","lastSeenAt":"2026-01-01T00:00:00Z","revision":"e.1",
		"devices":[{"id":"0","name":"NVIDIA H200","kind":"GPU"},{"id":"1","name":"NVIDIA H200","kind":"GPU"},{"id":"2","name":"EPYC","kind":"CPU"}],
		"workers":[{"id":"a/llm/1"}]}]}}`, "fleet": fleetNow})
	got, err := waggle(t, s, "hives", "--liveness", "ONLINE")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"http://a.lan:7835", "DEGRADED: hot", "cordoned", "2 x NVIDIA H200, EPYC", "1m0s ago"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestLivenessMayBeWrittenAsPeopleDo(t *testing.T) {
	s := serving(t, map[string]string{"hives": `{"hives":{"revision":"e.1","totalCount":0,"offset":0,"nodes":[]}}`, "fleet": fleetNow})
	if _, err := waggle(t, s, "hives", "--liveness", "online,Suspect", "--liveness", "OFFLINE"); err != nil {
		t.Fatal(err)
	}
	filter, _ := s.asked[0].Variables["filter"].(map[string]any)
	if diff := cmp.Diff([]any{"ONLINE", "SUSPECT", "OFFLINE"}, filter["liveness"]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if _, err := waggle(t, s, "hives", "--liveness", "dead"); err == nil || !strings.Contains(err.Error(), `must be ONLINE, SUSPECT or OFFLINE but got "dead"`) {
		t.Errorf("got %v", err)
	}
}

// To present no token would be another request than was meant.
func TestATokenFileWithoutATokenIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serving(t, map[string]string{"workers": twoWorkers})
	if got, err := waggle(t, s, "workers", "--token-file", file); err == nil || !strings.Contains(err.Error(), "holds no token") {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestCordonNamesTheHivesThatAreMissing(t *testing.T) {
	s := serving(t, map[string]string{"cordonHive": `{"cordonHive":null}`})
	if got, err := waggle(t, s, "cordon", "a", "b"); err == nil || err.Error() != `there is no hive "a", "b"` || got != "" {
		t.Errorf("got %q, %v", got, err)
	}
	s = serving(t, map[string]string{"uncordonHive": `{"uncordonHive":{"id":"a","firstSeenAt":"2026-01-01T00:00:00Z","lastSeenAt":"2026-01-01T00:00:00Z"}}`})
	if got, err := waggle(t, s, "uncordon", "a"); err != nil || got != "a may get new work again.\n" {
		t.Errorf("got %q, %v", got, err)
	}
}

// What was done stays done; whoever typed it must know what is left to do.
func TestCordonTellsWhatWasDoneBeforeItFailed(t *testing.T) {
	s := serving(t, map[string]string{"cordonHive": `{"cordonHive":{"id":"a","firstSeenAt":"2026-01-01T00:00:00Z","lastSeenAt":"2026-01-01T00:00:00Z"}}`})
	s.fails = 2
	got, err := waggle(t, s, "cordon", "a", "b", "c")
	if got != "a gets no new work until it is uncordoned.\n" || err == nil || !strings.Contains(err.Error(), "not done: b, c") {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestAFlagWithoutEffectOnWhatIsWatchedIsRefused(t *testing.T) {
	s := serving(t, nil)
	for line, want := range map[string]string{
		"watch events --interval 2s":    "--interval is not for watch events, only for watch fleet, workers, hives",
		"watch events --first 3":        "--first is not for watch events, only for watch workers, hives",
		"watch --first 3":               "--first is not for watch fleet, only for watch workers, hives",
		"watch hives --idle":            "--idle is not for watch hives, only for watch workers",
		"watch fleet --min-free-vram 1": "--min-free-vram is not for watch fleet, only for watch workers",
	} {
		if _, err := waggle(t, s, strings.Fields(line)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", line, err)
		}
	}
}

func TestWatch(t *testing.T) {
	s := serving(t, map[string]string{
		"fleet":       fleetNow,
		"watchEvents": `{"events":{"revision":"e.1","at":"2026-01-01T00:00:00Z","kind":"HIVE_JOINED","hiveId":"a","message":"a joined."}}`,
		"watchFleet": `{"fleet":{"revision":"e.1","serverTime":"2026-01-01T00:00:00Z","hives":{"total":3,"online":2,"suspect":1,"offline":0,"available":2},
			"workers":{"total":9,"available":8,"idle":4,"busy":3,"unknown":2},"vramTotalMb":2097152,"vramUsedMb":1048576,"heartbeatsPerSecond":2.9,"models":[]}}`,
		"watchWorkers": strings.Replace(twoWorkers, "workers", "workers", 1),
	})
	for what, want := range map[string]string{"events": "a joined.", "fleet": "hives 2 online, 1 suspect, 0 offline  workers 4 idle, 3 busy, 2 unknown  VRAM 1.0 of 2.0 TB",
		"workers": "a/llm/8080"} {
		t.Run(what, func(t *testing.T) {
			got, err := waggle(t, s, "watch", what, "--count", "2")
			if err != nil || strings.Count(got, want) != 2 {
				t.Errorf("got %v and\n%s", err, got)
			}
		})
	}
	t.Run("one JSON document a line", func(t *testing.T) {
		got, err := waggle(t, s, "watch", "--json", "--count", "2")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(got) {
			if !json.Valid([]byte(line)) {
				t.Errorf("no JSON: %s", line)
			}
		}
	})
	t.Run("a server that goes away is told of, for what is shown is not what is", func(t *testing.T) {
		s := serving(t, s.answers)
		s.breaks = true
		var log bytes.Buffer
		if _, err := waggleLogging(t, &log, s, "watch", "--count", "3"); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(log.String(), "the server is out of reach") {
			t.Errorf("logged %q", &log)
		}
	})
	t.Run("a server that is not there is an error at once", func(t *testing.T) {
		gone := serving(t, nil)
		gone.Close()
		if got, err := waggle(t, gone, "watch"); err == nil {
			t.Errorf("got %q and no error", got)
		}
	})
}
