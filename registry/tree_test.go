package registry

import (
	"cmp"
	"maps"
	"slices"
	"testing"

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
	if len(n.keys) == 0 || len(n.keys) > maxFill || !slices.IsSorted(n.keys) {
		t.Fatalf("node with keys %q", n.keys)
	}
	if n.kids == nil {
		return 1
	}
	for i, kid := range n.kids {
		if kid.keys[0] != n.keys[i] {
			t.Fatalf("child %d begins at %q, its parent says %q", i, kid.keys[0], n.keys[i])
		}
		d := checkNode(t, kid)
		if depth != 0 && d != depth {
			t.Fatalf("children of depth %d and %d", depth, d)
		}
		depth = d
	}
	return depth + 1
}

func TestTreeAgainstSortedMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringMatching(`[ab]{0,2}[0-9]{1,3}`)
		var tr tree[span, span]
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
				tr, model[k] = tr.put(k, v), v
			} else {
				was := tr
				tr = tr.remove(k)
				if _, had := model[k]; !had && tr != was {
					t.Fatalf("removing %q, which is not there, made another tree", k)
				}
				delete(model, k)
			}
			got, ok := tr.get(k)
			if want, has := model[k]; ok != has || got != want {
				t.Fatalf("get %q: %v, %v; want %v, %v", k, got, ok, want, has)
			}
			if rapid.IntRange(0, 40).Draw(t, "keep") == 0 {
				old = append(old, version{tr, maps.Clone(model)})
			}
		}
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
	var tr tree[span, span]
	const n = 4096
	for i := range n {
		v := span{total: 1}
		if i == 1000 || i == 3000 {
			v.largest = 7
		}
		tr = tr.put(string(rune('a'+i/256))+string(rune(0x100+i%256)), v)
	}
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
	var tr tree[span, span]
	for i := range 1000 {
		tr = tr.put(string(rune(0x100+i)), span{total: i})
	}
	for i := range 1000 {
		tr = tr.remove(string(rune(0x100 + (i*7)%1000)))
	}
	checkTree(t, tr, nil)
	if tr != (tree[span, span]{}) {
		t.Error("an emptied tree holds nodes")
	}
}

func TestTreeFilledInOrderHasFullNodes(t *testing.T) {
	var tr tree[span, span]
	const n = maxFill * maxFill * 4
	for i := range n {
		tr = tr.put(string(rune(0x100+i)), span{})
	}
	leaves := 0
	var visit func(*treeNode[span, span])
	visit = func(n *treeNode[span, span]) {
		if n.kids == nil {
			leaves++
		}
		for _, kid := range n.kids {
			visit(kid)
		}
	}
	visit(tr.root)
	if leaves > n/maxFill+1 {
		t.Errorf("%d leaves for %d values, want %d", leaves, n, n/maxFill)
	}
}
