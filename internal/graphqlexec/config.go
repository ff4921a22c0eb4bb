package graphqlexec

import (
	"cmp"
	"context"
	"log/slog"

	"waggle/internal/jsonwalk"
)

// Config sets an Executor up. The zero value is ready for use.
type Config struct {
	// MaxDocumentBytes bounds a document's text. Zero value means 16 KiB.
	MaxDocumentBytes int
	// MaxTokens bounds a document's tokens, and with them the cost of validating it, which is quadratic. The full
	// introspection query has 184. Zero value means 1,000.
	MaxTokens int
	// MaxDepth bounds how deep fields may be nested; the introspection query of graphql-js has 15. Zero value means 15.
	MaxDepth int
	// MaxAliases bounds the aliases of an operation after its fragments are expanded. Zero value means 50.
	MaxAliases int
	// MaxSelections bounds the fields, fragment spreads and inline fragments of an operation after its fragments are
	// expanded. Zero value means 500.
	MaxSelections int
	// MaxCost bounds an operation's complexity as the schema's complexity functions count it. Zero value means no bound.
	MaxCost int
	// MaxErrors bounds the list of errors in a response. Zero value means 8.
	MaxErrors int
	// MaxCachedBytes bounds the documents that are kept parsed, by the sum of their texts. What a parsed document takes
	// grows with its text (up to some 30 bytes a byte), so a count of entries would bound nothing. Zero value means 1 MiB.
	MaxCachedBytes int

	// FanOutBite is how many subscribers are handed an element before others may use the processor. Zero value means 64.
	FanOutBite int

	// ResumeArgument names the argument of a subscription's root field that says from where to go on. Subscriptions that
	// differ in the variable that feeds it, and in nothing else, are one group. Zero value means "since".
	ResumeArgument string

	// Inputs has functions, by the names of input types, that read a value of that type, never null, from JSON. Variables of
	// these types, and of lists of them, are read by them in queries and mutations, and what they return is handed to
	// gqlgen's unmarshaller of the type; nothing else checks it against the schema. Where it is a literal or its default, or
	// in a subscription, the unmarshaller still gets a map. Zero value means that all variables become maps.
	Inputs map[string]func(*jsonwalk.Walker) any

	// Introspection tells whether the caller may ask for the schema. Zero value means nobody may.
	Introspection func(ctx context.Context) bool

	// Code maps an error that a resolver returned to the extensions.code that the client is told together with the
	// error's text. "" means that the error is not for clients: it is logged, and they are told INTERNAL. Zero value
	// means that no error is for clients.
	Code func(err error) string

	// Begin makes the context in which one query or mutation is executed, so that all its fields can share something, such
	// as a snapshot. Zero value means the caller's context.
	Begin func(ctx context.Context) context.Context

	// Share makes the context of a group from that of its first subscriber. It must carry only what all subscribers of
	// the scope have in common. Zero value means an empty context.
	Share func(ctx context.Context) context.Context

	// Logger gets internal errors. Zero value means that they are dropped.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	c.MaxDocumentBytes = cmp.Or(c.MaxDocumentBytes, 16<<10)
	c.MaxTokens = cmp.Or(c.MaxTokens, 1000)
	c.MaxDepth = cmp.Or(c.MaxDepth, 15)
	c.MaxAliases = cmp.Or(c.MaxAliases, 50)
	c.MaxSelections = cmp.Or(c.MaxSelections, 500)
	c.MaxErrors = cmp.Or(c.MaxErrors, 8)
	c.MaxCachedBytes = cmp.Or(c.MaxCachedBytes, 1<<20)
	c.FanOutBite = cmp.Or(c.FanOutBite, 64)
	c.ResumeArgument = cmp.Or(c.ResumeArgument, "since")
	if c.Introspection == nil {
		c.Introspection = func(context.Context) bool { return false }
	}
	if c.Code == nil {
		c.Code = func(error) string { return "" }
	}
	if c.Begin == nil {
		c.Begin = func(ctx context.Context) context.Context { return ctx }
	}
	if c.Share == nil {
		c.Share = func(context.Context) context.Context { return context.Background() }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}
