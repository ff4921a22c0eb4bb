package registry

import (
	"math"
	"strconv"
)

// OptInt is an integer figure that may be unknown. The zero value is unknown. It takes no more room than an int32: a fleet's figures
// are most of what is written, and fetched from memory, for a heartbeat.
type OptInt struct {
	code int32 // the figure with its sign bit turned over; 0 when unknown
}

// Int returns a known figure. The least int32 is taken for the one above it.
func Int(v int32) OptInt { return OptInt{max(v, -math.MaxInt32) ^ math.MinInt32} }

// Known tells whether the figure is known.
func (o OptInt) Known() bool { return o.code != 0 }

// Value returns the figure; 0 when unknown.
func (o OptInt) Value() int32 {
	if o.code == 0 {
		return 0
	}
	return o.code ^ math.MinInt32
}

// String returns the figure in decimals, or "unknown".
func (o OptInt) String() string {
	if !o.Known() {
		return "unknown"
	}
	return strconv.Itoa(int(o.Value()))
}

// OptFloat is a figure that may be unknown. The zero value is unknown. It takes no more room than a float64.
type OptFloat struct {
	code uint64 // the bits of the figure, exclusive or unknownBits
}

// unknownBits are those of a NaN that Float makes of none.
const unknownBits = 0x7ff8_dead_0000_0000

// Float returns a known figure, which may be NaN. -0 is 0, so that equal figures are equal.
func Float(v float64) OptFloat {
	switch {
	case v == 0:
		v = 0
	case v != v:
		v = math.NaN()
	}
	return OptFloat{math.Float64bits(v) ^ unknownBits}
}

// Known tells whether the figure is known.
func (o OptFloat) Known() bool { return o.code != 0 }

// Value returns the figure; 0 when unknown.
func (o OptFloat) Value() float64 {
	if o.code == 0 {
		return 0
	}
	return math.Float64frombits(o.code ^ unknownBits)
}

// String returns the figure in decimals, or "unknown".
func (o OptFloat) String() string {
	if !o.Known() {
		return "unknown"
	}
	return strconv.FormatFloat(o.Value(), 'g', -1, 64)
}

// OptString is a text that may be unknown. The empty string is unknown.
type OptString string
