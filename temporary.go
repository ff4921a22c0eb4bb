package main

import (
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/transport"

	"waggle/graph"
)

func temporaryGraphQL(r *graph.Resolver) http.Handler {
	h := handler.New(graph.NewExecutableSchema(graph.Config{Resolvers: r}))
	h.AddTransport(transport.Websocket{PingPongInterval: 15 * time.Second, InitTimeout: 5 * time.Second})
	h.AddTransport(transport.SSE{})
	h.AddTransport(transport.POST{})
	h.Use(extension.Introspection{})
	return h
}
