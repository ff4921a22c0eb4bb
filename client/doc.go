// Package client talks to a Waggle server with typed operations.
//
// The types and operations are made from the server's schema; a [Client] sends them over HTTP. It is safe for use by
// many goroutines, keeps its connections open between calls and never logs.
package client

//go:generate go tool genqlient genqlient.yaml
