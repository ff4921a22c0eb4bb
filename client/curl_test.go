package client_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"testing"
)

// The commands of docs/curl.md work as they stand there, and the answers are what it says.
func TestTheCommandsOfTheDocumentation(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		missing(t, "curl")
	}
	text, err := os.ReadFile("../docs/curl.md")
	if err != nil {
		t.Fatal(err)
	}
	server, err := startWaggle("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Kill()
	blocks := regexp.MustCompile("(?s)```(sh|json)\n(.*?)```").FindAllSubmatch(text, -1)
	if len(blocks) < 10 {
		t.Fatalf("only %d blocks", len(blocks))
	}
	var command, printed string
	for _, block := range blocks {
		kind, body := string(block[1]), string(block[2])
		if kind == "sh" {
			cmd := exec.CommandContext(t.Context(), "bash", "-eu", "-c", body)
			cmd.Env = append(os.Environ(), "WAGGLE="+server.URL())
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s\n%s", err, body, out)
			}
			command, printed = body, string(out)
			continue
		}
		var want, got any
		if err := json.Unmarshal([]byte(body), &want); err != nil {
			t.Fatalf("%v in\n%s", err, body)
		}
		if err := json.Unmarshal([]byte(printed), &got); err != nil {
			t.Fatalf("%v: it printed\n%s\nfor\n%s", err, printed, command)
		}
		if why := unlike(want, got, "answer"); why != "" {
			t.Errorf("%s\nit printed\n%s\nfor\n%s", why, printed, command)
		}
	}
}

// unlike says where what was printed is not what is documented, in which … stands for any text and fields may be left out.
func unlike(want, got any, at string) string {
	switch want := want.(type) {
	case map[string]any:
		fields, _ := got.(map[string]any)
		for name, value := range want {
			if _, ok := fields[name]; !ok {
				return at + "." + name + " is missing"
			}
			if why := unlike(value, fields[name], at+"."+name); why != "" {
				return why
			}
		}
		return ""
	case []any:
		elements, _ := got.([]any)
		if len(elements) != len(want) {
			return fmt.Sprintf("%s has %d elements, want %d", at, len(elements), len(want))
		}
		for i := range want {
			if why := unlike(want[i], elements[i], fmt.Sprintf("%s[%d]", at, i)); why != "" {
				return why
			}
		}
		return ""
	case string:
		if _, ok := got.(string); ok && want == "…" {
			return ""
		}
	}
	if want != got {
		return fmt.Sprintf("%s is %v, want %v", at, got, want)
	}
	return ""
}

// missing skips what needs a program that a contributor may not have; CI has them all, and must not skip in silence.
func missing(t *testing.T, program string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed", program)
	}
	t.Skipf("%s is not installed", program)
}
