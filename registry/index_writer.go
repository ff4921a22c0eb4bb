package registry

import (
	"slices"
	"strings"
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

// seats are where the index has a hive, and what it has of it.
type seats struct {
	place  place // in all
	sums   sums
	models []seat
	room   [2]seat // of models, as long as they are no more: what is needed together lies together
}

// seat is that of the workers with one model.
type seat struct {
	part
	index *modelWriter
	place place
}

// put puts a hive into the index, or in place of its record before. The workers may be the same as then, with the same models.
func (x *indexWriter) put(at *seats, hive *Hive, sameModels bool) {
	var room [4]part // as many models as most hives have
	parts := room[:0]
	if sameModels {
		for i := range at.models {
			parts = append(parts, at.models[i].part)
		}
	}
	all, parts := hive.sumUp(parts)
	x.total.add(&at.sums.tally, -1)
	x.total.add(&all.tally, 1)
	if at.place.layout == 0 || at.sums.offer != all.offer {
		x.all.put(hive.ID, all.offer, &at.place)
	}
	at.sums = all
	if !sameModels {
		x.reseat(at, hive.ID, parts)
	}
	for i := range parts {
		s, is := &at.models[i], &parts[i].sums
		if s.sums == *is && s.place.layout != 0 {
			continue
		}
		m := x.open(s.index)
		m.index.total.add(&s.sums.tally, -1)
		m.index.total.add(&is.tally, 1)
		if s.place.layout == 0 || s.sums.offer != is.offer {
			m.byHive.put(hive.ID, is.offer, &s.place)
			m.index.byHive = m.byHive.peek()
		}
		s.sums = *is
	}
}

// remove takes a hive out of the index.
func (x *indexWriter) remove(at *seats, hiveID string) {
	x.total.add(&at.sums.tally, -1)
	x.all.remove(hiveID)
	x.reseat(at, hiveID, nil)
}

// reseat gives a hive seats with the models of these parts, and takes it out of the indexes of all others. What was there of a model that stays, stays.
func (x *indexWriter) reseat(at *seats, hiveID string, parts []part) {
	former := slices.Clone(at.models)
	at.room = [2]seat{}
	if len(parts) <= len(at.room) {
		at.models = at.room[:len(parts)]
	} else {
		at.models = make([]seat, len(parts))
	}
	for i := range parts {
		s := &at.models[i]
		if had := slices.IndexFunc(former, func(f seat) bool { return f.index != nil && f.model == parts[i].model }); had >= 0 {
			*s = former[had]
			former[had].index = nil // it stays
		} else {
			s.index = x.modelWriter(parts[i].model)
			s.model = s.index.index.model
		}
		s.workers = parts[i].workers
	}
	for i := range former {
		if former[i].index == nil {
			continue
		}
		m := x.open(former[i].index)
		m.index.total.add(&former[i].sums.tally, -1)
		m.byHive.remove(hiveID)
		m.index.byHive = m.byHive.peek()
		if m.byHive.empty() {
			x.states.remove(former[i].model)
			delete(x.models, former[i].model)
		}
	}
}

func (x *indexWriter) modelWriter(model string) *modelWriter {
	m := x.models[model]
	if m == nil {
		model = strings.Clone(model) // else it keeps the texts of all profiles of the hive that has it first
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
