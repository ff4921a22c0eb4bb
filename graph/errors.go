package graph

import (
	"errors"
	"fmt"

	"waggle/registry"
)

// CodeBadUserInput is the code of errors that say which value is wrong, why, and what is allowed.
const CodeBadUserInput = "BAD_USER_INPUT"

// ErrorCode returns the extensions.code of an error that a resolver returned; "" when the error is not for clients.
func ErrorCode(err error) string {
	if _, ok := errors.AsType[*registry.InvalidError](err); ok {
		return CodeBadUserInput
	}
	return ""
}

// Bounds of arguments that are no business of the registry.
const (
	MaxHeartbeats = 1000
	MinIntervalMS = 100
	MaxIntervalMS = 60_000
)

func checkRange(field string, v, least, most int) error {
	if v < least || v > most {
		return &registry.InvalidError{Field: field, Why: fmt.Sprintf("%d must be %d to %d", v, least, most)}
	}
	return nil
}
