package proc

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fakeProc is a proc file system made of files.
type fakeProc struct {
	tb   testing.TB
	root string
}

func newFakeProc(tb testing.TB) fakeProc {
	tb.Helper()
	return fakeProc{tb, tb.TempDir()}
}

// scanner reads it on a machine that started 1000 s ago.
func (f fakeProc) scanner() *Scanner {
	s := NewScanner(f.root)
	s.sinceBoot = func() time.Duration { return 1000 * time.Second }
	return s
}

func (f fakeProc) write(path, content string) {
	f.tb.Helper()
	path = filepath.Join(f.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		f.tb.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		f.tb.Fatal(err)
	}
}

// process adds a process that started so many ticks after boot.
func (f fakeProc) process(pid, parent, start int, name string, args ...string) {
	f.tb.Helper()
	f.write(fmt.Sprintf("%d/stat", pid), fmt.Sprintf("%d (%s) S %d 1 1 0 -1 0 0 0 0 0 150 50 0 0 20 0 1 0 %d 1000000 256 18446744073709551615 0 0\n",
		pid, name, parent, start))
	f.write(fmt.Sprintf("%d/cmdline", pid), strings.Join(args, "\x00")+"\x00")
	f.write(fmt.Sprintf("%d/cgroup", pid), "0::/user.slice\n")
}

func TestAScanReadsEveryProcess(t *testing.T) {
	f := newFakeProc(t)
	f.process(20, 1, 90000, "llama) S 1 (x", "llama-server", "-m", "x y.gguf")
	f.process(3, 2, 5, "kthreadd")
	f.write("3/cmdline", "")
	f.write("20/cgroup", "12:pids:/a\n1:name=systemd:/b\n0::/rbee.slice/llm/8080\n")
	f.write("self/stat", "no pid")
	f.write("30/cmdline", "gone between two reads")
	snap, err := f.scanner().Scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []Process{
		{ID: ID{3, 5}, Parent: 2, Name: "kthreadd", Cgroup: "/user.slice", CPU: 2 * time.Second, RSS: 256 * uint64(os.Getpagesize()), Age: 999950 * time.Millisecond},
		{ID: ID{20, 90000}, Parent: 1, Name: "llama) S 1 (x", Args: []string{"llama-server", "-m", "x y.gguf"}, Cgroup: "/rbee.slice/llm/8080",
			CPU: 2 * time.Second, RSS: 256 * uint64(os.Getpagesize()), Age: 100 * time.Second},
	}
	if diff := cmp.Diff(want, snap.Processes); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if p, ok := snap.Find(20); !ok || p.PID != 20 {
		t.Errorf("Find(20) gives %v", p)
	}
	if p, ok := snap.Find(21); ok {
		t.Errorf("Find(21) gives %v", p)
	}
}

func TestTheAgeOfAProcess(t *testing.T) {
	t.Run("is told by the clock by which its start is, not by the uptime file", func(t *testing.T) {
		f := newFakeProc(t)
		f.write("uptime", "50.00 1.00\n") // In an LXC container: how long that runs.
		f.process(7, 1, 99000, "llama-server", "llama-server")
		f.process(8, 1, 100001, "sh", "sh")
		snap, err := f.scanner().Scan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := snap.Processes[0].Age; got != 10*time.Second {
			t.Errorf("got %v", got)
		}
		if got := snap.Processes[1].Age; got >= 0 {
			t.Errorf("got %v of a start in the future, want unknown", got)
		}
	})
	t.Run("of our own", func(t *testing.T) {
		before := time.Now()
		cmd := exec.Command("cat")
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = stdin.Close()
			_ = cmd.Wait()
		})
		snap, err := NewScanner("").Scan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p, ok := snap.Find(cmd.Process.Pid)
		if most := time.Since(before) + tick; !ok || p.Age < 0 || p.Age > most {
			t.Errorf("got %+v, want an age of %v at most", p, most)
		}
	})
}

func TestCommandLinesAreReadAgainWhenTheyMayHaveChanged(t *testing.T) {
	args := func(t *testing.T, s *Scanner) string {
		t.Helper()
		snap, err := s.Scan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(snap.Processes[0].Args, " ")
	}
	for _, c := range []struct {
		name        string
		start       int
		change      func(fakeProc)
		wantChanged bool
	}{
		{"not of an old process", 100, func(f fakeProc) { f.write("7/cmdline", "other") }, false},
		{"of a recycled pid", 100, func(f fakeProc) { f.process(7, 1, 200, "sh", "other") }, true},
		{"after an exec", 100, func(f fakeProc) { f.process(7, 1, 100, "other", "other") }, true},
		{"of a young process", 99900, func(f fakeProc) { f.write("7/cmdline", "other") }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFakeProc(t)
			f.process(7, 1, c.start, "sh", "sh")
			s := f.scanner()
			if got := args(t, s); got != "sh" {
				t.Fatalf("got %q", got)
			}
			c.change(f)
			if got := args(t, s); got == "other" != c.wantChanged {
				t.Errorf("got %q after the change", got)
			}
		})
	}
}

// Pids go up to four million.
func TestCommandLinesOfOldProcessesAreReadAgainWithinTwoMinutes(t *testing.T) {
	for _, pid := range []int{1, 7, 59_999, 60_000, 4_000_000, 4_194_303} {
		for ago, want := range map[time.Duration]string{59 * time.Second: "sh", 2 * time.Minute: "other"} {
			f := newFakeProc(t)
			f.process(pid, 1, 100, "sh", "sh")
			s := f.scanner()
			first, err := s.Scan(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			id := first.Processes[0].ID
			d := s.known[id]
			d.readAt = first.At.Add(-ago)
			s.known[id] = d
			f.write(fmt.Sprintf("%d/cmdline", pid), "other")
			second, err := s.Scan(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := second.Processes[0].Args[0]; got != want {
				t.Errorf("pid %d: got %q %v after it was read, want %q", pid, got, ago, want)
			}
		}
	}
}

func TestARecycledPidIsAnotherProcess(t *testing.T) {
	f := newFakeProc(t)
	f.process(7, 1, 100, "sh", "sh")
	s := f.scanner()
	first, err := s.Scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.process(7, 1, 200, "sh", "sh")
	second, err := s.Scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if first.Processes[0].ID == second.Processes[0].ID {
		t.Errorf("both are %v", first.Processes[0].ID)
	}
}

func TestTheDeadAreNotListed(t *testing.T) {
	f := newFakeProc(t)
	f.process(7, 1, 100, "sh", "sh")
	f.process(8, 1, 100, "sh", "sh")
	raw, err := os.ReadFile(filepath.Join(f.root, "8/stat"))
	if err != nil {
		t.Fatal(err)
	}
	f.write("8/stat", strings.Replace(string(raw), ") S", ") Z", 1))
	snap, err := f.scanner().Scan(t.Context())
	if err != nil || len(snap.Processes) != 1 {
		t.Errorf("got %v, %v", snap, err)
	}
}

func TestAFailedScanIsAnErrorAndNotAnEmptyList(t *testing.T) {
	t.Run("no proc file system", func(t *testing.T) {
		if snap, err := NewScanner(filepath.Join(t.TempDir(), "none")).Scan(t.Context()); err == nil {
			t.Errorf("got %v", snap)
		}
	})
	t.Run("an empty one", func(t *testing.T) {
		if snap, err := NewScanner(newFakeProc(t).root).Scan(t.Context()); !errors.Is(err, ErrNoProcesses) {
			t.Errorf("got %v, %v", snap, err)
		}
	})
	t.Run("a broken one", func(t *testing.T) {
		f := newFakeProc(t)
		f.write("7/stat", "7 (sh) S 1")
		if snap, err := f.scanner().Scan(t.Context()); err == nil {
			t.Errorf("got %v", snap)
		}
	})
}

func TestSockets(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", "0.0.0.0:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Logf("%s: %v", address, err)
			continue
		}
		t.Cleanup(func() { _ = l.Close() })
		got := NewScanner("").Sockets(t.Context(), os.Getpid())
		want := l.Addr().(*net.TCPAddr).AddrPort()
		if !got.Known || !got.Ours || got.Foreign || !slices.Contains(got.Listening, want) {
			t.Errorf("got %+v, want %v among them", got, want)
		}
	}
	t.Run("of a process that is gone are unknown", func(t *testing.T) {
		if got := NewScanner("").Sockets(t.Context(), 1<<30); got.Known {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("of another network are not ours", func(t *testing.T) {
		f := newFakeProc(t)
		for path, to := range map[string]string{"self/ns": "net:[1]", "7/ns": "net:[2]"} {
			if err := os.MkdirAll(filepath.Join(f.root, path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(to, filepath.Join(f.root, path, "net")); err != nil {
				t.Fatal(err)
			}
		}
		if got := f.scanner().Sockets(t.Context(), 7); !got.Foreign || !got.Known {
			t.Errorf("got %+v", got)
		}
	})
}

// inOtherNetwork starts a process in a network namespace of its own that lives as long as the test.
func inOtherNetwork(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("cat")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("this machine lets us make no network namespace: %v", err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

// An agent that is not root may not read the links that name the namespaces of others; here there are none.
func TestTheNetworkOfAProcessIsKnownWithoutPrivileges(t *testing.T) {
	for _, c := range []struct {
		name string
		of   func(*testing.T) string
		want Sockets
	}{
		{"ours", func(*testing.T) string { return "/proc/self/net" }, Sockets{Ours: true}},
		{"another", func(t *testing.T) string { return fmt.Sprintf("/proc/%d/net", inOtherNetwork(t)) }, Sockets{Known: true, Foreign: true}},
		{"unknown", func(*testing.T) string { return "/nothing" }, Sockets{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFakeProc(t)
			for path, to := range map[string]string{"self": "/proc/self/net", "7": c.of(t)} {
				if err := os.MkdirAll(filepath.Join(f.root, path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(to, filepath.Join(f.root, path, "net")); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(c.want, f.scanner().Sockets(t.Context(), 7)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestTheEnvironmentIsReadByName(t *testing.T) {
	f := newFakeProc(t)
	f.write("7/environ", "PORT=80\x00SECRET=x\x00MODEL_ID=a=b\x00EMPTY\x00")
	got, _ := f.scanner().Environ(t.Context(), 7, []string{"PORT", "MODEL_ID", "EMPTY", "NONE"})
	if diff := cmp.Diff(map[string]string{"PORT": "80", "MODEL_ID": "a=b"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got, ok := f.scanner().Environ(t.Context(), 8, []string{"PORT"}); len(got) != 0 || !ok {
		t.Errorf("got %v, %v of no process", got, ok)
	}
}

func TestStorageThatMayNotBeReadIsUnknown(t *testing.T) {
	f := newFakeProc(t)
	f.write("7/io", "rchar: 5\nwchar: 6\nread_bytes: 1048576\nwrite_bytes: 4096\n")
	if r, w, ok := f.scanner().Storage(t.Context(), 7); !ok || r != 1048576 || w != 4096 {
		t.Errorf("got %d, %d, %v", r, w, ok)
	}
	if r, w, ok := f.scanner().Storage(t.Context(), 8); ok {
		t.Errorf("got %d, %d of no process", r, w)
	}
}

// pipe makes a file of which nothing can be read until release is called, as of one of a process whose memory is locked.
func (f fakeProc) pipe(path string) (release func()) {
	f.tb.Helper()
	path = filepath.Join(f.root, path)
	_ = os.Remove(path)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		f.tb.Fatal(err)
	}
	released := false
	release = func() {
		if released {
			return
		}
		released = true
		w, err := os.OpenFile(path, os.O_RDWR, 0) // Whoever waits for somebody who writes goes on,
		if err == nil {
			_ = w.Close() // and finds nothing.
		}
	}
	f.tb.Cleanup(release)
	return release
}

func TestAProcessThatIsStuckHidesNoOther(t *testing.T) {
	f := newFakeProc(t)
	f.process(7, 1, 100, "sh", "sh")
	f.process(8, 1, 100, "llama-server", "llama-server", "-m", "x.gguf")
	f.process(9, 1, 100, "python3", "python3")
	s := f.scanner()
	scan := func() *Snapshot {
		t.Helper()
		began := time.Now()
		snap, err := s.Scan(t.Context())
		if took := time.Since(began); err != nil || took > time.Second || len(snap.Processes) != 3 {
			t.Fatalf("got %v, %v after %v", snap, err, took)
		}
		return snap
	}
	release := f.pipe("7/cmdline")
	scan()
	releaseToo := f.pipe("8/cmdline")
	for _, id := range []ID{{8, 100}, {9, 100}} {
		d := s.known[id]
		d.readAt = time.Now().Add(-time.Hour)
		s.known[id] = d
	}
	f.process(9, 1, 100, "vllm", "vllm", "serve", "X")
	for range 3 {
		snap := scan()
		if p := snap.Processes[0]; p.Name != "sh" || p.Args != nil || p.CPU == 0 {
			t.Errorf("got %+v of one that was never read, want all but its command line", p)
		}
		if p := snap.Processes[1]; strings.Join(p.Args, " ") != "llama-server -m x.gguf" {
			t.Errorf("got %+v, want what it was", p)
		}
		if p := snap.Processes[2]; strings.Join(p.Args, " ") != "vllm serve X" {
			t.Errorf("got %+v of one that is not stuck", p)
		}
	}
	if got, ok := s.Environ(t.Context(), 7, []string{"PORT"}); ok {
		t.Errorf("got %v of a process that is stuck", got)
	}
	if _, _, ok := s.Storage(t.Context(), 8); ok {
		t.Error("its traffic is known")
	}
	for pid, l := range s.behind {
		l.since = l.since.Add(-stuckAfter)
		s.behind[pid] = l
	}
	if got := s.Stuck(); !slices.Equal(got, []int{7, 8}) {
		t.Errorf("got %v, want 7 and 8 stuck", got)
	}
	release()
	releaseToo()
	for _, pid := range []int{7, 8} {
		<-s.behind[pid].done
	}
	if got := s.Stuck(); len(got) != 0 {
		t.Errorf("got %v stuck after they went on", got)
	}
	for _, pid := range []int{7, 8} {
		if err := os.Remove(filepath.Join(f.root, strconv.Itoa(pid), "cmdline")); err != nil {
			t.Fatal(err)
		}
	}
	f.process(7, 1, 100, "ollama", "ollama", "serve")
	if p := scan().Processes[0]; strings.Join(p.Args, " ") != "ollama serve" {
		t.Errorf("got %+v of one that goes on", p)
	}
}

func TestManyStuckProcessesCostNoMoreThanOneLookMay(t *testing.T) {
	f := newFakeProc(t)
	const many = maxStuck + 10
	for pid := range many {
		f.process(pid+1, 1, 100, "python3")
		f.pipe(fmt.Sprintf("%d/cmdline", pid+1))
	}
	s := f.scanner()
	for range 3 {
		began := time.Now()
		snap, err := s.Scan(t.Context())
		if took := time.Since(began); err != nil || len(snap.Processes) != many || took > patienceInAll+3*maxStuck*leastPatience {
			t.Errorf("got %v after %v", err, took)
		}
	}
	if len(s.behind) != maxStuck {
		t.Errorf("%d reads are left behind, want %d", len(s.behind), maxStuck)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("7 (a b) S 1 1 1 0 -1 0 0 0 0 0 150 50 0 0 20 0 1 0 100 1000 256 1"))
	f.Add([]byte(")("))
	f.Add([]byte("7 () S"))
	f.Fuzz(func(t *testing.T, line []byte) {
		p, _, err := parseStat(line)
		if err == nil && (p.CPU < 0 || p.Start > 1<<63) {
			t.Errorf("got %+v", p)
		}
		_ = parseCgroup(string(line))
	})
}

// BenchmarkScan is the cost of one look at a machine with 300 processes: less than 20 ms are allowed.
func BenchmarkScan(b *testing.B) {
	f := newFakeProc(b)
	for pid := range 300 {
		f.process(pid+1, 1, 100+pid, "python3", "/usr/bin/python3", "-m", "something", "--with", "some", "--arguments")
	}
	s := f.scanner()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Scan(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkScanReal is the same on this machine's own processes.
func BenchmarkScanReal(b *testing.B) {
	s := NewScanner("")
	n := 0
	for b.Loop() {
		snap, err := s.Scan(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		n = len(snap.Processes)
	}
	b.ReportMetric(float64(n), "processes")
}
