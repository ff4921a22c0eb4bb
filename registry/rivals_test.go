package registry

import (
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// rivalry is one hive that several agents claim.
type rivalry struct {
	t   *testing.T
	reg *TelemetryRegistry
	now time.Time
}

func newRivalry(t *testing.T) *rivalry {
	return &rivalry{t, New(Config{}), time.Now()}
}

func (r *rivalry) beat(incarnation string, want Outcome) {
	r.t.Helper()
	r.now = r.now.Add(time.Millisecond)
	terms, err := r.reg.Apply(&Heartbeat{Hive: HiveReport{ID: "h", Hostname: "h"}, Incarnation: incarnation, ReceivedAt: r.now})
	if err != nil || terms.Outcome != want {
		r.t.Fatalf("%s: %s, %v; want %s", incarnation, terms.Outcome, err, want)
	}
}

// silence lets the hive be given up.
func (r *rivalry) silence() {
	for range 120 {
		r.now = r.now.Add(sweepEvery)
		r.reg.sweep(r.now)
	}
}

func (r *rivalry) told(kind EventKind) (messages []string) {
	for _, e := range r.reg.LatestEvents(r.reg.Snapshot(), 1000, nil) {
		if e.Kind == kind {
			messages = append(messages, e.Message)
		}
	}
	return messages
}

func TestAConflictIsToldAgainAfterTheAgentHadTheIdInBetween(t *testing.T) {
	r := newRivalry(t)
	conflicts := func(want int) {
		t.Helper()
		if got := r.told(HiveConflict); len(got) != want {
			t.Errorf("conflicts told: %q, want %d", got, want)
		}
	}
	r.beat("a", Accepted)
	r.beat("b", Accepted)
	r.beat("a", Conflict)
	r.beat("a", Conflict)
	conflicts(1)
	r.silence()
	r.beat("a", Accepted)
	r.beat("b", Conflict)
	conflicts(2)
	r.silence()
	r.beat("b", Accepted)
	r.beat("a", Conflict)
	conflicts(3)
	if offline := r.told(HiveOffline); len(offline) != 2 || !strings.HasPrefix(offline[0], "h was given up: nothing heard for 10") {
		t.Errorf("told %q, want twice a silence of ten seconds", offline)
	}
}

func TestFewAgentsOfAHiveAreRemembered(t *testing.T) {
	r := newRivalry(t)
	for i := range 100 {
		r.beat(strconv.Itoa(i), Accepted)
		if i > 0 {
			r.beat(strconv.Itoa(i-1), Conflict)
		}
	}
	rivals := r.reg.hives["h"].rivals
	if len(rivals.replaced) > replacedRemembered || len(rivals.conflicts) > replacedRemembered+1 {
		t.Errorf("%d replaced and %d conflicts are remembered, want about %d", len(rivals.replaced), len(rivals.conflicts), replacedRemembered)
	}
}

// TestIndexKeepsNoTextOfAHive since that is a part of the texts of all its profiles, which would stay as long as the model does.
func TestIndexKeepsNoTextOfAHive(t *testing.T) {
	reg := New(Config{})
	if _, err := reg.Apply(&Heartbeat{Hive: HiveReport{ID: "h", Hostname: "h"}, Workers: []WorkerReport{{Group: "g", Instance: "1", Model: "a"}}}); err != nil {
		t.Fatal(err)
	}
	st := reg.hives["h"]
	seat, profile := st.seats.models[0], st.hive.Workers[0].WorkerProfile
	for name := range reg.index.models {
		for where, text := range map[string]string{"the map of models": name, "the index of the model": seat.index.index.model, "the hive's seat": seat.model} {
			if unsafe.StringData(text) == unsafe.StringData(string(profile.Model)) {
				t.Errorf("%s has the hive's own text", where)
			}
		}
	}
}
