package proc

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/shirou/gopsutil/v4/common"
	"github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/process"
)

// maxSockets bounds how many open files of one process are looked at for sockets.
const maxSockets = 4096

// Sockets is what could be learnt about where a process listens.
type Sockets struct {
	// Known is false when the process may not be asked; Listening is empty then and means nothing.
	Known bool
	// Ours is true when the process is known to see the same network as we do. When neither Ours nor Foreign is true,
	// an address that it might listen at may be another server's.
	Ours bool
	// Foreign is true when the process sees another network than we do, as in a container: none of its addresses
	// can be reached from here, and ours lead to others.
	Foreign bool
	// Listening are the TCP addresses it listens at, by port.
	Listening []netip.AddrPort
}

// network is whose network a process sees.
type network int

const (
	networkUnknown network = iota
	networkOurs
	networkForeign
)

// Sockets looks up where a process listens.
func (s *Scanner) Sockets(ctx context.Context, pid int) Sockets {
	switch s.networkOf(pid) {
	case networkForeign:
		return Sockets{Known: true, Foreign: true}
	case networkUnknown:
		return Sockets{}
	case networkOurs:
	}
	if !s.socketsReadable(pid) {
		return Sockets{Ours: true}
	}
	found, err := net.ConnectionsPidMaxWithoutUidsWithContext(s.rooted(ctx), "tcp", int32(pid), maxSockets)
	if err != nil {
		return Sockets{Ours: true}
	}
	sockets := Sockets{Known: true, Ours: true}
	for _, c := range found {
		if c.Status != "LISTEN" || c.Laddr.Port == 0 || c.Laddr.Port > 65535 {
			continue
		}
		ip := c.Laddr.IP
		if ip == "*" { // So does gopsutil say it outside Linux.
			ip = "::"
		}
		if addr, err := netip.ParseAddr(ip); err == nil {
			sockets.Listening = append(sockets.Listening, netip.AddrPortFrom(addr.Unmap(), uint16(c.Laddr.Port)))
		}
	}
	slices.SortFunc(sockets.Listening, func(a, b netip.AddrPort) int {
		if a.Port() != b.Port() {
			return int(a.Port()) - int(b.Port())
		}
		return a.Addr().Compare(b.Addr())
	})
	return sockets
}

// Environ returns those of the named variables that are set in the environment of a process; none when it may not be read.
// False when it cannot be read now.
func (s *Scanner) Environ(ctx context.Context, pid int, names []string) (map[string]string, bool) {
	if len(names) == 0 {
		return nil, true
	}
	all, ok := aside(ctx, s, pid, func() []string {
		all, err := (&process.Process{Pid: int32(pid)}).EnvironWithContext(s.rooted(ctx))
		if err != nil {
			return nil
		}
		return all
	})
	if !ok {
		return nil, false
	}
	found := map[string]string{}
	for _, entry := range all {
		if name, value, ok := strings.Cut(entry, "="); ok && slices.Contains(names, name) {
			found[name] = value
		}
	}
	return found, true
}

// Storage returns how many bytes a process has read from storage and written to it. False when that may not, or cannot, be
// read, or when the system counts other traffic along with it.
func (s *Scanner) Storage(ctx context.Context, pid int) (read, written uint64, ok bool) {
	io, ok := aside(ctx, s, pid, func() *process.IOCountersStat {
		io, err := (&process.Process{Pid: int32(pid)}).IOCountersWithContext(s.rooted(ctx))
		if err != nil {
			return nil
		}
		return io
	})
	if !ok || io == nil || !countsStorage {
		return 0, 0, false
	}
	return io.DiskReadBytes, io.DiskWriteBytes, true
}

func (s *Scanner) rooted(ctx context.Context) context.Context {
	return context.WithValue(ctx, common.EnvKey, common.EnvMap{common.HostProcEnvKey: s.root})
}
