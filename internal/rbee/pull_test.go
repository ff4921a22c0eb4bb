package rbee

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waggle/registry"
)

const local = "127.0.0.1:0"

func TestPulledHives(t *testing.T) {
	t.Run("a hive that announces itself is subscribed to", func(t *testing.T) {
		f := open(t, Config{})
		h := hatch(t, local, &fakeHive{id: "gpu-1", capabilities: `{"devices":[` + deviceJSON + `]}`})
		status, body := f.ready(h.id, h.url)
		if want := `{"status":"ok","message":"Subscribed to hive gpu-1 SSE stream"}`; status != 200 || body != want {
			t.Fatalf("got %d %s, want 200 %s", status, body, want)
		}
		f.online("gpu-1")
		hive := f.hive("gpu-1")
		if hive.Endpoint() != h.url || hive.Version != "0.1.0" || hive.Worker("gpu-1/llm/8080") == nil {
			t.Errorf("got %+v", hive)
		}
		eventually(t, "its devices are known", func() bool { return len(f.hive("gpu-1").Devices) == 1 })
		if s := f.door.Stats(); s.Subscriptions != 1 || s.Heard != 1 || s.Pulled == 0 {
			t.Errorf("got %+v", s)
		}
	})
	t.Run("fifty announcements make one subscription", func(t *testing.T) {
		f := open(t, Config{})
		h := hatch(t, local, &fakeHive{id: "gpu-1"})
		var calling sync.WaitGroup
		for range 50 {
			calling.Go(func() { f.follow(h) })
		}
		calling.Wait()
		f.online("gpu-1")
		f.follow(h)
		seen := f.hive("gpu-1").LastSeenAt
		eventually(t, "it goes on", func() bool { return f.hive("gpu-1").LastSeenAt.After(seen) })
		if opened := h.opened.Load(); opened != 1 {
			t.Errorf("%d streams were opened, want 1", opened)
		}
	})
	t.Run("another address replaces the one before", func(t *testing.T) {
		f := open(t, Config{})
		first, second := hatch(t, local, &fakeHive{id: "gpu-1"}), hatch(t, local, &fakeHive{id: "gpu-1"})
		f.follow(first)
		f.online("gpu-1")
		f.follow(second)
		eventually(t, "the second is heard alone", func() bool { return second.streaming.Load() == 1 && first.streaming.Load() == 0 })
		eventually(t, "the second is shown", func() bool { return f.hive("gpu-1").Endpoint() == second.url })
		if s := f.door.Stats(); s.Subscriptions != 1 {
			t.Errorf("%d subscriptions, want 1", s.Subscriptions)
		}
	})
	t.Run("a hive that says nothing is not there", func(t *testing.T) {
		f := open(t, Config{})
		h := hatch(t, local, &fakeHive{id: "gpu-1", stream: once(
			"not JSON", `{"type":"telemetry"}`, `{"type":"other","hive_id":"gpu-1","hive_info":{},"timestamp":"","workers":[]}`)})
		f.follow(h)
		eventually(t, "all was read", func() bool { return f.door.Stats().EventsRefused == 3 })
		if f.reg.Snapshot().Hive("gpu-1") != nil {
			t.Error("it is there")
		}
		if n := f.logs.count("not taken"); n != 1 {
			t.Errorf("logged %d times, want once:\n%s", n, f.logs)
		}
	})
	t.Run("a hive that is another one is not taken", func(t *testing.T) {
		f := open(t, Config{})
		liar := hatch(t, local, &fakeHive{id: "gpu-2"})
		liar.stream = once(liar.event(), liar.event())
		if status, body := f.ready("gpu-1", liar.url); status != 200 {
			t.Fatalf("got %d %s", status, body)
		}
		eventually(t, "both events were read", func() bool { return f.door.Stats().EventsRefused == 2 })
		if n := f.reg.Snapshot().Fleet().Hives.Total; n != 0 {
			t.Errorf("got %d hives, want none", n)
		}
		if n := f.logs.count("another one than was announced"); n != 1 {
			t.Errorf("logged %d times, want once:\n%s", n, f.logs)
		}
	})
	t.Run("malformed workers are left out and the rest is used", func(t *testing.T) {
		f := open(t, Config{})
		h := hatch(t, local, &fakeHive{id: "gpu-1"})
		with := func(old, replacement string) string { return strings.Replace(workerJSON, old, replacement, 1) }
		h.stream = steady(100*time.Millisecond, with(`"pid":12345,`, ``), workerJSON, `7`, with(`"8080"`, `"8081"`), with(`8192`, `-1`))
		f.follow(h)
		f.online("gpu-1")
		if diff := cmp.Diff([]string{"gpu-1/llm/8080", "gpu-1/llm/8081"}, workerIDs(f.hive("gpu-1"))); diff != "" {
			t.Errorf("workers (-want +got):\n%s", diff)
		}
		eventually(t, "more events", func() bool { return f.door.Stats().Pulled > 2 })
		if s := f.door.Stats(); s.WorkersDropped < 3*2 || s.EventsRefused != 0 {
			t.Errorf("got %+v, want three workers left out of each event", s)
		}
		if n := f.logs.count("malformed workers"); n != 1 {
			t.Errorf("logged %d times, want once:\n%s", n, f.logs)
		}
	})
	t.Run("so are workers that the registry does not take, and what a hive says of itself", func(t *testing.T) {
		f := open(t, Config{})
		h := hatch(t, local, &fakeHive{id: "gpu-1"})
		bad := strings.Replace(workerJSON, `"llm"`, `"l/m"`, 1)
		h.stream = once(strings.Replace(h.event(bad, workerJSON, workerJSON), `"0.1.0"`, `"`+strings.Repeat("v", 100)+`"`, 1))
		f.follow(h)
		f.online("gpu-1")
		if diff := cmp.Diff([]string{"gpu-1/llm/8080"}, workerIDs(f.hive("gpu-1"))); diff != "" {
			t.Errorf("workers (-want +got):\n%s", diff)
		}
		if v := f.hive("gpu-1").Version; v != "" {
			t.Errorf("got version %s, want none", v)
		}
		if s := f.door.Stats(); s.WorkersDropped != 2 {
			t.Errorf("%d workers were left out, want 2", s.WorkersDropped)
		}
	})
	t.Run("a hive may say anything of itself and of the time", func(t *testing.T) {
		f := open(t, Config{})
		h := hatch(t, local, &fakeHive{id: "gpu-1", stream: once(
			`{"workers":[],"timestamp":"whenever","hive_info":[1,{"a":null}],"hive_id":"gpu-1","type":"telemetry"}`)})
		f.follow(h)
		f.online("gpu-1")
		if h := f.hive("gpu-1"); !h.Available || h.ClockSkewMS.Known() {
			t.Errorf("got %+v, want it available and its clock unknown", h)
		}
	})
	t.Run("a stream that is cut is opened again", func(t *testing.T) {
		f := open(t, Config{})
		h := hatch(t, local, &fakeHive{id: "gpu-1", stream: func(_ context.Context, h *fakeHive, send func(string) error) { _ = send(h.event()) }})
		f.follow(h)
		eventually(t, "it was opened three times", func() bool { return h.opened.Load() == 3 })
		if most := h.most.Load(); most != 1 {
			t.Errorf("%d streams at once, want 1", most)
		}
	})
	t.Run("a hive that floods is read at its pace and no faster", func(t *testing.T) {
		f := open(t, Config{})
		began := time.Now()
		h := hatch(t, local, &fakeHive{id: "gpu-1", stream: steady(0, workerJSON)})
		f.follow(h)
		eventually(t, "the burst is used up", func() bool { return f.door.Stats().Pulled > eventBurst+3 })
		pulled := f.door.Stats().Pulled
		if most := int64(eventBurst + 1 + eventsPerSecond*time.Since(began).Seconds()); pulled > most {
			t.Errorf("%d events were taken in %s, want at most %d", pulled, time.Since(began), most)
		}
	})
	t.Run("an event too large ends the stream", func(t *testing.T) {
		f := open(t, Config{})
		h := hatch(t, local, &fakeHive{id: "gpu-1", stream: func(_ context.Context, _ *fakeHive, send func(string) error) {
			for send(strings.Repeat("x", maxBody+10)) == nil {
			}
		}})
		f.follow(h)
		eventually(t, "it was opened again", func() bool { return h.opened.Load() == 2 })
		if s := f.door.Stats(); s.Pulled+s.EventsRefused != 0 {
			t.Errorf("got %+v, want no event", s)
		}
	})
	t.Run("there is a bound", func(t *testing.T) {
		f := open(t, Config{MaxSubscriptions: 1})
		h := hatch(t, local, &fakeHive{id: "gpu-1"})
		f.follow(h)
		if status, body := f.ready("gpu-2", h.url); status != 503 {
			t.Errorf("got %d %s, want 503", status, body)
		}
		f.follow(h)
	})
	t.Run("an id that another agent owns is not taken over", func(t *testing.T) {
		f := open(t, Config{})
		own := &registry.Heartbeat{Hive: registry.HiveReport{ID: "gpu-1", Hostname: "h"}, Incarnation: "a"}
		if _, err := f.reg.Apply(own); err != nil {
			t.Fatal(err)
		}
		h := hatch(t, local, &fakeHive{id: "gpu-1"})
		f.follow(h)
		eventually(t, "it was refused", func() bool { return f.door.Stats().EventsRefused > 0 })
		status, body := f.post("/v1/hive-heartbeat", strings.Replace(heartbeatJSON(), "gpu-server-1", "gpu-1", 1))
		if status != 409 {
			t.Errorf("pushed: got %d %s, want 409", status, body)
		}
		if h := f.hive("gpu-1"); h.Hostname != "h" {
			t.Errorf("it was taken over by %s", h.Hostname)
		}
	})
}

func workerIDs(h *registry.Hive) []string {
	var ids []string
	for _, w := range h.Workers {
		ids = append(ids, w.ID)
	}
	return ids
}

func TestAnnouncementsThatAreRefused(t *testing.T) {
	f := open(t, Config{PullAllow: []string{"127.0.0.1", "10.0.0.0/8", "*.fleet.example"}})
	for _, c := range []struct {
		name, id, url string
		status        int
		message       string
	}{
		{"no id", "", "http://127.0.0.1:1", 422, `hive.id: "" must be a letter or digit, then up to 127 letters, digits or . _ : -`},
		{"no URL", "gpu-1", "", 422, "hive_url: must begin with http:// or https://"},
		{"a file", "gpu-1", "file:///etc/passwd", 422, "hive_url: must begin with http:// or https://"},
		{"gopher", "gpu-1", "gopher://127.0.0.1:70/_x", 422, "hive_url: must begin with http:// or https://"},
		{"no host", "gpu-1", "http://:7835", 422, "hive_url: must name a host"},
		{"a port that is none", "gpu-1", "http://127.0.0.1:99999", 422, "hive_url: must have a port of 1 to 65535, or none"},
		{"port 0", "gpu-1", "http://127.0.0.1:0", 422, "hive_url: must have a port of 1 to 65535, or none"},
		{"a password", "gpu-1", "http://u:p@127.0.0.1", 422, "hive_url: must have no user, query or fragment"},
		{"a query", "gpu-1", "http://127.0.0.1/?x=", 422, "hive_url: must have no user, query or fragment"},
		{"an address that is not allowed", "gpu-1", "http://169.254.169.254", 403, "hive_url: the address is not one that hives may be pulled from"},
		{"a mapped address", "gpu-1", "http://[::ffff:169.254.169.254]", 403, "hive_url: the address is not one that hives may be pulled from"},
		{"a name that is not allowed", "gpu-1", "http://nowhere.invalid", 403, "hive_url: the host's name cannot be resolved"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if status, body := f.ready(c.id, c.url); status != c.status || body != message(c.message) {
				t.Errorf("got %d %s, want %d %s", status, body, c.status, message(c.message))
			}
		})
	}
	for body, want := range map[string]string{
		`{"hive_id":"x"}`:               `missing field "hive_url"`,
		`{"hive_id":1,"hive_url":"x"}`:  `hive_id: must be a string, not a number`,
		`{"hive_id":"x","hive_url":[]}`: `hive_url: must be a string, not an array`,
	} {
		if status, got := f.post("/v1/hive/ready", body); status != 422 || got != message(want) {
			t.Errorf("%s: got %d %s, want 422 %s", body, status, got, want)
		}
	}
	if n := f.door.Stats().Subscriptions; n != 0 {
		t.Errorf("%d subscriptions, want none", n)
	}
}

func TestRedirects(t *testing.T) {
	// target tells whether anybody came.
	target := func(t *testing.T, address string) (*fakeHive, string) {
		t.Helper()
		h := hatch(t, address, &fakeHive{id: "gpu-1"})
		redirect := serve(t, http.RedirectHandler(h.url+"/v1/heartbeats/stream", http.StatusTemporaryRedirect))
		return h, redirect
	}
	t.Run("are followed to where hives may be pulled from", func(t *testing.T) {
		f := open(t, Config{PullAllow: []string{"127.0.0.1"}})
		_, redirect := target(t, local)
		f.ready("gpu-1", redirect)
		f.online("gpu-1")
	})
	t.Run("are not followed elsewhere", func(t *testing.T) {
		f := open(t, Config{PullAllow: []string{"127.0.0.1"}})
		h, redirect := target(t, "127.0.0.2:0")
		f.ready("gpu-1", redirect)
		eventually(t, "it was refused", func() bool { return f.logs.count(errForbidden.Error()) == 1 })
		if h.opened.Load() != 0 {
			t.Error("the server went there")
		}
	})
	t.Run("are not followed to another protocol", func(t *testing.T) {
		f := open(t, Config{})
		f.ready("gpu-1", serve(t, http.RedirectHandler("ftp://127.0.0.1/", http.StatusFound)))
		eventually(t, "it was refused", func() bool { return f.logs.count("must begin with http:// or https://") == 1 })
	})
	t.Run("are not followed in circles", func(t *testing.T) {
		f := open(t, Config{})
		var came atomic.Int64
		f.ready("gpu-1", serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			came.Add(1)
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		})))
		eventually(t, "it was given up", func() bool { return f.logs.count("more than 3 redirects") == 1 })
		if n := came.Load(); n != maxRedirects+1 {
			t.Errorf("went there %d times, want %d", n, maxRedirects+1)
		}
	})
}

func TestAnswersThatAreNoStream(t *testing.T) {
	for want, serveIt := range map[string]http.HandlerFunc{
		"something else than an event stream": func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "<html>") },
		"the hive answered 500":               func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
	} {
		f := open(t, Config{})
		f.ready("gpu-1", serve(t, serveIt))
		eventually(t, want, func() bool { return f.logs.count(want) == 1 })
	}
}

func TestWhereHivesMayBePulledFrom(t *testing.T) {
	addr := netip.MustParseAddr
	unset, _ := newGuard(nil)
	set, err := newGuard([]string{"10.1.0.0/16", "2001:db8::/32", "192.168.1.7", "Hive.LAN", "*.fleet.example"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		guard      *guard
		addr, peer string
		want       bool
	}{
		{unset, "203.0.113.7", "203.0.113.7", true},
		{unset, "::ffff:203.0.113.7", "203.0.113.7", true},
		{unset, "203.0.113.8", "203.0.113.7", false},
		{unset, "127.0.0.1", "203.0.113.7", false}, // a name that leads here must not open this machine
		{unset, "127.0.0.2", "127.0.0.1", true},
		{unset, "::1", "127.0.0.1", true},
		{unset, "203.0.113.7", "127.0.0.1", false},
		{set, "10.1.2.3", "203.0.113.7", true},
		{set, "::ffff:10.1.2.3", "203.0.113.7", true},
		{set, "10.2.2.3", "203.0.113.7", false},
		{set, "2001:db8::1", "203.0.113.7", true},
		{set, "192.168.1.7", "203.0.113.7", true},
		{set, "203.0.113.7", "203.0.113.7", false}, // a list replaces the default
		{set, "127.0.0.1", "127.0.0.1", false},
	} {
		if got := c.guard.allows(addr(c.addr), addr(c.peer)); got != c.want {
			t.Errorf("%s announced by %s: got %t, want %t", c.addr, c.peer, got, c.want)
		}
	}
	for name, want := range map[string]bool{
		"hive.lan": true, "HIVE.lan.": true, "xhive.lan": false, "a.fleet.example": true, "a.b.fleet.example": true, "fleet.example": false, "fleet.example.evil": false,
	} {
		if got := set.trusts(name); got != want {
			t.Errorf("%s: got %t, want %t", name, got, want)
		}
	}
}

func TestLoopbackAddressesOfRemoteHives(t *testing.T) {
	for _, c := range []struct{ url, peer, want string }{
		{"http://127.0.0.1:7835", "203.0.113.7", "http://203.0.113.7:7835"},
		{"http://localhost:7835", "203.0.113.7", "http://203.0.113.7:7835"},
		{"http://[::1]:7835", "2001:db8::7", "http://[2001:db8::7]:7835"},
		{"https://localhost", "2001:db8::7", "https://[2001:db8::7]"},
		{"http://0.0.0.0:7835", "203.0.113.7", "http://203.0.113.7:7835"},
		{"http://127.0.0.1:7835", "127.0.0.1", "http://127.0.0.1:7835"},
		{"http://203.0.113.9:7835", "203.0.113.7", "http://203.0.113.9:7835"},
	} {
		u, _ := url.Parse(c.url)
		a := announcement{url: u, peer: netip.MustParseAddr(c.peer)}
		if a.reachable(); a.url.String() != c.want {
			t.Errorf("%s from %s: got %s, want %s", c.url, c.peer, a.url, c.want)
		}
	}
}

func TestDiscovery(t *testing.T) {
	t.Run("hives of both ages are found, and nothing else", func(t *testing.T) {
		first := hatch(t, "127.0.0.1:0", &fakeHive{id: "gpu-1", capabilities: `{"devices":[]}`})
		second := hatch(t, "127.0.0.2:0", &fakeHive{id: "gpu-2", capabilities: `{"devices":[]}`})
		page := hatch(t, "127.0.0.3:0", &fakeHive{id: "gpu-3"})
		config := filepath.Join(t.TempDir(), "config")
		text := "Host second # the other one\n  HostName=" + strings.TrimPrefix(second.url, "http://") + "\nHost *.lan\n  HostName %h\nHost github.com\n  User git\n"
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		// The door must know its address before it serves, so the server comes first.
		var handler atomic.Pointer[http.Handler]
		url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*handler.Load()).ServeHTTP(w, r) }))
		reg := registry.New(registry.Config{})
		door, err := New(Config{
			Registry: reg, PublicURL: url, DiscoverSSHConfig: config,
			Discover: []string{strings.TrimPrefix(first.url, "http://"), strings.TrimPrefix(page.url, "http://"), "127.0.0.1:1"},
		})
		if err != nil {
			t.Fatal(err)
		}
		h := door.Handler()
		handler.Store(&h)
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { _ = door.Run(ctx) })
		t.Cleanup(func() {
			cancel()
			running.Wait()
			http.DefaultClient.CloseIdleConnections()
		})
		eventually(t, "both hives are there", func() bool { return reg.Snapshot().Fleet().Hives.Online == 2 })
		if !door.listens(ctx, strings.TrimPrefix(first.url, "http://")) {
			t.Error("a hive that is heard would be asked again")
		}
		if door.listens(ctx, "localhost:1") {
			t.Error("a hive that is not heard would not be asked")
		}
	})
	t.Run("an SSH configuration that is missing lists nothing", func(t *testing.T) {
		hosts, err := sshHosts(filepath.Join(t.TempDir(), "none"))
		if err != nil || hosts != nil {
			t.Errorf("got %v, %v", hosts, err)
		}
	})
	t.Run("an SSH configuration lists the host names it gives", func(t *testing.T) {
		config := filepath.Join(t.TempDir(), "config")
		text := "Host a b\n  hostname 10.0.0.1\nHost c # note\n  HostName \"%h.lan\"\nHost *\n  HostName %h.example\nMatch host d\n  HostName 10.0.0.4\nHost !e f?\n  HostName 10.0.0.5\n"
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		hosts, err := sshHosts(config)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"10.0.0.1", "10.0.0.1", "c.lan", "d.example"}, hosts); diff != "" {
			t.Errorf("hosts (-want +got):\n%s", diff)
		}
	})
	t.Run("hosts are asked at rbee's port unless another is told, each once", func(t *testing.T) {
		door, err := New(Config{Registry: registry.New(registry.Config{}), PublicURL: "http://q", Discover: []string{"b", "a:1", "b", "::1", "[::1]:2"}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"[::1]:2", "[::1]:7835", "a:1", "b:7835"}, door.hosts()); diff != "" {
			t.Errorf("hosts (-want +got):\n%s", diff)
		}
	})
}
