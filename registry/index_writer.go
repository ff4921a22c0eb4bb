package registry

import (
	"slices"
	"sync/atomic"
)

// indexWriter keeps an index up to date. It is for one goroutine at a time.
type indexWriter struct {
	total  tally
	all    treeWriter[offer, offer]
	models map[string]*modelWriter
	states treeWriter[*modelIndex, nothing] // the present index of each model
	now    edition                          // of the states that nobody holds
}

// modelWriter keeps the index of one model up to date.
type modelWriter struct {
	byHive  treeWriter[offer, offer]
	index   *modelIndex // what is in indexWriter.states; it is changed in place in its edition, and never after
	edition edition
	place   place
}

// seats are where the index has a hive.
type seats struct {
	all    place
	models []seat // as the models of the hive's record
}

type seat struct {
	model *modelWriter
	place place
}

// replace puts a hive's record in place of the one before it; either may be nil.
func (x *indexWriter) replace(at *seats, old, hive *Hive) {
	if old != nil {
		x.total.add(&old.total, -1)
	}
	if hive != nil {
		x.total.add(&hive.total, 1)
	}
	switch {
	case hive == nil:
		x.all.remove(old.ID)
	case old == nil || old.offer != hive.offer:
		x.all.put(hive.ID, hive.offer, &at.all)
	}
	before, now := modelsOf(old), modelsOf(hive)
	if sameParts(before, now) {
		return
	}
	if !slices.EqualFunc(before, now, func(a, b part) bool { return a.model == b.model }) {
		x.reseat(at, old, now)
		before = nil // all that is left of it was taken out
	}
	for i := range now {
		is, s := &now[i], &at.models[i]
		var was *part
		if before != nil {
			was = &before[i]
		}
		if was != nil && *was == *is {
			continue
		}
		m := x.open(s.model)
		if was != nil {
			m.index.total.add(&was.tally, -1)
		}
		m.index.total.add(&is.tally, 1)
		if was == nil || was.offer != is.offer {
			m.byHive.put(hive.ID, is.offer, &s.place)
			m.index.byHive = m.byHive.peek()
		}
	}
}

// reseat takes a hive out of the indexes of the models it had, and gives it seats with those it has.
func (x *indexWriter) reseat(at *seats, old *Hive, now []part) {
	former := at.models
	at.models = make([]seat, len(now))
	for i := range now {
		at.models[i].model = x.modelWriter(now[i].model)
	}
	for i := range modelsOf(old) {
		was, m := &old.models[i], x.open(former[i].model)
		m.index.total.add(&was.tally, -1)
		m.byHive.remove(old.ID)
		m.index.byHive = m.byHive.peek()
		if m.byHive.empty() && !slices.ContainsFunc(at.models, func(s seat) bool { return s.model == m }) {
			x.states.remove(was.model)
			delete(x.models, was.model)
		}
	}
}

func (x *indexWriter) modelWriter(model string) *modelWriter {
	m := x.models[model]
	if m == nil {
		m = &modelWriter{index: &modelIndex{model: model, turn: new(atomic.Uint32)}}
		x.models[model] = m
	}
	return m
}

// open makes sure that nobody else has a model's index, which is about to change.
func (x *indexWriter) open(m *modelWriter) *modelWriter {
	if m.place.layout != 0 && m.edition == x.now {
		return m
	}
	next := *m.index
	m.index, m.edition = &next, x.now
	m.byHive.state() // what it is, somebody may have
	x.states.put(next.model, m.index, &m.place)
	return m
}

// state lets go of the index as it is now, in O(1).
func (x *indexWriter) state() index {
	x.now++
	return index{x.total, x.all.state(), x.states.state()}
}
