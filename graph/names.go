package graph

import "hash/maphash"

// names remembers texts that come again and again, as names of models and devices do in heartbeats, so that each takes memory once. It forgets
// one text for another that falls into the same place, and never holds more than maxNames of at most maxNameBytes.
type names struct {
	seed  maphash.Seed
	known []string
}

const (
	maxNames     = 256
	maxNameBytes = 64
)

// of returns a string of this text.
func (n *names) of(text []byte) string {
	if len(text) > maxNameBytes {
		return string(text)
	}
	if n.known == nil {
		n.seed, n.known = maphash.MakeSeed(), make([]string, maxNames)
	}
	known := &n.known[maphash.Bytes(n.seed, text)%maxNames]
	if *known != string(text) {
		*known = string(text)
	}
	return *known
}
