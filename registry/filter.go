package registry

import (
	"fmt"
	"slices"
	"strings"
)

// Bounds of a query.
const (
	MaxFirst        = 1000
	MaxFilterValues = 1000 // entries of one list
	MaxSearchLength = 256
)

// HiveFilter chooses hives. All given fields must hold; a list holds if any of its values does, so
// an empty list never does; nil does not constrain.
type HiveFilter struct {
	IDs       []string
	Liveness  []Liveness
	Available *bool
	Search    *string // part of id or hostname, any case
}

// WorkerFilter chooses workers, by the rules of [HiveFilter]. What is unknown satisfies nothing.
type WorkerFilter struct {
	IDs           []string
	HiveIDs       []string
	Groups        []string
	Idle          *bool // true: Idle, false: Working
	Model         *string
	Models        []string
	MinFreeVRAMMB *int32
	Available     *bool
	Liveness      []Liveness
	Search        *string // part of id, model or hostname, any case
}

// Check returns an InvalidError when the filter is out of bounds. It names the argument that the filter is.
func (f *HiveFilter) Check(argument string) error {
	if f == nil {
		return nil
	}
	return checkFilter(argument, f.Search, nil, namedList{"ids", f.IDs})
}

// Check returns an InvalidError when the filter is out of bounds. It names the argument that the filter is.
func (f *WorkerFilter) Check(argument string) error {
	if f == nil {
		return nil
	}
	return checkFilter(argument, f.Search, f.MinFreeVRAMMB, namedList{"ids", f.IDs}, namedList{"hiveIds", f.HiveIDs},
		namedList{"groups", f.Groups}, namedList{"models", f.Models})
}

type namedList struct {
	name   string
	values []string
}

func checkFilter(argument string, search *string, minFree *int32, lists ...namedList) error {
	if search != nil && len(*search) > MaxSearchLength {
		return &InvalidError{argument + ".search", fmt.Sprintf("%d bytes, at most %d are allowed", len(*search), MaxSearchLength)}
	}
	if minFree != nil && *minFree < 0 {
		return &InvalidError{argument + ".minFreeVramMb", fmt.Sprintf("%d must be 0 or more", *minFree)}
	}
	for _, l := range lists {
		if len(l.values) > MaxFilterValues {
			return &InvalidError{argument + "." + l.name, fmt.Sprintf("%d values, at most %d are allowed", len(l.values), MaxFilterValues)}
		}
	}
	return nil
}

// Matcher returns the filter as a function, which may be called from anywhere at any time. What takes long with lists and texts is done before, once. A
// nil filter chooses all.
func (f *HiveFilter) Matcher() func(*Hive) bool {
	if f == nil {
		return func(*Hive) bool { return true }
	}
	ids, search := setOf(f.IDs), searchOf(f.Search)
	return func(h *Hive) bool {
		return (f.Available == nil || *f.Available == h.Available) &&
			(f.Liveness == nil || slices.Contains(f.Liveness, h.Liveness)) &&
			ids.has(h.ID) && search.finds(h.ID, h.Hostname)
	}
}

// Matcher returns the filter as a function, as that of [HiveFilter] does.
func (f *WorkerFilter) Matcher() func(*Worker) bool {
	if f == nil {
		return func(*Worker) bool { return true }
	}
	ids, hiveIDs, groups, models, search := setOf(f.IDs), setOf(f.HiveIDs), setOf(f.Groups), setOf(f.Models), searchOf(f.Search)
	return func(w *Worker) bool {
		return (f.Idle == nil || *f.Idle && w.Activity == Idle || !*f.Idle && w.Activity == Working) &&
			(f.MinFreeVRAMMB == nil || w.VRAMFreeMB.Known() && w.VRAMFreeMB.Value() >= *f.MinFreeVRAMMB) &&
			(f.Available == nil || *f.Available == w.Hive.Available) &&
			(f.Model == nil || w.Model != "" && string(w.Model) == *f.Model) &&
			(f.Liveness == nil || slices.Contains(f.Liveness, w.Hive.Liveness)) &&
			(models == nil || w.Model != "" && models.has(string(w.Model))) &&
			hiveIDs.has(w.HiveID) && groups.has(w.Group) && ids.has(w.ID) && search.finds(w.ID, string(w.Model), w.Hive.Hostname)
	}
}

// set is a list of a filter; nil, for none, has everything.
type set map[string]struct{}

func setOf(values []string) set {
	if values == nil {
		return nil
	}
	s := make(set, len(values))
	for _, v := range values {
		s[v] = struct{}{}
	}
	return s
}

func (s set) has(value string) bool {
	if s == nil {
		return true
	}
	_, ok := s[value]
	return ok
}

// search is a text to be found, in lower case; empty for none, which is found in everything.
type search string

func searchOf(text *string) search {
	if text == nil {
		return ""
	}
	return search(strings.ToLower(*text))
}

// finds reports whether one of the texts has it, in any case.
func (s search) finds(texts ...string) bool {
	return s == "" || slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(strings.ToLower(text), string(s)) })
}

// indexed reports whether an index narrows the search.
func (f *WorkerFilter) indexed() bool {
	return f != nil && (f.Model != nil || f.Idle != nil || f.Available != nil || f.MinFreeVRAMMB != nil)
}

// mayMatch reports whether some worker of a subtree with this offer may match. It never errs on the side of no.
func (f *WorkerFilter) mayMatch(o offer) bool {
	if f == nil {
		return true
	}
	free := o.free
	if f.Idle != nil {
		if *f.Idle {
			if o.has&hasIdle == 0 {
				return false
			}
			free = o.idleFree
		} else if o.has&hasBusy == 0 {
			return false
		}
	}
	if f.Available != nil {
		if *f.Available {
			if o.has&hasAvailable == 0 {
				return false
			}
			free = min(free, o.availableFree)
		} else if o.has&hasUnavailable == 0 {
			return false
		}
	}
	return f.MinFreeVRAMMB == nil || free >= *f.MinFreeVRAMMB
}

// countOf returns how many workers of an index with this total match, if the tally alone tells. The index is
// that of the filter's model, if it has one.
func (f *WorkerFilter) countOf(t tally) (n int32, ok bool) {
	if f == nil {
		return t.workers, true
	}
	if f.IDs != nil || f.HiveIDs != nil || f.Groups != nil || f.Models != nil || f.MinFreeVRAMMB != nil || f.Liveness != nil || f.Search != nil {
		return 0, false
	}
	idle, available := f.Idle != nil, f.Available != nil
	switch {
	case !idle && !available:
		return t.workers, true
	case idle && available:
		return t.candidates, *f.Idle && *f.Available
	case idle && *f.Idle:
		return t.idle, true
	case idle:
		return t.busy, true
	case *f.Available:
		return t.available, true
	default:
		return t.workers - t.available, true
	}
}
