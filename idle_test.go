package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// idlers is how many subscribers BenchmarkIdleSubscriber has; each takes a descriptor of either process.
const idlers = 10_000

// BenchmarkIdleSubscriber reports what a dashboard that is sent nothing costs the real server, in memory that is really there (resident), and how
// long 10,000 take to come.
func BenchmarkIdleSubscriber(b *testing.B) {
	for b.Loop() {
		p := start(b, "--no-agent")
		base := idler(b, p.Address()) // what the first one brings with it is not counted
		before := p.resident(b)
		began := time.Now()
		conns := []net.Conn{base}
		for range idlers {
			conns = append(conns, idler(b, p.Address()))
		}
		b.ReportMetric(time.Since(began).Seconds(), "s-to-come")
		b.ReportMetric(float64(p.resident(b)-before)/idlers, "bytes/subscriber")
		b.ReportMetric(0, "ns/op")
		for _, nc := range conns {
			_ = nc.Close()
		}
		p.Kill()
	}
}

// idler is a subscriber that speaks WebSocket by hand, keeps nothing but the connection, and has read the first answer.
func idler(b *testing.B, address string) net.Conn {
	b.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	_, _ = fmt.Fprintf(nc, "GET /graphql HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n", address)
	if _, err := nc.Read(make([]byte, 512)); err != nil {
		b.Fatal(err)
	}
	br := bufio.NewReaderSize(nc, 16)
	for _, msg := range []string{`{"type":"connection_init"}`, watchMessage("s")} {
		// Masked with zeros, which changes nothing.
		_, _ = nc.Write(append([]byte{0x81, 0x80 | 126, byte(len(msg) >> 8), byte(len(msg)), 0, 0, 0, 0}, msg...))
		if opcode, err := skipFrame(br); err != nil || opcode != websocket.TextMessage {
			b.Fatalf("no answer: %v", err)
		}
	}
	return nc
}

// resident returns how much memory of the server is in the machine's.
func (p served) resident(b *testing.B) int {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		b.Skip("only Linux tells:", err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kB, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		b.Fatal(err)
	}
	return kB << 10
}
