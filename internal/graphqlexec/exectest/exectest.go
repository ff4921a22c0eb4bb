// Package exectest is a small schema over a log of texts, for the tests of the transports.
package exectest

import (
	"errors"
	"slices"
	"sync"
)

//go:generate go tool gqlgen generate --config gqlgen.yml

// ErrPublic is an error that clients may read.
var ErrPublic = errors.New("that is not possible on Sundays")

// Code is for graphqlexec.Config.
func Code(err error) string {
	if errors.Is(err, ErrPublic) {
		return "UNAVAILABLE"
	}
	return ""
}

// Log is a list of texts that grows. Its length is its revision. The zero value is empty and ready for use.
type Log struct {
	mu    sync.Mutex
	texts []string
	grown chan struct{}
}

// Append adds a text and returns the new revision.
func (l *Log) Append(text string) int { return l.AppendAll(text, 1) }

// AppendAll adds a text n times at once and returns the new revision.
func (l *Log) AppendAll(text string, n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.texts = append(l.texts, slices.Repeat([]string{text}, n)...)
	if l.grown != nil {
		close(l.grown)
		l.grown = nil
	}
	return len(l.texts)
}

// Since returns the texts after a revision, the revision they lead to, and a channel that is closed when there is more.
func (l *Log) Since(rev int) ([]string, int, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.grown == nil {
		l.grown = make(chan struct{})
	}
	return slices.Clone(l.texts[min(rev, len(l.texts)):]), len(l.texts), l.grown
}
