package graph

import "iter"

// ledger notes something about each id, in the order in which the ids first came up, so that equal changes make equal updates. The
// zero value is empty.
type ledger[T any] struct {
	positions map[string]int
	entries   []ledgerEntry[T]
}

type ledgerEntry[T any] struct {
	id   string
	note *T
}

// at returns the note about an id, a new one if there is none yet.
func (l *ledger[T]) at(id string) *T {
	if i, ok := l.positions[id]; ok {
		return l.entries[i].note
	}
	if l.positions == nil {
		l.positions = map[string]int{}
	}
	l.positions[id] = len(l.entries)
	note := new(T)
	l.entries = append(l.entries, ledgerEntry[T]{id, note})
	return note
}

func (l *ledger[T]) all() iter.Seq2[string, *T] {
	return func(yield func(string, *T) bool) {
		for _, e := range l.entries {
			if !yield(e.id, e.note) {
				return
			}
		}
	}
}
