package registry

import "slices"

// edition numbers the states of a tree that somebody may have seen.
type edition uint64

// treeWriter changes a tree. What it has made since it last let go of a state it changes in place, all else it copies first; so a state
// that nobody asked for costs no copies, and one that somebody holds never changes. It is for one goroutine at a time.
type treeWriter[V summed[A], A sum[A]] struct {
	now  edition
	root *stem[V, A]
}

// stem is a node as its writer sees it: a place in the tree, where one version of the node follows the other. A stem knows the way up, so
// a value whose place is known is replaced without a search, which in a large tree means without waiting for memory.
type stem[V summed[A], A sum[A]] struct {
	node   *treeNode[V, A] // the present version; nil when the stem is in the tree no more
	parent *stem[V, A]     // nil at the root
	at     int             // which of the parent's kids this is
	kids   []*stem[V, A]   // none under a leaf
}

// place is where a tree has the value of a key. The zero value does not know.
type place[V summed[A], A sum[A]] struct {
	leaf *stem[V, A]
	at   int
}

// state lets go of the tree as it is now.
func (w *treeWriter[V, A]) state() tree[V, A] {
	w.now++
	return w.peek()
}

// peek returns the tree as it is now, which the next change may change.
func (w *treeWriter[V, A]) peek() tree[V, A] {
	if w.root == nil {
		return tree[V, A]{}
	}
	return tree[V, A]{w.root.node}
}

// put gives the key the value. The place must be that of the key as an earlier call has set it, or the zero place.
func (w *treeWriter[V, A]) put(key string, value V, p *place[V, A]) {
	if w.root == nil {
		w.root = &stem[V, A]{node: newLeaf[V, A]([]string{key}, []V{value}, w.now)}
		*p = place[V, A]{w.root, 0}
		return
	}
	if p.leaf == nil || p.leaf.node == nil {
		leaf, at, found := w.search(key)
		if !found {
			*p = w.insert(leaf, at, key, value)
			return
		}
		*p = place[V, A]{leaf, at}
	}
	n := w.own(p.leaf)
	was, is := n.vals[p.at].sum(), value.sum()
	n.vals[p.at] = value
	for s := p.leaf; s != nil && was != is; s = s.parent {
		before := s.node.total
		s.node.swapped(was, is)
		was, is = before, s.node.total
	}
}

// remove takes a key out, if it is there.
func (w *treeWriter[V, A]) remove(key string) {
	if w.root == nil {
		return
	}
	leaf, at, found := w.search(key)
	if !found {
		return
	}
	n := leaf.node
	if n.keys.len() == 1 { // nodes are not merged until they are empty: fleets grow back
		w.splice(leaf)
		return
	}
	w.splice(leaf, &stem[V, A]{node: newLeaf[V, A](without(n.keys.all, at), without(n.values(), at), w.now)})
}

// search returns where a key is or, if it is not there, would be.
func (w *treeWriter[V, A]) search(key string) (leaf *stem[V, A], at int, found bool) {
	s := w.root
	for s.kids != nil {
		s = s.kids[s.node.keys.childFor(key)]
	}
	at, found = s.node.keys.search(key)
	return s, at, found
}

// own returns the present version of a node after making sure that nobody else has it.
func (w *treeWriter[V, A]) own(s *stem[V, A]) *treeNode[V, A] {
	if s.node.edition != w.now {
		s.node = s.node.copyFor(w.now)
		if s.parent != nil {
			w.own(s.parent).kids[s.at] = s.node
		}
	}
	return s.node
}

// insert puts a new key into a leaf.
func (w *treeWriter[V, A]) insert(leaf *stem[V, A], at int, key string, value V) place[V, A] {
	n := leaf.node
	keys, vals := insert(n.keys.all, at, key), insert(n.values(), at, value)
	if len(keys) <= maxFill {
		s := &stem[V, A]{node: newLeaf[V, A](keys, vals, w.now)}
		w.splice(leaf, s)
		return place[V, A]{s, at}
	}
	half := splitAt(len(keys), at)
	left := &stem[V, A]{node: newLeaf[V, A](keys[:half], vals[:half], w.now)}
	right := &stem[V, A]{node: newLeaf[V, A](keys[half:], vals[half:], w.now)}
	w.splice(leaf, left, right)
	if at < half {
		return place[V, A]{left, at}
	}
	return place[V, A]{right, at - half}
}

// splice puts others where a stem was, and makes anew what stands above. The stem is emptied: places may refer to it for as long as nobody
// uses them, and what it knew would keep alive all the tree that was.
func (w *treeWriter[V, A]) splice(s *stem[V, A], others ...*stem[V, A]) {
	p, at := s.parent, s.at
	*s = stem[V, A]{}
	if p == nil {
		w.plant(others)
		return
	}
	kids := slices.Concat(p.kids[:at], others, p.kids[at+1:])
	switch {
	case len(kids) == 0:
		w.splice(p)
	case len(kids) <= maxFill:
		w.splice(p, w.inner(kids))
	default:
		half := splitAt(len(kids), at+1)
		w.splice(p, w.inner(kids[:half:half]), w.inner(kids[half:]))
	}
}

// plant makes one or two stems, or none, the whole tree.
func (w *treeWriter[V, A]) plant(stems []*stem[V, A]) {
	switch len(stems) {
	case 0:
		w.root = nil
		return
	case 1:
		w.root = stems[0]
	default:
		w.root = w.inner(stems)
	}
	for len(w.root.kids) == 1 {
		w.root = w.root.kids[0]
	}
	w.root.parent = nil
}

// inner makes the stem above others.
func (w *treeWriter[V, A]) inner(kids []*stem[V, A]) *stem[V, A] {
	nodes := make([]*treeNode[V, A], len(kids))
	for i, kid := range kids {
		nodes[i] = kid.node
	}
	s := &stem[V, A]{node: newInner(nodes, w.now), kids: kids}
	for i, kid := range kids {
		kid.parent, kid.at = s, i
	}
	return s
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
