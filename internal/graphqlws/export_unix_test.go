//go:build unix

package graphqlws

import "golang.org/x/sys/unix"

// MostHeld returns the most bytes that the handler and the kernel hold for one of its sockets.
func (h *Handler) MostHeld() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	most := 0
	for c := range h.conns {
		kernel := 0
		_ = c.raw.Control(func(fd uintptr) { kernel, _ = unix.IoctlGetInt(int(fd), unix.TIOCOUTQ) })
		c.mu.Lock()
		most = max(most, c.out.bytes+c.out.writing+c.out.joining+kernel)
		c.mu.Unlock()
	}
	return most
}
