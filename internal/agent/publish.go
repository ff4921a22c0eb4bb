package agent

import (
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"waggle/internal/agent/proc"
)

// forward is a port of this machine that is passed on to one of a container.
type forward struct{ from, to netip.AddrPort }

// forwardOf reads the command line of docker-proxy, which Docker starts for each port that it publishes. Podman and rootless
// Docker have no process that says so: their ports are told in files, through pipes, or to the kernel.
func forwardOf(args []string) (forward, bool) {
	if len(args) == 0 || path.Base(args[0]) != "docker-proxy" {
		return forward{}, false
	}
	said := map[string]string{}
	for i := 1; i < len(args); i++ {
		name, value, glued := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		if !glued && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
			i++
			value = args[i]
		}
		said[name] = value
	}
	from, okFrom := addressOf(said["host-ip"], said["host-port"])
	to, okTo := addressOf(said["container-ip"], said["container-port"])
	return forward{from, to}, said["proto"] == "tcp" && okFrom && okTo
}

func addressOf(ip, port string) (netip.AddrPort, bool) {
	addr, err := netip.ParseAddr(ip)
	n, errPort := strconv.ParseUint(port, 10, 16)
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), err == nil && errPort == nil && n != 0
}

// publish finds out at which port of this machine the port of a worker in a container is published. Nothing changes unless
// that is certain: the container's address must be one of the worker's network and of no other.
func (s *surveyor) publish(p *place, pid int, snap *proc.Snapshot) {
	var from []netip.AddrPort
	open, elsewhere := false, false
	for i := range snap.Processes {
		f, ok := forwardOf(snap.Processes[i].Args)
		if !ok || int(f.to.Port()) != p.port || !s.scanner.Ours(snap.Processes[i].PID) {
			continue
		}
		listening, certain := s.scanner.Behind(snap, pid, f.to.Addr())
		if !certain {
			continue
		}
		from = append(from, f.from)
		for _, l := range listening {
			if l.Port() == f.to.Port() {
				reached := l.Addr().IsUnspecified() || l.Addr() == f.to.Addr()
				open, elsewhere = open || reached, elsewhere || !reached
			}
		}
	}
	if len(from) == 0 {
		return
	}
	// Of several the lowest that others can reach.
	best := slices.MinFunc(from, func(a, b netip.AddrPort) int {
		if l := a.Addr().IsLoopback(); l != b.Addr().IsLoopback() {
			if l {
				return 1
			}
			return -1
		}
		return int(a.Port()) - int(b.Port())
	})
	p.port = int(best.Port())
	switch {
	case open:
		p.settle(from)
	case !elsewhere: // What listens within the container only cannot be reached, though it is there.
		p.reach = reachClosed
	}
}
