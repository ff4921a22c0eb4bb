package registry

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// What a heartbeat of 8 workers may allocate. As long as nobody looks: the records, the change and its entry in the log, and what the
// workers offer, as far as it is another. Where somebody looks at every revision, a path of each tree is added, which grows with the fleet.
const (
	applyAllocations     = 10
	applySeenAllocations = 45
)

func TestApplyAllocatesLittleAndTheSameInAnyFleet(t *testing.T) {
	measure := func(hives int, look bool) float64 {
		reg := New(Config{})
		r := rand.New(rand.NewPCG(1, 2))
		for i := range hives {
			_, _ = reg.Apply(benchHeartbeat(r, i))
		}
		const runs = 400
		beats := make([]*Heartbeat, 0, runs+1)
		for range runs + 1 {
			beats = append(beats, benchHeartbeat(r, r.IntN(hives)))
		}
		next := 0
		return testing.AllocsPerRun(runs, func() {
			if terms, _ := reg.Apply(beats[next]); terms.Outcome != Accepted {
				t.Error(terms)
			}
			next++
			if look {
				_ = reg.Snapshot()
			}
		})
	}
	small, large := measure(100, false), measure(5000, false)
	smallSeen, largeSeen := measure(100, true), measure(5000, true)
	t.Logf("%.0f allocations among 100 hives, %.0f among 5,000; %.0f and %.0f where each revision is seen", small, large, smallSeen, largeSeen)
	if small > applyAllocations || large > applyAllocations {
		t.Errorf("%.0f allocations among 100 hives and %.0f among 5,000, want at most %d", small, large, applyAllocations)
	}
	if smallSeen > applySeenAllocations || largeSeen > applySeenAllocations+15 { // two levels of three trees more
		t.Errorf("%.0f allocations among 100 hives and %.0f among 5,000, want at most %d and 15 more", smallSeen, largeSeen, applySeenAllocations)
	}
}

// TestFiguresGoToTheWorkerThatTheyAreOf whatever the order of the report, whether it names the same workers as before or not, and
// however many there are.
func TestFiguresGoToTheWorkerThatTheyAreOf(t *testing.T) {
	reg := New(Config{})
	r := rand.New(rand.NewPCG(7, 8))
	beat := func(instances []int) {
		hb := &Heartbeat{Hive: HiveReport{ID: "a", Hostname: "h"}}
		want := map[string]int32{}
		for _, n := range instances {
			mb := r.Int32N(1000)
			instance := strconv.Itoa(n)
			want["a/llm/"+instance] = mb
			hb.Workers = append(hb.Workers, WorkerReport{Group: "llm", Instance: instance, Telemetry: Telemetry{RSSMB: Int(mb)}})
		}
		if _, err := reg.Apply(hb); err != nil {
			t.Fatal(err)
		}
		hive := reg.Snapshot().Hive("a")
		if len(hive.Workers) != len(instances) {
			t.Fatalf("%d workers of %d", len(hive.Workers), len(instances))
		}
		for i, w := range hive.Workers {
			if w.Hive != hive || w.RSSMB != Int(want[w.ID]) || i > 0 && compareWorkers(hive.Workers[i-1], w) >= 0 {
				t.Errorf("worker %d of %d: %s has %v, want %d", i, len(instances), w.ID, w.RSSMB, want[w.ID])
			}
		}
	}
	for n := range 12 {
		instances := r.Perm(n)
		beat(instances)
		beat(instances) // the same order: its workers are known
		beat(r.Perm(n)) // another order of the same workers
		slices.Sort(instances)
		beat(instances)
	}
}

// TestDigestsDifferWherePartsOfTextMove so that what was never found valid is not taken for what was.
func TestDigestsDifferWherePartsOfTextMove(t *testing.T) {
	seed := maphash.MakeSeed()
	seen := map[uint64]int{}
	for i, hb := range []*Heartbeat{
		{},
		{Hive: HiveReport{Hostname: "ab"}},
		{Hive: HiveReport{ID: "ab"}},
		{Hive: HiveReport{Version: "ab"}},
		{Incarnation: "ab"},
		{Hive: HiveReport{ID: "a", Hostname: "b"}},
		{Hive: HiveReport{ID: "a", Version: "b"}},
		{Hive: HiveReport{Hostname: "a", Version: "b"}},
		{Hive: HiveReport{Version: "a"}, Incarnation: "b"},
		{Devices: []Device{{}}},
		{Devices: []Device{{}, {}}},
		{Devices: []Device{{Kind: CPU}}},
		{Devices: []Device{{ID: "ab"}}},
		{Devices: []Device{{ID: "a", Name: "b"}}},
		{Devices: []Device{{Name: "ab"}}},
		{Devices: []Device{{ComputeCapability: "ab"}}},
		{Devices: []Device{{}}, Workers: []WorkerReport{{}}},
		{Workers: []WorkerReport{{}}},
		{Workers: []WorkerReport{{Group: "ab"}}},
		{Workers: []WorkerReport{{Group: "a", Instance: "b"}}},
		{Workers: []WorkerReport{{Instance: "ab"}}},
		{Workers: []WorkerReport{{Model: "ab"}}},
		{Workers: []WorkerReport{{Endpoint: "ab"}}},
		{Workers: []WorkerReport{{PID: Int(0)}}},
		{Workers: []WorkerReport{{PID: Int(1)}}},
		{Workers: []WorkerReport{{Group: "ab"}, {}}},
		{Workers: []WorkerReport{{}, {Group: "ab"}}},
	} {
		digest, _ := hb.digest(seed, nil)
		if other, met := seen[digest]; met {
			t.Errorf("heartbeats %d and %d have one digest", other, i)
		}
		seen[digest] = i
	}
}

// rawHeartbeat makes a heartbeat of arbitrary bytes: every field may hold anything its type allows.
type rawHeartbeat struct{ data []byte }

func (r *rawHeartbeat) byte() byte {
	if len(r.data) == 0 {
		return 0
	}
	b := r.data[0]
	r.data = r.data[1:]
	return b
}

func (r *rawHeartbeat) text(usual string) string {
	n := int(r.byte())
	if n < 128 {
		return usual
	}
	if n == 255 { // a long one
		return string(slices.Repeat(r.take(4), 200))
	}
	return string(r.take(n % 16))
}

func (r *rawHeartbeat) take(n int) []byte {
	n = min(n, len(r.data))
	b := r.data[:n]
	r.data = r.data[n:]
	return b
}

func (r *rawHeartbeat) uint64() uint64 {
	var b [8]byte
	copy(b[:], r.take(8))
	return binary.LittleEndian.Uint64(b[:])
}

func (r *rawHeartbeat) int() OptInt {
	switch b := r.byte(); {
	case b < 64:
		return OptInt{}
	case b < 192:
		return Int(int32(b) - 64)
	default:
		return Int(int32(uint32(r.uint64())))
	}
}

func (r *rawHeartbeat) float() OptFloat {
	switch b := r.byte(); {
	case b < 64:
		return OptFloat{}
	case b < 192:
		return Float(float64(b) - 64)
	default:
		return Float(math.Float64frombits(r.uint64()))
	}
}

func (r *rawHeartbeat) heartbeat() *Heartbeat {
	hb := &Heartbeat{
		Hive: HiveReport{
			ID: r.text("gpu-1"), Hostname: r.text("host"), Port: r.int().Value(), Version: r.text("1"),
			OperationalStatus: OperationalStatus(r.byte() % 6), HealthStatus: HealthStatus(r.byte() % 4), HealthReason: OptString(r.text("")),
		},
		Incarnation: r.text(""), Sequence: r.int(),
	}
	if b := r.byte(); b > 128 {
		hb.SentAt = time.Unix(int64(r.uint64()>>uint(b%64)), 0)
	}
	if b := r.byte(); b > 64 {
		hb.Devices = []Device{}
		for range b % 4 {
			hb.Devices = append(hb.Devices, Device{
				ID: r.text("0"), Name: r.text("n"), Kind: DeviceKind(r.byte() % 3), MemoryTotalMB: r.int(), MemoryUsedMB: r.int(),
				UtilizationPercent: r.float(), TemperatureCelsius: r.float(), PowerWatts: r.float(), ComputeCapability: OptString(r.text("")),
			})
		}
	}
	for i := range r.byte() % 8 {
		hb.Workers = append(hb.Workers, WorkerReport{
			Group: r.text("llm"), Instance: r.text(itoa(int(i))), PID: r.int(), Model: OptString(r.text("m")), Endpoint: OptString(r.text("http://localhost")),
			Telemetry: Telemetry{
				GPUUtilizationPercent: r.float(), VRAMUsedMB: r.int(), VRAMTotalMB: r.int(), CPUPercent: r.float(), RSSMB: r.int(),
				IOReadMBPerSecond: r.float(), IOWriteMBPerSecond: r.float(), UptimeSeconds: r.int(), RequestsRunning: r.int(), RequestsQueued: r.int(),
			},
		})
	}
	return hb
}

// FuzzApply sends two arbitrary heartbeats after a good one: nothing panics, no heartbeat is changed, what is refused changes nothing, and what
// is taken holds.
func FuzzApply(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		seed := make([]byte, 200)
		for i := range seed {
			seed[i] = byte(r.Uint32())
		}
		f.Add(seed, seed[100:])
	}
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		reg := New(Config{})
		if _, err := reg.Apply(fullHeartbeat()); err != nil {
			t.Fatal(err)
		}
		c := newRegistryCopy()
		for _, data := range [][]byte{first, second} {
			before, events := reg.Snapshot(), reg.Events().Last()
			hb, same := (&rawHeartbeat{data}).heartbeat(), (&rawHeartbeat{data}).heartbeat()
			terms, err := reg.Apply(hb)
			after := reg.Snapshot()
			if got, want := fmt.Sprintf("%#v", hb), fmt.Sprintf("%#v", same); got != want {
				t.Fatalf("Apply made of the heartbeat\n%s\nthis one:\n%s", want, got)
			}
			if (err != nil) != (terms.Outcome == Invalid) || len(terms.Warnings) > MaxWarnings || terms.Revision != after.Revision {
				t.Fatalf("%+v, %v", terms, err)
			}
			switch {
			case terms.Outcome == Accepted:
				if after.Revision.Counter != before.Revision.Counter+1 {
					t.Fatalf("one heartbeat made revisions %s to %s", before.Revision, after.Revision)
				}
			case after != before || terms.Outcome != Conflict && reg.Events().Last() != events:
				t.Fatalf("%s changed something", terms.Outcome)
			}
			if err := c.follow(reg); err != nil {
				t.Fatal(err)
			}
			if err := c.differs(after); err != nil {
				t.Fatal(err)
			}
			checkSound(t, after)
		}
	})
}

// checkSound checks what holds of every snapshot, whatever was sent.
func checkSound(t *testing.T, snap *Snapshot) {
	t.Helper()
	percent := func(v OptFloat) {
		if v.Known() && !(v.Value() >= 0 && v.Value() <= 100) || !v.Known() && v.Value() != 0 {
			t.Errorf("a percentage of %v", v)
		}
	}
	figure := func(v OptInt) {
		if v.Value() < 0 || !v.Known() && v.Value() != 0 {
			t.Errorf("a figure of %v", v)
		}
	}
	workers, idle, free := 0, 0, 0
	for h := range snap.AllHives() {
		if !isName(h.ID, MaxIDLength) || h.Hostname == "" || !printable(h.Hostname+h.Version+string(h.Health.Reason)) {
			t.Errorf("hive %+v", h)
		}
		for i := range h.Devices {
			percent(h.Devices[i].UtilizationPercent)
			figure(h.Devices[i].MemoryTotalMB)
		}
		for _, w := range h.Workers {
			workers++
			if w.ID != h.ID+"/"+w.Group+"/"+w.Instance || !isName(w.Group, MaxNameLength) || !isName(w.Instance, MaxNameLength) || !printable(string(w.Model)) {
				t.Errorf("worker %+v", w)
			}
			percent(w.GPUUtilizationPercent)
			for _, v := range []OptInt{w.VRAMFreeMB, w.VRAMTotalMB, w.VRAMUsedMB, w.RSSMB, w.UptimeSeconds, w.RequestsQueued, w.RequestsRunning, w.PID} {
				figure(v)
			}
			if w.Activity == Idle {
				idle++
			}
			if w.Available() {
				free = max(free, int(w.VRAMFreeMB.Value()))
			}
		}
	}
	fleet := snap.Fleet()
	if fleet.Workers.Total != workers || fleet.Workers.Idle != idle || fleet.LargestFreeVRAMMB != free || fleet.VRAMUsedMB < 0 {
		t.Errorf("fleet %+v: %d workers, %d idle, %d free", fleet, workers, idle, free)
	}
}

// TestOneHeartbeatIsAppliedByMany at once, and means the same to each, although there is much to mend in it.
func TestOneHeartbeatIsAppliedByMany(t *testing.T) {
	hb := fullHeartbeat()
	hb.Sequence = OptInt{}
	hb.Hive.HealthReason = "hot\a"
	hb.Devices[0].UtilizationPercent = Float(105)
	hb.Devices[0].PowerWatts = Float(-1)
	hb.Workers[0].GPUUtilizationPercent = Float(math.Copysign(0, -1))
	hb.Workers[0].VRAMUsedMB = Int(-1)
	reg := New(Config{})
	want, err := New(Config{}).Apply(hb)
	if err != nil || len(want.Warnings) != 4 {
		t.Fatal(want, err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if got, err := reg.Apply(hb); err != nil || !slices.Equal(got.Warnings, want.Warnings) {
				t.Errorf("%v, %v, want %v", got, err, want)
			}
			h := reg.Snapshot().Hive(hb.Hive.ID)
			if h.Health.Reason != "hot" || h.Devices[0].UtilizationPercent != Float(100) || h.Devices[0].PowerWatts != (OptFloat{}) || h.Workers[0].VRAMUsedMB != (OptInt{}) {
				t.Errorf("%+v", h)
			}
		})
	}
	all.Wait()
}

// Readers and writers at once: what a reader sees of one hive is of one heartbeat.
func TestReadersNeverSeeHalfAHeartbeat(t *testing.T) {
	reg := New(Config{})
	const hives, beats = 4, 300
	done := make(chan struct{}, hives)
	for i := range hives {
		go func() {
			defer func() { done <- struct{}{} }()
			for n := range int32(beats) {
				hb := &Heartbeat{Hive: HiveReport{ID: "h" + itoa(i), Hostname: "h", Port: n}}
				for w := range 4 {
					hb.Workers = append(hb.Workers, WorkerReport{Group: "llm", Instance: itoa(w), Telemetry: Telemetry{UptimeSeconds: Int(n)}})
				}
				if _, err := reg.Apply(hb); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	last := map[string]int32{}
	for finished := 0; finished < hives; {
		select {
		case <-done:
			finished++
		default:
		}
		snap := reg.Snapshot()
		for h := range snap.AllHives() {
			if h.Port < last[h.ID] {
				t.Fatalf("%s went back from %d to %d", h.ID, last[h.ID], h.Port)
			}
			last[h.ID] = h.Port
			for _, w := range h.Workers {
				if w.UptimeSeconds.Value() != h.Port {
					t.Fatalf("%s of heartbeat %d has a worker of %d", h.ID, h.Port, w.UptimeSeconds.Value())
				}
			}
		}
		if c := snap.Revision.Counter; c > 0 && reg.Changes().After(c-1, c, func(Change) {}) != nil {
			t.Fatalf("the change of revision %d is not in the log although its snapshot is there", c)
		}
	}
	if got := reg.Snapshot().Revision.Counter; got != hives*beats {
		t.Errorf("%d revisions, want %d", got, hives*beats)
	}
}

// No two ids that anybody has seen have the same hash, so the test makes it so.
func TestAHiveWhoseHashIsAnothersIsFoundByItsText(t *testing.T) {
	reg := New(Config{})
	beat := func(id string, gpu float64) {
		t.Helper()
		hb := fullHeartbeat()
		hb.Hive.ID, hb.Sequence, hb.Workers[0].GPUUtilizationPercent = id, OptInt{}, Float(gpu)
		mustAccept(t, reg, hb)
	}
	gpu := func(id string) float64 { return reg.Snapshot().Hive(id).Workers[0].GPUUtilizationPercent.Value() }
	beat("a", 1)
	beat("b", 2)
	reg.byHash[reg.hash("a")] = reg.hives["b"]
	beat("a", 3)
	beat("b", 4)
	if gpu("a") != 3 || gpu("b") != 4 {
		t.Errorf("a has %g and b %g, want 3 and 4", gpu("a"), gpu("b"))
	}
	reg.Remove("a")
	if reg.byHash[reg.hash("a")] == nil {
		t.Error("the place of the other is gone, too")
	}
}
