package graphqlexec

import (
	"context"
	"strings"
	"sync"

	"github.com/99designs/gqlgen/complexity"
	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// Executor executes the operations of one schema. It is safe for concurrent use.
type Executor struct {
	cfg    Config
	schema graphql.ExecutableSchema
	docs   *documentCache
	stats  counters

	mu     sync.Mutex // guards groups
	groups map[groupKey]*group
}

// New makes an executor for a schema.
func New(schema graphql.ExecutableSchema, cfg Config) *Executor {
	e := &Executor{cfg: cfg.withDefaults(), schema: schema, groups: map[groupKey]*group{}}
	e.docs = newDocumentCache(e.cfg.MaxCachedBytes)
	return e
}

// Operation is one operation that was found valid and within the limits, with its variables. It is for one use.
type Operation struct {
	ctx    *graphql.OperationContext
	resume resumePoint
}

// IsSubscription tells whether the operation is for Subscribe; all others are for Execute.
func (o *Operation) IsSubscription() bool { return o.ctx.Operation.Operation == ast.Subscription }

// IsMutation tells whether the operation may change something.
func (o *Operation) IsMutation() bool { return o.ctx.Operation.Operation == ast.Mutation }

// Prepare parses and validates an operation, keeps it to the limits and reads its variables. Its errors are ready for
// the client; nothing was executed. The variables of params become those of the operation, so params are for one call.
func (e *Executor) Prepare(ctx context.Context, params *graphql.RawParams) (*Operation, gqlerror.List) {
	op, errs := e.prepare(ctx, params)
	if len(errs) > 0 {
		e.stats.rejected.Add(1)
		return nil, e.capErrors(errs)
	}
	return op, nil
}

func (e *Executor) prepare(ctx context.Context, params *graphql.RawParams) (*Operation, gqlerror.List) {
	introspection := e.cfg.Introspection(ctx)
	doc, errs := e.document(params.Query, introspection)
	if len(errs) > 0 {
		return nil, errs
	}
	def := doc.Operations.ForName(params.OperationName)
	if def == nil {
		if params.OperationName == "" {
			return nil, gqlerror.List{NewError(CodeBadUserInput, "operationName is missing: the document has several operations")}
		}
		return nil, gqlerror.List{NewError(CodeBadUserInput, "the document has no operation of the name given in operationName")}
	}
	vars, err := e.coerceVariables(def, params.Variables)
	if err != nil {
		return nil, gqlerror.List{err}
	}
	op := &Operation{ctx: &graphql.OperationContext{
		RawQuery:               params.Query,
		Variables:              vars,
		OperationName:          params.OperationName,
		Doc:                    doc,
		Extensions:             params.Extensions,
		Operation:              def,
		DisableIntrospection:   !introspection,
		RecoverFunc:            e.recovered,
		ResolverMiddleware:     resolveField,
		RootResolverMiddleware: resolveRoot,
		Stats:                  graphql.Stats{OperationStart: graphql.Now()},
	}}
	if err := misplacedNull(op.ctx); err != nil {
		return nil, gqlerror.List{err}
	}
	if !introspection && asksForSchema(doc, def.SelectionSet) {
		return nil, gqlerror.List{NewError(CodeForbidden, "introspection is not allowed here")}
	}
	if e.cfg.MaxCost > 0 {
		if cost := complexity.Calculate(ctx, e.schema, def, vars); cost > e.cfg.MaxCost {
			return nil, gqlerror.List{limitError("cost", e.cfg.MaxCost)}
		}
	}
	if op.IsSubscription() {
		fields := graphql.CollectFields(op.ctx, def.SelectionSet, nil)
		if len(fields) != 1 { // Validation counts names, so it lets two aliases of one field pass, and looks at no condition.
			return nil, gqlerror.List{NewError(CodeBadUserInput, "a subscription must select exactly one field, not %d", len(fields))}
		}
		op.resume = e.findResume(op.ctx, fields[0])
	}
	return op, nil
}

// document returns the parsed document: valid, and each of its operations within the limits.
func (e *Executor) document(text string, suggest bool) (*ast.QueryDocument, gqlerror.List) {
	if len(text) > e.cfg.MaxDocumentBytes {
		return nil, gqlerror.List{limitError("bytes of the document", e.cfg.MaxDocumentBytes)}
	}
	if doc := e.docs.get(text); doc != nil {
		return doc, nil
	}
	e.stats.parsed.Add(1)
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, e.cfg.MaxTokens)
	if err != nil {
		return nil, gqlerror.List{e.parseError(err)}
	}
	if len(doc.Operations) == 0 {
		return nil, gqlerror.List{NewError(CodeBadUserInput, "the document has no operation")}
	}
	if errs := validator.ValidateWithRules(e.schema.Schema(), doc, validationRules(suggest)); len(errs) > 0 {
		if suggest {
			e.sayEnumValues(errs)
		}
		return nil, coded(CodeBadUserInput, e.capErrors(errs))
	}
	m := measure{cfg: e.cfg, doc: doc}
	for _, op := range doc.Operations {
		if err := m.operation(op); err != nil {
			return nil, gqlerror.List{err}
		}
	}
	e.docs.add(text, doc)
	return doc, nil
}

func (e *Executor) parseError(err error) *gqlerror.Error {
	gerr := gqlerror.WrapIfUnwrapped(err)
	if strings.HasPrefix(gerr.Message, "exceeded token limit") {
		return limitError("tokens of the document", e.cfg.MaxTokens)
	}
	return coded(CodeBadUserInput, gqlerror.List{gerr})[0]
}

// validationRules are gqlparser's. Suggestions would tell names of the schema to those who may not ask for it.
func validationRules(suggest bool) *rules.Rules {
	r := rules.NewDefaultRules()
	if suggest {
		return r
	}
	r.ReplaceRule(rules.FieldsOnCorrectTypeRule.Name, rules.FieldsOnCorrectTypeRuleWithoutSuggestions.RuleFunc)
	r.ReplaceRule(rules.KnownArgumentNamesRule.Name, rules.KnownArgumentNamesRuleWithoutSuggestions.RuleFunc)
	r.ReplaceRule(rules.KnownTypeNamesRule.Name, rules.KnownTypeNamesRuleWithoutSuggestions.RuleFunc)
	r.ReplaceRule(rules.ScalarLeafsRule.Name, rules.ScalarLeafsRuleWithoutSuggestions.RuleFunc)
	r.ReplaceRule(rules.ValuesOfCorrectTypeRule.Name, rules.ValuesOfCorrectTypeRuleWithoutSuggestions.RuleFunc)
	return r
}

// asksForSchema tells whether a root selection asks for the schema. The measure has bounded the walk.
func asksForSchema(doc *ast.QueryDocument, set ast.SelectionSet) bool {
	for _, sel := range set {
		switch sel := sel.(type) {
		case *ast.Field:
			if sel.Name == "__schema" || sel.Name == "__type" {
				return true
			}
		case *ast.InlineFragment:
			if asksForSchema(doc, sel.SelectionSet) {
				return true
			}
		case *ast.FragmentSpread:
			if def := doc.Fragments.ForName(sel.Name); def != nil && asksForSchema(doc, def.SelectionSet) {
				return true
			}
		}
	}
	return false
}

func resolveField(ctx context.Context, next graphql.Resolver) (any, error) { return next(ctx) }

func resolveRoot(ctx context.Context, next graphql.RootResolver) graphql.Marshaler { return next(ctx) }

// Execute executes a query or a mutation.
func (e *Executor) Execute(ctx context.Context, op *Operation) (resp *graphql.Response) {
	if op.IsSubscription() {
		return &graphql.Response{Errors: gqlerror.List{NewError(CodeBadUserInput, "a subscription has no single answer")}}
	}
	e.stats.executed.Add(1)
	defer func() {
		if p := recover(); p != nil {
			resp = &graphql.Response{Errors: e.present(ctx, e.recovered(ctx, p)), Data: []byte("null")}
		}
	}()
	ctx = e.withResponse(graphql.WithOperationContext(e.cfg.Begin(ctx), op.ctx))
	if ctx.Err() != nil {
		return &graphql.Response{Errors: e.present(ctx, context.Cause(ctx)), Data: []byte("null")}
	}
	return e.capped(finished(ctx, e.schema.Exec(ctx)(ctx)))
}

// elements starts a subscription, which belongs to a context, and returns what gives its responses, one by one, and nil after the last.
//
// Execute and elements are what gqlgen's own executor does where there are no extensions to it, for which it makes a dozen closures for each operation, and no
// field of the schema has @subscriptionContext.
func (e *Executor) elements(ctx context.Context, op *graphql.OperationContext) func() *graphql.Response {
	ctx = graphql.WithOperationContext(ctx, op)
	starting := e.withResponse(ctx)
	next := e.schema.Exec(starting)
	if errs := graphql.GetErrors(starting); errs != nil {
		next = graphql.OneShot(&graphql.Response{Errors: errs})
		return func() *graphql.Response { return next(ctx) }
	}
	return func() *graphql.Response {
		if ctx.Err() != nil {
			return nil
		}
		ctx := e.withResponse(ctx)
		return finished(ctx, next(ctx))
	}
}

// withResponse makes the context of one response, which collects the errors of its fields.
func (e *Executor) withResponse(ctx context.Context) context.Context {
	return graphql.WithResponseContext(ctx, e.presentOne, e.recovered)
}

// finished adds to a response what its context has collected. There may be none.
func finished(ctx context.Context, resp *graphql.Response) *graphql.Response {
	if resp != nil {
		resp.Errors = append(resp.Errors, graphql.GetErrors(ctx)...)
		resp.Extensions = graphql.GetExtensions(ctx)
	}
	return resp
}
