// Package graphqlexec executes GraphQL operations for every transport, on a schema that gqlgen generated.
//
// Its promises:
//
//   - One executor, one set of limits. A document that is too long, too deep or too wide is refused before it is
//     executed, whichever transport brought it, with extensions.code LIMIT_EXCEEDED and the limit's name.
//   - Subscriptions that are equal in document, operation name, coerced variables (without the one that feeds the root
//     field's `since` argument) and scope are one group: executed once and encoded once per element, however many
//     subscribers there are. The last one that leaves ends the group.
//   - Every subscriber gets a gapless, ordered part of its group's elements: what it was sent to catch up, then every
//     element sent to the members after that, none lost, none repeated. One that cannot follow misses nothing
//     silently either: it catches up again, from the last element that it was given.
//   - What an operation's author did not mean to tell stays inside: an error without a public code, and a panic, are
//     logged under an id, and the client is told INTERNAL and that id.
//
// A subscription resolver that sends whole answers needs to know nothing of this. One that sends changes makes a
// [Stream] and serves its joins.
package graphqlexec
