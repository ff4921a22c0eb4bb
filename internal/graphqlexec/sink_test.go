package graphqlexec_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"waggle/internal/graphqlexec"
	"waggle/internal/graphqlexec/exectest"
)

// brittle is a client that panics at its first message after a number of them, and at the end if it is told so.
type brittle struct {
	client
	holds   int
	ends    bool
	offered int
}

func (b *brittle) Next(m *graphqlexec.Message) bool {
	if b.offered++; b.offered > b.holds {
		panic("secret of the sink")
	}
	return b.client.Next(m)
}

func (b *brittle) Error(errs gqlerror.List) {
	b.client.Error(errs)
	b.end()
}

func (b *brittle) Complete() {
	b.client.Complete()
	b.end()
}

func (b *brittle) end() {
	if b.ends {
		panic("secret of the sink")
	}
}

func TestASinkThatPanicsEndsNobodyElse(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, query string
		holds       int
		ends        bool
	}{
		{"when it is brought up to date", changesQuery, 0, false},
		{"when it is brought up to date, and at the end", changesQuery, 0, true},
		{"as a member", changesQuery, 2, false},
		{"when it is given the last answer of a live query", `subscription{size}`, 0, false},
		{"as one of a live query", `subscription{size}`, 2, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				log := &exectest.Log{}
				e := newExecutor(&exectest.Resolver{Log: log}, graphqlexec.Config{})
				before, broken, after := &client{cap: 10}, &brittle{client: client{cap: 10}, holds: tc.holds, ends: tc.ends}, &client{cap: 10}
				subscribe(t, e, before, tc.query, nil, "")
				synctest.Wait()
				broken.sub = subscribeSink(t, e, broken, tc.query, nil, "")
				subscribe(t, e, after, tc.query, nil, "")
				for range 3 {
					synctest.Wait()
					log.Append("a")
				}
				synctest.Wait()
				for _, c := range []*client{before, after} {
					if c.drain(); c.revision != 3 || c.errs != nil || c.complete {
						t.Errorf("another has %d of 3, errors %v, complete %v", c.revision, c.errs, c.complete)
					}
				}
				if len(broken.errs) != 1 || broken.errs[0].Extensions["code"] != "INTERNAL" || strings.Contains(broken.errs[0].Message, "secret") {
					t.Errorf("it was told %v", broken.errs)
				}
				if broken.offered != tc.holds+1 || broken.after {
					t.Errorf("it was offered %d messages, want %d and none after the end", broken.offered, tc.holds+1)
				}
				for _, c := range []*client{before, after, &broken.client} {
					c.sub.Leave()
				}
				synctest.Wait()
				if got := e.Stats().Groups; got != 0 {
					t.Errorf("%d groups are left", got)
				}
			})
		})
	}
}

func TestASinkThatPanicsAloneEndsItsGroup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newExecutor(&exectest.Resolver{Log: &exectest.Log{}}, graphqlexec.Config{})
		c := &brittle{}
		c.sub = subscribeSink(t, e, c, changesQuery, nil, "")
		synctest.Wait()
		if got := e.Stats(); got.Groups != 0 || got.Panics != 1 || c.errs == nil {
			t.Errorf("%d groups, %d panics, it was told %v", got.Groups, got.Panics, c.errs)
		}
	})
}

func TestASinkThatPanicsAtTheEndKeepsItFromNobody(t *testing.T) {
	t.Parallel()
	f := func(name, query string, vars map[string]any, ended func(c *client) bool) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := newExecutor(&exectest.Resolver{Log: &exectest.Log{}}, graphqlexec.Config{})
				broken, other := &brittle{client: client{cap: 10}, holds: 10, ends: true}, &client{cap: 10}
				broken.sub = subscribeSink(t, e, broken, query, vars, "")
				subscribe(t, e, other, query, vars, "")
				synctest.Wait()
				for _, c := range []*client{&broken.client, other} {
					if !ended(c) {
						t.Errorf("errors %v, complete %v", c.errs, c.complete)
					}
				}
				if got := e.Stats(); got.Groups != 0 || got.Panics != 1 {
					t.Errorf("%d groups are left, %d panics", got.Groups, got.Panics)
				}
			})
		})
	}
	f("as completed", `subscription{count(to:1)}`, nil, func(c *client) bool { return c.complete })
	f("with an error", `subscription{broken(kind:"public")}`, nil, func(c *client) bool { return c.errs != nil })
	f("refused", changesQuery, map[string]any{"since": "x"}, func(c *client) bool { return c.errs != nil })
}
