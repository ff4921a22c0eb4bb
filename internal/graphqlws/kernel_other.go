//go:build !linux

package graphqlws

import "net"

func limitUnsent(t *net.TCPConn, bytes int) { _ = t.SetWriteBuffer(bytes) }
