package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"waggle/internal/realwaggle"
	"waggle/registry"
)

// program is the real binary.
var program realwaggle.Program

// served is the real binary, serving on a port of its own.
type served struct{ *realwaggle.Server }

func TestMain(m *testing.M) {
	if os.Getenv(dashboardsEnv) != "" {
		if err := sitDashboards(); err != nil {
			fmt.Fprintln(os.Stderr, "dashboards:", err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	_ = program.Remove()
	os.Exit(code)
}

// start runs `waggle serve` on a port of its own.
func start(t testing.TB, args ...string) served {
	t.Helper()
	return startAt(t, "127.0.0.1:0", args...)
}

func startAt(t testing.TB, address string, args ...string) served {
	t.Helper()
	server, err := program.Serve(t.Context(), address, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	return served{server}
}

func (p served) url(path string) string { return p.URL() + path }

// ask sends an operation and returns the answer's data.
func (p served) ask(t *testing.T, query string, variables map[string]any) map[string]any {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(p.url("/graphql"), "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Data   map[string]any
		Errors []any
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if answer.Errors != nil {
		t.Fatalf("errors: %v", answer.Errors)
	}
	return answer.Data
}

// eventually polls the server, as a person would, until the condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(60 * time.Second)
	defer deadline.Stop()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			t.Fatalf("%s: not within 60 s", what)
		case <-again.C:
		}
	}
}

func TestThisMachineAppearsInTheFleet(t *testing.T) {
	p := start(t, "--hive-id", "here")
	eventually(t, "this machine is ONLINE with its processor", func() bool {
		data := p.ask(t, `{ hive(id: "here") { liveness devices { kind memoryTotalMb } } }`, nil)
		hive, ok := data["hive"].(map[string]any)
		if !ok || hive["liveness"] != "ONLINE" {
			return false
		}
		for _, d := range hive["devices"].([]any) {
			if d := d.(map[string]any); d["kind"] == "CPU" && d["memoryTotalMb"] != nil {
				return true
			}
		}
		return false
	})
}

func TestRequestsThatAreNoneOfOurs(t *testing.T) {
	p := start(t, "--no-agent", "--allow-origin", "https://dashboard.example")
	for _, tt := range []struct {
		name   string
		method string
		path   string
		header map[string]string
		body   string
		want   int
	}{
		{"another host's name, as in DNS rebinding", "POST", "/graphql", map[string]string{"Host": "evil.example", "Content-Type": "application/json"}, `{"query":"{ server { version } }"}`, http.StatusMisdirectedRequest},
		{"a page of another origin", "POST", "/graphql", map[string]string{"Origin": "https://evil.example", "Content-Type": "application/json"}, `{"query":"{ server { version } }"}`, http.StatusForbidden},
		{"a page of an allowed origin", "POST", "/graphql", map[string]string{"Origin": "https://dashboard.example", "Content-Type": "application/json"}, `{"query":"{ server { version } }"}`, http.StatusOK},
		{"a query by GET", "GET", "/graphql?query={server{version}}", nil, "", http.StatusMethodNotAllowed},
		{"the API opened in a browser, which is sent to the playground", "GET", "/graphql", map[string]string{"Accept": "text/html"}, "", http.StatusOK},
		{"a form", "POST", "/graphql", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, "query={server{version}}", http.StatusUnsupportedMediaType},
		{"a body of more than 1 MiB", "POST", "/graphql", map[string]string{"Content-Type": "application/json"}, `{"query":"` + strings.Repeat(" ", 1<<20) + `{ server { version } }"}`, http.StatusRequestEntityTooLarge},
		{"alive", "GET", "/healthz", nil, "", http.StatusOK},
		{"ready", "GET", "/readyz", nil, "", http.StatusOK},
		{"the page", "GET", "/", nil, "", http.StatusOK},
		{"the playground", "GET", "/playground/", nil, "", http.StatusOK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), tt.method, p.url(tt.path), strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			for k, v := range tt.header {
				req.Header.Set(k, v)
			}
			if host := req.Header.Get("Host"); host != "" {
				req.Host = host
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != tt.want {
				t.Errorf("status %d, want %d", resp.StatusCode, tt.want)
			}
		})
	}
}

func TestAnAddressThatOthersCanReachNeedsInsecure(t *testing.T) {
	var stderr bytes.Buffer
	if code := run(t.Context(), []string{"--listen", "0.0.0.0:0"}, io.Discard, &stderr); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if !strings.Contains(stderr.String(), "--insecure") {
		t.Errorf("the error does not say what to do: %s", stderr.String())
	}
}

func TestTwoServersRunInOneProcess(t *testing.T) {
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		out, in := io.Pipe()
		code := make(chan int, 1)
		go func() {
			code <- run(ctx, []string{"--listen", "127.0.0.1:0", "--no-agent"}, io.Discard, in)
			_ = in.Close()
		}()
		lines := bufio.NewScanner(out)
		if !lines.Scan() || !strings.Contains(lines.Text(), "waggle is up") {
			t.Fatalf("first line %q", lines.Text())
		}
		t.Cleanup(func() {
			cancel()
			go func() { _, _ = io.Copy(io.Discard, out) }()
			if c := <-code; c != 0 {
				t.Errorf("exit code %d, want 0", c)
			}
		})
	}
}

func TestSIGTERMClosesSocketsSoThatClientsComeBack(t *testing.T) {
	p := start(t, "--no-agent")
	dialer := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}}
	ws, resp, err := dialer.DialContext(t.Context(), "ws://"+p.Address()+"/graphql", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	defer func() { _ = ws.Close() }()
	for _, message := range []string{
		`{"type":"connection_init"}`,
		`{"type":"subscribe","id":"1","payload":{"query":"subscription { changes { revision reset complete } }"}}`,
	} {
		if err := ws.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := ws.ReadMessage(); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_, _, err = ws.ReadMessage()
	if closed, ok := errors.AsType[*websocket.CloseError](err); !ok || closed.Code != websocket.CloseServiceRestart {
		t.Errorf("the socket ended by %v, want close code 1012", err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("the server ended by %v, want exit code 0", err)
	}
}

func TestOptionsAreCheckedBeforeAnythingIsDone(t *testing.T) {
	for args, want := range map[string]string{
		"serve --demo=-3":                                          "--demo: -3 must be 0 to 100000",
		"serve --demo 100001":                                      "--demo: 100001 must be 0 to 100000",
		"serve --suspect-after 0s":                                 "--suspect-after, --offline-after and --forget-after must be more than 0s",
		"serve --suspect-after 20s":                                "each must be longer than the one before",
		"serve --hive-id a/b":                                      `the hive id "a/b" must be`,
		"serve --listen 127.0.0.1:99999":                           "a port of 0 to 65535",
		"serve --listen 7833":                                      "must be host:port",
		"serve --listen 192.0.2.1:7833":                            "--insecure",
		"serve --allow-host registry.lan:7833":                     "without port",
		"serve --allow-origin dashboard.example":                   "must be scheme://host",
		"serve --discover http://gpu-1:7835 --public-url http://a": `--discover: "http://gpu-1:7835" must be a host name`,
		"serve --discover gpu-1":                                   "--discover needs --public-url",
		"serve --pull-allow 10.0.0.0/33":                           `--pull-allow: "10.0.0.0/33" must be`,
		"serve --public-url registry:7833":                         `--public-url: "registry:7833" must begin with`,
		"serve --rbee-assume-vram-mb=-1":                           "--rbee-assume-vram-mb: -1 must be 0 to",
		"agent --interval 0s":                                      "--interval: 0s must be 100ms to 1m0s",
		"agent --interval 1ms":                                     "the interval 1ms is not within",
		"agent --hive-id -":                                        `the hive id "-" must be`,
		"workers --first 0":                                        "--first: 0 must be 1 to 1000",
		"hives --offset=-1":                                        "--offset: -1 must be 0 or more",
		"watch --count=-1":                                         "--count: -1 must be 0 or more",
		"watch workers --first 1001":                               "--first: 1001 must be 1 to 1000",
		"watch --interval 1ms":                                     "--interval: 1ms must be 100ms to 1m0s",
		"watch --interval 0s":                                      "--interval: 0s must be 100ms to 1m0s",
		"watch fleet --model x":                                    "--model is not for watch fleet, only for watch workers\nSee waggle watch --help.",
		"simulate --hives=-1":                                      "-1 hives: it must be 0 to 100000",
		"simulate --server http://127.0.0.1:1 --duration 1s --warmup 0s --hives 2 --json": "no heartbeat was accepted; does a registry run at http://127.0.0.1:1?",
	} {
		t.Run(args, func(t *testing.T) {
			var stderr bytes.Buffer
			if code := run(t.Context(), strings.Fields(args), io.Discard, &stderr); code == 0 || !strings.Contains(stderr.String(), want) {
				t.Errorf("exit code %d, %q; want %q", code, &stderr, want)
			}
		})
	}
}

// TestAgentStartsWhereKubernetesNamesAServiceWaggle though it then sets variables that look like options.
func TestAgentStartsWhereKubernetesNamesAServiceWaggle(t *testing.T) {
	for name, value := range map[string]string{
		"WAGGLE_SERVICE_HOST": "10.0.0.1", "WAGGLE_SERVICE_PORT": "7833", "WAGGLE_PORT": "tcp://10.0.0.1:7833",
		"WAGGLE_PORT_7833_TCP": "tcp://10.0.0.1:7833", "WAGGLE_PORT_7833_TCP_PORT": "7833",
	} {
		t.Setenv(name, value)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stderr bytes.Buffer
	if code := run(ctx, []string{"agent", "--server", "http://127.0.0.1:1"}, io.Discard, &stderr); code != 0 {
		t.Errorf("exit code %d: %s", code, &stderr)
	}
}

func TestAKilledServerHasItsHivesBackWithTheirNextHeartbeat(t *testing.T) {
	p := start(t, "--no-agent")
	const heartbeat = `{"hive":{"id":"gpu-1","hostname":"10.0.0.5","port":7835,"operational_status":"ready",` +
		`"health_status":{"status":"healthy"},"version":"0.1.0"},"timestamp":"2026-01-31T12:00:00Z","workers":[]}`
	hive := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	url := p.url("/v1/hive-heartbeat")
	go func() { // as a hive of rbee does it, once a second whatever happens
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			if resp, err := hive.Post(url, "application/json", strings.NewReader(heartbeat)); err == nil {
				_ = resp.Body.Close()
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	isThere := func(p served) bool { return p.ask(t, `{ hive(id: "gpu-1") { liveness } }`, nil)["hive"] != nil }
	eventually(t, "the hive is there", func() bool { return isThere(p) })
	p.Kill()
	p = startAt(t, p.Address(), "--no-agent")
	began := time.Now()
	eventually(t, "the hive is back", func() bool { return isThere(p) })
	if took := time.Since(began); took > 5*time.Second { // two on a machine that does nothing else
		t.Errorf("it was back after %s, want at most two heartbeats", took)
	}
}

func TestTwoAgentsWithOneIdAreLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := registry.New(registry.Config{})
		var log bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			logConflicts(ctx, reg, slog.New(slog.NewTextHandler(&log, nil)))
			close(ended)
		}()
		synctest.Wait()
		for _, incarnation := range []string{"first", "second", "first", "first", "second"} {
			if _, err := reg.Apply(&registry.Heartbeat{Hive: registry.HiveReport{ID: "gpu-1", Hostname: "a"}, Incarnation: incarnation}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		cancel()
		<-ended
		if n := strings.Count(log.String(), "two agents claim one hive id"); n != 1 || !strings.Contains(log.String(), "hive=gpu-1") {
			t.Errorf("logged %d times, want once for gpu-1: %s", n, log.String())
		}
	})
}

// TestREADME runs every command block of the README that talks to the server, and compares its answer with the one that is shown.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, "--no-agent")
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```(?:\n\n```json\n(.*?)```)?").FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 3 {
		t.Fatalf("%d command blocks, want at least 3", len(blocks))
	}
	answers := make([]string, len(blocks))
	for i, block := range blocks {
		command := exec.CommandContext(t.Context(), "bash", "-c", strings.ReplaceAll(block[1], "127.0.0.1:7833", p.Address()))
		out, err := command.Output()
		if err != nil && !strings.Contains(block[1], "--max-time") {
			t.Fatalf("%s\n%v", block[1], err)
		}
		answers[i] = string(out)
	}
	for i, block := range blocks {
		if want := strings.TrimSpace(block[2]); want != "" {
			if diff := cmp.Diff(want, strings.TrimSpace(answers[i])); diff != "" {
				t.Errorf("the README shows another answer (-shown +got):\n%s", diff)
			}
		} else if !strings.Contains(answers[i], `"reset":"INITIAL"`) {
			t.Errorf("no snapshot in %q", answers[i])
		}
	}
}
