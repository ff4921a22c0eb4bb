//go:build amd64 || arm64

package registry

import "unsafe"

// prefetchLines asks for so many cache lines, one at least.
//
//go:noescape
func prefetchLines(p unsafe.Pointer, n uintptr)
