//go:build !linux

package proc

import (
	"context"
	"net/netip"
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

func (s *Scanner) list(ctx context.Context) ([]Process, error) {
	pids, err := process.PidsWithContext(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]Process, 0, len(pids))
	for _, pid := range pids {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		ps := &process.Process{Pid: pid}
		started, err := ps.CreateTimeWithContext(ctx)
		if err != nil {
			continue // It ended, or it is hidden from us.
		}
		p := Process{ID: ID{PID: int(pid), Start: uint64(started)}, Age: ageOf(time.Since(time.UnixMilli(started)))}
		if parent, err := ps.PpidWithContext(ctx); err == nil {
			p.Parent = int(parent)
		}
		if name, err := ps.NameWithContext(ctx); err == nil {
			p.Name = name
		}
		if times, err := ps.TimesWithContext(ctx); err == nil {
			p.CPU = time.Duration((times.User + times.System) * float64(time.Second))
		}
		if memory, err := ps.MemoryInfoWithContext(ctx); err == nil && memory != nil {
			p.RSS = memory.RSS
		}
		list = append(list, p)
	}
	return list, nil
}

// sinceBoot is not needed here: starts are told by the time of day.
func sinceBoot() time.Duration { return 0 }

func (s *Scanner) describe(ctx context.Context, pid int) (args []string, cgroup string) {
	args, err := (&process.Process{Pid: int32(pid)}).CmdlineSliceWithContext(ctx)
	if err != nil {
		return nil, ""
	}
	return args, ""
}

// countsStorage: elsewhere traffic is not counted, or counted with that of pipes and sockets.
const countsStorage = false

func (s *Scanner) networkOf(int) network { return networkOurs }

func (s *Scanner) socketsReadable(int) bool { return true }

// Ours says whether a process is known to see the same network as we do: elsewhere there is one only.
func (s *Scanner) Ours(int) bool { return true }

// Behind is for systems whose processes can have networks of their own.
func (s *Scanner) Behind(*Snapshot, int, netip.Addr) ([]netip.AddrPort, bool) { return nil, false }
