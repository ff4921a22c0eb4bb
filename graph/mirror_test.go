package graph_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"waggle/registry"
)

// mirror keeps a copy by the rules that the schema gives for `changes`, and nothing else.
type mirror struct {
	revision string
	complete bool
	hives    map[string]string // id -> the entry as it was sent
	workers  map[string]string
}

func (m *mirror) put(u update) {
	if u.Reset != "" {
		m.hives, m.workers = map[string]string{}, map[string]string{}
	}
	for _, h := range u.Hives {
		m.hives[h.id] = h.json
	}
	for _, w := range u.Workers {
		m.workers[w.id] = w.json
	}
	for _, r := range u.Removed {
		if r.Kind == "HIVE" {
			delete(m.hives, r.ID)
		} else {
			delete(m.workers, r.ID)
		}
	}
	m.revision, m.complete = u.Revision, u.Complete
}

// differs compares the copy with what queries with the same selection and filters answer.
func (m *mirror) differs(t testing.TB, a *api, c mirrorCase) error {
	t.Helper()
	answer := a.ask(t, `query($h: HiveFilter, $w: WorkerFilter) {
		hives(filter: $h, first: 1000) { nodes { `+c.hiveFields+` } } workers(filter: $w, first: 1000) { nodes { `+c.workerFields+` } } }`+c.fragments, c.vars)
	var want struct {
		Data struct{ Hives, Workers struct{ Nodes []entry } }
	}
	unmarshal(t, answer, &want)
	if err := sameEntries(m.hives, want.Data.Hives.Nodes); err != nil {
		return fmt.Errorf("hives at %s: %w", m.revision, err)
	}
	if err := sameEntries(m.workers, want.Data.Workers.Nodes); err != nil {
		return fmt.Errorf("workers at %s: %w", m.revision, err)
	}
	return nil
}

func sameEntries(got map[string]string, want []entry) error {
	for _, e := range want {
		if got[e.id] != e.json {
			return fmt.Errorf("the copy has %q, the registry %q", got[e.id], e.json)
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("the copy has %d entries, the registry %d", len(got), len(want))
	}
	return nil
}

// mirrorCase is a subscription that a copy is kept by.
type mirrorCase struct {
	hiveFields, workerFields, fragments string
	vars                                map[string]any // the filters
}

func (c mirrorCase) query() string {
	return `subscription($since: Revision, $h: HiveFilter, $w: WorkerFilter) {
		changes(since: $since, hives: $h, workers: $w, intervalMs: 100) { revision reset complete
			hives { ` + c.hiveFields + ` } workers { ` + c.workerFields + ` } removed { id kind reason } } }` + c.fragments
}

func mirrorCases() []mirrorCase {
	return []mirrorCase{
		{hiveFields: `id`, workerFields: `id`},
		{hiveFields: `id hostname liveness available cordoned revision firstSeenAt lastSeenAt`, workerFields: `id activity activitySince available vramFreeMb revision`},
		{hiveFields: `id workers { id pid hive { cordoned } }`, workerFields: `id hive { health { status } workers { id model } }`},
		{hiveFields: `...H`, workerFields: `... on Worker { id load: gpuUtilizationPercent } hive { ...H }`, fragments: ` fragment H on Hive { id up: liveness health { reason } }`},
		{hiveFields: `id cordoned`, workerFields: `id pid`, vars: map[string]any{"h": map[string]any{"available": true}, "w": map[string]any{"idle": true}}},
		{hiveFields: `id`, workerFields: `id hive { cordoned }`, vars: map[string]any{"h": map[string]any{"liveness": []string{"SUSPECT", "OFFLINE"}}, "w": map[string]any{"search": "south", "minFreeVramMb": 500}}},
	}
}

// act changes the registry at random, and lets time pass now and then.
func act(t *testing.T, a *api, r *rand.Rand) {
	t.Helper()
	id := string(rune('a' + r.IntN(5)))
	switch r.IntN(12) {
	case 0:
		a.reg.Remove(id)
	case 1:
		a.reg.Cordon(id, r.IntN(2) == 0)
	case 2:
		time.Sleep(time.Duration(r.IntN(4000)) * time.Millisecond)
	case 3:
		time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond)
	default:
		hb := &registry.Heartbeat{Hive: registry.HiveReport{ID: id, Hostname: []string{"north", "South"}[r.IntN(2)], HealthStatus: registry.HealthStatus(r.IntN(3))}}
		for i := range 4 {
			if r.IntN(3) == 0 {
				continue
			}
			hb.Workers = append(hb.Workers, registry.WorkerReport{
				Group: "llm", Instance: string(rune('0' + i)), Model: registry.OptString([]string{"", "llama", "qwen"}[r.IntN(3)]), PID: registry.Int(r.Int32N(2)),
				Telemetry: registry.Telemetry{GPUUtilizationPercent: registry.Float(float64(r.IntN(3) * 50)), VRAMUsedMB: registry.Int(r.Int32N(3) * 400), VRAMTotalMB: registry.Int(1000)},
			})
		}
		a.apply(t, hb)
	}
}

// A fault is what must not happen to a stream; it returns the updates that a client gets instead of u.
type fault func(u update, r *rand.Rand) []update

func faithful(u update, _ *rand.Rand) []update { return []update{u} }

// runMirror lives through a random history with a copy that loses its connection now and then, and is too slow now and then. It
// returns how the copy differs from the registry in the end.
func runMirror(t *testing.T, c mirrorCase, seed uint64, f fault) error {
	t.Helper()
	var failure error
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(seed, 1))
		a := newAPI(registry.Config{ProtectShare: 2, ChangeLog: 40, ForgetAfter: 15 * time.Second})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = a.reg.Run(ctx) }()
		for range r.IntN(8) {
			act(t, a, r)
		}
		m := &mirror{}
		subscribe := func() *subscriber {
			vars := map[string]any{"h": c.vars["h"], "w": c.vars["w"]}
			if m.revision != "" {
				vars["since"] = strings.Replace(m.revision, "EPOCH", a.reg.Epoch(), 1)
			}
			return a.subscribe(t, c.query(), vars)
		}
		other := a.subscribe(t, c.query(), map[string]any{"h": c.vars["h"], "w": c.vars["w"]}) // keeps the group going
		s := subscribe()
		catchUp := func() {
			other.take()
			s.setFull(false)
			time.Sleep(250 * time.Millisecond)
			for _, msg := range s.take() {
				for _, u := range f(parseUpdate(t, msg.data), r) {
					m.put(u)
				}
			}
		}
		for range 60 {
			act(t, a, r)
			switch r.IntN(15) {
			case 0: // loses the connection, and what was on its way
				s.sub.Leave()
				for range r.IntN(12) {
					act(t, a, r)
				}
				s = subscribe()
			case 1:
				s.setFull(true)
			case 2:
				catchUp()
			}
		}
		for quiet := false; !quiet; { // a hive may be given up at the very end
			before := a.reg.Snapshot().Revision
			catchUp()
			quiet = a.reg.Snapshot().Revision == before
		}
		if !m.complete && failure == nil {
			failure = fmt.Errorf("the copy is not complete at %s", m.revision)
			return
		}
		failure = m.differs(t, a, c)
	})
	return failure
}

func TestACopyKeptByTheRulesIsExactlyRight(t *testing.T) {
	cases := mirrorCases()
	rapid.Check(t, func(rt *rapid.T) {
		c := cases[rapid.IntRange(0, len(cases)-1).Draw(rt, "case")]
		if err := runMirror(t, c, rapid.Uint64().Draw(rt, "seed"), faithful); err != nil {
			rt.Fatal(err)
		}
	})
}

// The checker is worth something only if it finds what is wrong.
func TestTheCheckOfCopiesFindsPlantedFaults(t *testing.T) {
	sometimes := func(u update, r *rand.Rand) bool { return u.Reset == "" && r.IntN(6) == 0 }
	var kept []update
	for name, f := range map[string]fault{
		"an update is lost": func(u update, r *rand.Rand) []update {
			if sometimes(u, r) {
				return nil
			}
			return []update{u}
		},
		"a removal is forgotten": func(u update, _ *rand.Rand) []update {
			u.Removed = nil
			return []update{u}
		},
		"an entry is left out": func(u update, r *rand.Rand) []update {
			if len(u.Workers) > 0 && sometimes(u, r) {
				u.Workers = u.Workers[1:]
			}
			return []update{u}
		},
		"two updates change places": func(u update, r *rand.Rand) []update {
			if len(kept) > 0 && u.Reset == "" {
				both := []update{u, kept[0]}
				kept = nil
				return both
			}
			if sometimes(u, r) {
				kept = []update{u}
				return nil
			}
			both := slices.Concat(kept, []update{u})
			kept = nil
			return both
		},
		"an old update comes again": func(u update, r *rand.Rand) []update {
			again := slices.Clone(kept)
			kept = []update{u}
			if sometimes(u, r) && len(again) > 0 && again[0].Reset == "" {
				return []update{u, again[0]}
			}
			return []update{u}
		},
		"a reset is not said": func(u update, _ *rand.Rand) []update {
			if u.Reset != "INITIAL" {
				u.Reset = ""
			}
			return []update{u}
		},
		"a worker is removed that is there": func(u update, r *rand.Rand) []update {
			if len(u.Workers) > 0 && sometimes(u, r) {
				u.Removed = append(u.Removed, struct{ ID, Kind, Reason string }{u.Workers[0].id, "WORKER", "GONE"})
			}
			return []update{u}
		},
		"an old figure": func(u update, r *rand.Rand) []update {
			for i := range u.Workers {
				if r.IntN(10) == 0 {
					u.Workers[i].json = strings.Replace(u.Workers[i].json, "true", "false", 1)
				}
			}
			return []update{u}
		},
	} {
		t.Run(name, func(t *testing.T) {
			kept = nil
			for seed := range uint64(200) {
				if runMirror(t, mirrorCases()[1], seed, f) != nil {
					return
				}
				kept = nil
			}
			t.Error("not found in 200 histories")
		})
	}
}
