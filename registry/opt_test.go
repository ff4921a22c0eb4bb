package registry

import (
	"fmt"
	"math"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// figures lets cmp.Diff compare figures that may be unknown.
var figures = cmpopts.EquateComparable(OptInt{}, OptFloat{})

func TestUnknownFiguresAreZero(t *testing.T) {
	if o := (OptInt{}); o.Known() || o.Value() != 0 || o.String() != "unknown" {
		t.Errorf("got %v, %d, %s", o.Known(), o.Value(), o)
	}
	if o := (OptFloat{}); o.Known() || o.Value() != 0 || o.String() != "unknown" {
		t.Errorf("got %v, %g, %s", o.Known(), o.Value(), o)
	}
}

func TestKnownFiguresAreWhatTheyWereMadeOf(t *testing.T) {
	ints := func(v int32) {
		if o := Int(v); !o.Known() || o.Value() != max(v, -math.MaxInt32) || o.String() != strconv.Itoa(int(o.Value())) || o == (OptInt{}) {
			t.Errorf("%d became %v, %s", v, o.Known(), o)
		}
	}
	floats := func(v float64) {
		o := Float(v)
		if !o.Known() || o.Value() != v && !(math.IsNaN(v) && math.IsNaN(o.Value())) || o.String() != fmt.Sprint(v+0) || o == (OptFloat{}) {
			t.Errorf("%x became %v, %s", math.Float64bits(v), o.Known(), o)
		}
	}
	for _, v := range []int32{0, 1, -1, math.MaxInt32, math.MinInt32, math.MinInt32 + 1} {
		ints(v)
	}
	for _, v := range []float64{0, 1, -1, 0.1, math.Inf(1), math.Inf(-1), math.NaN(), math.Float64frombits(unknownBits), math.MaxFloat64, math.SmallestNonzeroFloat64} {
		floats(v)
	}
	rapid.Check(t, func(t *rapid.T) {
		ints(rapid.Int32().Draw(t, "int"))
		floats(math.Float64frombits(rapid.Uint64().Draw(t, "bits")))
	})
}

func TestEqualFiguresAreEqual(t *testing.T) {
	if Float(0) != Float(math.Copysign(0, -1)) || math.Signbit(Float(math.Copysign(0, -1)).Value()) {
		t.Error("0 and -0 differ")
	}
	if Float(math.NaN()) != Float(math.Float64frombits(unknownBits)) {
		t.Error("one NaN is not another")
	}
	if Float(1) == Float(2) || Int(1) == Int(2) || Int(0) == (OptInt{}) {
		t.Error("different figures are equal")
	}
}
