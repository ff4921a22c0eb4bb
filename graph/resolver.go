// Package graph answers GraphQL operations from package registry: thin resolvers, and the mapping of errors.
package graph

//go:generate go tool gqlgen generate

import "waggle/registry"

// Resolver is the root of all resolvers.
type Resolver struct {
	Registry *registry.TelemetryRegistry
	Version  string // of this server
}
