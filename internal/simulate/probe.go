package simulate

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"waggle/client"
)

// The probe is one more hive with one worker, whose figure says which of its heartbeats it comes from.
const (
	probeHive   = "probe"
	probeWorker = probeHive + "/probe/1"
	// mostProbes is how many heartbeats of the probe are remembered.
	mostProbes = 1024
)

// probes remembers when the heartbeats of the probe were sent.
type probes struct {
	mu   sync.Mutex // guards sent
	sent [mostProbes]struct {
		number int32
		at     time.Time
	}
}

func (p *probes) note(number int32, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent[number%mostProbes].number, p.sent[number%mostProbes].at = number, at
}

// sentAt tells when the heartbeat with this number was sent, if that is remembered.
func (p *probes) sentAt(number int32) (time.Time, bool) {
	if number < 1 {
		return time.Time{}, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.sent[number%mostProbes]
	return s.at, s.number == number
}

// probe sends the heartbeats of the probe, at uneven intervals, so that they do not fall into step with the mirrors.
func (l *Load) probe(ctx context.Context) {
	c := l.newClient()
	defer c.CloseIdle()
	for number := int32(1); ; number++ {
		now := time.Now()
		l.probes.note(number, now)
		_, err := c.Heartbeat(ctx, &client.HeartbeatInput{
			Hive: &client.HiveInput{Id: probeHive, Hostname: probeHive + ".sim", OperationalStatus: client.OperationalStatusReady,
				HealthStatus: client.HealthStatusHealthy},
			Workers: []*client.WorkerInput{{Group: "probe", Instance: "1", RequestsRunning: new(int(number)), GpuUtilizationPercent: new(1.0)}},
		})
		if err != nil && ctx.Err() == nil {
			l.lag.fail(1, err)
		}
		pause := 60*time.Millisecond + rand.N(80*time.Millisecond) //nolint:gosec // no secret depends on it
		if until(ctx, now.Add(pause)) != nil {
			return // told to end
		}
	}
}
