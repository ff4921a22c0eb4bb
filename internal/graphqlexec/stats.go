package graphqlexec

import "sync/atomic"

// Stats counts what an Executor did since it was made.
type Stats struct {
	Executed       int64 `metric:"graphql_operations_total" label:"type=single" help:"Queries and mutations executed."`
	Subscribed     int64 `metric:"graphql_operations_total" label:"type=subscription" help:"Subscriptions accepted."`
	Rejected       int64 `metric:"graphql_rejected_total" help:"Operations that were not valid or over a limit."`
	Parsed         int64 `metric:"graphql_documents_parsed_total" help:"Documents parsed since they were not in the cache."`
	GroupsStarted  int64 `metric:"graphql_groups_started_total" help:"Groups of equal subscriptions started."`
	Groups         int64 `metric:"graphql_groups" help:"Groups of equal subscriptions that run."`
	Elements       int64 `metric:"graphql_elements_total" help:"Elements of subscriptions executed and encoded."`
	Deliveries     int64 `metric:"graphql_deliveries_total" help:"Elements handed to subscribers."`
	Refusals       int64 `metric:"graphql_slow_subscribers_total" help:"Times a subscriber had no room for an element."`
	InternalErrors int64 `metric:"graphql_internal_errors_total" help:"Errors masked as INTERNAL, panics included."`
	Panics         int64 `metric:"graphql_panics_total" help:"Panics recovered."`
}

type counters struct {
	executed, subscribed, rejected, parsed, groups         atomic.Int64
	elements, deliveries, refusals, internalErrors, panics atomic.Int64
}

// Stats returns the counts so far.
func (e *Executor) Stats() Stats {
	e.mu.Lock()
	groups := len(e.groups)
	e.mu.Unlock()
	return Stats{
		Executed:       e.stats.executed.Load(),
		Subscribed:     e.stats.subscribed.Load(),
		Rejected:       e.stats.rejected.Load(),
		Parsed:         e.stats.parsed.Load(),
		GroupsStarted:  e.stats.groups.Load(),
		Groups:         int64(groups),
		Elements:       e.stats.elements.Load(),
		Deliveries:     e.stats.deliveries.Load(),
		Refusals:       e.stats.refusals.Load(),
		InternalErrors: e.stats.internalErrors.Load(),
		Panics:         e.stats.panics.Load(),
	}
}
