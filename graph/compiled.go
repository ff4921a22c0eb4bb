package graph

import (
	"bytes"
	"context"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"weak"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"waggle/internal/graphqlplan"
)

// Schema is the generated schema, executed by the generated code but for two things: where what is selected of a root field
// compiles, the value that its resolver returned is written by that, not field by field; and where such a field is the only one and is asked all the time, its resolver is called
// directly. Wrong arguments, errors, panics and nulls that may not be stay gqlgen's business, and so does every value that a compiled selection cannot write. The answers are
// those of NewExecutableSchema, byte for byte.
type Schema struct {
	generated *executableSchema

	roots map[ast.Operation]map[string]root
	plans sync.Map // weak.Pointer[ast.OperationDefinition] to plan, as long as the operation is in use
	stats counters
}

var _ graphql.ExecutableSchema = (*Schema)(nil)

// Stats counts what a Schema did since it was made.
type Stats struct {
	Compiled  int64 `metric:"graphql_root_values_total" label:"by=compiled" help:"Values of root fields written by compiled selections."`
	Generated int64 `metric:"graphql_root_values_total" label:"by=generated" help:"Values of root fields left to gqlgen's executor."`
}

type counters struct{ compiled, generated atomic.Int64 }

// Stats returns the counts so far.
func (s *Schema) Stats() Stats {
	return Stats{Compiled: s.stats.compiled.Load(), Generated: s.stats.generated.Load()}
}

// NewSchema makes the schema that r resolves.
func NewSchema(r *Resolver) *Schema {
	t := newTables(r.Registry)
	return &Schema{
		generated: &executableSchema{Resolvers: r},
		roots: map[ast.Operation]map[string]root{
			ast.Query: {
				"hives":      object(t.hivePage),
				"hive":       object(t.hive),
				"workers":    calledBy(workersCaller(), object(t.workerPage)),
				"worker":     object(t.worker),
				"bestWorker": calledBy(bestWorkerCaller(), object(t.worker)),
				"fleet":      object(t.fleet),
				"events":     list(t.event),
				"server":     object(t.server),
			},
			ast.Mutation: {
				"heartbeat":    calledBy(heartbeatCaller, object(t.terms)),
				"heartbeats":   list(t.terms),
				"cordonHive":   object(t.hive),
				"uncordonHive": object(t.hive),
			},
			ast.Subscription: {
				"changes":  stream(t.update, (*executionContext).marshalNRegistryUpdate2ᚖwaggleᚋgraphᚐRegistryUpdate),
				"hives":    stream(t.hivePage, (*executionContext).marshalNHivePage2ᚖwaggleᚋregistryᚐHivePage),
				"workers":  stream(t.workerPage, (*executionContext).marshalNWorkerPage2ᚖwaggleᚋregistryᚐWorkerPage),
				"worker":   stream(t.worker, (*executionContext).marshalOWorker2ᚖwaggleᚋregistryᚐWorker),
				"fleet":    stream(t.fleet, (*executionContext).marshalNFleet2ᚖwaggleᚋregistryᚐFleet),
				"fleetMap": stream(t.fleetMap, (*executionContext).marshalNFleetMap2ᚖwaggleᚋregistryᚐFleetMap),
				"events":   stream(t.event, (*executionContext).marshalNRegistryEvent2ᚖwaggleᚋregistryᚐEvent),
			},
		},
	}
}

// Schema returns the parsed schema.
func (s *Schema) Schema() *ast.Schema { return s.generated.Schema() }

// Complexity returns what one field costs, where that is not one.
func (s *Schema) Complexity(ctx context.Context, typeName, field string, childComplexity int, args map[string]any) (int, bool) {
	return s.generated.Complexity(ctx, typeName, field, childComplexity, args)
}

// Exec executes an operation. It takes the operation's context over, and goes past its middleware where it calls a resolver directly.
func (s *Schema) Exec(ctx context.Context) graphql.ResponseHandler {
	op := graphql.GetOperationContext(ctx)
	p := s.planOf(op)
	if p.isDirect() {
		return s.direct(ctx, op, p[0])
	}
	op.ResolverMiddleware = s.around(p, op.ResolverMiddleware)
	return s.generated.Exec(ctx)
}

// plan is the root fields of one operation.
type plan []plannedField

type plannedField struct {
	graphql.CollectedField
	answer answer       // nil: not plain
	values *valueWriter // writes what answer does; nil for a subscription, too
	call   caller       // nil: only gqlgen calls the resolver
}

// answer makes of what a root field's resolver returned what gqlgen takes in its place: the same, written, or for a subscription a
// function that writes what comes. It returns nil when it cannot.
type answer func(v any) any

// root compiles a root field: what is selected of it, if that is plain.
type root func(s *Schema, c *graphqlplan.Compiler, f *plannedField)

// planOf returns the plan of an operation. Queries and mutations are compiled once for all requests with the same document. A
// subscription is executed so rarely that it is compiled for the occasion, with its variables.
func (s *Schema) planOf(op *graphql.OperationContext) plan {
	if op.Operation.Operation == ast.Subscription {
		return s.compile(graphqlplan.NewBound(op), op.Operation)
	}
	key := weak.Make(op.Operation)
	if p, ok := s.plans.Load(key); ok {
		return p.(plan)
	}
	p := s.compile(graphqlplan.New(op.Doc), op.Operation)
	if _, loaded := s.plans.LoadOrStore(key, p); !loaded {
		runtime.AddCleanup(op.Operation, func(key weak.Pointer[ast.OperationDefinition]) { s.plans.Delete(key) }, key)
	}
	return p
}

func (s *Schema) compile(c *graphqlplan.Compiler, op *ast.OperationDefinition) plan {
	def := map[ast.Operation]*ast.Definition{ast.Query: s.Schema().Query, ast.Mutation: s.Schema().Mutation, ast.Subscription: s.Schema().Subscription}[op.Operation]
	fields, ok := c.Collect(op.SelectionSet, def.Name)
	if !ok {
		return nil
	}
	p := make(plan, len(fields))
	for i, f := range fields {
		p[i].CollectedField = f
		if root := s.roots[op.Operation][f.Name]; root != nil {
			root(s, c, &p[i])
		}
	}
	return p
}

// around makes what gqlgen calls around the resolver of every field: it answers those of the plan.
func (s *Schema) around(p plan, next graphql.FieldMiddleware) graphql.FieldMiddleware {
	return func(ctx context.Context, resolve graphql.Resolver) (any, error) {
		v, err := next(ctx, resolve)
		if err != nil || v == nil {
			return v, err
		}
		field := graphql.GetFieldContext(ctx).Field.Field
		for i := range p {
			if p[i].Field != field {
				continue
			}
			if p[i].answer == nil {
				s.stats.generated.Add(1)
			} else if written := p[i].answer(v); written != nil {
				return written, nil
			}
			break
		}
		return v, nil
	}
}

// text is JSON.
type text []byte

// MarshalGQL writes it.
func (t text) MarshalGQL(w io.Writer) { _, _ = w.Write(t) }

// object is a root field that returns an object.
func object[T any](o *graphqlplan.Object[T]) root {
	return func(s *Schema, c *graphqlplan.Compiler, f *plannedField) {
		if write := o.Compile(c, f.Selections); write != nil {
			f.written(s, func(b []byte, v any) []byte { return write(b, v.(*T)) })
		}
	}
}

// list is a root field that returns a list of objects.
func list[T any](o *graphqlplan.Object[T]) root {
	return func(s *Schema, c *graphqlplan.Compiler, f *plannedField) {
		if write := o.Compile(c, f.Selections); write != nil {
			f.written(s, func(b []byte, v any) []byte { return graphqlplan.AppendList(b, v.([]*T), write) })
		}
	}
}

// written makes the field one whose values are written by a function that appends what it gets, or returns nil.
func (f *plannedField) written(s *Schema, write func(b []byte, v any) []byte) {
	w := &valueWriter{schema: s, write: write}
	f.values = w
	f.answer = func(v any) any {
		if b := w.append("", v, ""); b != nil {
			return graphql.Marshaler(text(b))
		}
		return nil
	}
}

// valueWriter writes the values of a root field.
type valueWriter struct {
	schema *Schema
	write  func(b []byte, v any) []byte
	size   atomic.Int64 // of the last value: the next one is probably like it
}

// append writes a value between two texts. It returns nil when it cannot.
func (w *valueWriter) append(before string, v any, after string) []byte {
	b := w.schema.write(append(make([]byte, 0, w.size.Load()+64), before...), func(b []byte) []byte { return w.write(b, v) })
	if b == nil {
		return nil
	}
	b = append(b, after...)
	w.size.Store(int64(len(b)))
	if isRoomy(b) {
		b = bytes.Clone(b)
	}
	return b
}

// write calls a function that appends a value, and counts what became of it. A panic is gqlgen's to tell of, which will come upon it as well.
func (s *Schema) write(b []byte, write func([]byte) []byte) (written []byte) {
	defer func() {
		if recover() != nil || written == nil {
			written = nil
			s.stats.generated.Add(1)
			return
		}
		s.stats.compiled.Add(1)
	}()
	return write(b)
}

// isRoomy tells that b holds on to much more memory than it needs, as what was made for a page of 1,000 does with one of 5 in it.
func isRoomy(b []byte) bool { return cap(b) > 16<<10 && len(b) < cap(b)/4 }

// stream is the root field of a subscription. Generated writes an element when the compiled selection cannot.
func stream[T any](o *graphqlplan.Object[T], generated func(*executionContext, context.Context, ast.SelectionSet, *T) graphql.Marshaler) root {
	return func(s *Schema, c *graphqlplan.Compiler, f *plannedField) {
		write := o.Compile(c, f.Selections)
		if write == nil {
			return
		}
		opening := `{"` + f.Alias + `":`
		f.answer = func(v any) any {
			elements := v.(<-chan *T)
			var room []byte // used again, since gqlgen copies what it is given
			return func(ctx context.Context) graphql.Marshaler {
				select {
				case v, ok := <-elements:
					if !ok {
						return nil
					}
					b := s.write(append(room[:0], opening...), func(b []byte) []byte { return write(b, v) })
					if b != nil {
						b = append(b, '}')
						if room = b; isRoomy(b) { // a snapshot of megabytes is followed by a few changes
							room = nil
						}
						return text(b)
					}
					return graphql.WriterFunc(func(w io.Writer) {
						_, _ = io.WriteString(w, opening)
						ec := newExecutionContext(graphql.GetOperationContext(ctx), s.generated, nil)
						generated(ec, ctx, f.Selections, v).MarshalGQL(w)
						_, _ = io.WriteString(w, "}")
					})
				case <-ctx.Done():
					return nil
				}
			}
		}
	}
}
