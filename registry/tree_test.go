package registry

import (
	"cmp"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"weak"

	"pgregory.net/rapid"
)

// span is a value of the test trees: a number, and as a sum the total and the largest.
type span struct {
	total   int
	largest int
	keys    string // one letter a value: shows that sums are made in order
}

func (s span) sum() span { return s }

func (s span) plus(o span) span {
	return span{s.total + o.total, max(s.largest, o.largest), s.keys + o.keys}
}

// swap tells what it can, so that both ways are taken.
func (s span) swap(was, is span) (span, bool) {
	if was.keys != is.keys || was.largest == s.largest && is.largest < s.largest {
		return span{}, false
	}
	return span{s.total - was.total + is.total, max(s.largest, is.largest), s.keys}, true
}

type pair struct {
	key string
	val span
}

func sortedPairs(m map[string]span, keep func(span) bool) []pair {
	var pairs []pair
	for k, v := range m {
		if keep == nil || keep(v) {
			pairs = append(pairs, pair{k, v})
		}
	}
	slices.SortFunc(pairs, func(a, b pair) int { return cmp.Compare(a.key, b.key) })
	return pairs
}

func collect(seq func(func(string, span) bool)) []pair {
	var pairs []pair
	for k, v := range seq {
		pairs = append(pairs, pair{k, v})
	}
	return pairs
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func checkTree(t fataler, tr tree[span, span], model map[string]span) {
	t.Helper()
	want := sortedPairs(model, nil)
	if got := collect(tr.all()); !slices.Equal(got, want) {
		t.Fatalf("all: got %v, want %v", got, want)
	}
	var sum span
	for i, p := range want {
		if i == 0 {
			sum = p.val
		} else {
			sum = sum.plus(p.val)
		}
	}
	if tr.len() != len(model) || tr.sum() != sum {
		t.Fatalf("len %d, sum %v; want %d, %v", tr.len(), tr.sum(), len(model), sum)
	}
	if tr.root != nil {
		checkNode(t, tr.root)
	}
}

// checkNode checks what the code relies on and readers do not see.
func checkNode(t fataler, n *treeNode[span, span]) (depth int) {
	t.Helper()
	if n.keys.len() == 0 || n.keys.len() > maxFill || !slices.IsSorted(n.keys.all) {
		t.Fatalf("node with keys %q", n.keys.all)
	}
	if n.kids == nil {
		return 1
	}
	for i, kid := range n.children() {
		if kid.keys.all[0] != n.keys.all[i] {
			t.Fatalf("child %d begins at %q, its parent says %q", i, kid.keys.all[0], n.keys.all[i])
		}
		d := checkNode(t, kid)
		if depth != 0 && d != depth {
			t.Fatalf("children of depth %d and %d", depth, d)
		}
		depth = d
	}
	return depth + 1
}

// checkStems checks that the writer knows its way in the tree that it makes, and has nothing else.
func checkStems(t fataler, w *treeWriter[span, span]) {
	t.Helper()
	known := 0
	var check func(n *treeNode[span, span], parent stem, at int)
	check = func(n *treeNode[span, span], parent stem, at int) {
		known++
		s := w.stems[n.stem]
		if s.node != n || s.parent != parent || s.at != int32(at) {
			t.Fatalf("kid %d of stem %d is at %d of %d", at, parent, s.at, s.parent)
		}
		for i, kid := range n.children() {
			check(kid, n.stem, i)
		}
	}
	if root := w.peek().root; root != nil {
		check(root, noStem, 0)
	}
	if rest := max(len(w.stems)-1, 0) - known; len(w.free) != rest {
		t.Fatalf("%d stems are free, but %d in no use", len(w.free), rest)
	}
	for _, s := range w.free {
		if w.stems[s].node != nil {
			t.Fatalf("stem %d is free, but holds a node", s)
		}
	}
}

func TestTreeAgainstSortedMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringMatching(`[ab]{0,2}[0-9]{1,3}`)
		var w treeWriter[span, span]
		places := map[string]*place{}
		model := map[string]span{}
		type version struct {
			tree  tree[span, span]
			model map[string]span
		}
		var old []version
		for range rapid.IntRange(0, 400).Draw(t, "steps") {
			k := key.Draw(t, "key")
			if rapid.IntRange(0, 9).Draw(t, "op") < 7 {
				v := span{rapid.IntRange(-9, 9).Draw(t, "value"), 0, k[:1]}
				v.largest = v.total
				if places[k] == nil || rapid.IntRange(0, 3).Draw(t, "forget") == 0 {
					places[k] = &place{}
				}
				w.put(k, v, places[k])
				model[k] = v
			} else {
				was := w.peek()
				w.remove(k)
				if _, had := model[k]; !had && w.peek() != was {
					t.Fatalf("removing %q, which is not there, made another tree", k)
				}
				delete(model, k)
				delete(places, k)
			}
			checkStems(t, &w)
			got, ok := w.peek().get(k)
			if want, has := model[k]; ok != has || got != want {
				t.Fatalf("get %q: %v, %v; want %v, %v", k, got, ok, want, has)
			}
			if rapid.IntRange(0, 40).Draw(t, "keep") == 0 {
				old = append(old, version{w.state(), maps.Clone(model)})
			}
		}
		tr := w.state()
		checkTree(t, tr, model)
		for _, v := range old { // a version never changes
			checkTree(t, v.tree, v.model)
		}

		least := rapid.IntRange(-10, 10).Draw(t, "least")
		some := func(s span) bool { return s.largest >= least }
		want := sortedPairs(model, some)
		if got := collect(tr.where(some)); !slices.Equal(got, want) {
			t.Fatalf("where: got %v, want %v", got, want)
		}
		slices.Reverse(want)
		if got := collect(tr.backward(some)); !slices.Equal(got, want) {
			t.Fatalf("backward: got %v, want %v", got, want)
		}
	})
}

func TestTreeSearchLeavesOutSubtreesAndStopsWhenTold(t *testing.T) {
	var w treeWriter[span, span]
	const n = 4096
	for i := range n {
		v := span{total: 1}
		if i == 1000 || i == 3000 {
			v.largest = 7
		}
		w.put(string(rune('a'+i/256))+string(rune(0x100+i%256)), v, &place{})
	}
	tr := w.state()
	looks := 0
	some := func(s span) bool { looks++; return s.largest == 7 }
	if found := len(collect(tr.where(some))); found != 2 {
		t.Errorf("found %d, want 2", found)
	}
	if looks > 2*4*maxFill {
		t.Errorf("looked %d times for 2 of %d values", looks, n)
	}
	for _, seq := range []func(func(string, span) bool){tr.where(some), tr.backward(some)} {
		yielded := 0
		for range seq {
			yielded++
			break
		}
		if yielded != 1 {
			t.Errorf("yielded %d after a break", yielded)
		}
	}
}

func TestTreeEmptiedIsTheZeroTree(t *testing.T) {
	var w treeWriter[span, span]
	for i := range 1000 {
		w.put(string(rune(0x100+i)), span{total: i}, &place{})
	}
	for i := range 1000 {
		w.remove(string(rune(0x100 + (i*7)%1000)))
	}
	tr := w.state()
	checkTree(t, tr, nil)
	if tr != (tree[span, span]{}) {
		t.Error("an emptied tree holds nodes")
	}
}

// TestTreeLetsGoOfWhatItReplaced although places remember where things were: a fleet of 100,000 workers once kept five times its own size.
func TestTreeLetsGoOfWhatItReplaced(t *testing.T) {
	var w treeWriter[span, span]
	places := make([]place, 1000)
	var old []weak.Pointer[treeNode[span, span]]
	for i := range places {
		w.put(strconv.Itoa((i*7)%len(places)), span{total: i}, &places[i])
		old = append(old, weak.Make(w.state().root))
	}
	for i := range places {
		w.remove(strconv.Itoa((i * 3) % len(places)))
	}
	runtime.GC()
	for i, root := range old {
		if root.Value() != nil {
			t.Fatalf("the tree of %d values is still there", i+1)
		}
	}
	runtime.KeepAlive(places)
}

func TestTreeFilledInOrderHasFullNodes(t *testing.T) {
	var w treeWriter[span, span]
	const n = maxFill * maxFill * 4
	for i := range n {
		w.put(string(rune(0x100+i)), span{}, &place{})
	}
	leaves := 0
	var visit func(*treeNode[span, span])
	visit = func(n *treeNode[span, span]) {
		if n.kids == nil {
			leaves++
		}
		for _, kid := range n.children() {
			visit(kid)
		}
	}
	visit(w.peek().root)
	if leaves > n/maxFill+1 {
		t.Errorf("%d leaves for %d values, want %d", leaves, n, n/maxFill)
	}
}
