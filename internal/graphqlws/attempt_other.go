//go:build !unix

package graphqlws

const canWriteAtOnce = false

func tryWrite(uintptr, []byte) int { return 0 }
