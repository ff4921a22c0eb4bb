package graphqlws

import (
	"crypto/tls"
	"net"
)

// limitKernelBuffer bounds what the kernel holds for a client that does not read.
func limitKernelBuffer(nc net.Conn, bytes int) {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	if t, ok := nc.(*net.TCPConn); ok {
		limitUnsent(t, bytes) // Without it the kernel's own bound holds.
	}
}
