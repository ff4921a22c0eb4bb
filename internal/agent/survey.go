package agent

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"waggle/internal/agent/engine"
	"waggle/internal/agent/proc"
)

// reach says from where a worker can be reached.
type reach int

const (
	reachUnknown  reach = iota // it could not be found out
	reachForeign               // it is in another network, as a container is
	reachClosed                // nobody listens at its port
	reachLoopback              // from this machine only
	reachAll                   // from other machines too
)

// worker is a model server with all its processes, as one survey found it.
type worker struct {
	proc.ID
	server engine.Server
	group  string
	// instance is set where a control group names it; else it follows from port and model.
	instance string
	port     int
	reach    reach
	// address is where to ask it; invalid when it cannot be asked.
	address netip.AddrPort
	// bound are the addresses that it listens at; empty when it listens at all of them, or when that is not known.
	bound []netip.Addr
	// head is the process whose command line says what it serves; in a control group that need not be the oldest one.
	head int
	// pids are the processes of its tree, its own first.
	pids []int
	// age is negative when it is unknown.
	age time.Duration
	rss uint64
	// cpu is in percent of one core, the others in bytes per second; nil when unknown.
	cpu, read, written *float64
	// runners are the processes that it started for a model each.
	runners []*worker
}

// survey is what one look at the processes found.
type survey struct {
	workers []*worker
	// trouble says of which processes nothing can be read; nil when of all.
	trouble error
}

// surveyor looks at the processes again and again and remembers what it needs for rates. Not for concurrent use.
type surveyor struct {
	scanner *proc.Scanner
	// only chooses the processes that are looked at; nil means all.
	only func(proc.Process) bool

	last    *proc.Snapshot
	storage map[proc.ID]traffic
	places  map[proc.ID]place
	environ map[proc.ID]environ
}

// environ is what was read of the environment of a process while it had the given command line: one that executes another
// program gets another environment.
type environ struct {
	args   []string
	values map[string]string
}

type traffic struct{ read, written uint64 }

// place is where a worker listens, as it was looked up last.
type place struct {
	at      time.Time
	reach   reach
	port    int
	address netip.AddrPort
	bound   []netip.Addr
	// answered is true when an engine answered at the port: one at neither the told nor the usual one, or one of which the
	// command line does not tell whether it speaks HTTPS. In that case tls tells.
	answered, tls bool
}

const (
	// placeClosedFor and placeOpenFor are how long it is believed that a worker's port is closed, or open.
	placeClosedFor = 2 * time.Second
	placeOpenFor   = 10 * time.Second
	// maxTree bounds the processes of a worker that are asked for sockets.
	maxTree = 64
	// oddPortTimeout is how long an engine may take to answer at a port that nobody told of, and maxOddPorts how many
	// of them are tried.
	oddPortTimeout = 250 * time.Millisecond
	maxOddPorts    = 8
)

func newSurveyor(root string) *surveyor {
	return &surveyor{scanner: proc.NewScanner(root), storage: map[proc.ID]traffic{}, places: map[proc.ID]place{},
		environ: map[proc.ID]environ{}}
}

// look finds all workers with their figures.
func (s *surveyor) look(ctx context.Context) (survey, error) {
	snap, err := s.scanner.Scan(ctx)
	if err != nil {
		return survey{}, err
	}
	if s.only != nil {
		snap = &proc.Snapshot{At: snap.At, Processes: slices.DeleteFunc(snap.Processes, func(p proc.Process) bool { return !s.only(p) })}
	}
	workers := findWorkers(snap)
	storage, places, environs := map[proc.ID]traffic{}, map[proc.ID]place{}, map[proc.ID]environ{}
	for _, front := range workers {
		for _, w := range append([]*worker{front}, front.runners...) {
			if head, ok := snap.Find(w.head); ok {
				env, ok := s.environ[head.ID]
				if !ok || !slices.Equal(env.args, head.Args) {
					env.args = head.Args
					env.values, ok = s.scanner.Environ(ctx, w.head, w.server.Variables())
				}
				if ok {
					environs[head.ID] = env
				}
				w.server.Complete(env.values)
			}
			here := s.locate(ctx, w, snap)
			places[w.ID] = here
			w.port, w.reach, w.address, w.bound = here.port, here.reach, here.address, here.bound
			w.server.TLS = w.server.TLS || here.tls
			s.measure(ctx, w, snap, storage)
		}
	}
	s.last, s.storage, s.places, s.environ = snap, storage, places, environs
	return survey{workers, stuckAmong(snap, s.scanner.Stuck())}, ctx.Err()
}

// stuckAmong says which processes are stuck; nil when none is.
func stuckAmong(snap *proc.Snapshot, pids []int) error {
	var list []string
	for _, pid := range pids {
		if p, ok := snap.Find(pid); ok {
			list = append(list, fmt.Sprintf("%d (%s)", pid, p.Name))
		}
	}
	if len(list) == 0 {
		return nil
	}
	return fmt.Errorf("stuck, and cannot be read: %s", strings.Join(list, ", "))
}

// findWorkers gathers the processes into workers, ordered by start. A process belongs to the model server among its
// ancestors; those of one rbee control group belong together.
func findWorkers(snap *proc.Snapshot) []*worker {
	t := tree{snap: snap, owners: map[int]*worker{}, groups: map[string]*worker{}}
	for i := range snap.Processes {
		t.owner(snap.Processes[i].PID)
	}
	for i := range snap.Processes {
		p := &snap.Processes[i]
		switch w := t.owners[p.PID]; {
		case w == nil:
			continue
		case w.PID == p.PID:
			w.pids = slices.Insert(w.pids, 0, p.PID)
			w.rss += p.RSS
		default:
			w.pids = append(w.pids, p.PID)
			w.rss += p.RSS
		}
	}
	byAge := func(a, b *worker) int { return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.PID, b.PID)) }
	slices.SortFunc(t.heads, byAge)
	for _, w := range t.heads {
		slices.SortFunc(w.runners, byAge)
	}
	return t.heads
}

// tree decides which process belongs to which worker.
type tree struct {
	snap   *proc.Snapshot
	owners map[int]*worker // by pid; nil for those that belong to none
	groups map[string]*worker
	heads  []*worker
}

func (t *tree) owner(pid int) *worker {
	if w, known := t.owners[pid]; known {
		return w
	}
	p, ok := t.snap.Find(pid)
	if !ok {
		return nil
	}
	t.owners[pid] = nil // Should the ancestors ever form a circle, it ends here.
	w := t.decide(p)
	t.owners[pid] = w
	return w
}

func (t *tree) decide(p *proc.Process) *worker {
	server, recognized := engine.Recognize(p.Args)
	if group, instance, ok := rbeeGroup(p.Cgroup); ok {
		return t.inGroup(p, server, recognized, group, instance)
	}
	above := t.owner(p.Parent)
	if !recognized || server.Part {
		return above
	}
	w := &worker{ID: p.ID, server: server, group: string(server.Kind), head: p.PID, age: p.Age}
	switch {
	case above == nil:
		t.heads = append(t.heads, w)
	case runs(above, server):
		above.runners = append(above.runners, w)
	default:
		return above
	}
	return w
}

// runs says whether a server below another one is its runner for a model, rather than a part of it: Ollama and
// llama-server start one server with a port of its own for each model they load.
func runs(above *worker, server engine.Server) bool {
	switch {
	case above.server.Runner:
		return false
	case server.Runner:
		return above.server.Kind == engine.Ollama
	case server.Kind == engine.Llama && server.Port != 0 && server.Port != above.server.Port:
		return above.server.Kind == engine.Ollama || above.server.Kind == engine.Llama && above.server.Model == ""
	}
	return false
}

func (t *tree) inGroup(p *proc.Process, server engine.Server, recognized bool, group, instance string) *worker {
	key := group + "/" + instance
	w := t.groups[key]
	if w == nil {
		w = &worker{ID: p.ID, server: engine.Unrecognized(p.Args), group: group, instance: instance, head: p.PID, age: p.Age}
		t.groups[key] = w
		t.heads = append(t.heads, w)
	}
	if recognized && !server.Part && w.server.Kind == engine.RBee {
		w.server, w.head = server, p.PID
	}
	if p.Start < w.Start { // The oldest one stands for the group.
		w.ID, w.age = p.ID, p.Age
	}
	return w
}

// rbeeGroup reads rbee.slice/<group>/<instance> out of the path of a control group.
func rbeeGroup(cgroup string) (group, instance string, ok bool) {
	_, rest, ok := strings.Cut(cgroup+"/", "/rbee.slice/")
	if !ok {
		return "", "", false
	}
	parts := strings.SplitN(rest, "/", 3)
	if len(parts) < 2 || !validName(parts[0]) || !validName(parts[1]) {
		return "", "", false
	}
	return parts[0], parts[1], true
}

// locate finds out at which port a worker listens, and who can reach it there.
func (s *surveyor) locate(ctx context.Context, w *worker, snap *proc.Snapshot) place {
	now := snap.At
	if old, ok := s.places[w.ID]; ok {
		good := placeClosedFor
		if old.reach == reachLoopback || old.reach == reachAll {
			good = placeOpenFor
		}
		if now.Sub(old.at) < good {
			return old
		}
	}
	wanted := w.server.Port
	if n, err := strconv.ParseUint(w.instance, 10, 16); wanted == 0 && err == nil {
		wanted = int(n)
	}
	here := place{at: now, port: wanted}
	usual := w.server.DefaultPort()
	expected := cmp.Or(wanted, usual)
	var listening, own []netip.AddrPort
	known, ours := false, false
	for _, pid := range w.pids[:min(len(w.pids), maxTree)] {
		sockets := s.scanner.Sockets(ctx, pid)
		if sockets.Foreign {
			here.port, here.reach = expected, reachForeign
			s.publish(&here, pid, snap)
			return here
		}
		known, ours = known || sockets.Known, ours || sockets.Ours
		listening = append(listening, sockets.Listening...)
		if pid == w.head {
			own = sockets.Listening
		}
		if listensAt(listening, expected) {
			break
		}
	}
	if old := s.places[w.ID]; old.answered {
		here.port, here.tls, here.answered = old.port, old.tls, true
	} else if ports := doubtful(w.server, wanted, listening, own); len(ports) > 0 {
		here.answer(ctx, w.server, listening, ports)
	}
	here.choose(w.server, listening)
	switch {
	case here.reach != reachUnknown:
	case known && here.port != 0:
		here.reach = reachClosed
	case ours:
		here.guess(w.server)
	}
	return here
}

func listensAt(listening []netip.AddrPort, port int) bool {
	return port != 0 && slices.ContainsFunc(listening, func(a netip.AddrPort) bool { return int(a.Port()) == port })
}

// opensOtherPorts says whether servers of this kind listen at ports that are not for clients, too: those at which their
// processes find each other, which are open long before the one for clients.
func opensOtherPorts(server engine.Server) bool {
	switch server.Kind {
	case engine.VLLM, engine.SGLang, engine.TGI:
		return true
	default:
		return false
	}
}

// doubtful returns the ports of which only an answer tells whether one is the worker's, or in which way to ask there:
// those of its own, where it was told none, as one is that was told its port in a file.
func doubtful(server engine.Server, wanted int, listening, own []netip.AddrPort) (ports []int) {
	if !opensOtherPorts(server) {
		return nil
	}
	if expected := cmp.Or(wanted, server.DefaultPort()); wanted != 0 || listensAt(listening, expected) {
		if server.Hidden && !server.TLS && listensAt(listening, expected) {
			return []int{expected}
		}
		return nil
	}
	for _, a := range own {
		if port := int(a.Port()); !slices.Contains(ports, port) && len(ports) < maxOddPorts {
			ports = append(ports, port)
		}
	}
	return ports
}

// answer chooses the first of the ports at which an engine answers, if there is one.
func (p *place) answer(ctx context.Context, server engine.Server, listening []netip.AddrPort, ports []int) {
	if !server.Asks() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, oddPortTimeout)
	defer cancel()
	client := engine.NewClient()
	defer client.CloseIdleConnections()
	ready := func(server engine.Server, at netip.AddrPort) (bool, error) {
		answer, err := engine.NewProbe(client, server, at).Ask(ctx)
		return err == nil && answer.Ready, err
	}
	answers := make([]place, len(ports))
	var asking sync.WaitGroup
	for i, port := range ports {
		at := place{port: port}
		at.settle(listening)
		if !at.address.IsValid() {
			continue
		}
		asking.Go(func() {
			answered, err := ready(server, at.address)
			a := &answers[i]
			a.answered = answered
			if server.Hidden && !server.TLS && err != nil { // Not what one says that speaks HTTP.
				server := server
				server.TLS = true
				a.answered, _ = ready(server, at.address)
				a.tls = a.answered
			}
		})
	}
	asking.Wait()
	if i := slices.IndexFunc(answers, func(a place) bool { return a.answered }); i >= 0 {
		p.port, p.tls, p.answered = ports[i], answers[i].tls, true
	}
}

// choose picks the port out of those that are listened at: the one it was told, else the usual one, else the first.
func (p *place) choose(server engine.Server, listening []netip.AddrPort) {
	switch usual := server.DefaultPort(); {
	case p.port != 0:
	case listensAt(listening, usual) || len(listening) == 0 || opensOtherPorts(server):
		p.port = usual
	default:
		p.port = int(listening[0].Port())
	}
	p.settle(listening)
}

// settle says who reaches the port that was chosen, and where to ask: at a loopback address if there is one, else at the
// address that the socket is bound to.
func (p *place) settle(listening []netip.AddrPort) {
	var every, single []netip.Addr
	linkLocal := false
	for _, a := range listening {
		switch ip := a.Addr(); {
		case int(a.Port()) != p.port:
		case ip.IsUnspecified():
			every = append(every, ip)
		case ip.Is6() && ip.IsLinkLocalUnicast():
			linkLocal = true // It means nothing without the interface, which the list of sockets does not tell.
		case !slices.Contains(single, ip):
			single = append(single, ip)
		}
	}
	loopback := slices.IndexFunc(single, netip.Addr.IsLoopback)
	switch {
	case len(every) > 0:
		p.reach = reachAll
	case len(single) == 0:
		if linkLocal {
			p.reach = reachForeign
		}
		return
	case slices.ContainsFunc(single, func(ip netip.Addr) bool { return !ip.IsLoopback() }):
		p.reach, p.bound = reachAll, single
	default:
		p.reach, p.bound = reachLoopback, single
	}
	ask := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	switch {
	case loopback >= 0:
		ask = single[loopback]
	case len(every) == 0:
		ask = single[0]
	case !slices.ContainsFunc(every, netip.Addr.Is4):
		ask = netip.IPv6Loopback()
	}
	p.address = netip.AddrPortFrom(ask, uint16(p.port))
}

// guess takes the server's word, or its habit, where its sockets cannot be seen.
func (p *place) guess(server engine.Server) {
	ip, err := netip.ParseAddr(server.Host)
	local := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	switch {
	case p.port == 0:
		return
	case server.Host == "" && !server.ListensEverywhere(), server.Host == "localhost", err == nil && ip.IsLoopback():
		p.reach = reachLoopback
		if err == nil {
			local, p.bound = ip, []netip.Addr{ip}
		}
	case server.Host == "", err == nil && ip.IsUnspecified():
		p.reach = reachAll
	case err == nil && ip.Is6() && ip.IsLinkLocalUnicast():
		return
	case err == nil: // An address of this machine, it says. It is not asked there: only what was seen to listen is.
		p.reach, p.bound = reachAll, []netip.Addr{ip}
		return
	default: // A name.
		p.reach = reachAll
		return
	}
	p.address = netip.AddrPortFrom(local, uint16(p.port))
}

// measure computes the rates of a worker's process tree since the last look.
func (s *surveyor) measure(ctx context.Context, w *worker, snap *proc.Snapshot, storage map[proc.ID]traffic) {
	var elapsed time.Duration
	if s.last != nil {
		elapsed = snap.At.Sub(s.last.At)
	}
	var cpu time.Duration
	var moved traffic
	storageKnown, seenBefore := true, false
	for _, pid := range w.pids {
		p, ok := snap.Find(pid)
		if !ok {
			continue
		}
		isNew := p.Age >= 0 && p.Age <= elapsed+time.Second
		if old, ok := s.before(p.ID); ok {
			cpu += max(0, p.CPU-old.CPU)
			seenBefore = seenBefore || pid == w.PID
		} else if isNew {
			cpu += p.CPU
		}
		read, written, ok := s.scanner.Storage(ctx, pid)
		if !ok {
			storageKnown = false
			continue
		}
		now := traffic{read, written}
		storage[p.ID] = now
		old, ok := s.storage[p.ID]
		if !ok && !isNew {
			storageKnown = false
			continue
		}
		moved.read += now.read - min(now.read, old.read)
		moved.written += now.written - min(now.written, old.written)
	}
	if elapsed <= 0 || !seenBefore {
		return
	}
	perSecond := func(n float64) *float64 { return new(n / elapsed.Seconds()) }
	w.cpu = perSecond(100 * cpu.Seconds())
	if storageKnown {
		w.read, w.written = perSecond(float64(moved.read)), perSecond(float64(moved.written))
	}
}

func (s *surveyor) before(id proc.ID) (*proc.Process, bool) {
	if s.last == nil {
		return nil, false
	}
	p, ok := s.last.Find(id.PID)
	if !ok || p.ID != id {
		return nil, false
	}
	return p, true
}
