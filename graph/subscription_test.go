package graph_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"

	"waggle/graph"
	"waggle/registry"
)

const empty = `"hives":[],"workers":[],"removed":[]`

func data(format string, args ...any) string { return fmt.Sprintf(`{"data":{`+format+`}}`, args...) }

// joinPause is the longest that a joiner of a running group waits.
const joinPause = 100 * time.Millisecond

const followGPU = `subscription($since: Revision, $h: HiveFilter, $w: WorkerFilter, $ms: Int! = 250) {
	changes(since: $since, hives: $h, workers: $w, intervalMs: $ms) {
		revision reset complete hives { id } workers { id gpuUtilizationPercent } removed { id kind reason } } }`

func TestChangesBeginWithASnapshotAndGoOn(t *testing.T) {
	eachWay(t, func(t *testing.T, newAPI func(registry.Config) *api) {
		a := newAPI(registry.Config{})
		a.apply(t, heartbeat("a", 0))
		start := time.Now()
		s := a.subscribe(t, followGPU, nil)
		s.expect(data(`"changes":{"revision":"EPOCH.1","reset":"INITIAL","complete":true,"hives":[{"id":"a"}],"workers":[{"id":"a/llm/0","gpuUtilizationPercent":0}],"removed":[]}`))
		if waited := time.Since(start); waited != 0 {
			t.Errorf("the snapshot came after %s", waited)
		}
		time.Sleep(time.Second)
		a.apply(t, heartbeat("a", 50, 1))
		s.expect(data(`"changes":{"revision":"EPOCH.2","reset":null,"complete":true,"hives":[],"workers":[{"id":"a/llm/0","gpuUtilizationPercent":50},{"id":"a/llm/1","gpuUtilizationPercent":1}],"removed":[]}`))
		time.Sleep(time.Second)
		a.apply(t, heartbeat("a", 50))
		s.expect(data(`"changes":{"revision":"EPOCH.3","reset":null,"complete":true,"hives":[],"workers":[],"removed":[{"id":"a/llm/1","kind":"WORKER","reason":"GONE"}]}`))
		time.Sleep(time.Second)
		a.reg.Remove("a")
		s.expect(data(`"changes":{"revision":"EPOCH.4","reset":null,"complete":true,"hives":[],"workers":[],"removed":[{"id":"a","kind":"HIVE","reason":"GONE"},{"id":"a/llm/0","kind":"WORKER","reason":"GONE"}]}`))
	})
}

func TestChangesAreGatheredForAnInterval(t *testing.T) {
	eachWay(t, func(t *testing.T, newAPI func(registry.Config) *api) {
		a := newAPI(registry.Config{})
		a.apply(t, heartbeat("a", 0))
		s := a.subscribe(t, followGPU, map[string]any{"ms": 1000})
		at0 := a.subscribe(t, followGPU, map[string]any{"ms": 0})
		s.take()
		at0.take()
		for i := range 30 { // three seconds, ten changes each
			time.Sleep(100 * time.Millisecond)
			a.apply(t, heartbeat("a", float64(i+1)))
			synctest.Wait()
		}
		if got := at0.take(); len(got) != 30 {
			t.Errorf("%d updates at once, want 30", len(got))
		}
		got := s.take()
		if len(got) != 3 {
			t.Fatalf("%d updates in three seconds, want 3", len(got))
		}
		for i, m := range got {
			if i > 0 && m.at.Sub(got[i-1].at) < time.Second {
				t.Errorf("two updates within %s", m.at.Sub(got[i-1].at))
			}
			if strings.Count(m.data, "a/llm/0") != 1 {
				t.Errorf("not gathered: %s", m.data)
			}
		}
	})
}

// Members need no more than the log holds, but more can change in an interval: then all that they hold is compared with what there is now.
func TestMoreChangesThanAreRememberedAreSentAllTheSame(t *testing.T) {
	eachWay(t, func(t *testing.T, newAPI func(registry.Config) *api) {
		a := newAPI(registry.Config{ChangeLog: 2})
		for _, id := range []string{"stays", "changes", "goes"} {
			a.apply(t, heartbeat(id, 0))
		}
		s := a.subscribe(t, followGPU, map[string]any{"ms": 1000})
		s.take()
		for i := range 10 {
			a.apply(t, heartbeat("stays", 0))
			a.apply(t, heartbeat("changes", float64(i+1)))
		}
		a.reg.Remove("goes")
		a.apply(t, heartbeat("comes", 5))
		time.Sleep(time.Second)
		s.expect(data(`"changes":{"revision":"EPOCH.25","reset":null,"complete":true,"hives":[{"id":"comes"}],` +
			`"workers":[{"id":"changes/llm/0","gpuUtilizationPercent":10},{"id":"comes/llm/0","gpuUtilizationPercent":5}],` +
			`"removed":[{"id":"goes","kind":"HIVE","reason":"GONE"},{"id":"goes/llm/0","kind":"WORKER","reason":"GONE"}]}`))
	})
}

func TestChangesOfOtherFieldsAreNotSent(t *testing.T) {
	eachWay(t, func(t *testing.T, newAPI func(registry.Config) *api) {
		a := newAPI(registry.Config{})
		a.apply(t, heartbeat("a", 0))
		var all []*subscriber
		for _, fields := range []string{
			`hives { id hostname }`,
			`...U } } fragment U on RegistryUpdate { workers { ...M } } fragment M on Worker { ... { model other: model`,
			`workers { ... on Worker { hive { ... { cordoned } } } }`,
			`hives { workers { id pid } }`,
			`workers { id }`,
		} {
			all = append(all, a.subscribe(t, `subscription { changes { revision `+fields+` } }`, nil))
		}
		expect := func(what string, woken ...int) {
			t.Helper()
			time.Sleep(time.Second)
			for i, s := range all {
				want := 0
				for _, w := range woken {
					if w == i {
						want = 1
					}
				}
				if got := s.take(); len(got) != want {
					t.Errorf("%s: subscription %d got %d updates, want %d: %v", what, i, len(got), want, got)
				}
			}
		}
		expect("the beginning", 0, 1, 2, 3, 4)
		beat := func(edit func(*registry.Heartbeat)) {
			hb := heartbeat("a", 77)
			edit(hb)
			a.apply(t, hb)
		}
		beat(func(*registry.Heartbeat) {})
		expect("another figure")
		beat(func(hb *registry.Heartbeat) { hb.Hive.Hostname = "other" })
		expect("another hostname", 0)
		beat(func(hb *registry.Heartbeat) { hb.Hive.Hostname, hb.Workers[0].Model = "other", "qwen" })
		expect("another model", 1)
		a.reg.Cordon("a", true)
		expect("a cordon", 2)
		beat(func(hb *registry.Heartbeat) {
			hb.Hive.Hostname, hb.Workers[0].Model, hb.Workers[0].PID = "other", "qwen", registry.Int(1)
		})
		expect("another process", 3)
		a.apply(t, func() *registry.Heartbeat {
			hb := heartbeat("a", 77, 1)
			hb.Hive.Hostname, hb.Workers[0].Model, hb.Workers[0].PID = "other", "qwen", registry.Int(1)
			return hb
		}())
		expect("another worker", 1, 2, 3, 4)
	})
}

func TestALivingStreamSaysSo(t *testing.T) {
	eachWay(t, func(t *testing.T, newAPI func(registry.Config) *api) {
		a := newAPI(registry.Config{})
		s := a.subscribe(t, followGPU, nil)
		page := a.subscribe(t, `subscription { workers { totalCount } }`, nil)
		s.take()
		page.take()
		start := time.Now()
		time.Sleep(9900 * time.Millisecond)
		s.expect()
		page.expect()
		time.Sleep(200 * time.Millisecond)
		page.expect(data(`"workers":{"totalCount":0}`))
		got := s.take()
		if len(got) != 1 || got[0].at.Sub(start) != 10*time.Second || got[0].data != data(`"changes":{"revision":"EPOCH.0","reset":null,"complete":true,%s}`, empty) {
			t.Errorf("after 10 s of silence: %v", got)
		}
		// Changes that the client does not see are no news, but the revision it is given then is the present one.
		for range 9 {
			time.Sleep(time.Second)
			a.apply(t, heartbeat("a"))
		}
		time.Sleep(2 * time.Second)
		if got := s.take(); len(got) != 1 && len(got) != 2 {
			t.Errorf("%d updates: %v", len(got), got)
		}
	})
}

// Changes that are gathered for longer than a stream may be silent.
func TestAStreamThatGathersForLongSaysThatItLives(t *testing.T) {
	eachWay(t, func(t *testing.T, newAPI func(registry.Config) *api) {
		a := newAPI(registry.Config{})
		s := a.subscribe(t, followGPU, map[string]any{"ms": 25_000})
		s.take()
		start := time.Now()
		for i := range 26 {
			time.Sleep(time.Second)
			a.apply(t, heartbeat("a", float64(i)))
		}
		got := s.take()
		alive := data(`"changes":{"revision":"EPOCH.0","reset":null,"complete":true,%s}`, empty)
		if len(got) != 3 || got[0].data != alive || got[1].data != alive || !strings.Contains(got[2].data, "a/llm/0") {
			t.Fatalf("in 26 s of heartbeats, gathered for 25 s: %v", got)
		}
		for i, want := range []time.Duration{10 * time.Second, 20 * time.Second, 25 * time.Second} {
			if at := got[i].at.Sub(start); at != want {
				t.Errorf("update %d after %s, want %s", i+1, at, want)
			}
		}
	})
}

func TestAnEntryThatLeavesTheFilterIsRemoved(t *testing.T) {
	eachWay(t, func(t *testing.T, newAPI func(registry.Config) *api) {
		a := newAPI(registry.Config{ProtectShare: 2})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = a.reg.Run(ctx) }()
		a.apply(t, heartbeat("a", 0, 50))
		s := a.subscribe(t, followGPU, map[string]any{"w": map[string]any{"idle": true}, "h": map[string]any{"available": true}})
		s.expect(data(`"changes":{"revision":"EPOCH.1","reset":"INITIAL","complete":true,"hives":[{"id":"a"}],"workers":[{"id":"a/llm/0","gpuUtilizationPercent":0}],"removed":[]}`))
		time.Sleep(time.Second)
		a.apply(t, heartbeat("a", 9, 0))
		s.expect(data(`"changes":{"revision":"EPOCH.2","reset":null,"complete":true,"hives":[],"workers":[{"id":"a/llm/1","gpuUtilizationPercent":0}],"removed":[{"id":"a/llm/0","kind":"WORKER","reason":"FILTERED_OUT"}]}`))
		time.Sleep(3100 * time.Millisecond) // SUSPECT
		s.expect(data(`"changes":{"revision":"EPOCH.3","reset":null,"complete":true,"hives":[],"workers":[],"removed":[{"id":"a","kind":"HIVE","reason":"FILTERED_OUT"},{"id":"a/llm/1","kind":"WORKER","reason":"FILTERED_OUT"}]}`))
		// One that does not match goes without a word.
		a.reg.Remove("a")
		time.Sleep(time.Second)
		s.expect()
	})
}

func TestResume(t *testing.T) {
	eachWay(t, func(t *testing.T, newAPI func(registry.Config) *api) {
		a := newAPI(registry.Config{ChangeLog: 8})
		since := func(counter int) map[string]any {
			return map[string]any{"since": fmt.Sprintf("%s.%d", a.reg.Epoch(), counter)}
		}
		resume := func(vars map[string]any) *subscriber {
			s := a.subscribe(t, followGPU, vars)
			time.Sleep(joinPause)
			return s
		}
		a.apply(t, heartbeat("a", 0))
		a.apply(t, heartbeat("b", 0, 0))
		a.apply(t, heartbeat("b", 7))
		a.reg.Remove("a")

		t.Log("what changed since, once, in its newest state")
		resume(since(2)).expect(data(`"changes":{"revision":"EPOCH.4","reset":null,"complete":true,"hives":[],"workers":[{"id":"b/llm/0","gpuUtilizationPercent":7}],"removed":[{"id":"a","kind":"HIVE","reason":"GONE"},{"id":"b/llm/1","kind":"WORKER","reason":"GONE"},{"id":"a/llm/0","kind":"WORKER","reason":"GONE"}]}`))
		t.Log("nothing")
		resume(since(4)).expect(data(`"changes":{"revision":"EPOCH.4","reset":null,"complete":true,%s}`, empty))
		t.Log("from the very beginning")
		resume(since(0)).expect(data(`"changes":{"revision":"EPOCH.4","reset":null,"complete":true,"hives":[{"id":"b"}],"workers":[{"id":"b/llm/0","gpuUtilizationPercent":7}],"removed":[{"id":"a","kind":"HIVE","reason":"GONE"},{"id":"a/llm/0","kind":"WORKER","reason":"GONE"},{"id":"b/llm/1","kind":"WORKER","reason":"GONE"}]}`))
		snapshot := func(reason string) string {
			return data(`"changes":{"revision":"EPOCH.4","reset":"%s","complete":true,"hives":[{"id":"b"}],"workers":[{"id":"b/llm/0","gpuUtilizationPercent":7}],"removed":[]}`, reason)
		}
		t.Log("the future")
		resume(since(5)).expect(snapshot("EXPIRED"))
		t.Log("another epoch")
		resume(map[string]any{"since": "OTHER.2"}).expect(snapshot("RESTARTED"))
		for range 8 {
			a.apply(t, heartbeat("b", 7))
		}
		t.Log("what the log has forgotten")
		s := resume(since(3))
		s.expect(strings.Replace(snapshot("EXPIRED"), "EPOCH.4", "EPOCH.12", 1))
	})
}

func TestResumeSeesWhatIsSelectedOnly(t *testing.T) {
	eachWay(t, func(t *testing.T, newAPI func(registry.Config) *api) {
		a := newAPI(registry.Config{})
		sick := heartbeat("a", 0)
		sick.Hive.HealthStatus = registry.Unhealthy
		a.apply(t, sick)
		since := a.reg.Snapshot().Revision.String()
		a.reg.Cordon("a", true) // changes nothing of its worker, which is not available anyway
		follow := func(fields string) *subscriber {
			return a.subscribe(t, `subscription($since: Revision) { changes(since: $since) { workers { id `+fields+` } removed { id } } }`, map[string]any{"since": since})
		}
		follow(`hive { cordoned }`).expect(data(`"changes":{"workers":[{"id":"a/llm/0","hive":{"cordoned":true}}],"removed":[]}`))
		follow(`hive { hostname }`).expect(data(`"changes":{"workers":[],"removed":[]}`))
		follow(`pid`).expect(data(`"changes":{"workers":[],"removed":[]}`))
		since = a.reg.Snapshot().Revision.String()
		a.apply(t, heartbeat("a", 0, 0))
		follow(``).expect(data(`"changes":{"workers":[{"id":"a/llm/1"}],"removed":[]}`))
	})
}

func TestBadArgumentsOfSubscriptions(t *testing.T) {
	eachWay(t, func(t *testing.T, newAPI func(registry.Config) *api) {
		a := newAPI(registry.Config{})
		subscription, vars := `subscription`, map[string]any(nil)
		f := func(field string, want string) {
			t.Helper()
			s := a.subscribe(t, subscription+` { `+field+` }`, vars)
			s.mu.Lock()
			defer s.mu.Unlock()
			if !s.ended || len(s.messages) > 0 || len(s.errs) != 1 || s.errs[0].Extensions["code"] != graph.CodeBadUserInput || !strings.Contains(s.errs[0].Message, want) {
				t.Errorf("%s: ended %t, %v, messages %v; want BAD_USER_INPUT with %q", field, s.ended, s.errs, s.messages, want)
			}
		}
		f(`changes(intervalMs: 99) { revision }`, "intervalMs: 99 must be 0, or 100 to 60000")
		f(`changes(intervalMs: 60001) { revision }`, "intervalMs: 60001 must be 0, or 100 to 60000")
		f(`changes(intervalMs: -1) { revision }`, "intervalMs: -1 must be")
		f(`changes(since: "nonsense") { revision }`, "<epoch>.<counter>")
		f(`changes(since: "") { revision }`, "<epoch>.<counter>")
		f(`changes(workers: {minFreeVramMb: -1}) { revision }`, "workers.minFreeVramMb: -1 must be")
		f(`changes(hives: {search: "`+strings.Repeat("x", 257)+`"}) { revision }`, "hives.search: 257 bytes, at most 256")
		f(`workers(intervalMs: 0) { revision }`, "intervalMs: 0 must be 100 to 60000")
		f(`workers(first: 1001) { revision }`, "first: 1001 must be 0 to 1000")
		f(`workers(filter: {minFreeVramMb: -1}) { revision }`, "filter.minFreeVramMb: -1 must be")
		f(`hives(offset: -1) { revision }`, "offset: -1 must be 0 to 2147483647")
		f(`hives(intervalMs: 1) { revision }`, "intervalMs: 1 must be")
		f(`worker(id: "a", intervalMs: 1) { id }`, "intervalMs: 1 must be")
		f(`fleet(intervalMs: 1) { revision }`, "intervalMs: 1 must be")
		f(`fleetMap(intervalMs: 1) { revision }`, "intervalMs: 1 must be")
		f(`fleetMap(filter: {minFreeVramMb: -1}) { revision }`, "minFreeVramMb: -1 must be")
		// Where to go on from is taken out of the variables, so that the group is another's too, and is read elsewhere.
		subscription, vars = `subscription($since: Revision)`, map[string]any{"since": "nonsense"}
		f(`changes(since: $since) { revision }`, "since: revision \"nonsense\": must be one that this API gave out, <epoch>.<counter>")
		vars["since"] = ""
		f(`changes(since: $since) { revision }`, "revision \"\": must be one that this API gave out, <epoch>.<counter>")
	})
}

// A snapshot of 2,500 entries comes in three updates, while the fleet goes on changing. No one of the first two can be gone on from.
func TestALargeSnapshotComesInChunks(t *testing.T) {
	eachWay(t, func(t *testing.T, newAPI func(registry.Config) *api) {
		a := newAPI(registry.Config{})
		for i := range 100 {
			a.apply(t, heartbeat(fmt.Sprintf("h%03d", i), make([]float64, 24)...))
		}
		early := a.subscribe(t, followGPU, map[string]any{"ms": 100})
		var got []update
		for _, m := range early.take() {
			got = append(got, parseUpdate(t, m.data))
		}
		if len(got) != 3 {
			t.Fatalf("%d updates, want 3", len(got))
		}
		entries := 0
		for i, u := range got {
			entries += len(u.Hives) + len(u.Workers)
			if last := i == 2; u.Complete != last || (u.Reset == "INITIAL") != (i == 0) || last != (u.Revision == "EPOCH.100") || !last && u.Revision != "EPOCH.0" {
				t.Errorf("update %d: revision %s, reset %q, complete %t", i, u.Revision, u.Reset, u.Complete)
			}
			if len(u.Hives)+len(u.Workers) > 1000 {
				t.Errorf("update %d has %d entries", i, len(u.Hives)+len(u.Workers))
			}
		}
		if entries != 2500 {
			t.Errorf("%d entries, want 2500", entries)
		}
		// The one who was there before is not disturbed by the next one's snapshot.
		late := a.subscribe(t, followGPU, map[string]any{"ms": 100})
		time.Sleep(150 * time.Millisecond)
		if n := len(late.take()); n != 3 {
			t.Errorf("the second subscriber got %d updates, want 3", n)
		}
		early.expect()
	})
}

// Whenever it has taken one update of the snapshot everything has changed, and more often than the log remembers.
func TestALargeSnapshotGoesOnWhereItsReaderFellBehind(t *testing.T) {
	eachWay(t, func(t *testing.T, newAPI func(registry.Config) *api) {
		a := newAPI(registry.Config{ChangeLog: 4})
		gpu := 0
		report := func() {
			for i := range 100 {
				a.apply(t, heartbeat(fmt.Sprintf("h%03d", i), slices.Repeat([]float64{float64(gpu)}, 24)...))
			}
		}
		report()
		s := a.subscribeSlow(t, followGPU, map[string]any{"ms": 100}, 1)
		m := &mirror{}
		var resets []string
		for updates := 0; !m.complete; updates++ {
			if updates > 10 {
				t.Fatal("it is still not complete")
			}
			gpu++
			report()
			for _, msg := range s.take() {
				u := parseUpdate(t, msg.data)
				resets = append(resets, u.Reset)
				m.put(u)
			}
			s.setFull(false)
			time.Sleep(time.Second)
		}
		if !slices.Equal(resets, []string{"INITIAL", "", "", ""}) || len(m.hives) != 100 || len(m.workers) != 2400 {
			t.Errorf("resets %q, %d hives, %d workers", resets, len(m.hives), len(m.workers))
		}
		for id, w := range m.workers {
			if want := fmt.Sprintf(`"gpuUtilizationPercent":%d}`, gpu-1); !strings.HasSuffix(w, want) { // It has not read of the last one.
				t.Fatalf("%s: %s, want %s", id, w, want)
			}
		}
	})
}

func TestOneThatIsTooSlowIsGivenTheNewestState(t *testing.T) {
	eachWay(t, func(t *testing.T, newAPI func(registry.Config) *api) {
		a := newAPI(registry.Config{ChangeLog: 4})
		a.apply(t, heartbeat("a", 0))
		s := a.subscribe(t, followGPU, nil)
		s.take()
		fast := a.subscribe(t, followGPU, nil)
		s.setFull(true)
		for i := range 3 {
			time.Sleep(time.Second)
			a.apply(t, heartbeat("a", float64(i+1)))
		}
		time.Sleep(time.Second)
		s.setFull(false)
		time.Sleep(time.Second)
		s.expect(data(`"changes":{"revision":"EPOCH.4","reset":null,"complete":true,"hives":[],"workers":[{"id":"a/llm/0","gpuUtilizationPercent":3}],"removed":[]}`))
		// Slower than the log remembers.
		s.setFull(true)
		for range 9 {
			time.Sleep(time.Second)
			a.apply(t, heartbeat("a", 1))
			time.Sleep(time.Second)
			a.apply(t, heartbeat("a", 2))
		}
		time.Sleep(time.Second)
		s.setFull(false)
		time.Sleep(time.Second)
		s.expect(data(`"changes":{"revision":"EPOCH.22","reset":"TOO_SLOW","complete":true,"hives":[{"id":"a"}],"workers":[{"id":"a/llm/0","gpuUtilizationPercent":2}],"removed":[]}`))
		if n := len(fast.take()); n != 1+3+18 {
			t.Errorf("the other one got %d updates, want 22", n)
		}
	})
}

func TestWorkersPushWhenTheAnswerIsAnother(t *testing.T) {
	eachWay(t, func(t *testing.T, newAPI func(registry.Config) *api) {
		a := newAPI(registry.Config{})
		a.apply(t, heartbeat("a", 0, 50))
		s := a.subscribe(t, `subscription { workers(filter: {idle: true}, orderBy: {field: ID, direction: DESC}, first: 2) { totalCount nodes { id } } }`, nil)
		s.expect(data(`"workers":{"totalCount":1,"nodes":[{"id":"a/llm/0"}]}`))
		time.Sleep(5 * time.Second)
		s.expect()
		a.apply(t, heartbeat("a", 0, 51)) // not in the answer
		time.Sleep(time.Second)
		s.expect()
		a.apply(t, heartbeat("a", 0, 0))
		s.expect(data(`"workers":{"totalCount":2,"nodes":[{"id":"a/llm/1"},{"id":"a/llm/0"}]}`)) // at once after a quiet time
		a.apply(t, heartbeat("a", 0, 0, 0))
		s.expect()
		time.Sleep(time.Second)
		s.expect(data(`"workers":{"totalCount":3,"nodes":[{"id":"a/llm/2"},{"id":"a/llm/1"}]}`)) // and at most once in an interval
		a.reg.Remove("a")
		time.Sleep(time.Second)
		s.expect(data(`"workers":{"totalCount":0,"nodes":[]}`))
	})
}

func TestHivesPushWhenTheAnswerIsAnother(t *testing.T) {
	eachWay(t, func(t *testing.T, newAPI func(registry.Config) *api) {
		a := newAPI(registry.Config{})
		s := a.subscribe(t, `subscription { hives { nodes { id cordoned firstSeenAt } } }`, nil)
		s.expect(data(`"hives":{"nodes":[]}`))
		a.apply(t, heartbeat("a"))
		time.Sleep(time.Second)
		s.expect(data(`"hives":{"nodes":[{"id":"a","cordoned":false,"firstSeenAt":"2000-01-01T00:00:00Z"}]}`))
		a.apply(t, heartbeat("a", 1))
		time.Sleep(time.Second)
		s.expect()
		a.reg.Cordon("a", true)
		time.Sleep(time.Second)
		s.expect(data(`"hives":{"nodes":[{"id":"a","cordoned":true,"firstSeenAt":"2000-01-01T00:00:00Z"}]}`))
		// Removed and heard again within an interval: another one with the same id.
		a.reg.Cordon("a", false)
		a.reg.Remove("a")
		hb := heartbeat("a")
		a.apply(t, hb)
		a.reg.Cordon("a", true)
		time.Sleep(time.Second)
		s.expect(data(`"hives":{"nodes":[{"id":"a","cordoned":true,"firstSeenAt":"2000-01-01T00:00:03Z"}]}`))
	})
}

func TestOneWorkerIsFollowed(t *testing.T) {
	eachWay(t, func(t *testing.T, newAPI func(registry.Config) *api) {
		a := newAPI(registry.Config{})
		s := a.subscribe(t, `subscription { worker(id: "a/llm/0", intervalMs: 100) { activity } }`, nil)
		s.expect(data(`"worker":null`))
		f := func(want []string, gpus ...float64) {
			t.Helper()
			a.apply(t, heartbeat("a", gpus...))
			time.Sleep(time.Second)
			s.expect(want...)
		}
		f([]string{data(`"worker":{"activity":"IDLE"}`)}, 0)
		f(nil, 0)
		f([]string{data(`"worker":{"activity":"BUSY"}`)}, 50)
		f(nil, 60)
		f([]string{data(`"worker":null`)})
	})
}

func TestFleetIsSentEveryInterval(t *testing.T) {
	eachWay(t, func(t *testing.T, newAPI func(registry.Config) *api) {
		a := newAPI(registry.Config{})
		s := a.subscribe(t, `subscription { fleet(intervalMs: 500) { serverTime hives { total } } }`, nil)
		time.Sleep(1100 * time.Millisecond)
		s.expect(data(`"fleet":{"serverTime":"2000-01-01T00:00:00Z","hives":{"total":0}}`),
			data(`"fleet":{"serverTime":"2000-01-01T00:00:00.5Z","hives":{"total":0}}`),
			data(`"fleet":{"serverTime":"2000-01-01T00:00:01Z","hives":{"total":0}}`))
	})
}

func TestFleetMapSendsItsLayoutOnlyWhenItIsAnother(t *testing.T) {
	eachWay(t, func(t *testing.T, newAPI func(registry.Config) *api) {
		a := newAPI(registry.Config{})
		a.apply(t, heartbeat("a", 0, 100))
		const query = `subscription { fleetMap { layout { groups { key workerIds } } cells } }`
		s := a.subscribe(t, query, nil)
		s.expect(data(`"fleetMap":{"layout":{"groups":[{"key":"a","workerIds":["a/llm/0","a/llm/1"]}]},"cells":"0z"}`))
		time.Sleep(time.Second)
		a.apply(t, heartbeat("a", 50, 100))
		time.Sleep(time.Second)
		s.expect(data(`"fleetMap":{"layout":null,"cells":"iz"}`))
		a.apply(t, heartbeat("b"))
		a.apply(t, heartbeat("a", 50, 100))
		time.Sleep(time.Second)
		s.expect()
		a.apply(t, heartbeat("b", 25))
		time.Sleep(time.Second)
		layout := `{"groups":[{"key":"a","workerIds":["a/llm/0","a/llm/1"]},{"key":"b","workerIds":["b/llm/0"]}]}`
		s.expect(data(`"fleetMap":{"layout":%s,"cells":"iz9"}`, layout))
		late := a.subscribe(t, query, nil)
		late.expect(data(`"fleetMap":{"layout":%s,"cells":"iz9"}`, layout))
		s.expect()
		// Other workers in the same cells.
		a.reg.Remove("b")
		a.apply(t, heartbeat("c", 25))
		time.Sleep(time.Second)
		s.expect(data(`"fleetMap":{"layout":{"groups":[{"key":"a","workerIds":["a/llm/0","a/llm/1"]},{"key":"c","workerIds":["c/llm/0"]}]},"cells":"iz9"}`))
		a.subscribe(t, `subscription { fleetMap(metric: VRAM_USED, filter: {hiveIds: ["c"]}) { cells } }`, nil).expect(data(`"fleetMap":{"cells":"3"}`))
	})
}

// A thousand pages that come back one after the other must not have all others sent a map for each of them.
func TestWhoJoinsAFleetMapHastensNobodyElses(t *testing.T) {
	eachWay(t, func(t *testing.T, newAPI func(registry.Config) *api) {
		a := newAPI(registry.Config{})
		a.apply(t, heartbeat("a", 0))
		const query = `subscription { fleetMap(intervalMs: 1000) { cells layout { groups { key } } } }`
		const layout = `,"layout":{"groups":[{"key":"a"}]}`
		s := a.subscribe(t, query, nil)
		s.expect(data(`"fleetMap":{"cells":"0"` + layout + `}`))
		for i := range 5 {
			time.Sleep(50 * time.Millisecond)
			a.apply(t, heartbeat("a", float64(20*i)))
			a.subscribe(t, query, nil).expect(data(`"fleetMap":{"cells":"0"` + layout + `}`))
		}
		s.expect()
		time.Sleep(time.Second)
		s.expect(data(`"fleetMap":{"cells":"s","layout":null}`))
		time.Sleep(time.Second)
		a.apply(t, heartbeat("a", 100)) // at once after a quiet time, to all
		late := a.subscribe(t, query, nil)
		late.expect(data(`"fleetMap":{"cells":"z"` + layout + `}`))
		s.expect(data(`"fleetMap":{"cells":"z","layout":null}`))
		s.setFull(true)
		time.Sleep(time.Second)
		a.apply(t, heartbeat("a", 0))
		time.Sleep(time.Second)
		late.expect(data(`"fleetMap":{"cells":"0","layout":null}`))
		s.setFull(false)
		s.expect(data(`"fleetMap":{"cells":"0"` + layout + `}`))
	})
}

func TestEventsAreSentAsTheyHappen(t *testing.T) {
	eachWay(t, func(t *testing.T, newAPI func(registry.Config) *api) {
		a := newAPI(registry.Config{})
		a.apply(t, heartbeat("old"))
		all := a.subscribe(t, `subscription { events { kind hiveId workerId } }`, nil)
		one := a.subscribe(t, `subscription { events(hiveId: "b") { kind revision at } }`, nil)
		all.expect()
		a.apply(t, heartbeat("a", 0))
		a.apply(t, heartbeat("b"))
		all.expect(data(`"events":{"kind":"HIVE_JOINED","hiveId":"a","workerId":null}`),
			data(`"events":{"kind":"WORKER_STARTED","hiveId":"a","workerId":"a/llm/0"}`),
			data(`"events":{"kind":"HIVE_JOINED","hiveId":"b","workerId":null}`))
		one.expect(data(`"events":{"kind":"HIVE_JOINED","revision":"EPOCH.3","at":"2000-01-01T00:00:00Z"}`))
	})
}

// A reader of events that falls behind, before its first event or after, gets each that it missed once and in order. What the log has
// forgotten is no silent hole: the subscription ends with an error.
func TestEventsMissedAreSentLater(t *testing.T) {
	eachWay(t, func(t *testing.T, newAPI func(registry.Config) *api) {
		a := newAPI(registry.Config{EventLog: 8})
		s := a.subscribe(t, `subscription { events { hiveId } }`, nil)
		next := 0
		happen := func(n int) (want []string) {
			for range n {
				id := strconv.Itoa(next)
				next++
				a.apply(t, heartbeat(id))
				synctest.Wait()
				want = append(want, data(`"events":{"hiveId":"%s"}`, id))
			}
			return want
		}
		for _, missed := range []int{1, 3, 8} {
			s.setFull(true)
			want := happen(missed)
			s.setFull(false)
			s.expect(want...)
			s.expect(happen(2)...)
		}
		s.setFull(true)
		happen(9)
		s.setFull(false)
		s.expect()
		if len(s.errs) != 1 || s.errs[0].Extensions["code"] != graph.CodeUnavailable {
			t.Errorf("ended %t with %v", s.ended, s.errs)
		}
	})
}

// When more happens at once than the log holds, those who keep up have a hole in what they get, too.
func TestMoreEventsThanAreRememberedEndTheSubscriptionWithAnError(t *testing.T) {
	eachWay(t, func(t *testing.T, newAPI func(registry.Config) *api) {
		a := newAPI(registry.Config{EventLog: 2})
		s := a.subscribe(t, `subscription { events { hiveId } }`, nil)
		a.apply(t, heartbeat("a"))
		s.expect(data(`"events":{"hiveId":"a"}`))
		a.apply(t, heartbeat("b", make([]float64, 200)...)) // Some may be taken up before the others happen.
		s.take()
		if len(s.errs) != 1 || s.errs[0].Extensions["code"] != graph.CodeUnavailable {
			t.Errorf("ended %t with %v", s.ended, s.errs)
		}
	})
}

func TestWhoSubscribesWhenEventsAreLostHasLostNone(t *testing.T) {
	eachWay(t, func(t *testing.T, newAPI func(registry.Config) *api) {
		a := newAPI(registry.Config{EventLog: 2})
		const query = `subscription { events { hiveId } }`
		for i := range 100 {
			early := a.subscribe(t, query, nil)
			a.apply(t, heartbeat(strconv.Itoa(i), 0, 1, 2))
			late := a.subscribe(t, query, nil)
			if late.ended {
				t.Fatalf("round %d: it was told %v", i, late.errs)
			}
			late.take()
			a.apply(t, heartbeat("x"+strconv.Itoa(i)))
			late.expect(data(`"events":{"hiveId":"x%d"}`, i))
			early.sub.Leave()
			late.sub.Leave()
			synctest.Wait()
		}
	})
}

// Outside a group, on gqlgen's own executor, the one subscriber gets the same: no delta before its snapshot.
func TestChangesWithoutGroups(t *testing.T) {
	eachWay(t, func(t *testing.T, newAPI func(registry.Config) *api) {
		a := newAPI(registry.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		exec := executor.New(graph.NewExecutableSchema(graph.Config{Resolvers: &graph.Resolver{Registry: a.reg}}))
		ctx = graphql.StartOperationTrace(ctx)
		op, errs := exec.CreateOperationContext(ctx, &graphql.RawParams{Query: followGPU})
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		a.apply(t, heartbeat("a", 0))
		next, ctx := exec.DispatchOperation(ctx, op)
		for i := range 3 {
			if i > 0 {
				a.apply(t, heartbeat("a", float64(i)))
			}
			resp := next(ctx)
			if len(resp.Errors) > 0 {
				t.Fatal(resp.Errors)
			}
			u := parseUpdate(t, `{"data":`+string(resp.Data)+`}`)
			if (u.Reset == "INITIAL") != (i == 0) || len(u.Workers) != 1 {
				t.Errorf("update %d: %s", i, resp.Data)
			}
		}
		cancel()
		if resp := next(ctx); resp != nil {
			t.Errorf("after the end: %s", resp.Data)
		}
	})
}

// update is an update of changes; entries by id, as JSON.
type update struct {
	Revision string
	Reset    string
	Complete bool
	Hives    []entry
	Workers  []entry
	Removed  []struct{ ID, Kind, Reason string }
}

type entry struct{ id, json string }

func (e *entry) UnmarshalJSON(b []byte) error {
	var id struct{ ID string }
	err := json.Unmarshal(b, &id)
	e.id, e.json = id.ID, string(b)
	return err
}

func parseUpdate(t testing.TB, response string) update {
	t.Helper()
	var r struct {
		Data struct{ Changes update }
	}
	unmarshal(t, response, &r)
	return r.Data.Changes
}

func unmarshal(t testing.TB, response string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(response), v); err != nil {
		t.Fatalf("%v: %s", err, response)
	}
}
