package client_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"waggle/client"
)

// The example in TypeScript is generated, compiled and run as its comment says, and survives a server that is killed.
func TestTheExampleInTypeScript(t *testing.T) {
	if testing.Short() {
		t.Skip("installs packages")
	}
	if _, err := exec.LookPath("npm"); err != nil {
		missing(t, "npm")
	}
	// In a copy, so that nothing which is made here can be mistaken for sources. The schema lies where the example looks for it.
	root := t.TempDir()
	dir := filepath.Join(root, "client", "examples", "typescript")
	if err := os.CopyFS(filepath.Join(dir, "src"), os.DirFS("examples/typescript/src")); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{"../schema.graphqls": filepath.Join(root, "schema.graphqls")} {
		copyFile(t, from, to)
	}
	for _, name := range []string{"package.json", "package-lock.json", "codegen.ts", "tsconfig.json"} {
		copyFile(t, filepath.Join("examples/typescript", name), filepath.Join(dir, name))
	}
	for _, args := range []string{"ci --ignore-scripts --no-audit --no-fund", "run codegen", "run build"} {
		cmd := exec.CommandContext(t.Context(), "npm", strings.Fields(args)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("npm %s: %v\n%s", args, err, out)
		}
	}

	server, err := startWaggle("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, client.Config{URL: server.URL()})
	node := exec.CommandContext(t.Context(), "node", "dist/main.js", server.URL(), "llama-3.1-8b")
	node.Dir, node.Stderr = dir, os.Stderr
	stdout, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			lines <- s.Text()
		}
	}()
	defer func() {
		_ = node.Process.Kill()
		for range lines { // until it has ended
		}
		_ = node.Wait()
	}()
	expect := func(want string) {
		t.Helper()
		patience := time.NewTimer(30 * time.Second)
		defer patience.Stop()
		for last := ""; ; {
			select {
			case line, ok := <-lines:
				if !ok {
					t.Fatalf("it ended; the last line was %q, want %q", last, want)
				}
				if last = line; line == want {
					return
				}
			case <-patience.C:
				t.Fatalf("the last line is %q, want %q", last, want)
			}
		}
	}
	expect("0 workers, 0 idle; the best is none at no address")
	if err := report(t.Context(), c, "gpu-1", "llama-3.1-8b"); err != nil {
		t.Fatal(err)
	}
	expect("1 workers, 1 idle; the best is gpu-1/llm/8080 at http://gpu-1.lan:8080")
	server.Kill()
	if server, err = startWaggle(server.Address()); err != nil {
		t.Fatal(err)
	}
	defer server.Kill()
	if err := report(t.Context(), c, "gpu-2", "llama-3.1-8b"); err != nil {
		t.Fatal(err)
	}
	expect("1 workers, 1 idle; the best is gpu-2/llm/8080 at http://gpu-2.lan:8080")
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
