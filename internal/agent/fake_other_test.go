//go:build !linux

package agent

import (
	"errors"
	"os/exec"
)

func isolate(*exec.Cmd) {}

func settleIn(string) error { return errors.ErrUnsupported }
