//go:build unix

package graphqlws

import "syscall"

const canWriteAtOnce = true

// tryWrite returns how much was written to the descriptor, which is one that does not block. An error is for the next write to find.
func tryWrite(fd uintptr, b []byte) int {
	n, err := syscall.Write(int(fd), b)
	if err != nil {
		return 0
	}
	return n
}
