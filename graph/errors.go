package graph

import (
	"errors"
	"fmt"

	"waggle/registry"
)

// Values of extensions.code.
const (
	CodeBadUserInput = "BAD_USER_INPUT" // says which value is wrong, why, and what is allowed
	CodeUnavailable  = "UNAVAILABLE"    // cannot be had now; asking again may help
)

// ErrorCode returns the extensions.code of an error that a resolver returned; "" when the error is not for clients.
func ErrorCode(err error) string {
	if _, ok := errors.AsType[*registry.InvalidError](err); ok {
		return CodeBadUserInput
	}
	if errors.Is(err, errEventsLost) {
		return CodeUnavailable
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
