package registry

import (
	"iter"
	"slices"
)

// maxFill bounds the entries of a tree node. A change copies one node per level, so small nodes make
// writes cheap; 12 was the best of 8, 12 and 16 in BenchmarkApply and BenchmarkApplyLookedAt.
const maxFill = 12

// A summed value knows what it adds to the sum of the tree that holds it.
type summed[A any] interface{ sum() A }

// A sum can be added to. Addition must be associative: a node's sum is that of its entries in order.
type sum[A any] interface {
	comparable
	plus(A) A
	// swap returns the sum after one of its parts changed. It returns false if only adding up all parts can tell, which
	// costs a look at each of them.
	swap(was, is A) (A, bool)
}

// tree is a state of a B+ tree: a sorted map from string keys to values that keeps the sum of its values at every node. It is
// immutable; a treeWriter makes one after the other, and each shares with the one before it the nodes that are the same. The zero value is
// empty.
type tree[V summed[A], A sum[A]] struct{ root *treeNode[V, A] }

// treeNode is a leaf, which has values, or an inner node, which has kids: as many as keys.
type treeNode[V summed[A], A sum[A]] struct {
	// What is needed to change a value comes first, so that it lies together.
	edition edition // it and stem are the writer's alone
	vals    *[maxFill]V
	total   A         // sum of all values below
	keys    *treeKeys // leaf: of the values; else: the smallest key under each kid
	kids    *[maxFill]*treeNode[V, A]
	count   int32 // number of values below
	stem    stem
}

func (t tree[V, A]) len() int {
	if t.root == nil {
		return 0
	}
	return int(t.root.count)
}

// sum returns the sum of all values; the zero sum when there are none.
func (t tree[V, A]) sum() A {
	var zero A
	if t.root == nil {
		return zero
	}
	return t.root.total
}

func (t tree[V, A]) get(key string) (V, bool) {
	for n := t.root; n != nil; {
		if n.vals != nil {
			if i, found := n.keys.search(key); found {
				return n.vals[i], true
			}
			break
		}
		n = n.kids[n.keys.childFor(key)]
	}
	var none V
	return none, false
}

// all yields the entries in the order of their keys.
func (t tree[V, A]) all() iter.Seq2[string, V] { return t.where(nil) }

// where yields the entries in the order of their keys, but leaves out every subtree whose sum does not
// satisfy some, so that a search costs what it finds and not the whole. A value is tested by its own sum.
func (t tree[V, A]) where(some func(A) bool) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		if t.root != nil {
			t.root.walk(some, yield)
		}
	}
}

// backward is where in the opposite order.
func (t tree[V, A]) backward(some func(A) bool) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		if t.root != nil {
			t.root.walkBack(some, yield)
		}
	}
}

// A node and what it holds are one piece of memory, so that a copy is one allocation.
type (
	leafRoom[V summed[A], A sum[A]] struct {
		node treeNode[V, A]
		vals [maxFill]V
	}
	innerRoom[V summed[A], A sum[A]] struct {
		node treeNode[V, A]
		kids [maxFill]*treeNode[V, A]
	}
)

func newLeaf[V summed[A], A sum[A]](keys []string, vals []V) *treeNode[V, A] {
	room := &leafRoom[V, A]{}
	n := &room.node
	n.keys, n.vals, n.count = newTreeKeys(keys), &room.vals, int32(len(vals))
	copy(n.vals[:], vals)
	n.addUp()
	return n
}

func newInner[V summed[A], A sum[A]](kids []*treeNode[V, A]) *treeNode[V, A] {
	room := &innerRoom[V, A]{}
	n := &room.node
	n.kids = &room.kids
	copy(n.kids[:], kids)
	smallest := make([]string, len(kids))
	for i, kid := range kids {
		smallest[i] = kid.keys.all[0]
		n.count += kid.count
	}
	n.keys = newTreeKeys(smallest)
	n.addUp()
	return n
}

// copyFor returns a copy for an edition.
func (n *treeNode[V, A]) copyFor(ed edition) *treeNode[V, A] {
	if n.vals != nil {
		room := &leafRoom[V, A]{*n, *n.vals}
		room.node.vals, room.node.edition = &room.vals, ed
		return &room.node
	}
	room := &innerRoom[V, A]{*n, *n.kids}
	room.node.kids, room.node.edition = &room.kids, ed
	return &room.node
}

// children returns the kids; none of a leaf.
func (n *treeNode[V, A]) children() []*treeNode[V, A] {
	if n.kids == nil {
		return nil
	}
	return n.kids[:n.keys.len()]
}

// values returns the values; none of an inner node.
func (n *treeNode[V, A]) values() []V {
	if n.vals == nil {
		return nil
	}
	return n.vals[:n.keys.len()]
}

// addUp sets the total.
func (n *treeNode[V, A]) addUp() {
	if n.vals != nil {
		n.total = n.vals[0].sum()
		for _, v := range n.values()[1:] {
			n.total = n.total.plus(v.sum())
		}
		return
	}
	n.total = n.kids[0].total
	for _, kid := range n.children()[1:] {
		n.total = n.total.plus(kid.total)
	}
}

// swapped sets the total after one part has changed.
func (n *treeNode[V, A]) swapped(was, is A) {
	if was == is {
		return
	}
	if total, ok := n.total.swap(was, is); ok {
		n.total = total
	} else {
		n.addUp()
	}
}

func (n *treeNode[V, A]) walk(some func(A) bool, yield func(string, V) bool) bool {
	if some != nil && !some(n.total) {
		return true
	}
	for _, kid := range n.children() {
		if !kid.walk(some, yield) {
			return false
		}
	}
	for i, v := range n.values() {
		if (some == nil || some(v.sum())) && !yield(n.keys.all[i], v) {
			return false
		}
	}
	return true
}

func (n *treeNode[V, A]) walkBack(some func(A) bool, yield func(string, V) bool) bool {
	if some != nil && !some(n.total) {
		return true
	}
	for _, kid := range slices.Backward(n.children()) {
		if !kid.walkBack(some, yield) {
			return false
		}
	}
	for i, v := range slices.Backward(n.values()) {
		if (some == nil || some(v.sum())) && !yield(n.keys.all[i], v) {
			return false
		}
	}
	return true
}
