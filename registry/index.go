package registry

import "sync/atomic"

// offers maps hive ids to what the hive's workers, or those with one model, offer.
type offers = tree[offer, offer]

// index finds hives that have the workers looked for, without looking at the fleet. It holds no records, so that a heartbeat
// that changes nothing one could search for does not touch it. It is immutable; an indexWriter makes one after the other.
type index struct {
	total  tally
	all    offers
	models tree[*modelIndex, nothing]
}

// modelIndex finds the workers that have one model. In a snapshot it is immutable but for turn.
type modelIndex struct {
	model  string
	total  tally
	byHive offers
	turn   *atomic.Uint32 // shared by all versions: whose turn it is among equals
}

// nothing is the sum of trees that need none.
type nothing struct{}

func (nothing) plus(nothing) nothing { return nothing{} }

func (nothing) swap(_, _ nothing) (nothing, bool) { return nothing{}, true }

func (*modelIndex) sum() nothing { return nothing{} }

// model returns the index of a model; an empty one if there is none.
func (x *index) model(model string) *modelIndex {
	if m, ok := x.models.get(model); ok {
		return m
	}
	return &modelIndex{model: model}
}
