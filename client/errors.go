package client

import (
	"fmt"
	"net/http"
)

// Error is the first of the GraphQL errors with which the server refused an operation.
type Error struct {
	// Message is meant for people.
	Message string `json:"message"`
	// Path leads to the field that failed, through names and list positions; empty when the whole operation failed.
	Path []any `json:"path"`
	// Extensions holds what a program may need to know.
	Extensions struct {
		// Code classifies the error, e.g. BAD_USER_INPUT or UNAUTHENTICATED; empty when the server gave none.
		Code string `json:"code"`
	} `json:"extensions"`
	// Status is the HTTP status of the answer.
	Status int `json:"-"`
}

// Error implements the error interface.
func (e *Error) Error() string {
	if e.Extensions.Code == "" {
		return e.Message
	}
	return e.Extensions.Code + ": " + e.Message
}

// Code is the code in the error's extensions, e.g. BAD_USER_INPUT; empty when the server gave none.
func (e *Error) Code() string { return e.Extensions.Code }

// StatusError is an answer whose status says failure and whose body is not GraphQL: from a proxy, or another server.
type StatusError struct {
	// Status is the HTTP status.
	Status int
}

// Error implements the error interface.
func (e *StatusError) Error() string {
	if e.Status == http.StatusMisdirectedRequest {
		return "the server answered 421 Misdirected Request: it does not go by the name in the URL; allow it there with --allow-host, or use its address"
	}
	return fmt.Sprintf("the server answered %d %s", e.Status, http.StatusText(e.Status))
}
