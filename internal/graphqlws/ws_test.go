package graphqlws_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"waggle/internal/graphqlexec"
	"waggle/internal/graphqlexec/exectest"
	"waggle/internal/graphqlws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a handler behind a real listener.
type server struct {
	*graphqlws.Handler
	log  *exectest.Log
	exec *graphqlexec.Executor
	url  string

	dialInTime func(subprotocols ...string) *socket // in a bubble
}

func newExec(log *exectest.Log) *graphqlexec.Executor {
	return graphqlexec.New(exectest.NewExecutableSchema(exectest.Config{Resolvers: &exectest.Resolver{Log: log}}),
		graphqlexec.Config{Code: exectest.Code})
}

func newServer(tb testing.TB, cfg graphqlws.Config) *server {
	tb.Helper()
	log := &exectest.Log{}
	exec := newExec(log)
	h := graphqlws.New(exec, cfg)
	ts := httptest.NewServer(h)
	s := &server{Handler: h, log: log, exec: exec, url: "ws" + strings.TrimPrefix(ts.URL, "http")}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := h.Drain(ctx); err != nil {
			tb.Errorf("drain: %v", err)
		}
		ts.Close()
		// An operation that was being started when its socket went leaves on its own goroutine.
		waitFor(tb, "all groups to end", func() bool { return exec.Stats().Groups == 0 })
	})
	return s
}

// socket is a client that says exactly what it is told to.
type socket struct {
	testing.TB
	*websocket.Conn
}

func (s *server) dial(tb testing.TB, subprotocols ...string) *socket {
	tb.Helper()
	d := websocket.Dialer{Subprotocols: subprotocols}
	ws, resp, err := d.DialContext(tb.Context(), s.url, nil)
	if err != nil {
		tb.Fatalf("dial: %v", err)
	}
	_ = resp.Body.Close()
	if ext := resp.Header.Get("Sec-Websocket-Extensions"); ext != "" {
		tb.Errorf("extensions were negotiated: %s", ext)
	}
	_ = ws.SetReadDeadline(time.Now().Add(30 * time.Second))
	tb.Cleanup(func() { _ = ws.Close() })
	return &socket{TB: tb, Conn: ws}
}

// open is a socket that was acknowledged.
func (s *server) open(tb testing.TB) *socket {
	tb.Helper()
	c := s.dial(tb, "graphql-transport-ws")
	c.say(`{"type":"connection_init"}`)
	c.hear(`{"type":"connection_ack"}`)
	return c
}

func (c *socket) say(msg string) {
	c.Helper()
	if err := c.WriteMessage(websocket.TextMessage, []byte(msg)); err != nil {
		c.Fatalf("say %s: %v", msg, err)
	}
}

// hear wants the next message to be want, whatever the order of its keys.
func (c *socket) hear(want string) {
	c.Helper()
	_, got, err := c.ReadMessage()
	if err != nil {
		c.Fatalf("want %s, got %v", want, err)
	}
	if canonical(c, got) != canonical(c, []byte(want)) {
		c.Fatalf("got %s, want %s", got, want)
	}
}

func canonical(tb testing.TB, msg []byte) string {
	tb.Helper()
	var v any
	if err := json.Unmarshal(msg, &v); err != nil {
		tb.Fatalf("%s: %v", msg, err)
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// closed wants the connection closed with a code and a reason.
func (c *socket) closed(code int, reason string) {
	c.Helper()
	_, msg, err := c.ReadMessage()
	if err == nil {
		c.Fatalf("want close %d, got message %s", code, msg)
	}
	ce, ok := errors.AsType[*websocket.CloseError](err)
	if !ok {
		c.Fatalf("want close %d, got %v", code, err)
	}
	if ce.Code != code || ce.Text != reason {
		c.Fatalf("closed with %d %q, want %d %q", ce.Code, ce.Text, code, reason)
	}
}

func subscribeMsg(id, query string) string {
	return fmt.Sprintf(`{"id":%q,"type":"subscribe","payload":{"query":%q}}`, id, query)
}

func TestProtocol(t *testing.T) {
	t.Parallel()
	const ack = `{"type":"connection_ack"}`
	init := func(c *socket) {
		c.say(`{"type":"connection_init"}`)
		c.hear(ack)
	}
	cases := []struct {
		name string
		cfg  graphqlws.Config
		run  func(t *testing.T, s *server, c *socket)
	}{
		{"init is acknowledged", graphqlws.Config{}, func(_ *testing.T, _ *server, c *socket) {
			c.say(`{"type":"connection_init","payload":{"token":"x"}}`)
			c.hear(ack)
		}},
		{"an init payload of null is one that is absent", graphqlws.Config{}, func(_ *testing.T, _ *server, c *socket) {
			c.say(`{"type":"connection_init","payload":null}`)
			c.hear(ack)
		}},
		{"a second init closes 4429", graphqlws.Config{}, func(_ *testing.T, _ *server, c *socket) {
			init(c)
			c.say(`{"type":"connection_init"}`)
			c.closed(4429, "Too many initialisation requests")
		}},
		{"init refused closes 4403", graphqlws.Config{Init: refuse}, func(_ *testing.T, _ *server, c *socket) {
			c.say(`{"type":"connection_init"}`)
			c.closed(4403, "Forbidden")
		}},
		{"subscribe before init closes 4401", graphqlws.Config{}, func(_ *testing.T, _ *server, c *socket) {
			c.say(subscribeMsg("1", "{__typename}"))
			c.closed(4401, "Unauthorized")
		}},
		{"no init closes 4408", graphqlws.Config{InitTimeout: 50 * time.Millisecond}, func(_ *testing.T, _ *server, c *socket) {
			c.closed(4408, "Connection initialisation timeout")
		}},
		{"ping before init is answered", graphqlws.Config{}, func(_ *testing.T, _ *server, c *socket) {
			c.say(`{"type":"ping"}`)
			c.hear(`{"type":"pong"}`)
		}},
		{"ping gives its payload back", graphqlws.Config{}, func(_ *testing.T, _ *server, c *socket) {
			init(c)
			c.say(`{"type":"ping","payload":{"at":1}}`)
			c.hear(`{"type":"pong","payload":{"at":1}}`)
		}},
		{"pong is taken", graphqlws.Config{}, func(_ *testing.T, _ *server, c *socket) {
			init(c)
			c.say(`{"type":"pong"}`)
			c.say(`{"type":"ping"}`)
			c.hear(`{"type":"pong"}`)
		}},
		{"a query is answered and completed", graphqlws.Config{}, func(_ *testing.T, _ *server, c *socket) {
			init(c)
			c.say(subscribeMsg("q", `{echo(text:"a")}`))
			c.hear(`{"id":"q","type":"next","payload":{"data":{"echo":"a"}}}`)
			c.hear(`{"id":"q","type":"complete"}`)
		}},
		{"a mutation with variables and a name", graphqlws.Config{}, func(_ *testing.T, _ *server, c *socket) {
			init(c)
			c.say(`{"id":"m","type":"subscribe","payload":{"query":"mutation M($t:String!){append(text:$t)}","operationName":"M","variables":{"t":"x"},"extensions":{}}}`)
			c.hear(`{"id":"m","type":"next","payload":{"data":{"append":1}}}`)
			c.hear(`{"id":"m","type":"complete"}`)
		}},
		{"an id can be used again after complete", graphqlws.Config{}, func(_ *testing.T, _ *server, c *socket) {
			init(c)
			for range 3 {
				c.say(subscribeMsg("q", `{echo(text:"a")}`))
				c.hear(`{"id":"q","type":"next","payload":{"data":{"echo":"a"}}}`)
				c.hear(`{"id":"q","type":"complete"}`)
			}
		}},
		{"an invalid document is an error, without complete, and the socket lives", graphqlws.Config{}, func(_ *testing.T, _ *server, c *socket) {
			init(c)
			c.say(subscribeMsg("1", `{nothing}`))
			c.hear(`{"id":"1","type":"error","payload":[{"message":"Cannot query field \"nothing\" on type \"Query\".","locations":[{"line":1,"column":2}],"extensions":{"code":"BAD_USER_INPUT"}}]}`)
			c.say(subscribeMsg("1", `{echo(text:"a")}`))
			c.hear(`{"id":"1","type":"next","payload":{"data":{"echo":"a"}}}`)
		}},
		{"a resolver that fails on subscribe is an error", graphqlws.Config{}, func(_ *testing.T, _ *server, c *socket) {
			init(c)
			c.say(subscribeMsg("1", `subscription{broken(kind:"public")}`))
			c.hear(`{"id":"1","type":"error","payload":[{"message":"cannot: that is not possible on Sundays","path":["broken"],"locations":[{"line":1,"column":14}],"extensions":{"code":"UNAVAILABLE"}}]}`)
		}},
		{"a subscription streams and completes", graphqlws.Config{}, func(_ *testing.T, _ *server, c *socket) {
			init(c)
			c.say(subscribeMsg("s", `subscription{count(to:2)}`))
			c.hear(`{"id":"s","type":"next","payload":{"data":{"count":1}}}`)
			c.hear(`{"id":"s","type":"next","payload":{"data":{"count":2}}}`)
			c.hear(`{"id":"s","type":"complete"}`)
		}},
		{"the client's complete ends it, unanswered", graphqlws.Config{}, func(_ *testing.T, s *server, c *socket) {
			init(c)
			c.say(subscribeMsg("s", `subscription{size}`))
			c.hear(`{"id":"s","type":"next","payload":{"data":{"size":0}}}`)
			c.say(`{"id":"s","type":"complete"}`)
			c.say(`{"type":"ping"}`)
			c.hear(`{"type":"pong"}`)
			s.log.Append("a")
			c.say(`{"type":"ping"}`)
			c.hear(`{"type":"pong"}`)
		}},
		{"complete of an unknown id is taken", graphqlws.Config{}, func(_ *testing.T, _ *server, c *socket) {
			init(c)
			c.say(`{"id":"none","type":"complete"}`)
			c.say(`{"type":"ping"}`)
			c.hear(`{"type":"pong"}`)
		}},
		{"an id twice closes 4409", graphqlws.Config{}, func(_ *testing.T, _ *server, c *socket) {
			init(c)
			c.say(subscribeMsg("s", `subscription{changes{texts}}`))
			c.hear(`{"id":"s","type":"next","payload":{"data":{"changes":{"texts":[]}}}}`)
			c.say(subscribeMsg("s", `subscription{size}`))
			c.closed(4409, "Subscriber for s already exists")
		}},
		{"a long id twice closes 4409 with as much of it as fits, in whole characters", graphqlws.Config{}, func(_ *testing.T, _ *server, c *socket) {
			init(c)
			id := "x" + strings.Repeat("ü", 100)
			c.say(subscribeMsg(id, `subscription{size}`))
			c.hear(`{"id":"` + id + `","type":"next","payload":{"data":{"size":0}}}`)
			c.say(subscribeMsg(id, `subscription{size}`))
			c.closed(4409, "Subscriber for x"+strings.Repeat("ü", 53))
		}},
		{"one operation too many is an error", graphqlws.Config{MaxOperations: 1}, func(_ *testing.T, _ *server, c *socket) {
			init(c)
			c.say(subscribeMsg("1", `subscription{size}`))
			c.hear(`{"id":"1","type":"next","payload":{"data":{"size":0}}}`)
			c.say(subscribeMsg("2", `subscription{size}`))
			c.hear(`{"id":"2","type":"error","payload":[{"message":"a connection may have at most 1 operations at a time","extensions":{"code":"LIMIT_EXCEEDED"}}]}`)
		}},
		{"binary closes 4400", graphqlws.Config{}, func(_ *testing.T, _ *server, c *socket) {
			_ = c.WriteMessage(websocket.BinaryMessage, []byte(`{"type":"connection_init"}`))
			c.closed(4400, "Invalid message: it must be text")
		}},
		{"text that is not UTF-8 closes 1007", graphqlws.Config{}, func(_ *testing.T, _ *server, c *socket) {
			_ = c.WriteMessage(websocket.TextMessage, []byte("{\"type\":\"\xff\"}"))
			c.closed(1007, "Invalid UTF-8")
		}},
		{"a message over the limit closes 1009", graphqlws.Config{}, func(_ *testing.T, _ *server, c *socket) {
			c.say(`{"type":"ping","payload":{"x":"` + strings.Repeat("x", 64<<10) + `"}}`)
			c.closed(1009, "Message too big")
		}},
		{"more messages than allowed closes 4429", graphqlws.Config{MessagesPerSecond: 0.001, MessageBurst: 2}, func(_ *testing.T, _ *server, c *socket) {
			c.say(`{"type":"pong"}`)
			c.say(`{"type":"pong"}`)
			c.say(`{"type":"pong"}`)
			c.closed(4429, "Too many requests")
		}},
		{"more ping frames than allowed closes 4429", graphqlws.Config{MessagesPerSecond: 0.001, MessageBurst: 2}, func(_ *testing.T, _ *server, c *socket) {
			for range 3 {
				_ = c.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second))
			}
			c.closed(4429, "Too many requests")
		}},
		{"more pong frames than allowed closes 4429", graphqlws.Config{MessagesPerSecond: 0.001, MessageBurst: 2}, func(_ *testing.T, _ *server, c *socket) {
			for range 3 {
				_ = c.WriteControl(websocket.PongMessage, nil, time.Now().Add(time.Second))
			}
			c.closed(4429, "Too many requests")
		}},
		{"a broken frame closes 1002", graphqlws.Config{}, func(_ *testing.T, _ *server, c *socket) {
			_, _ = c.NetConn().Write([]byte{0x83, 0x80, 0, 0, 0, 0}) // Opcode 3 is reserved.
			c.closed(1002, "Protocol error")
		}},
		{"a frame without a mask closes 1002", graphqlws.Config{}, func(_ *testing.T, _ *server, c *socket) {
			_, _ = c.NetConn().Write([]byte{0x81, 0x02, '{', '}'})
			c.closed(1002, "Protocol error")
		}},
		{"a ping frame is answered with its payload", graphqlws.Config{}, func(t *testing.T, _ *server, c *socket) {
			t.Helper()
			got := make(chan string, 1)
			c.SetPongHandler(func(p string) error {
				got <- p
				return errors.New("enough")
			})
			_ = c.WriteControl(websocket.PingMessage, []byte("abc"), time.Now().Add(time.Second))
			_, _, _ = c.ReadMessage()
			if p := <-got; p != "abc" {
				t.Errorf("pong %q", p)
			}
		}},
		{"the client's close is answered with its code", graphqlws.Config{}, func(_ *testing.T, _ *server, c *socket) {
			init(c)
			_ = c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1001, "bye"), time.Now().Add(time.Second))
			c.closed(1001, "")
		}},
		{"gatherMs out of range closes 4400", graphqlws.Config{}, func(_ *testing.T, _ *server, c *socket) {
			c.say(`{"type":"connection_init","payload":{"gatherMs":1001}}`)
			c.closed(4400, "Invalid message: gatherMs must be 0 to 1000")
		}},
		{"expired credentials close 4403", graphqlws.Config{Init: expireAfter(100 * time.Millisecond)}, func(_ *testing.T, _ *server, c *socket) {
			init(c)
			c.closed(4403, "Forbidden: the credentials have expired")
		}},
		{"an init that takes too long closes 4408", graphqlws.Config{InitTimeout: 50 * time.Millisecond, Init: hang}, func(_ *testing.T, _ *server, c *socket) {
			c.say(`{"type":"connection_init"}`)
			c.closed(4408, "Connection initialisation timeout")
		}},
		{"a panic in init closes 1011", graphqlws.Config{Init: explode}, func(_ *testing.T, _ *server, c *socket) {
			c.say(`{"type":"connection_init"}`)
			c.closed(1011, "Internal error")
		}},
		{"shutdown closes 1012", graphqlws.Config{}, func(t *testing.T, s *server, c *socket) {
			t.Helper()
			init(c)
			done := make(chan error, 1)
			go func() { done <- s.Drain(t.Context()) }()
			c.closed(1012, "Service restart")
			if err := <-done; err != nil {
				t.Error(err)
			}
		}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, tc.cfg)
			tc.run(t, s, s.dial(t, "graphql-transport-ws"))
		})
	}
	for _, bad := range []struct{ name, msg, reason string }{
		{"no JSON", `hello`, "it must be a JSON object"},
		{"nothing", ``, "it must be a JSON object"},
		{"a list", `[]`, "it must be a JSON object"},
		{"null", `null`, "it must be a JSON object"},
		{"something behind it", `{"type":"ping"} {}`, "it must be a JSON object"},
		{"no type", `{}`, "type must be a string"},
		{"a type in another case", `{"Type":"ping"}`, "type must be a string"},
		{"a type that is no string", `{"type":1}`, "type must be a string"},
		{"an unknown type", `{"type":"start"}`, "type is not one of the protocol"},
		{"a type only servers send", `{"type":"next","id":"1"}`, "type is not one of the protocol"},
		{"a payload that is no object", `{"type":"ping","payload":[]}`, "payload must be an object"},
		{"subscribe without id", `{"type":"subscribe","payload":{"query":"{a}"}}`, "id must be a string that is not empty"},
		{"subscribe with an empty id", `{"type":"subscribe","id":"","payload":{"query":"{a}"}}`, "id must be a string that is not empty"},
		{"subscribe with a number as id", `{"type":"subscribe","id":1,"payload":{"query":"{a}"}}`, "id must be a string that is not empty"},
		{"a long id", `{"type":"subscribe","id":"` + strings.Repeat("x", 257) + `","payload":{"query":"{a}"}}`, "id must have at most 256 bytes"},
		{"subscribe without payload", `{"type":"subscribe","id":"1"}`, "payload is missing"},
		{"subscribe without query", `{"type":"subscribe","id":"1","payload":{}}`, "query is missing"},
		{"a query that is no string", `{"type":"subscribe","id":"1","payload":{"query":{}}}`, "query must be a string"},
		{"variables that are no object", `{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":[]}}`, "variables must be an object"},
		{"complete without id", `{"type":"complete"}`, "id must be a string that is not empty"},
	} {
		t.Run("closes 4400 on "+bad.name, func(t *testing.T) {
			t.Parallel()
			c := newServer(t, graphqlws.Config{}).open(t)
			c.say(bad.msg)
			c.closed(4400, "Invalid message: "+bad.reason)
		})
	}
}

func refuse(context.Context, json.RawMessage) (context.Context, string, time.Time, error) {
	return nil, "", time.Time{}, errors.New("the token of ... is wrong")
}

func hang(ctx context.Context, _ json.RawMessage) (context.Context, string, time.Time, error) {
	<-ctx.Done()
	return nil, "", time.Time{}, ctx.Err()
}

func explode(context.Context, json.RawMessage) (context.Context, string, time.Time, error) {
	panic("boom")
}

func expireAfter(d time.Duration) func(context.Context, json.RawMessage) (context.Context, string, time.Time, error) {
	return func(ctx context.Context, _ json.RawMessage) (context.Context, string, time.Time, error) {
		return ctx, "", time.Now().Add(d), nil
	}
}

func TestSubprotocols(t *testing.T) {
	t.Parallel()
	f := func(offered ...string) {
		t.Helper()
		c := newServer(t, graphqlws.Config{}).dial(t, offered...)
		if c.Subprotocol() != "" {
			t.Errorf("%v: agreed on %q", offered, c.Subprotocol())
		}
		c.closed(4406, "Subprotocol not acceptable")
	}
	f()
	f("graphql-ws")
	f("nothing", "else")
	c := newServer(t, graphqlws.Config{}).dial(t, "graphql-ws", "graphql-transport-ws")
	if got := c.Subprotocol(); got != "graphql-transport-ws" {
		t.Errorf("agreed on %q", got)
	}
}

func TestUpgradesRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t, graphqlws.Config{MaxConnections: 1})
	f := func(header http.Header, status int) {
		t.Helper()
		d := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}}
		ws, resp, err := d.DialContext(t.Context(), s.url, header)
		if err == nil {
			_ = ws.Close()
			t.Fatal("it was accepted")
		}
		_ = resp.Body.Close()
		if resp.StatusCode != status {
			t.Errorf("status %d, want %d", resp.StatusCode, status)
		}
	}
	f(http.Header{"Origin": {"http://evil.example"}}, http.StatusForbidden)
	c := s.open(t)
	f(nil, http.StatusServiceUnavailable)
	_ = c.Close()
	waitFor(t, "the socket to be gone", func() bool { return s.Stats().Connections == 0 })
	s.open(t)
	if got := s.Stats(); got.Accepted != 2+1 || got.Refused != 2 {
		t.Errorf("stats %+v", got)
	}
}

// waitFor polls, where nothing can be waited on.
func waitFor(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			tb.Fatalf("waited in vain for %s", what)
		}
	}
}
