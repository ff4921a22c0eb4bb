package client_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := folder(); err == nil {
		_ = os.RemoveAll(dir)
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

var folder = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "waggle-client-") })

// binary builds the real waggle, once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := folder()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "waggle")
	if out, err := exec.Command("go", "build", "-o", path, "waggle").CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build: %w\n%s", err, out)
	}
	return path, nil
})

// waggle is a running server.
type waggle struct {
	address string
	cmd     *exec.Cmd
	logged  chan struct{} // closed when all it had to say was read
}

// startWaggle runs the real server on an address, which may have port 0.
func startWaggle(address string) (*waggle, error) {
	path, err := binary()
	if err != nil {
		return nil, err
	}
	w := &waggle{cmd: exec.Command(path, "serve", "--no-agent", "--listen", address), logged: make(chan struct{})}
	stderr, err := w.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := w.cmd.Start(); err != nil {
		return nil, err
	}
	page := regexp.MustCompile(`page=http://([^/]+)/`)
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		if m := page.FindStringSubmatch(lines.Text()); m != nil {
			w.address = m[1]
			go func() {
				defer close(w.logged)
				_, _ = io.Copy(io.Discard, stderr)
			}()
			return w, nil
		}
	}
	return nil, errors.Join(errors.New("the server does not say where it listens"), w.cmd.Wait())
}

func (w *waggle) url() string { return "http://" + w.address }

// kill ends it without a word, as a crash does.
func (w *waggle) kill() {
	_ = w.cmd.Process.Kill()
	<-w.logged
	_ = w.cmd.Wait()
}
