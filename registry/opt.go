package registry

// OptInt is an integer figure that may be unknown. The zero value is unknown.
type OptInt struct {
	Value int32 // 0 when unknown
	Known bool
}

// Int returns a known figure.
func Int(v int32) OptInt { return OptInt{v, true} }

// OptFloat is a figure that may be unknown. The zero value is unknown.
type OptFloat struct {
	Value float64 // 0 when unknown
	Known bool
}

// Float returns a known figure.
func Float(v float64) OptFloat { return OptFloat{v, true} }

// OptString is a text that may be unknown. The empty string is unknown.
type OptString string
