package registry

import (
	"iter"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type bee struct {
	name      string
	recent    bool
	available bool
}

func (b bee) ID() string      { return b.name }
func (b bee) Info() string    { return "bee " + b.name }
func (b bee) Recent() bool    { return b.recent }
func (b bee) Available() bool { return b.available }

func names(bees iter.Seq[bee]) []string {
	var all []string
	for b := range bees {
		all = append(all, b.name)
	}
	return all
}

func bees(all ...bee) *HeartbeatRegistry[bee] {
	r := &HeartbeatRegistry[bee]{}
	for _, b := range all {
		r.Update(b)
	}
	return r
}

func TestHeartbeatRegistryListsByIDAndCounts(t *testing.T) {
	r := bees(
		bee{"d", false, true}, // silent: not available, whatever it says
		bee{"c", true, true},
		bee{"b", true, false},
		bee{"a", false, false},
		bee{"e", true, true},
	).Snapshot()
	for name, c := range map[string]struct {
		got   iter.Seq[bee]
		count int
		want  []string
	}{
		"all":       {r.All(), r.CountTotal(), []string{"a", "b", "c", "d", "e"}},
		"online":    {r.Online(), r.CountOnline(), []string{"b", "c", "e"}},
		"available": {r.Available(), r.CountAvailable(), []string{"c", "e"}},
	} {
		if diff := cmp.Diff(c.want, names(c.got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if c.count != len(c.want) {
			t.Errorf("%s counts %d, want %d", name, c.count, len(c.want))
		}
	}
	for range r.All() {
		break // a listing may be left at any time
	}
}

func TestHeartbeatRegistryUpdateTakesThePlaceOfTheSameID(t *testing.T) {
	r := bees(bee{"a", true, true}, bee{"b", true, true})
	before := r.Snapshot()
	r.Update(bee{"a", false, false})
	after := r.Snapshot()
	if b, ok := after.Get("a"); !ok || b.recent {
		t.Errorf("get: %v, %v", b, ok)
	}
	if after.CountTotal() != 2 || after.CountOnline() != 1 || after.CountAvailable() != 1 {
		t.Errorf("counts %d, %d, %d; want 2, 1, 1", after.CountTotal(), after.CountOnline(), after.CountAvailable())
	}
	if b, _ := before.Get("a"); !b.recent || before.CountOnline() != 2 {
		t.Error("an earlier snapshot changed")
	}
}

func TestHeartbeatRegistryRemove(t *testing.T) {
	r := bees(bee{"a", true, true})
	before := r.Snapshot()
	was := r.Remove("a")
	after := r.Snapshot()
	if _, there := after.Get("a"); !was || there || after.CountTotal() != 0 {
		t.Errorf("removed: %v, still there: %v, total %d", was, there, after.CountTotal())
	}
	if r.Remove("a") {
		t.Error("removed twice")
	}
	if _, there := before.Get("a"); !there {
		t.Error("an earlier snapshot changed")
	}
	var zero HeartbeatSnapshot[bee]
	if _, ok := zero.Get("a"); ok || zero.CountTotal() != 0 || names(zero.All()) != nil {
		t.Error("the zero snapshot is not empty")
	}
}

func TestHeartbeatRegistryCleanupAsksOnlyForTheSilent(t *testing.T) {
	r := bees(bee{"a", true, true}, bee{"b", false, false}, bee{"c", false, true}, bee{"d", false, false}, bee{"e", true, false})
	var asked []string
	before := r.Snapshot()
	gone := r.Cleanup(func(b bee) bool {
		asked = append(asked, b.name)
		return b.name != "c"
	})
	if !slices.Equal(asked, []string{"b", "c", "d"}) {
		t.Errorf("asked for %v, want the silent b, c and d", asked)
	}
	if got := names(slices.Values(gone)); !slices.Equal(got, []string{"b", "d"}) {
		t.Errorf("gone: %v, want b and d", got)
	}
	if got := names(r.Snapshot().All()); !slices.Equal(got, []string{"a", "c", "e"}) {
		t.Errorf("left: %v, want a, c and e", got)
	}
	if before.CountTotal() != 5 {
		t.Error("an earlier snapshot changed")
	}
}
