package registry

import "slices"

// edition numbers the states of a tree that somebody may have seen.
type edition uint64

// treeWriter changes a tree. What it has made since it last let go of a state it changes in place, all else it copies first; so a state
// that nobody asked for costs no copies, and one that somebody holds never changes. It is for one goroutine at a time.
type treeWriter[V summed[A], A sum[A]] struct {
	now    edition
	root   stem
	stems  []stemState[V, A] // by stem; noStem has a state of its own, which is of no tree
	free   []stem            // those in the tree no more
	layout layout            // the last one
}

// stem is a place for a node in a tree, where one version of the node follows the other. A stem knows the way up, so that
// a value whose place is known is replaced without a search, which in a large tree means without waiting for memory. It is a
// number, so that to remember one keeps nothing alive, and all of a tree lie together.
type stem int32

// noStem is what is above the root.
const noStem stem = 0

type stemState[V summed[A], A sum[A]] struct {
	node   *treeNode[V, A] // the present version; nil when the stem is in the tree no more
	layout layout
	parent stem
	at     int32 // which of the parent's kids this is
}

// layout numbers what the keys of a stem's node have been. No two stems of a tree ever had the same, so that a place is known to be another's.
type layout uint64

// place is where a tree has the value of a key. The zero value does not know.
type place struct {
	layout layout
	leaf   stem
	at     int32
}

// state lets go of the tree as it is now.
func (w *treeWriter[V, A]) state() tree[V, A] {
	w.now++
	return w.peek()
}

// peek returns the tree as it is now, which the next change may change.
func (w *treeWriter[V, A]) peek() tree[V, A] {
	if w.empty() {
		return tree[V, A]{}
	}
	return tree[V, A]{w.stems[w.root].node}
}

func (w *treeWriter[V, A]) empty() bool { return w.root == noStem }

// put gives the key the value. The place must be that of the key as an earlier call has set it, or the zero place.
func (w *treeWriter[V, A]) put(key string, value V, p *place) {
	if w.empty() {
		leaf := w.leaf([]string{key}, []V{value})
		w.plant(leaf)
		*p = w.placeIn(leaf, 0)
		return
	}
	if !w.has(*p) {
		leaf, at, found := w.search(key)
		if !found {
			*p = w.insert(leaf, at, key, value)
			return
		}
		*p = w.placeIn(leaf, at)
	}
	n := w.own(p.leaf)
	was, is := n.vals[p.at].sum(), value.sum()
	n.vals[p.at] = value
	for s := p.leaf; s != noStem && was != is; s = w.stems[s].parent {
		n := w.stems[s].node
		before := n.total
		n.swapped(was, is)
		was, is = before, n.total
	}
}

// has reports whether a place is still that of its key.
func (w *treeWriter[V, A]) has(p place) bool {
	return p.layout != 0 && w.stems[p.leaf].layout == p.layout
}

// remove takes a key out, if it is there.
func (w *treeWriter[V, A]) remove(key string) {
	if w.empty() {
		return
	}
	leaf, at, found := w.search(key)
	switch {
	case !found:
	case leaf.keys.len() == 1: // nodes are not merged until they are empty: fleets grow back
		w.splice(leaf.stem)
	default:
		w.splice(leaf.stem, w.leaf(without(leaf.keys.all, at), without(leaf.values(), at)))
	}
}

// search returns where a key is or, if it is not there, would be.
func (w *treeWriter[V, A]) search(key string) (leaf *treeNode[V, A], at int, found bool) {
	n := w.peek().root
	for n.kids != nil {
		n = n.kids[n.keys.childFor(key)]
	}
	at, found = n.keys.search(key)
	return n, at, found
}

func (w *treeWriter[V, A]) placeIn(leaf *treeNode[V, A], at int) place {
	return place{w.stems[leaf.stem].layout, leaf.stem, int32(at)}
}

// own returns the present version of a node after making sure that nobody else has it.
func (w *treeWriter[V, A]) own(s stem) *treeNode[V, A] {
	state := &w.stems[s]
	if state.node.edition != w.now {
		state.node = state.node.copyFor(w.now)
		if state.parent != noStem {
			w.own(state.parent).kids[state.at] = state.node
		}
	}
	return state.node
}

// insert puts a new key into a leaf.
func (w *treeWriter[V, A]) insert(leaf *treeNode[V, A], at int, key string, value V) place {
	keys, vals := insert(leaf.keys.all, at, key), insert(leaf.values(), at, value)
	if len(keys) <= maxFill {
		n := w.leaf(keys, vals)
		w.splice(leaf.stem, n)
		return w.placeIn(n, at)
	}
	half := splitAt(len(keys), at)
	left, right := w.leaf(keys[:half], vals[:half]), w.leaf(keys[half:], vals[half:])
	w.splice(leaf.stem, left, right)
	if at < half {
		return w.placeIn(left, at)
	}
	return w.placeIn(right, at-half)
}

// splice puts other nodes where a stem's was, and makes anew what stands above.
func (w *treeWriter[V, A]) splice(s stem, others ...*treeNode[V, A]) {
	p, at := w.stems[s].parent, int(w.stems[s].at)
	w.drop(s)
	if p == noStem {
		w.plant(others...)
		return
	}
	kids := w.stems[p].node.children()
	kids = slices.Concat(kids[:at], others, kids[at+1:])
	switch {
	case len(kids) == 0:
		w.splice(p)
	case len(kids) <= maxFill:
		w.splice(p, w.inner(kids))
	default:
		half := splitAt(len(kids), at+1)
		w.splice(p, w.inner(kids[:half]), w.inner(kids[half:]))
	}
}

// plant makes one or two nodes, or none, the whole tree.
func (w *treeWriter[V, A]) plant(nodes ...*treeNode[V, A]) {
	if len(nodes) == 0 {
		w.root = noStem
		return
	}
	root := nodes[0]
	if len(nodes) > 1 {
		root = w.inner(nodes)
	}
	for root.kids != nil && root.keys.len() == 1 {
		w.drop(root.stem)
		root = root.kids[0]
	}
	w.root = root.stem
	w.stems[w.root].parent = noStem
}

// leaf makes a leaf and its stem.
func (w *treeWriter[V, A]) leaf(keys []string, vals []V) *treeNode[V, A] {
	return w.raise(newLeaf[V, A](keys, vals))
}

// inner makes the node above others, and its stem.
func (w *treeWriter[V, A]) inner(kids []*treeNode[V, A]) *treeNode[V, A] {
	n := w.raise(newInner(kids))
	for i, kid := range kids {
		state := &w.stems[kid.stem]
		state.parent, state.at = n.stem, int32(i)
	}
	return n
}

// raise gives a new node a stem.
func (w *treeWriter[V, A]) raise(n *treeNode[V, A]) *treeNode[V, A] {
	if w.stems == nil {
		w.stems = make([]stemState[V, A], 1) // that of noStem
	}
	if last := len(w.free) - 1; last >= 0 {
		n.stem, w.free = w.free[last], w.free[:last]
	} else {
		n.stem = stem(len(w.stems))
		w.stems = append(w.stems, stemState[V, A]{})
	}
	w.layout++
	n.edition = w.now
	w.stems[n.stem] = stemState[V, A]{node: n, layout: w.layout}
	return n
}

// drop takes a stem out of the tree.
func (w *treeWriter[V, A]) drop(s stem) {
	w.stems[s] = stemState[V, A]{}
	w.free = append(w.free, s)
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
