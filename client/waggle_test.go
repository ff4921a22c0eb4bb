package client_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"waggle/internal/realwaggle"
)

func TestMain(m *testing.M) {
	code := m.Run()
	_ = program.Remove()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

var program realwaggle.Program

// startWaggle runs the real server on an address, which may have port 0.
func startWaggle(address string) (*realwaggle.Server, error) {
	return program.Serve(context.Background(), address, "--no-agent")
}
