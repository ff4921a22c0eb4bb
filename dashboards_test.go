package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// dashboardsEnv makes the test binary a process of dashboards, so that what a server takes can be told from what they take.
const dashboardsEnv = "WAGGLE_TEST_DASHBOARDS"

// crowd is dashboards of one server that all say the same.
type crowd struct {
	URL     string
	Sockets int
	Say     []string
}

// audience is the process of dashboards, as its parent sees it. It counts the messages that each crowd received.
type audience struct{ received []atomic.Int64 }

// seat starts a process with these crowds, on the second core if there is one.
func seat(tb testing.TB, crowds ...crowd) *audience {
	tb.Helper()
	args := []string{os.Args[0]}
	if path, err := exec.LookPath("taskset"); err == nil {
		args = append([]string{path, "-c", "1"}, args...)
	}
	cmd := exec.CommandContext(tb.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), dashboardsEnv+"=1", "GOMAXPROCS=1", "GOGC=400")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	a := &audience{received: make([]atomic.Int64, len(crowds))}
	var wg sync.WaitGroup
	wg.Go(func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var i int
			var n int64
			if _, err := fmt.Sscan(lines.Text(), &i, &n); err == nil {
				a.received[i].Store(n)
			}
		}
	})
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		wg.Wait()
		_ = cmd.Wait()
	})
	if err := json.NewEncoder(in).Encode(crowds); err != nil {
		tb.Fatal(err)
	}
	return a
}

// wait waits until a crowd has received n messages in all.
func (a *audience) wait(tb testing.TB, crowd int, n int64) {
	tb.Helper()
	for deadline := time.Now().Add(time.Minute); a.received[crowd].Load() < n; time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("crowd %d received %d messages, want %d", crowd, a.received[crowd].Load(), n)
		}
	}
}

// sitDashboards is the process of dashboards.
func sitDashboards() error {
	var crowds []crowd
	if err := json.NewDecoder(os.Stdin).Decode(&crowds); err != nil {
		return err
	}
	received := make([]atomic.Int64, len(crowds))
	for i, c := range crowds {
		for range c.Sockets {
			d := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}, ReadBufferSize: 256, WriteBufferSize: 256}
			ws, resp, err := d.Dial(c.URL, nil)
			if err != nil {
				return err
			}
			_ = resp.Body.Close()
			for _, msg := range c.Say {
				if err := ws.WriteMessage(websocket.TextMessage, []byte(msg)); err != nil {
					return err
				}
			}
			go countMessages(ws.NetConn(), &received[i])
		}
	}
	told := make([]int64, len(crowds))
	for ; ; time.Sleep(200 * time.Microsecond) {
		for i := range received {
			if n := received[i].Load(); n != told[i] {
				told[i] = n
				if _, err := fmt.Println(i, n); err != nil { //nolint:forbidigo // its output is what it is for
					return err
				}
			}
		}
	}
}

// countMessages reads as cheaply as can be, and answers pings, without which the server would close in the end.
func countMessages(nc net.Conn, received *atomic.Int64) {
	br := bufio.NewReaderSize(nc, 16<<10)
	for {
		opcode, err := skipFrame(br)
		if err != nil {
			return
		}
		switch opcode {
		case websocket.TextMessage:
			received.Add(1)
		case websocket.PingMessage:
			_, _ = nc.Write([]byte{0x80 | websocket.PongMessage, 0x80, 0, 0, 0, 0})
		}
	}
}

// skipFrame reads one frame of a server and returns its opcode.
func skipFrame(br *bufio.Reader) (opcode int, err error) {
	head, err := br.Peek(2)
	if err != nil {
		return 0, err
	}
	opcode = int(head[0] & 0x0F)
	size, skip := int(head[1]), 2
	switch size {
	case 126:
		if head, err = br.Peek(4); err != nil {
			return 0, err
		}
		size, skip = int(head[2])<<8|int(head[3]), 4
	case 127:
		return 0, errors.New("a message of more than 64 KiB")
	}
	_, err = br.Discard(skip + size)
	return opcode, err
}
