package registry

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestScenarios runs testdata/scenarios/*.txt. Each is a story of heartbeats and silence in virtual time, one step a line:
//
//	config suspect=3s protect=0.5             policy, before anything else; defaults are those of Config
//	at 10s                                    sleep until so long after the start
//	beat a b [k=v ...] [-> OUTCOME ["text"]]  heartbeats of hives a and b; without -> they must be ACCEPTED, with text a warning must have it
//	  worker llm/8080 [k=v ...]               below a beat: a worker of it. With no such line it has those of the hive's last beat
//	every 1s until 9s beat a b [k=v ...]      the same again and again
//	cordon a | uncordon a | remove a | end-protection
//	pause | resume                            the server is not running between them
//	mark                                      revisions and events are counted from here
//	expect hive a ONLINE [available|unavailable] [cordoned] [interval=30s|null] [skew=5s]    or: expect hive a gone
//	expect worker a/llm/8080 IDLE [free=700|null] [available|unavailable] [model=m]          or: expect worker ... gone
//	expect idle|available|workers a/llm/8080 ...    exactly these, by id; or none
//	expect best MODEL a/llm/8080              or none
//	expect fleet hives=2 online=1 suspect=0 offline=1 idle=3 busy=0 unknown=0 vram=100/200 largest=50
//	expect mode SERVING
//	expect events none                        since the last mark or expect events; or indented lines below: HIVE_JOINED a
//	expect revisions 1                        since the last mark or expect revisions
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				sc := &scenario{t: t, file: filepath.Base(file), start: time.Now(), said: map[string][]WorkerReport{}, numbers: map[string]int32{}, stop: func() {}}
				defer func() { sc.stop() }()
				sc.run(strings.Split(string(text), "\n"))
			})
		})
	}
}

type scenario struct {
	t     *testing.T
	file  string
	line  int
	start time.Time
	reg   *TelemetryRegistry
	stop  func()

	said      map[string][]WorkerReport // by hive: the workers last reported
	numbers   map[string]int32          // by hive and incarnation: the last sequence number sent
	events    uint64                    // those up to here were expected
	revisions uint64
}

func (sc *scenario) failf(format string, args ...any) {
	sc.t.Helper()
	sc.t.Fatalf("%s:%d, at %s: %s", sc.file, sc.line, time.Since(sc.start), fmt.Sprintf(format, args...))
}

func (sc *scenario) run(lines []string) {

	for i := 0; i < len(lines); i++ {
		words := fields(lines[i])
		if len(words) == 0 {
			continue
		}
		sc.line = i + 1
		var below [][]string
		for i+1 < len(lines) && strings.HasPrefix(lines[i+1], " ") {
			i++
			if w := fields(lines[i]); len(w) > 0 {
				below = append(below, w)
			}
		}
		if sc.reg == nil {
			sc.reg = New(sc.config(words))
			sc.resume()
			if words[0] == "config" {
				continue
			}
		}
		sc.step(words, below)
	}
}

// fields splits at blanks, but for those in quotes, and drops comments.
func fields(line string) []string {
	quoted := false
	line, _, _ = strings.Cut(line, "#")
	words := strings.FieldsFunc(line, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ' ' && !quoted
	})
	return words
}

func (sc *scenario) config(words []string) Config {
	cfg := Config{}
	if words[0] != "config" {
		return cfg
	}
	for _, word := range words[1:] {
		switch key, value, _ := strings.Cut(word, "="); key {
		case "suspect":
			cfg.SuspectAfter = sc.duration(value)
		case "offline":
			cfg.OfflineAfter = sc.duration(value)
		case "forget":
			cfg.ForgetAfter = sc.duration(value)
		case "protect":
			cfg.ProtectShare = sc.float(value)
		default:
			sc.failf("config has no %q", key)
		}
	}
	if err := cfg.Check(); err != nil {
		sc.failf("%v", err)
	}
	return cfg
}

func (sc *scenario) resume() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = sc.reg.Run(ctx)
	}()
	sc.stop = func() { cancel(); <-ended }
}

func (sc *scenario) step(words []string, below [][]string) {
	sc.t.Helper()
	synctest.Wait() // a sweep of this very instant comes first
	switch words[0] {
	case "at":
		sc.sleepUntil(sc.duration(words[1]))
	case "every": // every 1s until 9s beat ...
		pause, until := sc.duration(words[1]), sc.duration(words[3])
		for time.Since(sc.start) < until {
			sc.sleepUntil(time.Since(sc.start) + pause)
			sc.beat(words[5:], below)
		}
	case "beat":
		sc.beat(words[1:], below)
	case "cordon", "uncordon":
		if sc.reg.Cordon(words[1], words[0] == "cordon") == nil {
			sc.failf("there is no hive %s", words[1])
		}
	case "remove":
		if !sc.reg.Remove(words[1]) {
			sc.failf("there is no hive %s", words[1])
		}
	case "end-protection":
		if !sc.reg.EndProtection() {
			sc.failf("the registry was not protected")
		}
	case "pause":
		sc.stop()
	case "resume":
		sc.resume()
	case "mark":
		sc.events, sc.revisions = sc.reg.events.Last(), sc.reg.changes.Last()
	case "expect":
		sc.expect(words[1], words[2:], below)
	default:
		sc.failf("unknown step %q", words[0])
	}
	synctest.Wait()
}

func (sc *scenario) sleepUntil(at time.Duration) {
	if at < time.Since(sc.start) {
		sc.failf("%s is over", at)
	}
	time.Sleep(at - time.Since(sc.start))
	synctest.Wait()
}

func (sc *scenario) beat(words []string, below [][]string) {
	sc.t.Helper()
	outcome, text := Accepted.String(), ""
	if i := slices.Index(words, "->"); i >= 0 {
		outcome = words[i+1]
		if i+2 < len(words) {
			text = strings.Trim(words[i+2], `"`)
		}
		words = words[:i]
	}
	for _, id := range words {
		if strings.Contains(id, "=") {
			continue
		}
		hb := sc.heartbeat(id, words)
		for _, w := range below {
			hb.Workers = append(hb.Workers, sc.worker(w))
		}
		if len(below) == 0 {
			hb.Workers = slices.Clone(sc.said[id])
		}
		workers := slices.Clone(hb.Workers)
		terms, err := sc.reg.Apply(hb)
		if terms.Outcome.String() != outcome {
			sc.failf("beat of %s was %s %q, want %s", id, terms.Outcome, terms.Warnings, outcome)
		}
		if (err != nil) != (terms.Outcome == Invalid) {
			sc.failf("outcome %s with error %v", terms.Outcome, err)
		}
		if !strings.Contains(strings.Join(terms.Warnings, "\n"), text) || text == "" && len(terms.Warnings) > 0 {
			sc.failf("beat of %s was warned %q, want %q", id, terms.Warnings, text)
		}
		if terms.Outcome == Accepted {
			sc.said[id] = workers
		}
	}
}

func (sc *scenario) heartbeat(id string, words []string) *Heartbeat {
	hb := &Heartbeat{Hive: HiveReport{ID: id, Hostname: id, Port: 7835}, Workers: []WorkerReport{}}
	for _, word := range words {
		key, value, ok := strings.Cut(word, "=")
		if !ok {
			continue
		}
		switch key {
		case "incarnation":
			hb.Incarnation = value
		case "sequence":
			hb.Sequence = sc.optInt(value)
		case "cadence":
			hb.Cadence = sc.duration(value)
		case "skew":
			hb.SentAt = time.Now().Add(sc.duration(value))
		case "health":
			hb.Hive.HealthStatus = HealthStatus(sc.oneOf(value, Healthy, Degraded, Unhealthy))
		case "reason":
			hb.Hive.HealthReason = OptString(value)
		case "status":
			hb.Hive.OperationalStatus = OperationalStatus(sc.oneOf(value, Ready, Starting, Busy, Stopping, Stopped))
		case "hostname":
			hb.Hive.Hostname = value
		default:
			sc.failf("a beat has no %q", key)
		}
	}
	if hb.Incarnation != "" { // numbered by itself unless told otherwise
		n := id + "/" + hb.Incarnation
		if !hb.Sequence.Known() {
			hb.Sequence = Int(sc.numbers[n] + 1)
		}
		sc.numbers[n] = hb.Sequence.Value()
	}
	return hb
}

func (sc *scenario) worker(words []string) WorkerReport {
	if words[0] != "worker" {
		sc.failf("below a beat there are workers, not %q", words[0])
	}
	group, instance, _ := strings.Cut(words[1], "/")
	w := WorkerReport{Group: group, Instance: instance}
	for _, word := range words[2:] {
		switch key, value, _ := strings.Cut(word, "="); key {
		case "model":
			w.Model = OptString(value)
		case "pid":
			w.PID = sc.optInt(value)
		case "gpu":
			w.GPUUtilizationPercent = Float(sc.float(value))
		case "running":
			w.RequestsRunning = sc.optInt(value)
		case "queued":
			w.RequestsQueued = sc.optInt(value)
		case "vram":
			used, total, _ := strings.Cut(value, "/")
			w.VRAMUsedMB, w.VRAMTotalMB = sc.optInt(used), sc.optInt(total)
		default:
			sc.failf("a worker has no %q", key)
		}
	}
	return w
}

func (sc *scenario) expect(what string, words []string, below [][]string) {
	sc.t.Helper()
	snap := sc.reg.Snapshot()
	switch what {
	case "hive":
		sc.expectHive(snap.Hive(words[0]), words)
	case "worker":
		sc.expectWorker(snap.Worker(words[0]), words)
	case "idle":
		sc.expectIDs(snap, &WorkerFilter{Idle: new(true)}, words)
	case "available":
		sc.expectIDs(snap, &WorkerFilter{Available: new(true)}, words)
	case "workers":
		sc.expectIDs(snap, nil, words)
	case "best":
		got := "none"
		if w := snap.BestWorker(words[0], OptInt{}); w != nil {
			got = w.ID
		}
		if got != words[1] {
			sc.failf("the best worker for %s is %s, want %s", words[0], got, words[1])
		}
	case "fleet":
		f := snap.Fleet()
		for _, word := range words {
			key, want, _ := strings.Cut(word, "=")
			got := map[string]string{
				"hives": itoa(f.Hives.Total), "online": itoa(f.Hives.Online), "suspect": itoa(f.Hives.Suspect), "offline": itoa(f.Hives.Offline),
				"available": itoa(f.Hives.Available), "workers": itoa(f.Workers.Total), "idle": itoa(f.Workers.Idle), "busy": itoa(f.Workers.Busy),
				"unknown": itoa(f.Workers.Unknown), "largest": itoa(f.LargestFreeVRAMMB), "vram": fmt.Sprintf("%d/%d", f.VRAMUsedMB, f.VRAMTotalMB),
			}[key]
			if got != want {
				sc.failf("the fleet has %s=%q, want %s", key, got, want)
			}
		}
	case "mode":
		if got := sc.reg.Mode().String(); got != words[0] {
			sc.failf("mode %s, want %s", got, words[0])
		}
	case "events":
		sc.expectEvents(words, below)
	case "revisions":
		if got := sc.reg.changes.Last() - sc.revisions; strconv.FormatUint(got, 10) != words[0] {
			sc.failf("%d revisions, want %s", got, words[0])
		}
		sc.revisions = sc.reg.changes.Last()
	default:
		sc.failf("cannot expect %q", what)
	}
}

func (sc *scenario) expectHive(h *Hive, words []string) {
	sc.t.Helper()
	if h == nil {
		if words[1] != "gone" {
			sc.failf("there is no hive %s", words[0])
		}
		return
	}
	for _, want := range words[1:] {
		key, value, _ := strings.Cut(want, "=")
		ok := false
		switch key {
		case "ONLINE", "SUSPECT", "OFFLINE":
			ok = h.Liveness.String() == key
		case "available", "unavailable":
			ok = h.Available == (key == "available")
		case "cordoned":
			ok = h.Cordoned
		case "uncordoned":
			ok = !h.Cordoned
		case "interval":
			ok = value == "null" && !h.HeartbeatIntervalMS.Known() || value != "null" && h.HeartbeatIntervalMS == Int(int32(sc.duration(value).Milliseconds()))
		case "skew":
			ok = h.ClockSkewMS == Int(int32(sc.duration(value).Milliseconds()))
		}
		if !ok {
			sc.failf("hive %s is not %s: %s, available %t, cordoned %t, interval %v, skew %v", h.ID, want,
				h.Liveness, h.Available, h.Cordoned, h.HeartbeatIntervalMS, h.ClockSkewMS)
		}
	}
}

func (sc *scenario) expectWorker(w *Worker, words []string) {
	sc.t.Helper()
	if w == nil {
		if words[1] != "gone" {
			sc.failf("there is no worker %s", words[0])
		}
		return
	}
	for _, want := range words[1:] {
		key, value, _ := strings.Cut(want, "=")
		ok := false
		switch key {
		case "IDLE", "BUSY", "UNKNOWN":
			ok = w.Activity.String() == key
		case "available", "unavailable":
			ok = w.Available() == (key == "available")
		case "free":
			ok = w.VRAMFreeMB == sc.optInt(value)
		case "model":
			ok = w.Model == OptString(value)
		case "endpoint":
			ok = w.Endpoint == OptString(value)
		}
		if !ok {
			sc.failf("worker %s is not %s: %s, available %t, free %v, model %q, endpoint %q", w.ID, want, w.Activity, w.Available(), w.VRAMFreeMB, w.Model, w.Endpoint)
		}
	}
}

func (sc *scenario) expectIDs(snap *Snapshot, f *WorkerFilter, want []string) {
	sc.t.Helper()
	got := []string{}
	for w := range snap.WorkersWhere(f) {
		got = append(got, w.ID)
	}
	if len(want) == 1 && want[0] == "none" {
		want = []string{}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		sc.failf("workers (-want +got):\n%s", diff)
	}
}

func (sc *scenario) expectEvents(words []string, below [][]string) {
	sc.t.Helper()
	var want, got []string
	if len(words) > 0 && words[0] != "none" {
		below = append(below, words)
	}
	for _, w := range below {
		want = append(want, strings.Join(w, " "))
	}
	last := sc.reg.events.Last()
	err := sc.reg.events.After(sc.events, last, func(e Event) {
		about := e.HiveID
		if e.WorkerID != "" {
			about = string(e.WorkerID)
		}
		got = append(got, e.Kind.String()+" "+about)
	})
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		sc.failf("events (-want +got), %v:\n%s", err, diff)
	}
	sc.events = last
}

func (sc *scenario) duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		sc.failf("%v", err)
	}
	return d
}

func (sc *scenario) float(s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		sc.failf("%v", err)
	}
	return f
}

func (sc *scenario) optInt(s string) OptInt {
	if s == "null" {
		return OptInt{}
	}
	n := sc.float(s)
	if n != math.Trunc(n) {
		sc.failf("%s is no integer", s)
	}
	return Int(int32(n))
}

func (sc *scenario) oneOf(s string, all ...fmt.Stringer) int {
	for i, v := range all {
		if v.String() == s {
			return i
		}
	}
	sc.failf("%s is none of %v", s, all)
	return 0
}

func itoa(n int) string { return strconv.Itoa(n) }
