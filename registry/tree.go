package registry

import (
	"iter"
	"slices"
	"sort"
)

// maxFill bounds the entries of a tree node. A change copies one node per level, so small nodes make
// writes cheap; 16 was the best of 8, 16 and 32 in BenchmarkApply.
const maxFill = 16

// A summed value knows what it adds to the sum of the tree that holds it. It should hold that in itself: a change
// adds up a whole node, and following 16 pointers costs 16 cache misses.
type summed[A any] interface{ sum() A }

// A sum can be added to. Addition must be associative: a node's sum is that of its entries in order.
type sum[A any] interface{ plus(A) A }

// tree is a persistent B+ tree: a sorted map from string keys to values that keeps the sum of its
// values at every node. It is immutable: put and remove return a changed copy that shares all untouched nodes,
// in O(log n) time and memory. The zero value is empty.
type tree[V summed[A], A sum[A]] struct{ root *treeNode[V, A] }

type treeNode[V summed[A], A sum[A]] struct {
	keys  []string          // leaf: of the values; else: the smallest key under each child
	vals  []V               // leaf only
	kids  []*treeNode[V, A] // inner only
	total A                 // sum of all values below
	count int               // number of values below
}

func (t tree[V, A]) len() int {
	if t.root == nil {
		return 0
	}
	return t.root.count
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
		if n.kids == nil {
			if i, found := slices.BinarySearch(n.keys, key); found {
				return n.vals[i], true
			}
			break
		}
		n = n.kids[n.childFor(key)]
	}
	var none V
	return none, false
}

// put returns a tree in which key has the value.
func (t tree[V, A]) put(key string, value V) tree[V, A] {
	if t.root == nil {
		return tree[V, A]{newLeaf[V, A]([]string{key}, []V{value})}
	}
	left, right := t.root.put(key, value)
	if right == nil {
		return tree[V, A]{left}
	}
	return tree[V, A]{newInner([]*treeNode[V, A]{left, right})}
}

// remove returns a tree without key, and itself when key is not there.
func (t tree[V, A]) remove(key string) tree[V, A] {
	if _, found := t.get(key); !found {
		return t
	}
	root := t.root.remove(key)
	for root != nil && len(root.kids) == 1 {
		root = root.kids[0]
	}
	return tree[V, A]{root}
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

func newLeaf[V summed[A], A sum[A]](keys []string, vals []V) *treeNode[V, A] {
	n := &treeNode[V, A]{keys: keys, vals: vals, count: len(vals), total: vals[0].sum()}
	for i := range vals[1:] {
		n.total = n.total.plus(vals[i+1].sum())
	}
	return n
}

func newInner[V summed[A], A sum[A]](kids []*treeNode[V, A]) *treeNode[V, A] {
	n := &treeNode[V, A]{keys: make([]string, len(kids)), kids: kids}
	n.total = kids[0].total
	for i, kid := range kids {
		n.keys[i] = kid.keys[0]
		n.count += kid.count
		if i > 0 {
			n.total = n.total.plus(kid.total)
		}
	}
	return n
}

// childFor returns the position of the child under which key belongs.
func (n *treeNode[V, A]) childFor(key string) int {
	return max(sort.Search(len(n.keys), func(i int) bool { return n.keys[i] > key })-1, 0)
}

// put returns the node's replacement, and a second one to its right when it had to be split.
func (n *treeNode[V, A]) put(key string, value V) (left, right *treeNode[V, A]) {
	if n.kids == nil {
		i, found := slices.BinarySearch(n.keys, key)
		if found {
			vals := slices.Clone(n.vals)
			vals[i] = value
			return newLeaf[V, A](n.keys, vals), nil
		}
		keys, vals := insert(n.keys, i, key), insert(n.vals, i, value)
		if len(keys) <= maxFill {
			return newLeaf[V, A](keys, vals), nil
		}
		at := splitAt(len(keys), i)
		return newLeaf[V, A](keys[:at], vals[:at]), newLeaf[V, A](keys[at:], vals[at:])
	}

	i := n.childFor(key)
	first, second := n.kids[i].put(key, value)
	if second == nil {
		return n.withKid(i, first), nil
	}
	kids := insert(n.kids, i+1, second)
	kids[i] = first
	if len(kids) <= maxFill {
		return newInner(kids), nil
	}
	at := splitAt(len(kids), i+1)
	return newInner(kids[:at:at]), newInner(kids[at:])
}

// withKid returns a copy of an inner node with another i-th child.
func (n *treeNode[V, A]) withKid(i int, kid *treeNode[V, A]) *treeNode[V, A] {
	kids := slices.Clone(n.kids)
	kids[i] = kid
	if kid.keys[0] != n.keys[i] {
		return newInner(kids)
	}
	// The keys are the same, so they are shared.
	c := &treeNode[V, A]{keys: n.keys, kids: kids, count: n.count - n.kids[i].count + kid.count}
	c.total = kids[0].total
	for _, k := range kids[1:] {
		c.total = c.total.plus(k.total)
	}
	return c
}

// remove returns the node's replacement without key, or nil when nothing is left.
// Nodes are not merged until they are empty: fleets grow back.
func (n *treeNode[V, A]) remove(key string) *treeNode[V, A] {
	if n.kids == nil {
		i, _ := slices.BinarySearch(n.keys, key)
		if len(n.keys) == 1 {
			return nil
		}
		return newLeaf[V, A](without(n.keys, i), without(n.vals, i))
	}
	i := n.childFor(key)
	kid := n.kids[i].remove(key)
	if kid != nil {
		return n.withKid(i, kid)
	}
	if len(n.kids) == 1 {
		return nil
	}
	return newInner(without(n.kids, i))
}

func (n *treeNode[V, A]) walk(some func(A) bool, yield func(string, V) bool) bool {
	if some != nil && !some(n.total) {
		return true
	}
	for _, kid := range n.kids {
		if !kid.walk(some, yield) {
			return false
		}
	}
	for i, v := range n.vals {
		if (some == nil || some(v.sum())) && !yield(n.keys[i], v) {
			return false
		}
	}
	return true
}

func (n *treeNode[V, A]) walkBack(some func(A) bool, yield func(string, V) bool) bool {
	if some != nil && !some(n.total) {
		return true
	}
	for _, kid := range slices.Backward(n.kids) {
		if !kid.walkBack(some, yield) {
			return false
		}
	}
	for i, v := range slices.Backward(n.vals) {
		if (some == nil || some(v.sum())) && !yield(n.keys[i], v) {
			return false
		}
	}
	return true
}

// splitAt says how many of n entries stay in the left node after one was inserted at position i. Keys
// that come in ascending order, as numbered hives do, leave full nodes behind.
func splitAt(n, i int) int {
	if i == n-1 {
		return n - 1
	}
	return n / 2
}

func insert[E any](s []E, i int, e E) []E {
	out := make([]E, len(s)+1)
	copy(out, s[:i])
	out[i] = e
	copy(out[i+1:], s[i:])
	return out
}

func without[E any](s []E, i int) []E {
	out := make([]E, 0, len(s)-1)
	return append(append(out, s[:i]...), s[i+1:]...)
}
