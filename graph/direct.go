package graph

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"waggle/internal/graphqlplan"
	"waggle/registry"
)

// caller calls the resolver of a root field as gqlgen would, without what gqlgen does around it. What is wrong with arguments only gqlgen can say, so
// it returns false, and has called nothing, where they are not as they should be. A value of nil is a null that may be.
type caller func(ctx context.Context, op *graphql.OperationContext) (r resolved, ok bool)

// resolved is what a resolver returned, or that it panicked.
type resolved struct {
	value    any
	err      error
	panicked *panicked
}

// panicked is a panic that gqlgen is to tell of.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) String() string { return fmt.Sprintf("%v\n%s", p.value, p.stack) }

// calledBy is a root field whose resolver has a caller, where the function returns one.
func calledBy(call func(*Schema, graphql.CollectedField) caller, compile root) root {
	return func(s *Schema, c *graphqlplan.Compiler, f *plannedField) {
		compile(s, c, f)
		f.call = call(s, f.CollectedField)
	}
}

// isDirect tells that an operation asks for one thing, which has a caller and is plain.
func (p plan) isDirect() bool { return len(p) == 1 && p[0].call != nil && p[0].values != nil }

// resolve calls the field's resolver.
func (f *plannedField) resolve(ctx context.Context, op *graphql.OperationContext) (r resolved, ok bool) {
	defer func() {
		if p := recover(); p != nil {
			r, ok = resolved{panicked: &panicked{p, debug.Stack()}}, true
		}
	}()
	return f.call(ctx, op)
}

// direct executes an operation of one field: a heartbeat, or a scheduler's question. It spares the contexts, sets of fields and caches that gqlgen makes for
// a root field, which took longer than the resolver itself. Where the result cannot be written just so, gqlgen goes on from what the resolver
// returned, and the resolver is not called again.
func (s *Schema) direct(ctx context.Context, op *graphql.OperationContext, f plannedField) graphql.ResponseHandler {
	var rest graphql.ResponseHandler
	return func(respCtx context.Context) *graphql.Response {
		if rest != nil {
			return rest(respCtx)
		}
		r, ok := f.resolve(respCtx, op)
		if ok {
			if data := f.respond(r); data != nil {
				rest = func(context.Context) *graphql.Response { return nil }
				return &graphql.Response{Data: data}
			}
			op.ResolverMiddleware = given(f.Field, r, op.ResolverMiddleware)
		} else {
			op.ResolverMiddleware = s.around(plan{f}, op.ResolverMiddleware)
		}
		rest = s.generated.Exec(ctx)
		return rest(respCtx)
	}
}

// respond writes what a resolver returned as the data of a response, or returns nil.
func (f *plannedField) respond(r resolved) []byte {
	opening := `{"` + f.Alias + `":`
	switch {
	case r.err != nil, r.panicked != nil:
		return nil
	case r.value == nil:
		return []byte(opening + "null}")
	default:
		return f.values.append(opening, r.value, "}")
	}
}

// given makes what gqlgen calls around the resolver of every field: a field that was resolved already is what it is.
func given(field *ast.Field, r resolved, next graphql.FieldMiddleware) graphql.FieldMiddleware {
	return func(ctx context.Context, resolve graphql.Resolver) (any, error) {
		if graphql.GetFieldContext(ctx).Field.Field != field {
			return next(ctx, resolve)
		}
		if r.panicked != nil {
			panic(r.panicked)
		}
		return r.value, r.err
	}
}

// heartbeatCaller calls Mutation.heartbeat with an input that is a variable and was read by the function of Inputs.
func heartbeatCaller(s *Schema, f graphql.CollectedField) caller {
	input := f.Arguments.ForName("input")
	if input.Value.Kind != ast.Variable {
		return nil
	}
	resolver, name := s.generated.Resolvers.Mutation(), input.Value.Raw
	return func(ctx context.Context, op *graphql.OperationContext) (resolved, bool) {
		hb, ok := op.Variables[name].(*registry.Heartbeat)
		if !ok {
			return resolved{}, false
		}
		terms, err := resolver.Heartbeat(ctx, HeartbeatInput{hb})
		return resolved{value: terms, err: err}, true
	}
}

// queryCaller makes a caller of a query: args reads the arguments, as generated, and call calls the resolver with them.
func queryCaller(
	args func(*executionContext, context.Context, map[string]any) (map[string]any, error),
	call func(context.Context, QueryResolver, map[string]any) resolved,
) func(*Schema, graphql.CollectedField) caller {
	return func(s *Schema, f graphql.CollectedField) caller {
		resolver := s.generated.Resolvers.Query()
		return func(ctx context.Context, op *graphql.OperationContext) (resolved, bool) {
			given, err := args(newExecutionContext(op, s.generated, nil), ctx, f.ArgumentMap(op.Variables))
			if err != nil {
				return resolved{}, false
			}
			return call(ctx, resolver, given), true
		}
	}
}

// bestWorkerCaller calls Query.bestWorker.
func bestWorkerCaller() func(*Schema, graphql.CollectedField) caller {
	return queryCaller((*executionContext).field_Query_bestWorker_args, func(ctx context.Context, r QueryResolver, args map[string]any) resolved {
		worker, err := r.BestWorker(ctx, args["model"].(string), args["minFreeVramMb"].(*int))
		if worker == nil {
			return resolved{err: err}
		}
		return resolved{value: worker, err: err}
	})
}

// workersCaller calls Query.workers.
func workersCaller() func(*Schema, graphql.CollectedField) caller {
	return queryCaller((*executionContext).field_Query_workers_args, func(ctx context.Context, r QueryResolver, args map[string]any) resolved {
		page, err := r.Workers(ctx, args["filter"].(*registry.WorkerFilter), args["orderBy"].(*registry.WorkerOrder), args["first"].(int), args["offset"].(int))
		return resolved{value: page, err: err}
	})
}
