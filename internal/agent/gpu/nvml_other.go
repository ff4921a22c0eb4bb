//go:build !linux || !cgo

package gpu

// openNVML finds none: the library can be loaded only on Linux, by programs built with cgo.
func openNVML() (library, error) { return nil, ErrAbsent }
