package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waggle/client"
)

const accepted = `{"data":{"heartbeat":{"outcome":"ACCEPTED","hiveId":"gpu-1","revision":"e.7","nextHeartbeatMs":1000,"warnings":[]}}}`

// answering starts a server that gives one answer to everything, and a client of it.
func answering(t *testing.T, status int, body string) *client.Client {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	return newClient(t, client.Config{URL: srv.URL})
}

func newClient(t *testing.T, cfg client.Config) *client.Client {
	t.Helper()
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	return c
}

func beat() *client.HeartbeatInput {
	return &client.HeartbeatInput{Hive: &client.HiveInput{Id: "gpu-1", Hostname: "gpu-1.lan", Port: 7835,
		OperationalStatus: client.OperationalStatusReady, HealthStatus: client.HealthStatusHealthy}, Workers: []*client.WorkerInput{}}
}

func TestHeartbeatSaysWhatTheServerDecided(t *testing.T) {
	got, err := answering(t, 200, accepted).Heartbeat(t.Context(), beat())
	if err != nil {
		t.Fatal(err)
	}
	want := &client.HeartbeatPayload{Outcome: client.HeartbeatOutcomeAccepted, HiveId: "gpu-1", Revision: "e.7",
		NextHeartbeatMs: 1000, Warnings: []string{}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestRequestsAreGraphQLOverHTTP(t *testing.T) {
	type request struct {
		Method, Path, ContentType, Authorization string
		Operation                                string
		Workers                                  json.RawMessage
	}
	var got request
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			OperationName string
			Variables     struct {
				Input struct{ Workers json.RawMessage }
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		got = request{r.Method, r.URL.Path, r.Header.Get("Content-Type"), r.Header.Get("Authorization"), body.OperationName, body.Variables.Input.Workers}
		_, _ = io.WriteString(w, accepted)
	}))
	defer srv.Close()
	c := newClient(t, client.Config{URL: srv.URL + "/", Token: "s3cret"})
	if _, err := c.Heartbeat(t.Context(), beat()); err != nil {
		t.Fatal(err)
	}
	// A hive without workers says so with an empty list: the field is required.
	want := request{"POST", "/graphql", "application/json", "Bearer s3cret", "Heartbeat", json.RawMessage("[]")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestRefusalsAreTyped(t *testing.T) {
	t.Run("a GraphQL error carries its code, whatever the status", func(t *testing.T) {
		for _, status := range []int{200, 400, 422} {
			_, err := answering(t, status, `{"errors":[{"message":"hive.port: 70000 is not within 0 to 65535",
				"path":["heartbeat"],"extensions":{"code":"BAD_USER_INPUT"}}],"data":null}`).Heartbeat(t.Context(), beat())
			var refused *client.Error
			if !errors.As(err, &refused) || refused.Code() != "BAD_USER_INPUT" || refused.Status != status {
				t.Errorf("status %d: got %v", status, err)
			}
		}
	})
	t.Run("an answer that is not GraphQL carries its status", func(t *testing.T) {
		_, err := answering(t, 502, "<html>bad gateway</html>").Heartbeat(t.Context(), beat())
		var status *client.StatusError
		if !errors.As(err, &status) || status.Status != 502 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a server that goes by another name says what helps", func(t *testing.T) {
		_, err := answering(t, 421, "no").Heartbeat(t.Context(), beat())
		if err == nil || !strings.Contains(err.Error(), "--allow-host") {
			t.Errorf("got %v", err)
		}
	})
	for _, body := range []string{"", "<html>", "null", "{}", `{"data":null}`, `{"errors":[null]}`, `{"data":{"heartbeat":7}}`} {
		t.Run("200 with "+body, func(t *testing.T) {
			if got, err := answering(t, 200, body).Heartbeat(t.Context(), beat()); err == nil {
				t.Errorf("got %v and no error", got)
			}
		})
	}
}

func TestAnswersAreBounded(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			_, _ = io.Copy(io.Discard, r.Body) // Only then does the server see the client go.
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, strings.Repeat(" ", 4096)+accepted)
	}))
	defer srv.Close()
	t.Run("in bytes", func(t *testing.T) {
		_, err := newClient(t, client.Config{URL: srv.URL, MaxAnswerBytes: 4096}).Heartbeat(t.Context(), beat())
		if err == nil || !strings.Contains(err.Error(), "longer than 4096 bytes") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("in time", func(t *testing.T) {
		_, err := newClient(t, client.Config{URL: srv.URL + "/slow", Timeout: 20 * time.Millisecond}).Heartbeat(t.Context(), beat())
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestTheTokenStaysSecret(t *testing.T) {
	t.Run("it follows no redirect", func(t *testing.T) {
		elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			t.Error("the redirect was followed")
		}))
		defer elsewhere.Close()
		srv := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
		defer srv.Close()
		_, err := newClient(t, client.Config{URL: srv.URL, Token: "s3cret"}).Heartbeat(t.Context(), beat())
		var status *client.StatusError
		if !errors.As(err, &status) || status.Status != 307 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("it is in no error", func(t *testing.T) {
		_, err := client.New(client.Config{URL: "http://127.0.0.1:1", Token: "s3cret\n"})
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("got %v", err)
		}
		_, err = newClient(t, client.Config{URL: "http://127.0.0.1:1", Token: "s3cret"}).Heartbeat(t.Context(), beat())
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("got %v", err)
		}
	})
}

func TestNegativeBoundsAreRefused(t *testing.T) {
	for _, cfg := range []client.Config{{Timeout: -1}, {MaxAnswerBytes: -1}, {PingInterval: -1}, {MaxPause: -1}, {Linger: -1}} {
		cfg.URL = "http://127.0.0.1:1"
		if _, err := client.New(cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
}

func TestURLsThatAreRefused(t *testing.T) {
	for _, url := range []string{"", "127.0.0.1:7833", "localhost", "ftp://h", "file:///etc/passwd", "http://", "http://u:s3cret@h", "http://h\x7f:1", "ws://h"} {
		if _, err := client.New(client.Config{URL: url}); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: got %v", url, err)
		}
	}
}
