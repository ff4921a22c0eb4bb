package graphqlexec

import (
	"slices"
	"testing"
)

// While an element goes to the members, subscribers leave: whoever stays must keep a right place, and nobody who has not
// been looked at may slip among those who have. Once a place was lost when the last of those looked at left.
func TestLeavingDuringAFanOutKeepsThePlacesOfTheOthers(t *testing.T) {
	var orders [][]int
	var permute func(order, rest []int)
	permute = func(order, rest []int) {
		if len(rest) == 0 {
			orders = append(orders, order)
		}
		for i, k := range rest {
			permute(append(slices.Clone(order), k), slices.Delete(slices.Clone(rest), i, i+1))
		}
	}
	const n = 4
	permute(nil, []int{0, 1, 2, 3})
	for cursor := range n + 1 {
		for _, order := range orders {
			g := &group{cursor: cursor}
			all := make([]*Subscription, n)
			unseen := map[*Subscription]bool{}
			for i := range all {
				all[i] = &Subscription{group: g, index: i}
				g.subs = append(g.subs, all[i])
				unseen[all[i]] = i >= cursor
			}
			for _, k := range order {
				g.remove(all[k])
				for i, s := range g.subs {
					if s.index != i || unseen[s] != (i >= g.cursor) {
						t.Fatalf("cursor %d, order %v, after %d left: the one at %d believes to be at %d, cursor %d", cursor, order, k, i, s.index, g.cursor)
					}
				}
			}
		}
	}
}
