package rbee

import (
	"bytes"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"testing"

	"golang.org/x/time/rate"

	"waggle/registry"
)

// bytesOnly is a network whose hives say the same bytes whatever they are asked, and then end.
type bytesOnly []byte

func (b bytesOnly) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}},
		Body: io.NopCloser(bytes.NewReader(b)), Request: req,
	}, nil
}

// FuzzStream checks that whatever a hive streams, nobody but that hive comes into the registry, and only with what is valid.
func FuzzStream(f *testing.F) {
	h := &fakeHive{id: "gpu-1"}
	f.Add([]byte("event: heartbeat\ndata: " + h.event(workerJSON, `{}`, workerJSON) + "\n\n"))
	f.Add([]byte(":\n\nretry: 1\r\nid: \x00\rdata: " + h.event() + "\r\n\r\ndata:{}\ndata:{}\n\n"))
	f.Add([]byte("data: " + (&fakeHive{id: "gpu-2"}).event() + "\n\ndata"))
	f.Fuzz(func(t *testing.T, data []byte) {
		door, err := New(Config{Registry: registry.New(registry.Config{})})
		if err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse("http://hive")
		s := newSubscription(door, announcement{hiveID: "gpu-1", url: u, peer: netip.MustParseAddr("127.0.0.1")})
		s.client = &http.Client{Transport: bytesOnly(data)}
		s.limit.SetLimit(rate.Inf)
		if _, err := s.listen(t.Context()); err == nil {
			t.Error("the stream ended without a reason")
		}
		for hive := range door.reg.Snapshot().AllHives() {
			if hive.ID != "gpu-1" || hive.Hostname != "hive" {
				t.Errorf("got hive %s at %s", hive.ID, hive.Hostname)
			}
		}
		if stats := door.Stats(); stats.Heard != 0 {
			t.Errorf("got %+v, want nothing heard any more", stats)
		}
	})
}
