// Package proc reads the processes of this machine, again and again, at little cost.
//
// A [Scanner] lists all processes with what is needed to recognize a model server and to sum the figures of its process
// tree. Command lines are read once per process and then seldom. A process is identified by its pid and its start, so
// a recycled pid is never taken for the process that had it before.
package proc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ID tells a process from all others of this boot, those that had the same pid before included.
type ID struct {
	// PID is the process id.
	PID int
	// Start is when it started: comparable between processes of one machine, in a unit of the system's choice.
	Start uint64
}

// Process is what one scan saw of a process.
type Process struct {
	ID
	// Parent is the pid of its parent.
	Parent int
	// Name is the system's short name of it; it changes when the process executes another program.
	Name string
	// Args is its command line; empty for kernel threads and where it may not be read. Not to be changed.
	Args []string
	// Cgroup is the path of its control group; empty where there is none.
	Cgroup string
	// CPU is the processor time it used since it started.
	CPU time.Duration
	// RSS is its resident memory in bytes.
	RSS uint64
	// Age is how long ago it started; negative when that is unknown.
	Age time.Duration
}

// ageOf makes an age unknown that cannot be: a start in the future comes of a clock that is not the one it was told by.
func ageOf(age time.Duration) time.Duration {
	if age < 0 {
		return -1
	}
	return age
}

// Snapshot is the result of one scan. It is immutable.
type Snapshot struct {
	// At is when the scan began.
	At time.Time
	// Processes are all processes, by pid.
	Processes []Process
}

// Find returns the process with the given pid.
func (s *Snapshot) Find(pid int) (*Process, bool) {
	i, found := slices.BinarySearchFunc(s.Processes, pid, func(p Process, pid int) int { return p.PID - pid })
	if !found {
		return nil, false
	}
	return &s.Processes[i], true
}

const (
	// youngFor is how long the command line of a new process is read at each scan: a shell becomes a server by exec,
	// and rbee moves a worker into its control group only after it was started.
	youngFor = 10 * time.Second
	// rereadAfter is when the command line of an older process is read again, for those that exec late. Up to
	// rereadSpread is added, by pid, so that not all are read in the same scan.
	rereadAfter  = time.Minute
	rereadSpread = time.Minute
)

// ErrNoProcesses says that the list of processes was empty, which cannot be: the scanner itself is one.
var ErrNoProcesses = errors.New("the list of processes is empty")

// Scanner remembers from one scan to the next what seldom changes. It must not be used concurrently.
type Scanner struct {
	root     string
	known    map[ID]described
	behind   map[int]left  // by pid
	patience time.Duration // that is left for this look
	// sinceBoot is how long ago the machine started, where starts are counted from then.
	sinceBoot func() time.Duration
}

type described struct {
	name   string
	args   []string
	cgroup string
	readAt time.Time
}

// NewScanner returns a scanner. Root is where the proc file system is mounted, on systems that have one; empty means
// /proc.
func NewScanner(root string) *Scanner {
	if root == "" {
		root = "/proc"
	}
	return &Scanner{root: root, known: map[ID]described{}, behind: map[int]left{}, patience: patienceInAll, sinceBoot: sinceBoot}
}

func rereadTime(pid int) time.Duration {
	return rereadAfter + time.Duration(pid)*time.Millisecond%rereadSpread
}

// Scan lists all processes. A process that ends meanwhile is left out; an error means that there is no list at all.
func (s *Scanner) Scan(ctx context.Context) (*Snapshot, error) {
	at := time.Now()
	s.patience = patienceInAll
	list, err := s.list(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot list the processes: %w", err)
	}
	if len(list) == 0 {
		return nil, ErrNoProcesses
	}
	known := make(map[ID]described, len(list))
	for i := range list {
		p := &list[i]
		d, ok := s.known[p.ID]
		if !ok || d.name != p.Name || p.Age < youngFor || at.Sub(d.readAt) > rereadTime(p.PID) {
			pid, name := p.PID, p.Name
			if now, ok := aside(ctx, s, pid, func() described {
				args, cgroup := s.describe(ctx, pid)
				return described{name, args, cgroup, at}
			}); ok {
				d = now
			} // Else it is what it was, and read again in the next scan.
		}
		known[p.ID] = d
		p.Args, p.Cgroup = d.args, d.cgroup
	}
	s.known = known
	slices.SortFunc(list, func(a, b Process) int { return a.PID - b.PID })
	return &Snapshot{At: at, Processes: list}, nil
}
