package registry

import (
	"cmp"
	"encoding/binary"
)

// treeKeys are the keys of a tree node, in order. They are immutable, and shared by all versions of the node that have the same.
//
// A key's text lies somewhere in memory, and to fetch it takes longer than all else in a step down a large tree. So that few texts are
// looked at, each key has its head beside the others: the eight bytes that come after what all keys of the node begin with.
type treeKeys struct {
	all    []string
	common int // the length of what all begin with
	heads  [maxFill]uint64
	room   [maxFill]string // where all are
}

func newTreeKeys(all []string) *treeKeys {
	k := &treeKeys{common: commonPrefix(all[0], all[len(all)-1])}
	k.all = k.room[:copy(k.room[:], all)]
	for i, key := range all {
		k.heads[i] = headOf(key, k.common)
	}
	return k
}

func (k *treeKeys) len() int { return len(k.all) }

// search returns where a key is or, if it is not there, would be.
func (k *treeKeys) search(key string) (i int, found bool) {
	head := headOf(key, k.common)
	for i < len(k.all) && k.heads[i] < head {
		i++
	}
	if i < len(k.all) && k.heads[i] == head && k.all[i] == key { // a key that came from the tree is seen to be equal without a look at its text
		return i, true
	}
	if c := k.compareCommon(key); c != 0 {
		return k.outside(c), false
	}
	for ; i < len(k.all) && k.heads[i] == head; i++ {
		if c := cmp.Compare(k.all[i], key); c >= 0 {
			return i, c == 0
		}
	}
	return i, false
}

// childFor returns the position of the child under which a key belongs.
func (k *treeKeys) childFor(key string) int {
	if c := k.compareCommon(key); c != 0 {
		return max(k.outside(c)-1, 0)
	}
	head, i := headOf(key, k.common), 0
	for i < len(k.all) && k.heads[i] < head {
		i++
	}
	for i < len(k.all) && k.heads[i] == head && k.all[i] <= key {
		i++
	}
	return max(i-1, 0)
}

// compareCommon compares what a key begins with to what all keys begin with.
func (k *treeKeys) compareCommon(key string) int {
	common := k.all[0][:k.common]
	if len(key) >= k.common && key[:k.common] == common {
		return 0
	}
	return cmp.Compare(key, common)
}

// outside returns where a key would be that compares so to all others.
func (k *treeKeys) outside(c int) int {
	if c < 0 {
		return 0
	}
	return len(k.all)
}

// headOf returns eight bytes of a key as a number that is ordered as they are. A key that ends before is filled up with zeros.
func headOf(key string, at int) uint64 {
	if len(key) >= at+8 {
		rest := key[at : at+8]
		return uint64(rest[0])<<56 | uint64(rest[1])<<48 | uint64(rest[2])<<40 | uint64(rest[3])<<32 |
			uint64(rest[4])<<24 | uint64(rest[5])<<16 | uint64(rest[6])<<8 | uint64(rest[7])
	}
	var bytes [8]byte
	if at < len(key) {
		copy(bytes[:], key[at:])
	}
	return binary.BigEndian.Uint64(bytes[:])
}

// commonPrefix returns how many bytes at the beginning of two texts are the same.
func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
