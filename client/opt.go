package client

import "strconv"

// OptInt is a whole number that may be unknown, which is not the same as 0. The zero value is unknown.
type OptInt struct {
	// Value is 0 when unknown.
	Value int32
	// Known tells a 0 from no figure.
	Known bool
}

// Or returns the value, or the other one when it is unknown.
func (o OptInt) Or(other int32) int32 {
	if o.Known {
		return o.Value
	}
	return other
}

// String returns the value, or "unknown".
func (o OptInt) String() string {
	if o.Known {
		return strconv.Itoa(int(o.Value))
	}
	return "unknown"
}

// MarshalJSON returns the value, or null.
func (o OptInt) MarshalJSON() ([]byte, error) {
	if o.Known {
		return strconv.AppendInt(nil, int64(o.Value), 10), nil
	}
	return []byte("null"), nil
}
