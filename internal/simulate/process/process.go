// Package process runs a server on a core of its own and tells what it takes, so that a server and its load can be told apart.
package process

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Process is one that runs.
type Process struct {
	id  int
	cmd *exec.Cmd // nil: not ours to stop
}

// Self is this process.
func Self() *Process { return &Process{id: os.Getpid()} }

// Start runs a command on one core, with GOMAXPROCS=1, where taskset can see to that. Its output is the caller's to read.
func Start(ctx context.Context, core int, output *os.File, args ...string) (*Process, error) {
	if path, err := exec.LookPath("taskset"); err == nil {
		args = append([]string{path, "-c", strconv.Itoa(core)}, args...)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // what the developer measures
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &Process{cmd.Process.Pid, cmd}, nil
}

// Server is a process that answers at a URL.
type Server struct {
	*Process
	URL string
}

// Serve runs a server on core 0 and waits until it says where it is, as Waggle does: page=http://…/.
func Serve(ctx context.Context, args ...string) (*Server, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p, err := Start(ctx, 0, write, args...)
	_ = write.Close()
	if err != nil {
		_ = read.Close()
		return nil, err
	}
	where := regexp.MustCompile(`page=(http://[^/]+)/`)
	last := ""
	for lines := bufio.NewScanner(read); lines.Scan(); {
		last = lines.Text()
		if m := where.FindStringSubmatch(last); m != nil {
			go func() {
				_, _ = io.Copy(io.Discard, read)
				_ = read.Close()
			}()
			return &Server{p, m[1]}, nil
		}
	}
	p.Stop()
	_ = read.Close()
	return nil, fmt.Errorf("%s does not start: %s", args[0], last)
}

// Stop kills the process and waits for its end.
func (p *Process) Stop() {
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

// CPU returns how much processor time it has used so far, in hundredths of a second as Linux tells it; 0 elsewhere.
func (p *Process) CPU() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.id))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * (time.Second / 100)
}

// Memory returns how much of it is in memory now, and was at the most, as Linux tells it; 0 elsewhere.
func (p *Process) Memory() (now, most int64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.id))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 3 {
			kB, _ := strconv.ParseInt(fields[1], 10, 64)
			switch fields[0] {
			case "VmRSS:":
				now = kB << 10
			case "VmHWM:":
				most = kB << 10
			}
		}
	}
	return now, most
}
