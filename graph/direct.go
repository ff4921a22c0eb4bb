package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"waggle/internal/graphqlplan"
	"waggle/registry"
)

// caller calls the resolver of a root field as gqlgen would, without what gqlgen does around it. What is wrong with arguments only gqlgen can say, so
// it returns false, and has called nothing, where they are not as they should be. A value of nil is a null that may be.
type caller func(ctx context.Context, op *graphql.OperationContext) (r resolved, ok bool)

// resolved is what a resolver returned.
type resolved struct {
	value any
	err   error
}

// calledBy is a root field whose resolver has a caller, where the function returns one.
func calledBy(call func(*Schema, graphql.CollectedField) caller, compile root) root {
	return func(s *Schema, c *graphqlplan.Compiler, f *plannedField) {
		compile(s, c, f)
		f.call = call(s, f.CollectedField)
	}
}

// isDirect tells that an operation asks for one thing, which has a caller and is plain.
func (p plan) isDirect() bool { return len(p) == 1 && p[0].call != nil && p[0].value != nil }

// direct executes an operation of one field: a heartbeat, or a scheduler's question. It spares the contexts, sets of fields and caches that gqlgen makes for
// a root field, which took longer than the resolver itself. Where the result cannot be written just so, gqlgen goes on from what the resolver
// returned, and the resolver is not called again.
func (s *Schema) direct(ctx context.Context, op *graphql.OperationContext, f plannedField) graphql.ResponseHandler {
	var rest graphql.ResponseHandler
	return func(respCtx context.Context) *graphql.Response {
		if rest != nil {
			return rest(respCtx)
		}
		r, ok := f.call(respCtx, op)
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
	case r.err != nil:
		return nil
	case r.value == nil:
		return []byte(opening + "null}")
	default:
		return f.value.append(opening, r.value, "}")
	}
}

// given makes what gqlgen calls around the resolver of every field: a field that was resolved already is what it is.
func given(field *ast.Field, r resolved, next graphql.FieldMiddleware) graphql.FieldMiddleware {
	return func(ctx context.Context, resolve graphql.Resolver) (any, error) {
		if graphql.GetFieldContext(ctx).Field.Field == field {
			return r.value, r.err
		}
		return next(ctx, resolve)
	}
}

// callHeartbeat calls Mutation.heartbeat with an input that is a variable and was read by the function of Inputs.
func callHeartbeat(s *Schema, f graphql.CollectedField) caller {
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
		return resolved{terms, err}, true
	}
}

// callBestWorker calls Query.bestWorker.
func callBestWorker(s *Schema, f graphql.CollectedField) caller {
	resolver := s.generated.Resolvers.Query()
	return func(ctx context.Context, op *graphql.OperationContext) (resolved, bool) {
		args, err := newExecutionContext(op, s.generated, nil).field_Query_bestWorker_args(ctx, f.ArgumentMap(op.Variables))
		if err != nil {
			return resolved{}, false
		}
		worker, err := resolver.BestWorker(ctx, args["model"].(string), args["minFreeVramMb"].(*int))
		if worker == nil {
			return resolved{nil, err}, true
		}
		return resolved{worker, err}, true
	}
}

// callWorkers calls Query.workers.
func callWorkers(s *Schema, f graphql.CollectedField) caller {
	resolver := s.generated.Resolvers.Query()
	return func(ctx context.Context, op *graphql.OperationContext) (resolved, bool) {
		args, err := newExecutionContext(op, s.generated, nil).field_Query_workers_args(ctx, f.ArgumentMap(op.Variables))
		if err != nil {
			return resolved{}, false
		}
		page, err := resolver.Workers(ctx, args["filter"].(*registry.WorkerFilter), args["orderBy"].(*registry.WorkerOrder), args["first"].(int), args["offset"].(int))
		return resolved{page, err}, true
	}
}
