package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// FuzzUpdate compares the hand-written decoder with the generated types and encoding/json, on what both accept.
func FuzzUpdate(f *testing.F) {
	f.Add([]byte(`{"changes":{"revision":"e.1","reset":"INITIAL","complete":true,"hives":[{"id":"h","hostname":"x","operationalStatus":"READY",
		"health":{"status":"HEALTHY","reason":null},"liveness":"ONLINE","available":true,"cordoned":false}],"workers":[{"id":"h/llm/1","model":null,
		"endpoint":"http:\/\/x:1\u00e9","activity":"IDLE","liveness":"ONLINE","available":true,"vramTotalMb":1,"vramFreeMb":-2147483648,
		"requestsRunning":null,"requestsQueued":2147483647}],"removed":[{"id":"a","kind":"WORKER"},{"id":"b","kind":"HIVE"}]}}`))
	f.Add([]byte(`{"changes":{"revision":"e.2","reset":null,"complete":false,"hives":[],"workers":[],"removed":[]}}`))
	f.Add([]byte(`{"x":[{"\"}":1},"]\\"],"changes":{"revision":"e.2"}} `))
	f.Add([]byte(`{"changes":{"revision":"e.2","workers":[{"id":"a","vramFreeMb":01}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d := decoder{hives: newTable[MirrorHive](), workers: newTable[MirrorWorker]()}
		got, err := d.decode(fmt.Appendf(nil, `{"data":%s}`, data))
		if err != nil || !utf8.Valid(data) || twice(data) {
			return
		}
		want := mirrorResponse{}
		strict := json.NewDecoder(bytes.NewReader(data))
		if err := strict.Decode(&want); err != nil {
			// What is skipped is not looked at closely, and what json refuses for its type may have been skipped by name.
			if json.Valid(data) && !errors.As(err, new(*json.UnmarshalTypeError)) {
				t.Fatalf("json says %v", err)
			}
			return
		}
		if diff := cmp.Diff(fromGenerated(want.Changes), shown(got)); diff != "" {
			t.Errorf("-encoding/json +scanner:\n%s", diff)
		}
	})
}

type decoded struct {
	Revision string
	Reset    ResetReason
	Complete bool
	Hives    []MirrorHive
	Workers  []MirrorWorker
	GoneHive []string
	GoneWork []string
}

func shown(u *update) decoded {
	d := decoded{Revision: u.revision, Reset: u.reset, Complete: u.complete}
	for _, h := range u.hives {
		d.Hives = append(d.Hives, *h)
	}
	for _, w := range u.workers {
		d.Workers = append(d.Workers, *w)
	}
	d.GoneHive = append(d.GoneHive, u.goneHive...)
	d.GoneWork = append(d.GoneWork, u.goneWork...)
	return d
}

func fromGenerated(u *mirrorChangesRegistryUpdate) decoded {
	d := decoded{Revision: u.Revision, Complete: u.Complete}
	if u.Reset != nil {
		d.Reset = *u.Reset
	}
	opt := func(n *int) OptInt {
		if n == nil {
			return OptInt{}
		}
		return OptInt{int32(*n), true}
	}
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	for _, w := range u.Workers {
		d.Workers = append(d.Workers, MirrorWorker{w.Id, text(w.Model), text(w.Endpoint), w.Activity, w.Liveness, w.Available,
			opt(w.VramTotalMb), opt(w.VramFreeMb), opt(w.RequestsRunning), opt(w.RequestsQueued)})
	}
	for _, h := range u.Hives {
		hive := MirrorHive{ID: h.Id, Hostname: h.Hostname, OperationalStatus: h.OperationalStatus, Liveness: h.Liveness, Available: h.Available, Cordoned: h.Cordoned}
		if h.Health != nil {
			hive.HealthStatus, hive.HealthReason = h.Health.Status, text(h.Health.Reason)
		}
		d.Hives = append(d.Hives, hive)
	}
	for _, r := range u.Removed {
		if r.Kind == EntryKindHive {
			d.GoneHive = append(d.GoneHive, r.Id)
		} else {
			d.GoneWork = append(d.GoneWork, r.Id)
		}
	}
	return d
}

// twice reports whether an object has a key twice, or keys that differ in case only: GraphQL servers send neither, and encoding/json has its
// own idea of both.
func twice(data []byte) bool {
	dec := json.NewDecoder(bytes.NewReader(data))
	return anyTwice(dec)
}

func anyTwice(dec *json.Decoder) bool {
	token, err := dec.Token()
	if err != nil {
		return true
	}
	open, ok := token.(json.Delim)
	if !ok {
		return false
	}
	keys := map[string]bool{}
	for dec.More() {
		if open == '{' {
			key, err := dec.Token()
			if err != nil {
				return true
			}
			folded := string(bytes.ToLower([]byte(fmt.Sprint(key))))
			if keys[folded] || folded != fmt.Sprint(key) && bytes.EqualFold([]byte(folded), []byte(fmt.Sprint(key))) && !isOurs(fmt.Sprint(key)) {
				return true
			}
			keys[folded] = true
		}
		if anyTwice(dec) {
			return true
		}
	}
	_, err = dec.Token()
	return err != nil
}

func isOurs(key string) bool {
	return slices.Contains([]string{"operationalStatus", "vramTotalMb", "vramFreeMb", "requestsRunning", "requestsQueued"}, key)
}

// FuzzMessage feeds the reader of envelopes: whatever comes, it returns; what is JSON is read as encoding/json reads it.
func FuzzMessage(f *testing.F) {
	f.Add([]byte(`{"payload":{"data":{"a":"}\\\""}},"id":"1","type":"next"}`))
	f.Add([]byte(`{"id":"1","type":"error","payload":[{"message":"no"}]}`))
	f.Add([]byte(`{"type":"ping"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseMessage(data)
		if err != nil || !json.Valid(data) || !utf8.Valid(data) || twice(data) {
			return
		}
		var want struct {
			ID, Type string
			Payload  json.RawMessage
		}
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatalf("json says %v", err)
		}
		if want.Type != m.kind || want.ID != string(m.id) || !bytes.Equal(want.Payload, m.payload) {
			t.Errorf("got %s %q %s, want %+v", m.kind, m.id, m.payload, want)
		}
		_, _ = dataOf(m.payload)
	})
}
