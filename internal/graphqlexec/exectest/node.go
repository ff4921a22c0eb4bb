package exectest

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"
)

// Scripts are those of testdata/npm, with what package-lock.json pins installed.
type Scripts struct{}

// InstallNode installs what the scripts need. Without node the test is skipped, but fails where CI=true says that
// nothing may be left out.
func InstallNode(t *testing.T) Scripts {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("node is missing, and CI must run this test")
		}
		t.Skip("node is missing")
	}
	run(t, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline")
	return Scripts{}
}

// Run runs a script; its failure is the test's.
func (Scripts) Run(t *testing.T, script string, args ...string) {
	t.Helper()
	run(t, "node", append([]string{script}, args...)...)
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // The tests' own commands.
	cmd.Dir = "testdata/npm"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}
