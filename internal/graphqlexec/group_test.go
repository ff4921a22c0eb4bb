package graphqlexec_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"pgregory.net/rapid"

	"waggle/internal/graphqlexec"
	"waggle/internal/graphqlexec/exectest"
)

// client is a subscriber with a queue of bounded length, and what its owner has made of what it took from it.
type client struct {
	sub *graphqlexec.Subscription
	cap int

	mu       sync.Mutex
	queue    []*graphqlexec.Message
	full     bool
	after    bool // something came after Error or Complete
	errs     gqlerror.List
	complete bool

	texts    []string
	revision int
	resets   []string
	broken   error
}

func (c *client) Next(m *graphqlexec.Message) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.after = c.after || c.complete || c.errs != nil
	if len(c.queue) >= c.cap {
		c.after = c.after || c.full // Nothing may come between a refusal and CatchUp.
		c.full = true
		return false
	}
	c.queue = append(c.queue, m)
	return true
}

func (c *client) Error(errs gqlerror.List) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.after = c.after || c.complete || c.errs != nil
	c.errs = errs
}

func (c *client) Complete() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.after = c.after || c.complete || c.errs != nil
	c.complete = true
}

// drain takes all that is queued, as the far end would, and asks for more if something was refused.
func (c *client) drain() {
	c.mu.Lock()
	queue, full := c.queue, c.full
	c.queue, c.full = nil, false
	c.mu.Unlock()
	for _, m := range queue {
		c.take(m.Response())
	}
	if full {
		c.sub.CatchUp()
	}
}

// take is the client's side of the contract of changes.
func (c *client) take(response []byte) {
	var resp struct {
		Data struct {
			Changes *exectest.Change
			Size    *int
		}
	}
	if err := json.Unmarshal(response, &resp); err != nil {
		c.broken = err
		return
	}
	if resp.Data.Size != nil {
		c.revision = *resp.Data.Size
		return
	}
	ch := resp.Data.Changes
	if ch == nil {
		c.broken = errors.New("no data")
		return
	}
	if ch.Reset != nil {
		c.texts, c.revision = nil, 0
		c.resets = append(c.resets, *ch.Reset)
	}
	c.texts = append(c.texts, ch.Texts...)
	if ch.Complete {
		if ch.Revision < c.revision {
			c.broken = fmt.Errorf("revision %d after %d", ch.Revision, c.revision)
		}
		c.revision = ch.Revision
	}
}

const changesQuery = `subscription($since:String,$prefix:String){changes(since:$since,prefix:$prefix){revision reset complete texts}}`

func subscribe(t *testing.T, e *graphqlexec.Executor, c *client, query string, vars map[string]any, scope string) {
	t.Helper()
	c.sub = subscribeSink(t, e, c, query, vars, scope)
}

func subscribeSink(t *testing.T, e *graphqlexec.Executor, sink graphqlexec.Sink, query string, vars map[string]any, scope string) *graphqlexec.Subscription {
	t.Helper()
	op, errs := e.Prepare(t.Context(), &graphql.RawParams{Query: query, Variables: maps.Clone(vars)})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	sub, errs := e.Subscribe(t.Context(), op, scope, sink)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return sub
}

// history runs a random life of a group and returns the first difference between a client's copy and the log.
func history(t *testing.T, rt *rapid.T, fault string) error {
	t.Helper()
	log := &exectest.Log{}
	e := newExecutor(&exectest.Resolver{Log: log, Chunk: rapid.IntRange(0, 3).Draw(rt, "chunk"), PlantedFault: fault},
		graphqlexec.Config{FanOutBite: rapid.IntRange(1, 3).Draw(rt, "bite")})
	var clients, gone []*client
	join := func(c *client) {
		vars := map[string]any{}
		if c.revision > 0 {
			vars["since"] = strconv.Itoa(c.revision)
		}
		subscribe(t, e, c, changesQuery, vars, "")
		clients = append(clients, c)
	}
	steps := rapid.SliceOfN(rapid.IntRange(0, 9), 40, 160).Draw(rt, "steps")
	for i, step := range steps {
		switch step {
		case 0:
			join(&client{cap: 1 + i%5})
		case 1: // Gone, whatever it had not taken lost, to come back later with what it knows.
			if len(clients) > 0 {
				c := clients[i%len(clients)]
				clients = slices.DeleteFunc(clients, func(x *client) bool { return x == c })
				c.sub.Leave()
				gone = append(gone, c)
			}
		case 2:
			if len(gone) > 0 {
				old := gone[0]
				gone = gone[1:]
				if old.revision == len(old.texts) {
					join(&client{cap: old.cap, texts: old.texts, revision: old.revision})
				}
			}
		case 3, 4:
			if len(clients) > 0 {
				clients[i%len(clients)].drain()
			}
		case 5:
			synctest.Wait()
		default:
			log.Append(strconv.Itoa(i))
		}
	}
	for round := 0; ; round++ { // Until all have caught up.
		if round > 1000 {
			return errors.New("the clients do not catch up")
		}
		synctest.Wait()
		busy := false
		for _, c := range clients {
			c.mu.Lock()
			busy = busy || c.full || len(c.queue) > 0
			c.mu.Unlock()
			c.drain()
		}
		if !busy {
			break
		}
	}
	want, _, _ := log.Since(0)
	var err error
	for i, c := range clients {
		switch {
		case c.broken != nil:
			err = fmt.Errorf("client %d: %w", i, c.broken)
		case c.after:
			err = fmt.Errorf("client %d got something after the end or after a refusal", i)
		case !slices.Equal(c.texts, want):
			err = fmt.Errorf("client %d has %v, the log is %v", i, c.texts, want)
		}
		c.sub.Leave()
	}
	synctest.Wait()
	if n := e.Stats().Groups; n != 0 && err == nil {
		err = fmt.Errorf("%d groups are left without subscribers", n)
	}
	return err
}

func inBubble(t *testing.T, f func(t *testing.T) error) (err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { err = f(t) })
	return err
}

func TestEverySubscriberGetsAGaplessOrderedPart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		if err := inBubble(t, func(t *testing.T) error { t.Helper(); return history(t, rt, "") }); err != nil {
			rt.Fatal(err)
		}
	})
}

func TestTheCheckerFindsPlantedFaults(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"lost", "repeated", "swapped"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			var found atomic.Bool
			rapid.Check(t, func(rt *rapid.T) {
				if inBubble(t, func(t *testing.T) error { t.Helper(); return history(t, rt, fault) }) != nil {
					found.Store(true)
				}
			})
			if !found.Load() {
				t.Error("not found")
			}
		})
	}
}

func TestEqualSubscriptionsAreExecutedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var executions []string
		log := &exectest.Log{}
		joined := make(chan struct{})
		e := newExecutor(&exectest.Resolver{Log: log, Executions: func(resume string, _ bool) {
			<-joined
			executions = append(executions, resume)
		}}, graphqlexec.Config{})
		var clients []*client
		for range 1000 {
			c := &client{cap: 10}
			subscribe(t, e, c, changesQuery, nil, "reader")
			clients = append(clients, c)
		}
		close(joined)
		synctest.Wait()
		if n := len(executions); n > 2 { // one for the first, one for all that came while it was made
			t.Errorf("%d snapshots were made for 1,000 that joined at once", n)
		}
		log.Append("a")
		synctest.Wait()
		elements := e.Stats().Elements
		log.Append("b")
		synctest.Wait()
		if got := e.Stats().Elements - elements; got != 1 {
			t.Errorf("one change made %d elements", got)
		}
		for _, c := range clients {
			if &c.queue[len(c.queue)-1].Envelope()[0] != &clients[0].queue[len(clients[0].queue)-1].Envelope()[0] {
				t.Fatal("the bytes are not shared")
			}
			c.sub.Leave()
		}
	})
}

func TestWhatMakesSubscriptionsEqual(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newExecutor(&exectest.Resolver{}, graphqlexec.Config{})
		var clients []*client
		f := func(groups int64, query string, vars map[string]any, scope string) {
			t.Helper()
			c := &client{cap: 10}
			subscribe(t, e, c, query, vars, scope)
			clients = append(clients, c)
			if got := e.Stats().Groups; got != groups {
				t.Errorf("%d groups, want %d", got, groups)
			}
		}
		f(1, changesQuery, nil, "")
		f(1, changesQuery, map[string]any{}, "")
		f(1, changesQuery, map[string]any{"since": "0"}, "")
		f(1, changesQuery, map[string]any{"since": nil}, "")
		f(2, changesQuery, map[string]any{"prefix": "a"}, "")
		f(2, changesQuery, map[string]any{"prefix": "a", "since": "0"}, "")
		f(3, changesQuery, nil, "admin")
		f(4, changesQuery+" ", nil, "")
		f(5, `subscription($since:String){changes(since:$since,prefix:$since){revision}}`, map[string]any{"since": "0"}, "")
		f(6, `subscription($since:String){changes(since:$since,prefix:$since){revision}}`, map[string]any{"since": "1"}, "")
		f(7, changesQuery, map[string]any{"since": ""}, "") // no position: for the schema to judge
		for _, c := range clients {
			c.sub.Leave()
		}
		synctest.Wait()
		if got := e.Stats().Groups; got != 0 {
			t.Errorf("%d groups are left", got)
		}
	})
}

func TestALiveQueryGivesAJoinerTheLastAnswerAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &exectest.Log{}
		log.Append("a")
		e := newExecutor(&exectest.Resolver{Log: log}, graphqlexec.Config{})
		first, second, slow := &client{cap: 10}, &client{cap: 10}, &client{cap: 1}
		subscribe(t, e, first, `subscription{size}`, nil, "")
		synctest.Wait()
		subscribe(t, e, second, `subscription{size}`, nil, "")
		subscribe(t, e, slow, `subscription{size}`, nil, "")
		if len(second.queue) != 1 || second.queue[0] != first.queue[0] {
			t.Fatalf("the joiner has %d answers", len(second.queue))
		}
		if got := e.Stats().Elements; got != 1 {
			t.Errorf("%d elements, want 1", got)
		}
		for range 3 {
			log.Append("b")
			synctest.Wait()
		}
		if len(first.queue) != 4 || len(second.queue) != 4 || len(slow.queue) != 1 || !slow.full {
			t.Errorf("queues of %d, %d, %d", len(first.queue), len(second.queue), len(slow.queue))
		}
		slow.drain()
		if slow.revision != 1 || len(slow.queue) != 1 {
			t.Fatalf("the slow one has %d and %d waiting", slow.revision, len(slow.queue))
		}
		if slow.drain(); slow.revision != 4 {
			t.Errorf("the slow one was given %d last, want the newest, 4", slow.revision)
		}
		log.Append("c")
		synctest.Wait()
		if slow.drain(); slow.revision != 5 {
			t.Errorf("the slow one has %d, want 5: it should be a member again", slow.revision)
		}
		for _, c := range []*client{first, second, slow} {
			c.sub.Leave()
		}
	})
}

func TestASlowMemberCatchesUpFromWhatItHas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var joins []string
		log := &exectest.Log{}
		e := newExecutor(&exectest.Resolver{Log: log, Executions: func(resume string, behind bool) {
			joins = append(joins, fmt.Sprint(resume, " ", behind))
		}}, graphqlexec.Config{})
		c := &client{cap: 2}
		subscribe(t, e, c, changesQuery, nil, "")
		synctest.Wait()
		for i := range 5 {
			log.Append(strconv.Itoa(i))
			synctest.Wait()
		}
		c.drain()
		synctest.Wait()
		c.drain()
		if got := strings.Join(joins, ","); got != " false,1 true" {
			t.Errorf("joins %q", got)
		}
		if len(c.texts) != 5 || len(c.resets) != 1 {
			t.Errorf("texts %v, resets %v", c.texts, c.resets)
		}
		c.sub.Leave()
	})
}

// One that takes longer for a snapshot than it takes to send it would start over for ever.
func TestASnapshotGoesOnWhereItsReaderFellBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const texts, chunk = 20, 2
		log := &exectest.Log{}
		log.AppendAll("a", texts)
		e := newExecutor(&exectest.Resolver{Log: log, Chunk: chunk}, graphqlexec.Config{})
		fast, first, second := &client{cap: 2 * texts}, &client{cap: 1}, &client{cap: 1}
		subscribe(t, e, first, changesQuery, nil, "")
		subscribe(t, e, second, changesQuery, nil, "")
		synctest.Wait()
		subscribe(t, e, fast, changesQuery, nil, "")
		want := texts
		for range texts / chunk {
			log.Append("b")
			want++
			for _, c := range []*client{first, second, fast} {
				synctest.Wait()
				c.drain()
			}
		}
		for _, c := range []*client{first, second, fast} {
			for len(c.texts) < want && c.broken == nil {
				before := len(c.texts)
				if c.drain(); len(c.texts) == before {
					break
				}
				synctest.Wait()
			}
			if c.broken != nil || len(c.texts) != want || c.revision != want || len(c.resets) != 1 {
				t.Errorf("%d texts of %d, revision %d, resets %v, %v", len(c.texts), want, c.revision, c.resets, c.broken)
			}
			c.sub.Leave()
		}
	})
}

func TestHowSubscriptionsEnd(t *testing.T) {
	t.Parallel()
	f := func(name, query string, vars map[string]any, complete bool, code string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := newExecutor(&exectest.Resolver{Pace: time.Second}, graphqlexec.Config{})
				a, b := &client{cap: 10}, &client{cap: 10}
				subscribe(t, e, a, query, vars, "")
				subscribe(t, e, b, query, vars, "")
				time.Sleep(time.Minute)
				synctest.Wait()
				for _, c := range []*client{a, b} {
					if c.complete != complete || c.after {
						t.Errorf("complete %v, after %v", c.complete, c.after)
					}
					if !complete && (len(c.errs) != 1 || c.errs[0].Extensions["code"] != code || strings.Contains(c.errs[0].Message, "secret")) {
						t.Errorf("errors %v", c.errs)
					}
					c.sub.Leave()
				}
				if got := e.Stats().Groups; got != 0 {
					t.Errorf("%d groups are left", got)
				}
			})
		})
	}
	f("the resolver closes its channel", `subscription{count(to:3)}`, nil, true, "")
	f("the resolver fails", `subscription{broken(kind:"x")}`, nil, false, "INTERNAL")
	f("the resolver fails in public", `subscription{broken(kind:"public")}`, nil, false, "UNAVAILABLE")
	f("the resolver panics", `subscription{broken(kind:"panic")}`, nil, false, "INTERNAL")
	f("the resolver refuses a join", changesQuery, map[string]any{"since": "x"}, false, "UNAVAILABLE")
	f("a since that is no string", `subscription($s:String){changes(since:$s){revision}}`, map[string]any{"s": "-1"}, false, "UNAVAILABLE")
}

func TestARefusedJoinHarmsNoMember(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &exectest.Log{}
		e := newExecutor(&exectest.Resolver{Log: log}, graphqlexec.Config{})
		good, bad := &client{cap: 10}, &client{cap: 10}
		subscribe(t, e, good, changesQuery, nil, "")
		subscribe(t, e, bad, changesQuery, map[string]any{"since": "x"}, "")
		synctest.Wait()
		log.Append("a")
		synctest.Wait()
		good.drain()
		if len(good.texts) != 1 || good.errs != nil || bad.errs == nil {
			t.Errorf("good %v %v, bad %v", good.texts, good.errs, bad.errs)
		}
		good.sub.Leave()
	})
}
