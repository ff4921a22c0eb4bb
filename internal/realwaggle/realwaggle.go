// Package realwaggle builds the real waggle and runs it, for tests that want the whole of it.
package realwaggle

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
)

// Program is the binary, built from this module when it is first needed. The zero value is ready; who uses it removes it in the end.
// Serve may be called from anywhere at any time.
type Program struct {
	once   sync.Once
	folder string
	err    error
}

// path builds the binary, if nobody did, and returns where it lies.
func (p *Program) path(ctx context.Context) (string, error) {
	p.once.Do(func() {
		if p.folder, p.err = os.MkdirTemp("", "waggle-"); p.err != nil {
			return
		}
		if out, err := exec.CommandContext(context.WithoutCancel(ctx), "go", "build", "-o", p.file(), "waggle").CombinedOutput(); err != nil { //nolint:gosec // our own module
			p.err = fmt.Errorf("cannot build: %w\n%s", err, out)
		}
	})
	return p.file(), p.err
}

func (p *Program) file() string { return filepath.Join(p.folder, "waggle") }

// Remove takes the binary away again, if it was built.
func (p *Program) Remove() error {
	if p.folder == "" {
		return nil
	}
	return os.RemoveAll(p.folder)
}

// Serve runs `waggle serve` on an address, which may have port 0, and waits until it says where it listens. The server is killed when ctx ends.
func (p *Program) Serve(ctx context.Context, address string, args ...string) (*Server, error) {
	path, err := p.path(ctx)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, append([]string{"serve", "--listen", address}, args...)...) //nolint:gosec // what was built above
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &Server{process: cmd.Process, ended: make(chan struct{})}
	says := make(chan string, 1)
	go func() {
		defer close(s.ended)
		page := regexp.MustCompile(`page=http://([^/]+)/`)
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			if m := page.FindStringSubmatch(lines.Text()); m != nil {
				says <- m[1]
			}
		}
		s.err = cmd.Wait()
	}()
	select {
	case s.address = <-says:
		return s, nil
	case <-s.ended:
		return nil, errors.Join(errors.New("the server ended before it said where it listens"), s.err)
	}
}

// Server is a running `waggle serve`.
type Server struct {
	address string
	process *os.Process
	ended   chan struct{}
	err     error // once it ended
}

// Address returns host:port.
func (s *Server) Address() string { return s.address }

// URL returns http://host:port.
func (s *Server) URL() string { return "http://" + s.address }

// PID returns its process id.
func (s *Server) PID() int { return s.process.Pid }

// Signal sends it a signal.
func (s *Server) Signal(sig os.Signal) error { return s.process.Signal(sig) }

// Wait waits for its end, and returns an error unless it ended well.
func (s *Server) Wait() error {
	<-s.ended
	return s.err
}

// Kill ends it without a word, as a crash does.
func (s *Server) Kill() {
	_ = s.process.Kill()
	<-s.ended
}
