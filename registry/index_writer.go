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
	states treeWriter[*modelIndex, nothing] // what was last let go of each model
	stale  []*modelWriter                   // those that changed since
}

// modelWriter keeps the index of one model up to date.
type modelWriter struct {
	model  string
	total  tally
	byHive treeWriter[offer, offer]
	turn   *atomic.Uint32
	stale  bool // it is in indexWriter.stale
	state  place
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
		if was != nil {
			s.model.total.add(&was.tally, -1)
		}
		s.model.total.add(&is.tally, 1)
		if was == nil || was.offer != is.offer {
			s.model.byHive.put(hive.ID, is.offer, &s.place)
		}
		x.touch(s.model)
	}
}

// reseat takes a hive out of the indexes of the models it had, and gives it seats with those it has.
func (x *indexWriter) reseat(at *seats, old *Hive, now []part) {
	for i := range modelsOf(old) {
		was, m := &old.models[i], at.models[i].model
		m.total.add(&was.tally, -1)
		m.byHive.remove(old.ID)
		x.touch(m)
	}
	at.models = make([]seat, len(now))
	for i := range now {
		at.models[i].model = x.modelWriter(now[i].model)
	}
}

func (x *indexWriter) modelWriter(model string) *modelWriter {
	m := x.models[model]
	if m == nil {
		m = &modelWriter{model: model, turn: new(atomic.Uint32)}
		x.models[model] = m
	}
	return m
}

// touch takes note that a model's index changed.
func (x *indexWriter) touch(m *modelWriter) {
	if !m.stale {
		m.stale = true
		x.stale = append(x.stale, m)
	}
}

// state lets go of the index as it is now. It costs as many steps as models changed since it last did.
func (x *indexWriter) state() index {
	for _, m := range x.stale {
		m.stale = false
		if m.byHive.empty() {
			x.states.remove(m.model)
			delete(x.models, m.model)
			continue
		}
		x.states.put(m.model, &modelIndex{m.model, m.total, m.byHive.state(), m.turn}, &m.state)
	}
	x.stale = x.stale[:0]
	return index{x.total, x.all.state(), x.states.state()}
}
