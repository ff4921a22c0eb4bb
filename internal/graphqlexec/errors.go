package graphqlexec

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// The extensions.code values that this package gives. A schema's own errors have what Config.Code says.
const (
	CodeBadUserInput  = "BAD_USER_INPUT"
	CodeLimitExceeded = "LIMIT_EXCEEDED"
	CodeForbidden     = "FORBIDDEN"
	CodeUnavailable   = "UNAVAILABLE"
	CodeInternal      = "INTERNAL"
)

// maxErrorText bounds an error's text, which may quote names and values of the request.
const maxErrorText = 500

// internalError stands for an error or a panic that was logged and is not for clients.
type internalError struct{ id string }

func (e *internalError) Error() string { return "internal error, logged with id " + e.id }

// NewError makes an error for a client.
func NewError(code, format string, args ...any) *gqlerror.Error {
	return &gqlerror.Error{Message: clip(fmt.Sprintf(format, args...)), Extensions: map[string]any{"code": code}}
}

// present makes what a client is told of an error that arose outside a field.
func (e *Executor) present(ctx context.Context, err error) gqlerror.List {
	return gqlerror.List{e.presentOne(ctx, err)}
}

// presentOne is gqlgen's error presenter: it decides what the client is told. An error without a code of its own, and
// for which Config.Code knows none, is logged and masked.
func (e *Executor) presentOne(ctx context.Context, err error) *gqlerror.Error {
	known, ok := errors.AsType[*gqlerror.Error](err)
	if !ok {
		known = gqlerror.Wrap(err)
	}
	if _, ok := known.Extensions["code"]; ok {
		return known
	}
	cause := known.Err
	if cause == nil {
		cause = known
	}
	out := &gqlerror.Error{Path: known.Path, Locations: known.Locations}
	internal, wasLogged := errors.AsType[*internalError](cause)
	code := e.cfg.Code(cause)
	switch {
	case wasLogged:
		out.Message, code = internal.Error(), CodeInternal
	case code != "":
		out.Message = cause.Error()
	case badArguments(ctx):
		out.Message, code = cause.Error(), CodeBadUserInput
	case errors.Is(cause, context.DeadlineExceeded), errors.Is(cause, context.Canceled):
		out.Message, code = "the operation was ended before it was done", CodeUnavailable
	default:
		out.Message, code = e.logged(ctx, cause, nil).Error(), CodeInternal
	}
	out.Message = clip(out.Message)
	out.Extensions = map[string]any{"code": code}
	return out
}

// badArguments tells that the error came from reading a field's arguments, before its resolver was called: gqlgen has
// not set them yet then.
func badArguments(ctx context.Context) bool {
	fc := graphql.GetFieldContext(ctx)
	return fc != nil && fc.Args == nil && fc.Field.Field != nil &&
		fc.Field.Definition != nil && len(fc.Field.Definition.Arguments) > 0
}

// recovered is gqlgen's recover function: it logs a panic and returns what stands for it.
func (e *Executor) recovered(ctx context.Context, p any) error {
	e.stats.panics.Add(1)
	return e.logged(ctx, fmt.Errorf("panic: %v", p), debug.Stack())
}

func (e *Executor) logged(ctx context.Context, cause error, stack []byte) *internalError {
	e.stats.internalErrors.Add(1)
	var b [4]byte
	_, _ = rand.Read(b[:]) // Never fails, as its documentation says.
	id := hex.EncodeToString(b[:])
	e.cfg.Logger.ErrorContext(ctx, "operation failed", "error_id", id, "error", cause, "stack", string(stack))
	return &internalError{id: id}
}

// capErrors keeps the first MaxErrors errors.
func (e *Executor) capErrors(errs gqlerror.List) gqlerror.List {
	return slices.Clip(errs[:min(len(errs), e.cfg.MaxErrors)])
}

func (e *Executor) capped(resp *graphql.Response) *graphql.Response {
	if len(resp.Errors) <= e.cfg.MaxErrors {
		return resp
	}
	c := *resp
	c.Errors = e.capErrors(resp.Errors)
	return &c
}

// clip cuts a text that would be too long to show.
func clip(text string) string {
	if len(text) <= maxErrorText {
		return text
	}
	return strings.ToValidUTF8(text[:maxErrorText], "") + "…"
}

// coded gives the errors of gqlparser a code and a bounded text.
func coded(code string, errs gqlerror.List) gqlerror.List {
	for _, err := range errs {
		err.Message = clip(err.Message)
		err.Extensions = map[string]any{"code": code}
	}
	return errs
}

// enumInError finds the enum that gqlparser says a value is not of.
var enumInError = regexp.MustCompile(`(?:in|Enum) "\[*(\w+)[\]!]*"`)

// sayEnumValues adds to errors about values of enums what is allowed, which gqlparser leaves out.
func (e *Executor) sayEnumValues(errs gqlerror.List) {
	for _, err := range errs {
		if err.Rule != rules.ValuesOfCorrectTypeRule.Name {
			continue
		}
		if found := enumInError.FindStringSubmatch(err.Message); found != nil {
			if def := e.schema.Schema().Types[found[1]]; def != nil && def.Kind == ast.Enum {
				err.Message += " Allowed are " + enumValues(def) + "."
			}
		}
	}
}

func enumValues(def *ast.Definition) string {
	names := make([]string, len(def.EnumValues))
	for i, v := range def.EnumValues {
		names[i] = v.Name
	}
	return strings.Join(names, ", ")
}
