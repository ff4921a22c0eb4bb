// Package cli is what an operator types: commands for kong, which ask a server and print tables for people or, with --json, what
// scripts can read. Nothing here keeps state.
package cli
