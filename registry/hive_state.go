package registry

import (
	"slices"
	"time"
)

// replacedRemembered bounds how many replaced incarnations of a hive are recognised.
const replacedRemembered = 8

// hiveState is what writers keep of a hive beside its public record. It is kept small, and what few hives need apart, since each heartbeat
// fetches it from memory.
type hiveState struct {
	hive    *Hive
	order   []int32 // of the reports, see sortedOrder
	place   place
	seats   seats
	cadence cadence
	follows bool // the next heartbeat follows one of the same agent: the interval between tells the cadence

	sequence    OptInt
	incarnation string

	position int32     // in the deadline queue
	deadline time.Time // when the liveness may have to change

	digest uint64 // of the heartbeat that the profiles of the hive and its workers were made of
	rivals *rivals
}

// rivals are the agents that had a hive's id before the one that has it now, or claim it; nil for a hive that has had one agent only, as most have.
type rivals struct {
	replaced   []string  // incarnations that lost the id, newest last
	conflictAt time.Time // when one of them was last heard
	conflicts  []string  // those already reported as an event
}

// admit decides whether a heartbeat is the next one of its hive, and remembers its place if it is.
//
// A new incarnation takes over at once: an agent was restarted. One that was replaced and is heard again is a second
// agent with the same id; it is refused as long as the owner is not OFFLINE, so that the owner does not alternate. A sender without
// incarnation is held to the same rule against an owner that has one.
//
// TextsKnown tells that the heartbeat has the digest of the one that was accepted last, and so its incarnation.
func (st *hiveState) admit(hb *Heartbeat, textsKnown bool) Outcome {
	if textsKnown || hb.Incarnation == st.incarnation {
		if hb.Incarnation != "" && hb.Sequence.Known() && st.sequence.Known() {
			switch {
			case hb.Sequence.Value() == st.sequence.Value():
				return Duplicate
			case hb.Sequence.Value() < st.sequence.Value():
				return Stale
			}
		}
		st.sequence = hb.Sequence
		return Accepted
	}
	if st.rivals == nil {
		st.rivals = &rivals{}
	}
	lost := hb.Incarnation == "" || slices.Contains(st.rivals.replaced, hb.Incarnation)
	if lost && st.hive.Liveness != Offline {
		return Conflict
	}
	st.rivals.tookOver(st.incarnation, hb.Incarnation)
	st.incarnation, st.sequence = hb.Incarnation, hb.Sequence
	st.follows = false // an agent that is started again beats as often as before, but how long that took tells nothing of it
	return Accepted
}

// tookOver takes note that one incarnation took the place of another, which is empty when it did not tell.
func (r *rivals) tookOver(old, incarnation string) {
	if old != "" {
		if len(r.replaced) == replacedRemembered {
			r.replaced = r.replaced[1:]
		}
		r.replaced = append(r.replaced, old)
	}
	is := func(s string) bool { return s == incarnation }
	r.replaced = slices.DeleteFunc(r.replaced, is)
	r.conflicts = slices.DeleteFunc(r.conflicts, is)
	r.conflictAt = time.Time{}
}

// cadence estimates how often a hive beats, from its last three intervals. The lower median is taken, so that neither one outage nor one
// hasty beat counts, and a changed habit counts from its second interval on.
type cadence struct {
	intervals [3]time.Duration
	n         uint8 // of them, capped at 3
	at        uint8 // where the next goes
}

func (c *cadence) observe(interval time.Duration) {
	c.intervals[c.at] = interval
	c.at = (c.at + 1) % uint8(len(c.intervals))
	c.n = min(c.n+1, uint8(len(c.intervals)))
}

// estimate returns the interval; 0 before the second heartbeat.
func (c *cadence) estimate() time.Duration {
	switch c.n {
	case 0:
		return 0
	case 1:
		return c.intervals[0]
	case 2:
		return min(c.intervals[0], c.intervals[1])
	}
	a, b, d := c.intervals[0], c.intervals[1], c.intervals[2]
	return max(min(a, b), min(max(a, b), d))
}
