package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// On Linux the stat files are read here rather than by gopsutil: they are read for every process each second, and one
// read gives all of parent, name, start, processor time and memory. Also gopsutil derives the start from a boot time
// that moves when the clock is set, so the same process would seem to be another one.

const (
	// ticksPerSecond is USER_HZ, which is 100 on every architecture that Go supports.
	ticksPerSecond = 100
	tick           = time.Second / ticksPerSecond
	// maxFileBytes bounds what is read of one file; command lines can be megabytes long.
	maxFileBytes = 64 << 10
)

func (s *Scanner) list(ctx context.Context) ([]Process, error) {
	dir, err := os.Open(s.root)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	list := make([]Process, 0, len(names))
	buf := make([]byte, 2048)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		line, err := readInto(buf, filepath.Join(s.root, name, "stat"))
		if err != nil {
			continue // It ended, or it is hidden from us.
		}
		p, state, err := parseStat(line)
		if err != nil {
			return nil, fmt.Errorf("process %d: %w", pid, err)
		}
		if state == 'Z' || state == 'X' {
			continue // It ended; only its parent has not noticed.
		}
		p.PID = pid
		// The clock is read after the process was, so that one that has just started is not ahead of it.
		p.Age = ageOf(s.sinceBoot() - time.Duration(p.Start)*tick)
		list = append(list, p)
	}
	return list, nil
}

// sinceBoot is the clock by which the starts of processes are told. The uptime file is not: in an LXC container it tells
// how long the container runs, while the starts count from the boot of the machine. Zero when it cannot be read, so that
// all ages are unknown.
func sinceBoot() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0
	}
	return time.Duration(now.Nano())
}

// parseStat reads /proc/<pid>/stat as proc_pid_stat(5) describes it.
func parseStat(line []byte) (p Process, state byte, err error) {
	// The name stands in parentheses and may itself contain blanks and parentheses.
	open, end := bytes.IndexByte(line, '('), bytes.LastIndexByte(line, ')')
	if open < 0 || end < open {
		return p, 0, errors.New("its stat file names no program")
	}
	p.Name = string(line[open+1 : end])
	fields := bytes.Fields(line[end+1:])
	if len(fields) < 22 || len(fields[0]) != 1 {
		return p, 0, fmt.Errorf("its stat file has %d fields after the name, want 22 or more", len(fields))
	}
	field := func(number int) uint64 { // Numbered as in the manual, where the state is 3.
		n, e := strconv.ParseUint(string(fields[number-3]), 10, 63)
		if e != nil {
			err = fmt.Errorf("field %d of its stat file is not a number", number)
		}
		return n
	}
	p.Parent = int(field(4))
	p.CPU = time.Duration(field(14)+field(15)) * tick
	p.Start = field(22)
	p.RSS = field(24) * uint64(os.Getpagesize())
	return p, fields[0][0], err
}

func (s *Scanner) describe(_ context.Context, pid int) (args []string, cgroup string) {
	dir := filepath.Join(s.root, strconv.Itoa(pid))
	if raw, err := readFile(filepath.Join(dir, "cmdline")); err == nil {
		if raw = bytes.TrimRight(raw, "\x00"); len(raw) > 0 {
			args = strings.Split(string(raw), "\x00")
		}
	}
	if raw, err := readFile(filepath.Join(dir, "cgroup")); err == nil {
		cgroup = parseCgroup(string(raw))
	}
	return args, cgroup
}

// parseCgroup returns the path of the unified hierarchy, or of systemd's where only version 1 is mounted.
func parseCgroup(file string) string {
	var fallback string
	for line := range strings.Lines(file) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) != 3 {
			continue
		}
		switch {
		case parts[0] == "0" && parts[1] == "":
			return parts[2]
		case parts[1] == "name=systemd":
			fallback = parts[2]
		}
	}
	return fallback
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the path is below the proc file system
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, maxFileBytes))
}

// readInto reads a file that fits into buf; proc hands such a file out in one piece.
func readInto(buf []byte, path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the path is below the proc file system
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	n, err := f.Read(buf)
	return buf[:n], err
}

// countsStorage: /proc/<pid>/io tells storage from other traffic.
const countsStorage = true

// networkOf says whether the process sees the same network as we do.
func (s *Scanner) networkOf(pid int) network {
	theirs, ours := filepath.Join(s.root, strconv.Itoa(pid)), filepath.Join(s.root, "self")
	// The link that names the namespace is for root and the process's own user only.
	a, errA := os.Readlink(filepath.Join(theirs, "ns/net"))
	b, errB := os.Readlink(filepath.Join(ours, "ns/net"))
	if errA == nil && errB == nil {
		return networkIf(a == b)
	}
	// This file is another one in each network namespace, and everybody may see which.
	x, errX := os.Stat(filepath.Join(theirs, "net/tcp"))
	y, errY := os.Stat(filepath.Join(ours, "net/tcp"))
	if errX == nil && errY == nil {
		return networkIf(os.SameFile(x, y))
	}
	return networkUnknown
}

func networkIf(same bool) network {
	if same {
		return networkOurs
	}
	return networkForeign
}

// socketsReadable says whether the sockets of a process can be told from those of others.
func (s *Scanner) socketsReadable(pid int) bool {
	dir, err := os.Open(filepath.Join(s.root, strconv.Itoa(pid), "fd"))
	if err != nil {
		return false
	}
	defer func() { _ = dir.Close() }()
	_, err = dir.Readdirnames(1)
	return err == nil || errors.Is(err, io.EOF)
}
