package exectest

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"
)

// RunNode installs what testdata/npm/package-lock.json pins and runs a script there with node; its failure is the
// test's. Without node the test is skipped, but fails where CI=true says that nothing may be left out.
func RunNode(t *testing.T, script string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("node is missing, and CI must run this test")
		}
		t.Skip("node is missing")
	}
	const dir = "testdata/npm"
	run := func(name string, args ...string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // The test's own commands.
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
	}
	run("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline")
	run("node", append([]string{script}, args...)...)
}
