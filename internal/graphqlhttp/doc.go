// Package graphqlhttp serves GraphQL over HTTP: POST as https://graphql.github.io/graphql-over-http/draft/ says, and
// subscriptions as server-sent events, in the "distinct connections mode" of
// https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md.
//
// Only POST and only application/json are taken: a browser sends neither across origins without asking first, so no
// page can make another's browser change anything. There are no batches and no uploads, and nothing that a client sent
// is quoted back outside GraphQL's own errors.
package graphqlhttp
