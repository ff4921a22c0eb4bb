package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"waggle/internal/simulate"
	"waggle/internal/simulate/process"
	"waggle/internal/simulate/wire"
)

// side is one of two servers that are measured in turns.
type side struct {
	bench
	server *process.Server
	fleet  *simulate.Fleet

	queries     int64
	took        float64 // seconds
	cpu         time.Duration
	loadPercent float64
}

// round tells the server of the fleet once more, and then asks.
func (s *side) round(ctx context.Context) error {
	to, err := wire.ParseAddress(s.server.URL, "")
	if err != nil {
		return err
	}
	if err := simulate.Fill(ctx, to, s.fleet); err != nil {
		return err
	}
	r, err := s.under(ctx, s.server, 100*time.Millisecond, simulate.Config{NoFleet: true, Schedulers: 8, Ask: simulate.AskWorkers})
	if err != nil {
		return err
	}
	if r.Queries.Failed > 0 {
		return fmt.Errorf("%d queries failed: %s", r.Queries.Failed, r.Queries.LastError)
	}
	s.queries += r.Queries.Done
	s.took += r.Seconds
	s.cpu += r.serverCPU
	s.loadPercent += r.LoadCPUPercent
	return nil
}

func (s *side) rate() float64 { return float64(s.queries) / max(s.took, 1e-9) }

func (s *side) cpuMicros() float64 { return float64(s.cpu.Microseconds()) / float64(max(s.queries, 1)) }

// mirrorWarmup is for the first truth.
const mirrorWarmup = 7 * time.Second

// watchMirror starts a mirror in a process of its own. What it returns waits for its report and the memory that it had in the end.
func (b bench) watchMirror(ctx context.Context, url string) (func() (*simulate.Report, int64, error), error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p, err := process.Start(ctx, 1, write, b.waggle, "simulate", "--server", url, "--hives", "0", "--mirrors", "1", "--json",
		"--warmup", mirrorWarmup.String(), "--duration", b.length.String())
	_ = write.Close()
	if err != nil {
		_ = read.Close()
		return nil, err
	}
	if err := wait(ctx, mirrorWarmup); err != nil {
		p.Stop()
		_ = read.Close()
		return nil, err
	}
	return func() (*simulate.Report, int64, error) {
		defer func() { _ = read.Close() }()
		defer p.Stop()
		memory, _ := p.Memory()
		text, err := io.ReadAll(read)
		if err != nil {
			return nil, 0, err
		}
		rep := &simulate.Report{}
		if err := json.Unmarshal(text, rep); err != nil || rep.MirrorReady == nil {
			return nil, 0, fmt.Errorf("the mirror ended: %.300s", text)
		}
		return rep, memory, nil
	}, nil
}
