package graphqlhttp_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"waggle/internal/graphqlexec"
	"waggle/internal/graphqlexec/exectest"
	"waggle/internal/graphqlhttp"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(int) { http.DefaultClient.CloseIdleConnections() }))
}

type server struct {
	*graphqlhttp.Handler
	log  *exectest.Log
	exec *graphqlexec.Executor
	url  string

	client *http.Client
}

func newHandler(cfg graphqlhttp.Config) *server {
	log := &exectest.Log{}
	exec := graphqlexec.New(exectest.NewExecutableSchema(exectest.Config{Resolvers: &exectest.Resolver{Log: log}}),
		graphqlexec.Config{Code: exectest.Code, Introspection: func(context.Context) bool { return true }})
	return &server{Handler: graphqlhttp.New(exec, cfg), log: log, exec: exec, client: http.DefaultClient}
}

func newServer(t *testing.T, cfg graphqlhttp.Config) *server {
	t.Helper()
	s := newHandler(cfg)
	ts := httptest.NewServer(s.Handler)
	s.url = ts.URL
	t.Cleanup(func() {
		s.Drain()
		ts.Close()
		s.leavesNoGroups(t)
	})
	return s
}

func (s *server) leavesNoGroups(t *testing.T) {
	t.Helper()
	if got := s.exec.Stats().Groups; got != 0 {
		t.Errorf("%d groups are left", got)
	}
}

// reply is an answer that was read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

func (s *server) do(t *testing.T, method, body string, header ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{status: resp.StatusCode, header: resp.Header, body: string(b)}
}

func TestWhoOpensTheAddressInABrowserIsSentWhereConfigured(t *testing.T) {
	t.Parallel()
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for _, tt := range []struct {
		method, path, accept string
		want                 int
	}{
		{"GET", "/graphql", browser, http.StatusSeeOther},
		{"HEAD", "/graphql", browser, http.StatusSeeOther},
		{"GET", "/graphql", "*/*", http.StatusMethodNotAllowed},
		{"GET", "/graphql?query={echo}", browser, http.StatusMethodNotAllowed},
		{"PUT", "/graphql", browser, http.StatusMethodNotAllowed},
	} {
		h := graphqlhttp.New(nil, graphqlhttp.Config{Browsers: "playground/"}) // none of these is executed
		req, rec := httptest.NewRequestWithContext(t.Context(), tt.method, tt.path, nil), httptest.NewRecorder()
		req.Header.Set("Accept", tt.accept)
		h.ServeHTTP(rec, req)
		if rec.Code != tt.want || (rec.Header().Get("Location") == "playground/") != (tt.want == http.StatusSeeOther) {
			t.Errorf("%s %s accept %s: %d %v, want %d", tt.method, tt.path, tt.accept, rec.Code, rec.Header(), tt.want)
		}
	}
}

func TestPost(t *testing.T) {
	t.Parallel()
	s := newServer(t, graphqlhttp.Config{MaxBodyBytes: 300})
	const (
		json     = "application/json"
		response = "application/graphql-response+json"
		echo     = `{"query":"{echo(text:\"a\")}"}`
		echoed   = `{"data":{"echo":"a"}}`
		invalid  = `{"query":"{secretOfTheClient}"}`
		inErrors = `{"errors":[{"message":`
	)
	f := func(method, contentType, accept, body string, status int, wantType, want string) {
		t.Helper()
		header := []string{}
		if contentType != "" {
			header = append(header, "Content-Type", contentType)
		}
		if accept != "" {
			header = append(header, "Accept", accept)
		}
		got := s.do(t, method, body, header...)
		if got.status != status || got.header.Get("Content-Type") != wantType+"; charset=utf-8" || !strings.HasPrefix(got.body, want) {
			t.Errorf("%s %s accept %q %s\n got %d %s %s\nwant %d %s %s", method, contentType, accept, body,
				got.status, got.header.Get("Content-Type"), got.body, status, wantType, want)
		}
	}
	f("POST", json, "", echo, 200, json, echoed)
	f("POST", json, "*/*", echo, 200, json, echoed)
	f("POST", json, "application/*;q=0.5", echo, 200, json, echoed)
	f("POST", json, response, echo, 200, response, echoed)
	f("POST", json, response+", "+json+";q=0.9", echo, 200, response, echoed)
	f("POST", json, json+";q=0.1, "+response+";q=0.2", echo, 200, response, echoed)
	f("POST", json, json+"; charset=utf-8", echo, 200, json, echoed)
	f("POST", json+"; charset=UTF-8", response, echo, 200, response, echoed)
	f("POST", json, json, invalid, 200, json, inErrors)
	f("POST", json, response, invalid, 400, response, inErrors)
	f("POST", json, response, `{"query":"{fail(kind:\"x\")}"}`, 200, response, inErrors+`"internal error`)

	f("GET", "", "", "", 405, json, inErrors+`"send GraphQL requests by POST"`)
	f("PUT", json, "", echo, 405, json, inErrors+`"send GraphQL requests by POST"`)
	f("POST", json, "text/html", echo, 406, json, inErrors+`"accept `)
	f("POST", json, json+"; charset=utf-16", echo, 406, json, inErrors+`"accept `)
	f("POST", json, json+";q=0", echo, 406, json, inErrors+`"accept `)
	f("POST", "", "", echo, 415, json, inErrors+`"the content type must be`)
	f("POST", "text/plain", "", echo, 415, json, inErrors+`"the content type must be`)
	f("POST", "application/x-www-form-urlencoded", "", "query={a}", 415, json, inErrors+`"the content type must be`)
	f("POST", "multipart/form-data; boundary=x", "", echo, 415, json, inErrors+`"the content type must be`)
	f("POST", json+"; charset=latin1", "", echo, 415, json, inErrors+`"the content type must be`)
	f("POST", json, "", strings.Repeat(" ", 300)+echo, 413, json, inErrors+`"the body must have at most 300 bytes"`)
	f("POST", json, "", `{"query`, 400, json, inErrors+`"the request must be a JSON object: not JSON: a string does not end at byte 7"`)
	f("POST", json, "", echo+`x`, 400, json, inErrors+`"the request must be a JSON object: not JSON: something follows`)
	f("POST", json, "", `[`+echo+`]`, 400, json, inErrors+`"batches are not supported`)
	f("POST", json, "", `{}`, 400, json, inErrors+`"query is missing"`)
	f("POST", json, response, `{"query":"subscription{size}"}`, 400, response, inErrors+`"a subscription has more than one answer: send it over a WebSocket`)
	f("POST", json, json, `{"query":"subscription{size}"}`, 200, json, inErrors+`"a subscription has more than one answer: send it over a WebSocket`)

	if got := s.do(t, "GET", "").header.Get("Allow"); got != "POST" {
		t.Errorf("Allow: %q", got)
	}
	if got := s.Stats(); got.Requests != 29 || got.Refused != 16 || got.Invalid != 4 {
		t.Errorf("stats %+v", got)
	}
}

// events opens a stream; the function returned gives its next lines up to an empty one, joined by "|".
func (s *server) events(ctx context.Context, t *testing.T, query string) func() string {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, strings.NewReader(fmt.Sprintf(`{"query":%q}`, query)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	lines := bufio.NewScanner(resp.Body)
	return func() string {
		var got []string
		for lines.Scan() && lines.Text() != "" {
			got = append(got, lines.Text())
		}
		if lines.Err() != nil {
			return lines.Err().Error()
		}
		return strings.Join(got, "|")
	}
}

func wantEvents(t *testing.T, next func() string, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := next(); got != w {
			t.Fatalf("got %q, want %q", got, w)
		}
	}
}

func TestEventStream(t *testing.T) {
	t.Parallel()
	s := newServer(t, graphqlhttp.Config{})
	f := func(query string, want ...string) {
		t.Helper()
		next := s.events(t.Context(), t, query)
		wantEvents(t, next, append(append([]string{":"}, want...), "event: complete|data: ", "")...)
	}
	f(`{echo(text:"a")}`, `event: next|data: {"data":{"echo":"a"}}`)
	f(`subscription{count(to:2)}`, `event: next|data: {"data":{"count":1}}`, `event: next|data: {"data":{"count":2}}`)
	f(`{`, `event: next|data: {"errors":[{"message":"Expected Name, found \u003cEOF\u003e","locations":[{"line":1,"column":2}],"extensions":{"code":"BAD_USER_INPUT"}}]}`)
	f(`subscription{broken(kind:"public")}`, `event: next|data: {"errors":[{"message":"cannot: that is not possible on Sundays","path":["broken"],"locations":[{"line":1,"column":14}],"extensions":{"code":"UNAVAILABLE"}}]}`)
}

// Refused, it would only be sent again, and refused again, for ever.
func TestWhatBringsAJoinerUpToDateMayBeLargerThanItsBound(t *testing.T) {
	t.Parallel()
	s := newServer(t, graphqlhttp.Config{MaxJoiningBytes: 1})
	s.log.Append("a")
	next := s.events(t.Context(), t, `subscription{changes{revision texts}}`)
	wantEvents(t, next, ":", `event: next|data: {"data":{"changes":{"revision":1,"texts":["a"]}}}`)
	if got := s.exec.Stats().Refusals; got != 0 {
		t.Errorf("refused %d times", got)
	}
}

func TestStreamsEnd(t *testing.T) {
	t.Parallel()
	t.Run("when the server drains", func(t *testing.T) {
		t.Parallel()
		s := newServer(t, graphqlhttp.Config{})
		next := s.events(t.Context(), t, `subscription{size}`)
		wantEvents(t, next, ":", `event: next|data: {"data":{"size":0}}`)
		s.Drain()
		wantEvents(t, next, "")
		resp := s.do(t, "POST", `{"query":"subscription{size}"}`, "Content-Type", "application/json", "Accept", "text/event-stream")
		if resp.status != http.StatusServiceUnavailable {
			t.Errorf("status %d after drain", resp.status)
		}
	})
	t.Run("not beyond their number", func(t *testing.T) {
		t.Parallel()
		s := newServer(t, graphqlhttp.Config{MaxStreams: 1})
		wantEvents(t, s.events(t.Context(), t, `subscription{size}`), ":")
		resp := s.do(t, "POST", `{"query":"subscription{size}"}`, "Content-Type", "application/json", "Accept", "text/event-stream")
		if resp.status != http.StatusServiceUnavailable {
			t.Errorf("status %d for one stream too many", resp.status)
		}
	})
}

func TestGetWhereItIsAllowed(t *testing.T) {
	t.Parallel()
	s := newServer(t, graphqlhttp.Config{AllowGet: true})
	base := s.url
	f := func(query string, status int, want string) {
		t.Helper()
		s.url = base + "/?" + query
		got := s.do(t, "GET", "")
		if got.status != status || !strings.Contains(got.body, want) {
			t.Errorf("%s: %d %s, want %d %s", query, got.status, got.body, status, want)
		}
	}
	f(`query=query($t:String!){echo(text:$t)}&variables={"t":"b"}`, 200, `{"data":{"echo":"b"}}`)
	f(`query={echo(text:"a")}&variables=x`, 400, `variables must be JSON`)
	f(`query={echo(text:"a")}&variables=[]`, 400, `variables must be an object`)
	f(``, 400, `query is missing`)
	f(`query=mutation{append(text:"a")}`, 405, `send mutations by POST`)
	f(`query=subscription{size}`, 200, `a subscription has more than one answer`)
	s.url = base + `/?query={echo(text:"a")}`
	if got := s.do(t, "GET", "", "Accept", "text/event-stream"); got.status != 406 || got.header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("a stream by GET: %d %s %s", got.status, got.header.Get("Content-Type"), got.body)
	}
	if _, rev, _ := s.log.Since(0); rev != 0 {
		t.Error("a GET has changed something")
	}
}

func TestStockClients(t *testing.T) {
	node := exectest.InstallNode(t)
	t.Run("graphql-sse works unmodified", func(t *testing.T) {
		node.Run(t, "client.mjs", newServer(t, graphqlhttp.Config{}).url)
	})
	t.Run("all audits of GraphQL over HTTP pass", func(t *testing.T) {
		node.Run(t, "audit.mjs", newServer(t, graphqlhttp.Config{AllowGet: true}).url, "61")
	})
	t.Run("all but the three audits of GET, of level MAY, pass with POST alone", func(t *testing.T) {
		node.Run(t, "audit.mjs", newServer(t, graphqlhttp.Config{}).url, "58")
	})
}
