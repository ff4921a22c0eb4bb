// Package rbee speaks the wire of the rbee project, in all its generations, so that its hives and dashboards find a registry where they look for
// their queen.
package rbee
