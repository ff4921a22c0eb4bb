package agent

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"waggle/internal/agent/proc"
)

const (
	fakeVariable = "WAGGLE_TEST_ENGINE"
	networkPort  = "WAGGLE_TEST_PORT"
)

// TestMain lets the test binary play a model server: a process with the command line of one that answers like one.
func TestMain(m *testing.M) {
	if script := os.Getenv(fakeVariable); script != "" {
		playEngine(script)
		return
	}
	goleak.VerifyTestMain(m)
}

// fake describes a model server to be played.
type fake struct {
	// Args are its command line; PORT in them is replaced by the port it listens at.
	Args []string
	// Routes are its answers, by path; HANG never answers, a number is a status.
	Routes map[string]string
	// Children are processes it starts.
	Children []fake
	// Busy makes it use a processor, MB makes it use memory.
	Busy bool
	MB   int
	// Deaf servers listen nowhere.
	Deaf bool
	// TLS ones speak HTTPS, and hang up on whoever does not.
	TLS bool
	// At is the address they listen at; empty means 127.0.0.1.
	At string
	// Network is the address of those that live in a network of their own, where they listen at all addresses.
	Network string
	// Env is added to its environment.
	Env []string

	port int
}

// engineProcess is a fake that runs.
type engineProcess struct {
	*exec.Cmd
	port  int
	pids  []int // its own and those of its children
	ports []int // in the same order, of the deaf ones, too
}

// start plays a model server until the test ends.
func start(t *testing.T, f fake) *engineProcess {
	t.Helper()
	cmd, port := prepare(t, &f)
	stdin, err := cmd.StdinPipe() // Its end makes them all end, whatever becomes of the test.
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil && f.Network != "" {
		t.Skipf("this machine lets us make no network: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	for _, file := range cmd.ExtraFiles {
		_ = file.Close()
	}
	e := &engineProcess{Cmd: cmd, port: port, ports: portsOf(f)}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Process.Kill()
		_, _ = io.Copy(io.Discard, stdout)
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the fake engine did not start: %v", err)
	}
	for field := range strings.FieldsSeq(line) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		e.pids = append(e.pids, pid)
	}
	return e
}

// prepare opens the listeners here, so that a command line can name a port that is sure to be free.
func prepare(t *testing.T, f *fake) (*exec.Cmd, int) {
	t.Helper()
	var files []*os.File
	var open func(f *fake)
	open = func(f *fake) {
		l, err := net.Listen("tcp", net.JoinHostPort(cmp.Or(f.At, "127.0.0.1"), "0"))
		if err != nil {
			t.Fatal(err)
		}
		f.port = l.Addr().(*net.TCPAddr).Port
		file, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		for i := range f.Args {
			f.Args[i] = strings.ReplaceAll(f.Args[i], "PORT", strconv.Itoa(f.port))
		}
		for i := range f.Env {
			f.Env[i] = strings.ReplaceAll(f.Env[i], "PORT", strconv.Itoa(f.port))
		}
		if f.Deaf {
			_ = file.Close()
		} else {
			files = append(files, file)
		}
		for i := range f.Children {
			open(&f.Children[i])
		}
	}
	open(f)
	cmd := command(t.Fatal, *f)
	cmd.ExtraFiles = files
	if f.Network != "" {
		cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d", networkPort, f.port))
		isolate(cmd)
	}
	return cmd, f.port
}

func portsOf(f fake) []int {
	ports := []int{f.port}
	for _, child := range f.Children {
		ports = append(ports, portsOf(child)...)
	}
	return ports
}

func command(fatal func(...any), f fake) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		fatal(err)
	}
	script, err := json.Marshal(f)
	if err != nil {
		fatal(err)
	}
	return &exec.Cmd{Path: self, Args: f.Args, Env: append(os.Environ(), append(f.Env, fakeVariable+"="+string(script))...)}
}

// playEngine is the whole life of a fake.
func playEngine(script string) {
	fatal := func(v ...any) { fmt.Fprintln(os.Stderr, v...); os.Exit(1) }
	var f fake
	if err := json.Unmarshal([]byte(script), &f); err != nil {
		fatal(err)
	}
	next := 3 // Inherited listeners, in the order in which prepare opened them.
	var own net.Listener
	if !f.Deaf {
		file := os.NewFile(uintptr(next), "listener")
		l, err := net.FileListener(file)
		if err != nil {
			fatal(err)
		}
		_ = file.Close()
		own, next = l, next+1
	}
	if f.Network != "" {
		if err := settleIn(f.Network); err != nil {
			fatal(err)
		}
		l, err := net.Listen("tcp", ":"+os.Getenv(networkPort))
		if err != nil {
			fatal(err)
		}
		own = l
	}
	var inherited []*os.File // Those of its children, as files that a child gets only if it is given them.
	for range listeners(f) - next + 3 {
		file, err := claim(next)
		if err != nil {
			fatal(err)
		}
		inherited, next = append(inherited, file), next+1
	}
	pids := []string{strconv.Itoa(os.Getpid())}
	for _, child := range f.Children {
		cmd := command(fatal, child)
		cmd.Stdin, cmd.Stderr = os.Stdin, os.Stderr
		cmd.ExtraFiles, inherited = inherited[:listeners(child)], inherited[listeners(child):]
		out, err := cmd.StdoutPipe()
		if err != nil {
			fatal(err)
		}
		if err := cmd.Start(); err != nil {
			fatal(err)
		}
		for _, file := range cmd.ExtraFiles {
			_ = file.Close()
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			fatal(err)
		}
		pids = append(pids, strings.Fields(line)...)
	}
	ballast := make([]byte, f.MB<<20)
	for i := 0; i < len(ballast); i += 4096 {
		ballast[i] = 1
	}
	if f.Busy {
		go func() {
			for {
				_ = slices.Max(pids)
			}
		}()
	}
	if own != nil && f.TLS {
		srv := httptest.NewTLSServer(nil)
		own = mute{tls.NewListener(own, srv.TLS)}
		srv.Close()
	}
	if own != nil {
		go func() { fatal(http.Serve(own, f)) }()
	}
	fmt.Println(strings.Join(pids, " ")) //nolint:forbidigo // this is how it says that it is up
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = ballast[:0]
}

// mute hides from [http.Serve] that it speaks HTTPS, so that it does not tell those who come without it.
type mute struct{ net.Listener }

func (m mute) Accept() (net.Conn, error) {
	conn, err := m.Listener.Accept()
	return struct{ net.Conn }{conn}, err
}

// claim takes an inherited listener out of those that every child of this process inherits.
func claim(fd int) (*os.File, error) {
	file := os.NewFile(uintptr(fd), "listener")
	l, err := net.FileListener(file)
	_ = file.Close()
	if err != nil {
		return nil, err
	}
	defer func() { _ = l.Close() }()
	return l.(*net.TCPListener).File()
}

func listeners(f fake) int {
	n := 1
	if f.Deaf {
		n = 0
	}
	for _, child := range f.Children {
		n += listeners(child)
	}
	return n
}

// ServeHTTP answers as the script says.
func (f fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, ok := f.Routes[r.URL.Path]
	status, err := strconv.Atoi(body)
	switch {
	case !ok:
		http.NotFound(w, r)
	case body == "HANG":
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	case err == nil && status >= 100:
		w.WriteHeader(status)
	default:
		_, _ = io.WriteString(w, body)
	}
}

// among chooses the processes of the given fakes: this machine may run other model servers.
func among(engines ...*engineProcess) func(proc.Process) bool {
	return func(p proc.Process) bool {
		return slices.ContainsFunc(engines, func(e *engineProcess) bool { return slices.Contains(e.pids, p.PID) })
	}
}
