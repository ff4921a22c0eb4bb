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

// Match reports whether the filter chooses the hive. A nil filter chooses all.
func (f *HiveFilter) Match(h *Hive) bool {
	if f == nil {
		return true
	}
	return (f.IDs == nil || slices.Contains(f.IDs, h.ID)) &&
		(f.Liveness == nil || slices.Contains(f.Liveness, h.Liveness)) &&
		(f.Available == nil || *f.Available == h.Available) &&
		(f.Search == nil || containsFold(h.ID, *f.Search) || containsFold(h.Hostname, *f.Search))
}

// Match reports whether the filter chooses the worker. A nil filter chooses all.
func (f *WorkerFilter) Match(w *Worker) bool {
	if f == nil {
		return true
	}
	return (f.Idle == nil || *f.Idle && w.Activity == Idle || !*f.Idle && w.Activity == Working) &&
		(f.MinFreeVRAMMB == nil || w.VRAMFreeMB.Known() && w.VRAMFreeMB.Value() >= *f.MinFreeVRAMMB) &&
		(f.Available == nil || *f.Available == w.Hive.Available) &&
		(f.Model == nil || w.Model != "" && string(w.Model) == *f.Model) &&
		(f.Models == nil || w.Model != "" && slices.Contains(f.Models, string(w.Model))) &&
		(f.Liveness == nil || slices.Contains(f.Liveness, w.Hive.Liveness)) &&
		(f.HiveIDs == nil || slices.Contains(f.HiveIDs, w.HiveID)) &&
		(f.Groups == nil || slices.Contains(f.Groups, w.Group)) &&
		(f.IDs == nil || slices.Contains(f.IDs, w.ID)) &&
		(f.Search == nil || containsFold(w.ID, *f.Search) || containsFold(string(w.Model), *f.Search) || containsFold(w.Hive.Hostname, *f.Search))
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

// containsFold reports whether part occurs in s in any case.
func containsFold(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}
