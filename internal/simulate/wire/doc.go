// Package wire speaks HTTP and graphql-transport-ws as cheaply as a client can, so that a load generator with one core is not the
// slower side of what it measures: one write and hardly more than one read for each exchange, nothing decoded that nobody asks for, and
// memory that is used again.
//
// What costs little promises little: it is for servers that are being measured. Programs use package client.
package wire
