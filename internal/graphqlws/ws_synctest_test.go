package graphqlws_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"waggle/internal/graphqlexec"
	"waggle/internal/graphqlexec/exectest"
	"waggle/internal/graphqlws"
	"waggle/internal/pipenet"
)

// inTime runs f in a bubble, with a server and a way to connect to it. All goroutines must have ended afterwards.
func inTime(t *testing.T, cfg graphqlws.Config, f func(t *testing.T, s *server, dial func() *socket)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log := &exectest.Log{}
		s := &server{log: log, exec: newExec(log)}
		s.Handler = graphqlws.New(s.exec, cfg)
		end := s.serveInTime(t, s.Handler)
		f(t, s, func() *socket { return s.dialInTime("graphql-transport-ws") })
		if err := s.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		end()
		if got := s.exec.Stats().Groups; got != 0 {
			t.Errorf("%d groups are left", got)
		}
	})
}

// serveInTime lets s be dialled in a bubble, where handler answers. All goroutines must have ended after end.
func (s *server) serveInTime(t *testing.T, handler http.Handler) (end func()) {
	t.Helper()
	network := pipenet.Listen()
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: time.Second}
	go func() { _ = srv.Serve(network) }()
	s.dialInTime = func(subprotocols ...string) *socket {
		d := websocket.Dialer{
			Subprotocols:   subprotocols,
			NetDialContext: func(context.Context, string, string) (net.Conn, error) { return network.Dial() },
		}
		ws, resp, err := d.DialContext(t.Context(), "ws://pipe/", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return &socket{TB: t, Conn: ws}
	}
	return func() {
		_ = srv.Close()
		synctest.Wait()
	}
}

// after wants d of virtual time to have gone by since start.
func after(t *testing.T, start time.Time, d time.Duration) {
	t.Helper()
	if got := time.Since(start); got != d {
		t.Errorf("after %v, want %v", got, d)
	}
}

func TestInitIsWaitedForFiveSeconds(t *testing.T) {
	t.Parallel()
	inTime(t, graphqlws.Config{}, func(t *testing.T, _ *server, dial func() *socket) {
		t.Helper()
		c, start := dial(), time.Now()
		c.closed(4408, "Connection initialisation timeout")
		after(t, start, 5*time.Second)
	})
}

// sluggish hands over a connection on which it takes a while to set a late deadline. The other goroutines get as far as they can meanwhile.
type sluggish struct{ http.ResponseWriter }

func (w sluggish) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, brw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	return sluggishConn{nc}, brw, err
}

type sluggishConn struct{ net.Conn }

func (c sluggishConn) SetReadDeadline(at time.Time) error {
	if time.Until(at) > time.Second {
		time.Sleep(time.Millisecond)
	}
	return c.Conn.SetReadDeadline(at)
}

func TestAClientOfAnotherSubprotocolIsNotWaitedForLongerThanAnyThatIsClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{Handler: graphqlws.New(newExec(&exectest.Log{}), graphqlws.Config{})}
		end := s.serveInTime(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.ServeHTTP(sluggish{w}, r) }))
		silent := s.dialInTime("graphql-ws").NetConn()
		if _, err := silent.Read(make([]byte, 100)); err != nil { // the close frame, which it does not answer
			t.Fatal(err)
		}
		time.Sleep(time.Second + 2*time.Millisecond)
		synctest.Wait()
		if got := s.Stats().Connections; got != 0 {
			t.Errorf("%d connections are left", got)
		}
		_ = silent.Close()
		end()
	})
}

func TestPings(t *testing.T) {
	t.Parallel()
	t.Run("keep a silent client that answers them", func(t *testing.T) {
		t.Parallel()
		inTime(t, graphqlws.Config{}, func(t *testing.T, s *server, dial func() *socket) {
			t.Helper()
			c := dial()
			c.say(`{"type":"connection_init"}`)
			c.hear(`{"type":"connection_ack"}`)
			pings := 0
			answer := c.PingHandler()
			c.SetPingHandler(func(p string) error {
				pings++
				return answer(p)
			})
			_ = c.SetReadDeadline(time.Now().Add(10*time.Minute - time.Second))
			if _, _, err := c.ReadMessage(); !isTimeout(err) {
				t.Errorf("the client was told %v", err)
			}
			if pings != 39 {
				t.Errorf("%d pings in ten minutes, want 39", pings)
			}
			_ = c.Close()
		})
	})
	t.Run("find a client that is gone", func(t *testing.T) {
		t.Parallel()
		inTime(t, graphqlws.Config{}, func(t *testing.T, s *server, dial func() *socket) {
			t.Helper()
			c := dial()
			c.say(`{"type":"connection_init"}`)
			c.hear(`{"type":"connection_ack"}`)
			c.SetPingHandler(func(string) error { return nil })
			start := time.Now()
			_, _, err := c.ReadMessage()
			if ce, ok := errors.AsType[*websocket.CloseError](err); !ok || ce.Code != 1006 {
				t.Errorf("the client was told %v", err)
			}
			after(t, start, 37500*time.Millisecond)
			synctest.Wait()
			if got := s.Stats().Connections; got != 0 {
				t.Errorf("%d connections are left", got)
			}
		})
	})
}

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}

func TestExpiryClosesAtItsTime(t *testing.T) {
	t.Parallel()
	inTime(t, graphqlws.Config{Init: expireAfter(time.Hour)}, func(t *testing.T, _ *server, dial func() *socket) {
		t.Helper()
		c := dial()
		c.say(`{"type":"connection_init"}`)
		c.hear(`{"type":"connection_ack"}`)
		start := time.Now()
		c.closed(4403, "Forbidden: the credentials have expired")
		after(t, start, time.Hour)
	})
}

func TestACloseThatIsNotAnsweredEndsInASecond(t *testing.T) {
	t.Parallel()
	inTime(t, graphqlws.Config{}, func(t *testing.T, s *server, dial func() *socket) {
		t.Helper()
		c := dial()
		c.SetCloseHandler(func(int, string) error { return nil })
		c.say(`nonsense`)
		c.closed(4400, "Invalid message: it must be a JSON object")
		start := time.Now()
		for s.Stats().Connections > 0 {
			time.Sleep(time.Millisecond)
		}
		if took := time.Since(start).Round(10 * time.Millisecond); took != time.Second {
			t.Errorf("gone after %v, want 1 s", took)
		}
	})
}

func TestAWriteThatIsNotTakenEndsTheSocket(t *testing.T) {
	t.Parallel()
	inTime(t, graphqlws.Config{}, func(t *testing.T, s *server, dial func() *socket) {
		t.Helper()
		c := dial()
		c.say(`{"type":"connection_init"}`)
		c.hear(`{"type":"connection_ack"}`)
		c.say(subscribeMsg("s", `subscription{size}`)) // A pipe holds nothing: the first write hangs.
		start := time.Now()
		for s.Stats().Connections > 0 {
			time.Sleep(time.Millisecond)
		}
		if took := time.Since(start); took < 2500*time.Millisecond || took > 5100*time.Millisecond {
			t.Errorf("cut after %v, want between half the write timeout and all of it", took)
		}
		if got := s.Stats().WriteTimeouts; got != 1 {
			t.Errorf("%d write timeouts", got)
		}
	})
}

func TestGathering(t *testing.T) {
	t.Parallel()
	f := func(name string, cfg graphqlws.Config, init string, want ...time.Duration) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inTime(t, cfg, func(t *testing.T, s *server, dial func() *socket) {
				t.Helper()
				c := dial()
				c.say(init)
				c.hear(`{"type":"connection_ack"}`)
				c.say(subscribeMsg("s", `subscription{changes{revision}}`))
				c.hear(`{"id":"s","type":"next","payload":{"data":{"changes":{"revision":0}}}}`)
				time.Sleep(time.Minute) // A long pause, of pings that nobody reads yet.
				start := time.Now()
				go func() {
					for range 5 { // At 0, 20, 40, 60 and 80 ms.
						s.log.Append("a")
						time.Sleep(20 * time.Millisecond)
					}
				}()
				for i, d := range want {
					if _, _, err := c.ReadMessage(); err != nil {
						t.Fatal(err)
					}
					if got := time.Since(start); got != d {
						t.Errorf("message %d after %v, want %v", i, got, d)
					}
				}
				_ = c.Close()
				time.Sleep(time.Second)
			})
		})
	}
	const ms = time.Millisecond
	f("off, every message goes at once", graphqlws.Config{PingInterval: time.Hour}, `{"type":"connection_init"}`, 0, 20*ms, 40*ms, 60*ms, 80*ms)
	f("of 50 ms, after a pause at once and then together", graphqlws.Config{PingInterval: time.Hour, Gather: 50 * ms}, `{"type":"connection_init"}`, 0, 50*ms, 50*ms, 100*ms, 100*ms)
	f("as the client chose", graphqlws.Config{PingInterval: time.Hour}, `{"type":"connection_init","payload":{"gatherMs":50}}`, 0, 50*ms, 50*ms, 100*ms, 100*ms)
	f("off, as the client chose", graphqlws.Config{PingInterval: time.Hour, Gather: 50 * ms}, `{"type":"connection_init","payload":{"gatherMs":0}}`, 0, 20*ms, 40*ms, 60*ms, 80*ms)
}

// sayAll says messages as fast as they are read, and reads nothing. It returns when nothing more happens.
func sayAll(c *socket, messages []string) {
	c.Helper()
	c.say(`{"type":"connection_init"}`)
	c.hear(`{"type":"connection_ack"}`)
	go func() {
		for _, msg := range messages {
			_ = c.WriteMessage(websocket.TextMessage, []byte(msg)) // Nothing is read any more from one that is closed.
		}
	}()
	synctest.Wait()
}

// questions are so many, with answers of a size.
func questions(n, size int) []string {
	all, text := make([]string, n), strings.Repeat("x", size)
	for i := range all {
		all[i] = fmt.Sprintf(`{"id":"%d","type":"subscribe","payload":{"query":"query($t:String!){echo(text:$t)}","variables":{"t":%q}}}`, i, text)
	}
	return all
}

func TestWhoAsksForMuchAtOnceGetsItAll(t *testing.T) {
	t.Parallel()
	inTime(t, graphqlws.Config{MaxMessageBytes: 1 << 20}, func(t *testing.T, s *server, dial func() *socket) {
		t.Helper()
		const n, size = 8, 600_000
		c := dial()
		sayAll(c, questions(n, size))
		answers := map[string]int{}
		for range 2 * n {
			_, msg, err := c.ReadMessage()
			if err != nil {
				t.Fatal(err)
			}
			var m struct{ ID, Type string }
			if err := json.Unmarshal(msg, &m); err != nil {
				t.Fatal(err)
			}
			if m.Type == "next" && len(msg) > size {
				answers[m.ID]++
			}
		}
		if len(answers) != n {
			t.Errorf("%d answers, want %d", len(answers), n)
		}
		_ = c.Close()
	})
}

// Slow, but for so long that the server would take it for gone if it did not know that it had stopped reading itself.
func TestWhoTakesLongForItsAnswersIsReadFromAgain(t *testing.T) {
	t.Parallel()
	inTime(t, graphqlws.Config{MaxQueuedMessages: 4, PingInterval: 4 * time.Second, WriteTimeout: time.Minute}, func(t *testing.T, s *server, dial func() *socket) {
		t.Helper()
		c := dial()
		sayAll(c, slices.Repeat([]string{`{"type":"ping"}`}, 20))
		for i := range 20 {
			if i < 3 {
				time.Sleep(15 * time.Second)
			}
			c.hear(`{"type":"pong"}`)
		}
		_ = c.Close()
	})
}

func TestWhoAsksAndDoesNotReadIsCut(t *testing.T) {
	t.Parallel()
	inTime(t, graphqlws.Config{MaxQueuedMessages: 4}, func(t *testing.T, s *server, dial func() *socket) {
		t.Helper()
		c := dial()
		sayAll(c, slices.Repeat([]string{`{"type":"ping"}`}, 40))
		if got := s.Stats().MessagesIn; got > 10 {
			t.Errorf("%d messages were read from it", got)
		}
		time.Sleep(5100 * time.Millisecond)
		synctest.Wait()
		if got := s.Stats(); got.Connections != 0 || got.WriteTimeouts != 1 {
			t.Errorf("%d connections are left, %d write timeouts", got.Connections, got.WriteTimeouts)
		}
	})
}

// What subscriptions bring is not what it asks for, however much that is.
func TestWhoDoesNotFollowIsHeardAllTheSame(t *testing.T) {
	t.Parallel()
	inTime(t, graphqlws.Config{}, func(t *testing.T, s *server, dial func() *socket) {
		t.Helper()
		c := dial()
		c.say(`{"type":"connection_init"}`)
		c.hear(`{"type":"connection_ack"}`)
		c.say(subscribeMsg("s", `subscription{changes{texts}}`))
		c.hear(`{"id":"s","type":"next","payload":{"data":{"changes":{"texts":[]}}}}`)
		for range 2 {
			s.log.Append(strings.Repeat("x", 2<<20))
			synctest.Wait()
		}
		c.say(`{"type":"pong"}`)
		c.say(`{"type":"complete","id":"s"}`)
		synctest.Wait()
		if got := s.exec.Stats().Groups; got != 0 {
			t.Errorf("%d groups are left", got)
		}
		_ = c.Close()
	})
}

func TestAnAnswerThatFindsNoRoomCloses1013(t *testing.T) {
	t.Parallel()
	inTime(t, graphqlws.Config{MaxAnswerBytes: 1000}, func(t *testing.T, s *server, dial func() *socket) {
		t.Helper()
		c := dial()
		sayAll(c, questions(40, 100))
		for {
			_, _, err := c.ReadMessage()
			if err == nil {
				continue // What was being written.
			}
			if ce, ok := errors.AsType[*websocket.CloseError](err); !ok || ce.Code != 1013 || ce.Text != "Slow consumer" {
				t.Errorf("closed with %v", err)
			}
			break
		}
		if got := s.Stats().SlowClosed; got != 1 {
			t.Errorf("%d sockets closed as slow", got)
		}
	})
}

func TestASlowSubscriberIsPutAsideAndCatchesUp(t *testing.T) {
	t.Parallel()
	inTime(t, graphqlws.Config{MaxQueuedMessages: 4}, func(t *testing.T, s *server, dial func() *socket) {
		t.Helper()
		c := dial()
		c.say(`{"type":"connection_init"}`)
		c.hear(`{"type":"connection_ack"}`)
		c.say(subscribeMsg("s", `subscription{changes{revision texts}}`))
		synctest.Wait()
		for range 20 {
			s.log.Append("a")
			synctest.Wait()
		}
		if got := s.Stats().SlowConsumers; got != 1 {
			t.Fatalf("put aside %d times", got)
		}
		texts, messages := 0, 0
		for ; texts < 20; messages++ {
			_, msg, err := c.ReadMessage()
			if err != nil {
				t.Fatal(err)
			}
			texts += strings.Count(string(msg), `"a"`)
			if want := `"revision":` + strconv.Itoa(texts) + `,`; !strings.Contains(string(msg), want) {
				t.Fatalf("after %d texts: %s", texts, msg)
			}
		}
		if messages > 7 {
			t.Errorf("%d messages: what was missed should have come as one", messages)
		}
		_ = c.Close()
	})
}

func TestASnapshotLargerThanMayWaitIsSentToASlowReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const texts = 20
		log := &exectest.Log{}
		log.AppendAll("a", texts)
		schema := exectest.NewExecutableSchema(exectest.Config{Resolvers: &exectest.Resolver{Log: log, Chunk: 1}})
		s := &server{Handler: graphqlws.New(graphqlexec.New(schema, graphqlexec.Config{}), graphqlws.Config{MaxJoiningBytes: 1})}
		end := s.serveInTime(t, s.Handler)
		c := s.dialInTime("graphql-transport-ws")
		c.say(`{"type":"connection_init"}`)
		c.hear(`{"type":"connection_ack"}`)
		c.say(subscribeMsg("s", `subscription{changes{reset complete texts}}`))
		for i := range texts {
			time.Sleep(time.Millisecond)
			reset := "null"
			if i == 0 {
				reset = `"INITIAL"`
			}
			c.hear(fmt.Sprintf(`{"id":"s","type":"next","payload":{"data":{"changes":{"reset":%s,"complete":%t,"texts":["a"]}}}}`, reset, i == texts-1))
		}
		if s.Stats().SlowConsumers == 0 {
			t.Error("it was never put aside: it is not slow")
		}
		_ = c.Close()
		end()
	})
}

// late drains, past its time, while a connection is in the middle of its handshake.
type late struct {
	http.ResponseWriter
	drain func()
}

func (w late) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	go w.drain() // Nothing but time may order the two, or the race detector would see nothing.
	time.Sleep(time.Millisecond)
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

func TestADrainThatCutsMeetsAHandshake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{Handler: graphqlws.New(newExec(&exectest.Log{}), graphqlws.Config{})}
		past, cancel := context.WithCancel(t.Context())
		cancel()
		end := s.serveInTime(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.ServeHTTP(late{w, func() { _ = s.Drain(past) }}, r)
		}))
		s.dialInTime("graphql-transport-ws").closed(1012, "Service restart")
		end()
		if got := s.Stats().Connections; got != 0 {
			t.Errorf("%d connections are left", got)
		}
	})
}
