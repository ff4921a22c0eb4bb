// Package client talks to a Waggle server with typed operations.
package client

//go:generate go tool genqlient genqlient.yaml
