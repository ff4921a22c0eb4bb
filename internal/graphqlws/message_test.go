package graphqlws

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"waggle/internal/graphqlexec"
)

func FuzzParseMessage(f *testing.F) {
	for _, seed := range []string{
		`{"type":"connection_init","payload":{"gatherMs":5}}`, `{"type":"ping"}`, `{"id":"1","type":"complete"}`,
		`{"id":"1","type":"subscribe","payload":{"query":"{a}"}}`, `{"type":"subscribe"}`, `[]`, `{`, "\xff", `{"type":"ping","payload":"x"}`,
		`{"id":"1","type":"subscribe","payload":{"query":"{a}","query":1}}`, `{"id":"1","type":"subscribe","payload": {"query":1} ,"type":"ping"}`,
		`{"type":"subscribe","payload":{"variables":{"a":[]},"query":"{a}"},"id":"1","payload":{}}`, `{"id":"1","type":"subscribe","payload":{"query":"{a}}`,
		"{\"id\":\"1\",\"type\":\"subscribe\",\"payload\":{\"query\":\"{a}\xff\"}}",
	} {
		f.Add([]byte(seed))
	}
	exec := graphqlexec.New(nil, graphqlexec.Config{})
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseMessage(data, 256, exec.ReadParams)
		if err != nil {
			if len("Invalid message: "+err.Error()) > maxCloseReasonBytes {
				t.Errorf("a reason too long for a close frame: %s", err)
			}
			return
		}
		switch m.kind {
		case typeSubscribe, typeComplete:
			if m.id == "" || len(m.id) > 256 {
				t.Errorf("id of %d bytes", len(m.id))
			}
		case typeInit, typePing, typePong:
		default:
			t.Errorf("kind %q", m.kind)
		}
		if m.payload != nil && (!json.Valid(m.payload) || m.payload[0] != '{') {
			t.Errorf("payload %q", m.payload)
		}
		if m.kind == typeSubscribe && m.payload == nil {
			t.Error("subscribe without payload")
		}
		if m.params.wereRead() { // as they would have been by themselves
			want, wantErr := exec.DecodeParams(m.payload)
			if diff := cmp.Diff(want, m.params.RawParams); diff != "" || fmt.Sprint(wantErr) != fmt.Sprint(m.params.err) {
				t.Errorf("read with the message (%v), by itself (%v): -want +got\n%s", m.params.err, wantErr, diff)
			}
		}
		if ms, ok, err := gatherMillis(m.payload); err == nil && ok && (ms < 0 || ms > 1000) {
			t.Errorf("gatherMs %d", ms)
		}
		for _, msg := range [][]byte{
			append([]byte(`{"payload":{}`), suffixOf(m.id)...), completeMessage(suffixOf(m.id)), pongMessage(m.payload),
			errorMessage(m.id, gqlerror.List{{Message: "x"}}),
		} {
			if !json.Valid(msg) {
				t.Errorf("not JSON: %s", msg)
			}
		}
	})
}

func FuzzFrames(f *testing.F) {
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 70000} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, n int) {
		if n < 0 || n > 1<<20 {
			t.Skip()
		}
		want := strings.Repeat("x", n)
		b := append(appendHeader(nil, opText, n), want...)
		b = appendClose(b, 4400, want)
		frames := parseFrames(t, b)
		if len(frames) != 2 || frames[0].opcode != websocket.TextMessage || string(frames[0].body) != want {
			t.Fatalf("%d frames", len(frames))
		}
		if c := frames[1]; c.opcode != websocket.CloseMessage || len(c.body) != 2+min(n, maxCloseReasonBytes) {
			t.Fatalf("close frame of %d bytes", len(c.body))
		}
	})
}

type frame struct {
	opcode int
	body   []byte
}

// parseFrames is written from RFC 6455, 5.2, not from the code under test.
func parseFrames(t *testing.T, b []byte) []frame {
	t.Helper()
	var frames []frame
	for len(b) > 0 {
		size, head := int(b[1]), 2
		switch size {
		case 126:
			size, head = int(b[2])<<8|int(b[3]), 4
		case 127:
			size, head = 0, 10
			for _, d := range b[2:10] {
				size = size<<8 | int(d)
			}
		}
		if b[0]&0xF0 != 0x80 || len(b) < head+size {
			t.Fatalf("frame %x of %d bytes", b[0], size)
		}
		frames = append(frames, frame{opcode: int(b[0] & 0x0F), body: b[head : head+size]})
		b = b[head+size:]
	}
	return frames
}
