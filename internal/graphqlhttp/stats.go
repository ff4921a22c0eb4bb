package graphqlhttp

import "sync/atomic"

// Stats counts what a Handler did since it was made.
type Stats struct {
	Requests int64 `metric:"graphql_http_requests_total" help:"Requests received."`
	Refused  int64 `metric:"graphql_http_refused_total" help:"Requests that were not GraphQL over HTTP."`
	Invalid  int64 `metric:"graphql_http_invalid_total" help:"Requests whose operation was not valid or over a limit."`
	Streams  int64 `metric:"graphql_http_streams" help:"Event streams that are open."`
}

type counters struct{ requests, refused, invalid atomic.Int64 }

// Stats returns the counts so far.
func (h *Handler) Stats() Stats {
	return Stats{
		Requests: h.stats.requests.Load(),
		Refused:  h.stats.refused.Load(),
		Invalid:  h.stats.invalid.Load(),
		Streams:  h.streams.Load(),
	}
}
