package registry

import (
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
)

// Snapshot is the whole fleet at one revision. It never changes; all its methods may be called from anywhere at any time.
type Snapshot struct {
	Revision Revision
	hives    HeartbeatSnapshot[hiveItem]
	index    index
}

// HiveQuery asks for a window of hives. The zero value asks for none: First says how many.
type HiveQuery struct {
	Filter *HiveFilter
	Order  HiveOrder
	First  int // 0 to MaxFirst
	Offset int // 0 to 2³¹-1, as the API has it
}

// WorkerQuery asks for a window of workers. The zero value asks for none: First says how many.
type WorkerQuery struct {
	Filter *WorkerFilter
	Order  WorkerOrder
	First  int // 0 to MaxFirst
	Offset int // 0 to 2³¹-1, as the API has it
}

// HivePage is a window of the hives that match.
type HivePage struct {
	Revision Revision
	Offset   int
	Nodes    []*Hive
	total    func() int
}

// TotalCount counts all hives that match.
func (p *HivePage) TotalCount() int { return p.total() }

// WorkerPage is a window of the workers that match.
type WorkerPage struct {
	Revision Revision
	Offset   int
	Nodes    []*Worker
	total    func() int
}

// TotalCount counts all workers that match. It is only counted when asked for: a search for the first few need not see the rest.
func (p *WorkerPage) TotalCount() int { return p.total() }

// Check returns an InvalidError when the query is out of bounds.
func (q HiveQuery) Check() error {
	if err := checkWindow(q.First, q.Offset); err != nil {
		return err
	}
	return q.Filter.Check("filter")
}

// Check returns an InvalidError when the query is out of bounds.
func (q WorkerQuery) Check() error {
	if err := checkWindow(q.First, q.Offset); err != nil {
		return err
	}
	return q.Filter.Check("filter")
}

func checkWindow(first, offset int) error {
	if first < 0 || first > MaxFirst {
		return &InvalidError{"first", fmt.Sprintf("%d must be 0 to %d", first, MaxFirst)}
	}
	if offset < 0 || offset > math.MaxInt32 {
		return &InvalidError{"offset", fmt.Sprintf("%d must be 0 to %d", offset, math.MaxInt32)}
	}
	return nil
}

// Hive returns the hive with this id, or nil.
func (s *Snapshot) Hive(id string) *Hive {
	item, _ := s.hives.Get(id)
	return item.hive
}

// Worker returns the worker with this id, or nil.
func (s *Snapshot) Worker(id string) *Worker {
	hiveID, _, _ := strings.Cut(id, "/")
	if h := s.Hive(hiveID); h != nil {
		return h.Worker(id)
	}
	return nil
}

// AllHives yields all hives by id.
func (s *Snapshot) AllHives() iter.Seq[*Hive] {
	return func(yield func(*Hive) bool) {
		for item := range s.hives.All() {
			if !yield(item.hive) {
				return
			}
		}
	}
}

// HivesWhere yields the hives that match by id.
func (s *Snapshot) HivesWhere(f *HiveFilter) iter.Seq[*Hive] {
	source := s.AllHives()
	if f != nil && f.IDs != nil {
		source = s.hivesOf(f.IDs)
	}
	return func(yield func(*Hive) bool) {
		match := f.Matcher()
		for h := range source {
			if match(h) && !yield(h) {
				return
			}
		}
	}
}

// hivesOf yields the hives that have one of these ids, by id.
func (s *Snapshot) hivesOf(ids []string) iter.Seq[*Hive] {
	return func(yield func(*Hive) bool) {
		for _, id := range sorted(ids) {
			if h := s.Hive(id); h != nil && !yield(h) {
				return
			}
		}
	}
}

// WorkersWhere yields the workers that match by id.
func (s *Snapshot) WorkersWhere(f *WorkerFilter) iter.Seq[*Worker] {
	return func(yield func(*Worker) bool) {
		match := f.Matcher()
		for h := range s.hivesFor(f, false) {
			for _, w := range h.Workers {
				if match(w) && !yield(w) {
					return
				}
			}
		}
	}
}

// workersBackward is WorkersWhere in the opposite order.
func (s *Snapshot) workersBackward(f *WorkerFilter) iter.Seq[*Worker] {
	return func(yield func(*Worker) bool) {
		match := f.Matcher()
		for h := range s.hivesFor(f, true) {
			for _, w := range slices.Backward(h.Workers) {
				if match(w) && !yield(w) {
					return
				}
			}
		}
	}
}

// hivesFor yields the hives that may have a matching worker, by id.
func (s *Snapshot) hivesFor(f *WorkerFilter, backward bool) iter.Seq[*Hive] {
	if f != nil && (f.IDs != nil || f.HiveIDs != nil) {
		ids := f.HiveIDs
		if f.IDs != nil {
			ids = hivesOfWorkers(f.IDs)
		}
		if !backward {
			return s.hivesOf(ids)
		}
		hives := slices.Collect(s.hivesOf(ids))
		slices.Reverse(hives)
		return slices.Values(hives)
	}
	if !backward && !f.indexed() {
		return s.AllHives()
	}
	from := s.offersFor(f).where(f.mayMatch)
	if backward {
		from = s.offersFor(f).backward(f.mayMatch)
	}
	return func(yield func(*Hive) bool) {
		for id := range from {
			if !yield(s.Hive(id)) {
				return
			}
		}
	}
}

// offersFor returns the smallest index that has all matches.
func (s *Snapshot) offersFor(f *WorkerFilter) offers {
	if f == nil || f.Model == nil {
		return s.index.all
	}
	return s.index.model(*f.Model).byHive
}

// totalFor returns what the workers of that index add up to.
func (s *Snapshot) totalFor(f *WorkerFilter) tally {
	if f == nil || f.Model == nil {
		return s.index.total
	}
	return s.index.model(*f.Model).total
}

func hivesOfWorkers(ids []string) []string {
	hives := make([]string, len(ids))
	for i, id := range ids {
		hives[i], _, _ = strings.Cut(id, "/")
	}
	return hives
}

func sorted(ids []string) []string {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Hives answers a query.
func (s *Snapshot) Hives(q HiveQuery) (*HivePage, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	page := &HivePage{Revision: s.Revision, Offset: q.Offset}
	page.total = func() int {
		if q.Filter == nil {
			return s.hives.CountTotal()
		}
		return count(s.HivesWhere(q.Filter))
	}
	if q.Order == (HiveOrder{}) {
		page.Nodes = window(s.HivesWhere(q.Filter), q.Offset, q.First)
	} else {
		page.Nodes = window(slices.Values(smallest(s.HivesWhere(q.Filter), q.Offset+q.First, q.Order.compare())), q.Offset, q.First)
	}
	return page, nil
}

// Workers answers a query.
func (s *Snapshot) Workers(q WorkerQuery) (*WorkerPage, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	page := &WorkerPage{Revision: s.Revision, Offset: q.Offset}
	page.total = func() int {
		if n, ok := q.Filter.countOf(s.totalFor(q.Filter)); ok {
			return int(n)
		}
		return count(s.WorkersWhere(q.Filter))
	}
	switch q.Order {
	case WorkerOrder{}:
		page.Nodes = window(s.WorkersWhere(q.Filter), q.Offset, q.First)
	case WorkerOrder{Direction: Descending}:
		page.Nodes = window(s.workersBackward(q.Filter), q.Offset, q.First)
	default:
		page.Nodes = window(slices.Values(smallest(s.WorkersWhere(q.Filter), q.Offset+q.First, q.Order.compare())), q.Offset, q.First)
	}
	return page, nil
}

// window returns the items offset to offset+first, and never nil.
func window[T any](items iter.Seq[T], offset, first int) []T {
	nodes := []T{}
	if first == 0 {
		return nodes
	}
	for item := range items {
		if offset > 0 {
			offset--
			continue
		}
		if nodes = append(nodes, item); len(nodes) == first {
			break
		}
	}
	return nodes
}

func count[T any](items iter.Seq[T]) int {
	n := 0
	for range items {
		n++
	}
	return n
}
