package registry

// BestWorker returns the best available, idle worker that has the model and, if that is asked, at least minFree MB of GPU memory
// free, or nil. The best has the fewest waiting requests, then the most free GPU memory; equals are taken in turn, so
// that schedulers do not all pick the same one. If no memory is asked, a worker whose free memory is unknown is taken too, last.
func (s *Snapshot) BestWorker(model string, minFree OptInt) *Worker {
	m, ok := s.index.models.get(model)
	if !ok {
		return nil
	}
	minFreeMB := int32(-1) // an offer's word for unknown
	if minFree.Known() {
		minFreeMB = minFree.Value()
	}
	f := rankFinder{s, OptString(model)}
	best := f.best(m.byHive.root, minFreeMB, noRank)
	if best == noRank {
		return nil
	}
	equals := f.count(m.byHive.root, best)
	return f.pick(m.byHive.root, best, int32(uint64(m.turn.Add(1)-1)%uint64(equals)))
}

type offerNode = treeNode[offer, offer]

// rankFinder searches the index of a model for candidates by rank. It descends only where an offer says that there is one.
type rankFinder struct {
	snap  *Snapshot
	model OptString
}

// best returns the lowest rank among candidates with so much free memory, if it is below the bound; else the bound.
func (f rankFinder) best(n *offerNode, minFreeMB int32, bound uint64) uint64 {
	for _, kid := range n.children() {
		if betterRank(&kid.total, minFreeMB, bound) {
			if freeOfRank(kid.total.best) >= minFreeMB {
				bound = kid.total.best
			} else { // the least loaded there have too little memory: look closer
				bound = f.best(kid, minFreeMB, bound)
			}
		}
	}
	for i := range n.values() {
		if !betterRank(&n.vals[i], minFreeMB, bound) {
			continue
		}
		for _, w := range f.snap.Hive(n.keys.all[i]).Workers {
			if rank := rankOf(w); w.Model == f.model && rank < bound && freeOfRank(rank) >= minFreeMB {
				bound = rank
			}
		}
	}
	return bound
}

func betterRank(o *offer, minFreeMB int32, bound uint64) bool {
	return o.best < bound && o.candidateFree >= minFreeMB
}

// count counts the candidates of exactly this rank.
func (f rankFinder) count(n *offerNode, rank uint64) int32 {
	if n.total.best >= rank {
		return countBest(&n.total, rank)
	}
	count := int32(0)
	for _, kid := range n.children() {
		count += f.count(kid, rank)
	}
	for i := range n.values() {
		count += f.countHive(n.keys.all[i], &n.vals[i], rank)
	}
	return count
}

func (f rankFinder) countHive(hiveID string, o *offer, rank uint64) int32 {
	if o.best >= rank {
		return countBest(o, rank)
	}
	count := int32(0)
	for _, w := range f.snap.Hive(hiveID).Workers {
		if w.Model == f.model && rankOf(w) == rank {
			count++
		}
	}
	return count
}

func countBest(o *offer, rank uint64) int32 {
	if o.best == rank {
		return o.bestCount
	}
	return 0
}

// pick returns the candidate of exactly this rank that has skip others before it.
func (f rankFinder) pick(n *offerNode, rank uint64, skip int32) *Worker {
	for _, kid := range n.children() {
		count := f.count(kid, rank)
		if skip < count {
			return f.pick(kid, rank, skip)
		}
		skip -= count
	}
	for i := range n.values() {
		count := f.countHive(n.keys.all[i], &n.vals[i], rank)
		if skip >= count {
			skip -= count
			continue
		}
		for _, w := range f.snap.Hive(n.keys.all[i]).Workers {
			if w.Model != f.model || rankOf(w) != rank {
				continue
			}
			if skip == 0 {
				return w
			}
			skip--
		}
	}
	return nil
}

// freeOfRank returns the free memory that a rank stands for; -1 for unknown.
func freeOfRank(rank uint64) int32 { return int32(^uint32(rank)) - 1 }
