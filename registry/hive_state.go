package registry

import (
	"slices"
	"time"
)

// replacedRemembered bounds how many replaced incarnations of a hive are recognised.
const replacedRemembered = 8

// hiveState is what writers keep of a hive beside its public record.
type hiveState struct {
	hive    *Hive
	digest  uint64  // of the heartbeat that the profiles of the hive's workers were made of
	order   []int32 // of its reports, see sortedOrder
	place   place
	seats   seats
	heard   time.Time // when the last accepted heartbeat came
	cadence cadence
	follows bool // the next heartbeat follows one of the same agent, or of one restarted in time: the interval between tells the cadence

	deadline time.Time // when the liveness may have to change
	position int       // in the deadline queue

	incarnation string
	sequence    OptInt
	replaced    []string  // incarnations that lost this id, newest last
	conflictAt  time.Time // when one of them was last heard
	conflicts   []string  // those already reported as an event
}

// admit decides whether a heartbeat is the next one of its hive, and remembers its place if it is.
//
// A new incarnation takes over at once: an agent was restarted. One that was replaced and is heard again is a second
// agent with the same id; it is refused as long as the owner is not OFFLINE, so that the owner does not alternate. A sender without
// incarnation is held to the same rule against an owner that has one.
func (st *hiveState) admit(hb *Heartbeat) Outcome {
	if hb.Incarnation == st.incarnation {
		if st.incarnation != "" && hb.Sequence.Known() && st.sequence.Known() {
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
	lost := hb.Incarnation == "" || slices.Contains(st.replaced, hb.Incarnation)
	if lost && st.hive.Liveness != Offline {
		return Conflict
	}
	if st.incarnation != "" {
		if len(st.replaced) == replacedRemembered {
			st.replaced = st.replaced[1:]
		}
		st.replaced = append(st.replaced, st.incarnation)
	}
	st.replaced = slices.DeleteFunc(st.replaced, func(s string) bool { return s == hb.Incarnation })
	st.conflicts = slices.DeleteFunc(st.conflicts, func(s string) bool { return s == hb.Incarnation })
	st.incarnation, st.sequence, st.cadence = hb.Incarnation, hb.Sequence, cadence{}
	st.follows = st.hive.Liveness == Online // else the silence was an outage
	st.conflictAt = time.Time{}
	return Accepted
}

// cadence estimates how often a hive beats, from its last three intervals. The lower median is taken, so that neither one outage nor one
// hasty beat counts, and a changed habit counts from its second interval on.
type cadence struct {
	intervals [3]time.Duration
	n         int // of them, capped at 3
	at        int // where the next goes
}

func (c *cadence) observe(interval time.Duration) {
	c.intervals[c.at] = interval
	c.at = (c.at + 1) % len(c.intervals)
	c.n = min(c.n+1, len(c.intervals))
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
