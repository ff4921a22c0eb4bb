package graphqlexec

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Subscribe makes sink a subscriber of the group of all equal subscriptions, and starts the group if it is the first.
// Scope stands for everything outside the operation that its answers may depend on, such as what the caller may see:
// only subscriptions of an equal scope are put together. What arises later, such as an error of the resolver, goes to
// the sink, possibly before Subscribe returns. The caller must call Leave in the end.
func (e *Executor) Subscribe(ctx context.Context, op *Operation, scope string, sink Sink) (*Subscription, gqlerror.List) {
	if !op.IsSubscription() {
		return nil, gqlerror.List{NewError(CodeBadUserInput, "the operation is no subscription")}
	}
	if op.resume.variable != "" {
		delete(op.ctx.Variables, op.resume.variable)
	}
	op.ctx.Extensions = nil // Of one subscriber, not of the group.
	key, err := keyOf(op.ctx, scope)
	if err != nil {
		return nil, e.present(ctx, err)
	}
	e.stats.subscribed.Add(1)
	s := &Subscription{sink: sink, at: place{position: op.resume.position}}
	e.mu.Lock()
	if g := e.groups[key]; g != nil && g.add(s) {
		e.mu.Unlock()
		return s, nil
	}
	g := &group{exec: e, key: key}
	g.ctx, g.cancel = context.WithCancel(e.cfg.Share(context.WithoutCancel(ctx)))
	g.add(s)
	e.groups[key] = g
	e.mu.Unlock()
	e.stats.groups.Add(1)
	go g.run(op.ctx) //nolint:contextcheck // A group outlives its first subscriber.
	return s, nil
}

// forget takes a group that has ended out of the index, unless another has taken its place.
func (e *Executor) forget(g *group) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.groups[g.key] == g {
		delete(e.groups, g.key)
	}
}

type groupKey [sha256.Size]byte

// keyOf is equal for operations that must give equal elements.
func keyOf(op *graphql.OperationContext, scope string) (groupKey, error) {
	vars, err := json.Marshal(op.Variables) // Sorts the keys.
	if err != nil {
		return groupKey{}, err
	}
	h := sha256.New()
	var size [8]byte
	for _, part := range [][]byte{[]byte(op.RawQuery), []byte(op.OperationName), vars, []byte(scope)} {
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:])
		h.Write(part)
	}
	return groupKey(h.Sum(nil)), nil
}

// resumePoint is from where a subscriber wants to go on.
type resumePoint struct {
	position string
	variable string // the variable that it came from, if that feeds nothing else
}

// findResume reads the resume argument of the subscription's root field. A value that can be no position, "" or one that
// is no string, is left where it is: the subscriber is then put together with those that gave the same, and gets what the
// schema says to it.
func (e *Executor) findResume(op *graphql.OperationContext, root graphql.CollectedField) resumePoint {
	name := e.cfg.ResumeArgument
	def := root.Definition.Arguments.ForName(name)
	arg := root.Arguments.ForName(name)
	if def == nil || arg == nil || def.Type.NonNull || def.DefaultValue != nil {
		return resumePoint{}
	}
	v, err := arg.Value.Value(op.Variables)
	if err != nil {
		return resumePoint{}
	}
	position, _ := v.(string)
	if position == "" && v != nil {
		return resumePoint{}
	}
	p := resumePoint{position: position}
	if arg.Value.Kind == ast.Variable && usesOf(arg.Value.Raw, op) == 1 {
		p.variable = arg.Value.Raw
	}
	return p
}

// usesOf counts where an operation uses a variable.
func usesOf(variable string, op *graphql.OperationContext) int {
	n := 0
	eachUse(op.Doc, op.Operation, func(v *ast.Value) {
		if v.Raw == variable {
			n++
		}
	})
	return n
}
