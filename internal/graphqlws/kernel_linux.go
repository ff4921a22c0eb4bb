package graphqlws

import (
	"net"

	"golang.org/x/sys/unix"
)

// limitUnsent bounds what waits in the kernel because the client takes no more. A bound of the whole send buffer would also hold up a client
// that reads as fast as it can: it would be given a buffer full each time that the writer comes to its turn, which on a busy server is every ten
// milliseconds.
func limitUnsent(t *net.TCPConn, bytes int) {
	raw, err := t.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, bytes) })
}
