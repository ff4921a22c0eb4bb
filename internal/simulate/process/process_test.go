package process_test

import (
	"strings"
	"testing"

	"waggle/internal/simulate/process"
)

func TestAServerThatSaysWhereItIsRunsUntilStopped(t *testing.T) {
	s, err := process.Serve(t.Context(), "sh", "-c", `echo starting; echo "listening page=http://127.0.0.1:1/ on $GOMAXPROCS"; exec sleep 60`)
	if err != nil {
		t.Fatal(err)
	}
	if s.URL != "http://127.0.0.1:1" {
		t.Errorf("got %q", s.URL)
	}
	if now, most := s.Memory(); now <= 0 || most < now {
		t.Errorf("memory %d, at most %d", now, most)
	}
	s.Stop()
	if now, _ := s.Memory(); now != 0 {
		t.Errorf("it still has %d bytes", now)
	}
}

func TestAServerThatEndsSaysWhatItSaidLast(t *testing.T) {
	_, err := process.Serve(t.Context(), "sh", "-c", "echo one; echo no such flag >&2")
	if err == nil || !strings.Contains(err.Error(), "no such flag") {
		t.Errorf("got %v", err)
	}
}

func TestSelfHasUsedProcessorAndMemory(t *testing.T) {
	begin := process.Self().CPU()
	for process.Self().CPU() == begin { // work
		_ = strings.Repeat("x", 1<<20)
	}
	if now, _ := process.Self().Memory(); now < 1<<20 {
		t.Errorf("%d bytes", now)
	}
}
