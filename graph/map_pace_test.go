package graph

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"waggle/internal/graphqlexec"
	"waggle/registry"
)

// A map on which nothing changes must not be drawn at every heartbeat all the same: it once was, as soon as an interval had passed without a message.
func TestAMapIsDrawnOnceAnIntervalWhetherOrNotItChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := registry.New(registry.Config{})
		beat := func(cpu float64) {
			hb := &registry.Heartbeat{Hive: registry.HiveReport{ID: "a", Hostname: "a"}, Workers: []registry.WorkerReport{{Group: "llm", Instance: "1"}}}
			hb.Workers[0].CPUPercent = registry.Float(cpu)
			if _, err := reg.Apply(hb); err != nil {
				t.Fatal(err)
			}
		}
		beat(0)
		ctx, cancel := context.WithCancel(t.Context())
		p := &mapPainter{reg: reg, interval: time.Second, stream: graphqlexec.NewStream[*registry.FleetMap](ctx, "")}
		go p.run(ctx)
		go func() {
			for range p.stream.C() {
			}
		}()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		draws, drawn := 0, p.drawn
		for i := range 500 { // five seconds
			beat(float64(i))
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
			if p.drawn != drawn {
				draws, drawn = draws+1, p.drawn
			}
		}
		if draws < 4 || draws > 6 {
			t.Errorf("drawn %d times in five seconds at an interval of one", draws)
		}
		cancel()
	})
}
