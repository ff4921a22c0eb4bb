package wire

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// The opcodes of RFC 6455, 5.2.
const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xA
)

// ErrClosed is a socket that the server closed in good order.
var ErrClosed = errors.New("the server closed the socket")

// errNotSocket is a server that does not do what graphql-transport-ws over unfragmented frames has it do.
var errNotSocket = errors.New("the server does not speak graphql-transport-ws as expected")

// Socket is a connection on which graphql-transport-ws is spoken. One goroutine uses it at a time. It answers pings by itself, while it
// waits for messages.
type Socket struct {
	conn  net.Conn
	leave func() bool // lets the context go that ends the connection
	in    *bufio.Reader
	out   []byte
	text  []byte
	left  int // bytes of the message that was waited for
}

// OpenSocket connects and waits until the server acknowledged. Gather is how long the server may keep messages back to write more of them
// at once. Of what arrives up to buffer bytes are read at a time. The socket ends with ctx.
func OpenSocket(ctx context.Context, to Address, gather time.Duration, buffer int) (*Socket, error) {
	conn, err := to.dial(ctx)
	if err != nil {
		return nil, err
	}
	s := &Socket{conn: conn, in: bufio.NewReaderSize(conn, buffer), leave: context.AfterFunc(ctx, func() { _ = conn.Close() })}
	_ = conn.SetDeadline(time.Now().Add(patience)) // if it fails, so does the write
	if err := s.greet(to, gather); err != nil {
		s.leave()
		_ = conn.Close()
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	return s, nil
}

func (s *Socket) greet(to Address, gather time.Duration) error {
	head := append(to.appendHead(nil, http.MethodGet), "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"...)
	if _, err := s.conn.Write(head); err != nil {
		return err
	}
	resp, err := http.ReadResponse(s.in, nil)
	if err != nil {
		return err
	}
	_ = resp.Body.Close() // there is none yet
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return &StatusError{Status: resp.StatusCode}
	}
	if err := s.Send(fmt.Appendf(nil, `{"type":"connection_init","payload":{"gatherMs":%d}}`, gather.Milliseconds())); err != nil {
		return err
	}
	if _, err := s.Wait(); err != nil {
		return err
	}
	text, err := s.Text()
	if err == nil && !bytes.Contains(text, []byte(`"connection_ack"`)) {
		err = errNotSocket
	}
	return err
}

// Close says good-bye and closes.
func (s *Socket) Close() {
	s.leave()
	_ = s.conn.SetWriteDeadline(time.Now().Add(time.Second))
	_ = s.send(opClose, binary.BigEndian.AppendUint16(nil, 1000)) // who has gone need not hear it
	_ = s.conn.Close()
}

// SetDeadline bounds all that follows in time; the zero time lifts the bound.
func (s *Socket) SetDeadline(t time.Time) { _ = s.conn.SetDeadline(t) } // if it fails, so does what it was to bound

// Send sends a message.
func (s *Socket) Send(text []byte) error { return s.send(opText, text) }

// Subscribe starts an operation; variables are JSON, or empty.
func (s *Socket) Subscribe(id, query string, variables []byte) error {
	return s.Send(AppendSubscribe(nil, id, query, variables))
}

// AppendSubscribe appends the message that starts an operation.
func AppendSubscribe(b []byte, id, query string, variables []byte) []byte {
	b = append(strconv.AppendQuote(append(b, `{"id":`...), id), `,"type":"subscribe","payload":`...)
	return append(AppendOperation(b, query, variables), '}')
}

// AppendOperation appends an operation as the body of a POST has it; variables are JSON, or empty.
func AppendOperation(b []byte, query string, variables []byte) []byte {
	quoted, _ := json.Marshal(query) // a string always can
	b = append(append(b, `{"query":`...), quoted...)
	if len(variables) > 0 {
		b = append(append(b, `,"variables":`...), variables...)
	}
	return append(b, '}')
}

func (s *Socket) send(opcode byte, payload []byte) error {
	b := append(s.out[:0], 0x80|opcode)
	switch size := len(payload); { // 0x80: masked
	case size < 126:
		b = append(b, 0x80|byte(size))
	case size < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(size))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(size))
	}
	b = append(b, 0, 0, 0, 0) // A mask of zeros changes nothing, and costs nothing.
	s.out = append(b, payload...)
	_, err := s.conn.Write(s.out)
	return err
}

// Text takes the message that was waited for. It is good until the next Text.
func (s *Socket) Text() ([]byte, error) {
	if cap(s.text) < s.left {
		s.text = make([]byte, s.left)
	}
	s.text, s.left = s.text[:s.left], 0
	_, err := io.ReadFull(s.in, s.text)
	return s.text, err
}

// glance is how much of a message is shown before it is taken.
const glance = 16

// Wait waits for the next message and shows how it begins: 16 bytes, or all if it is shorter. What was shown is good until the next call. A message
// that was not taken by [Socket.Text] is skipped by the next Wait.
func (s *Socket) Wait() ([]byte, error) {
	if _, err := s.in.Discard(s.left); err != nil {
		return nil, err
	}
	s.left = 0
	for {
		opcode, size, err := s.header()
		if err != nil {
			return nil, err
		}
		if opcode == opText {
			s.left = size
			return s.in.Peek(min(size, glance))
		}
		if err := s.control(opcode, size); err != nil {
			return nil, err
		}
	}
}

// Ask sends a message that starts an operation which is answered once. It returns the message that answers it, when the id is free again; that is good until
// the next Text.
func (s *Socket) Ask(message []byte) ([]byte, error) {
	s.SetDeadline(time.Now().Add(patience))
	if err := s.Send(message); err != nil {
		return nil, err
	}
	if _, err := s.Wait(); err != nil {
		return nil, err
	}
	answer, err := s.Text()
	if err != nil {
		return nil, err
	}
	if !IsNext(answer) {
		return nil, fmt.Errorf("the server answered %.200s", answer)
	}
	if _, err := s.Wait(); err != nil { // "complete"
		return nil, err
	}
	return answer, nil
}

// BeginsNext reports whether a message begins as Waggle's do that carry a result.
func BeginsNext(head []byte) bool { return bytes.HasPrefix(head, []byte(`{"payload":{`)) }

// IsNext reports whether a message carries a result, in whatever order its keys are.
func IsNext(text []byte) bool {
	if BeginsNext(text) {
		return true
	}
	var m struct{ Type string }
	return json.Unmarshal(text, &m) == nil && m.Type == "next"
}

// header takes the header of a frame.
func (s *Socket) header() (opcode byte, size int, err error) {
	head, err := s.in.Peek(2)
	if err != nil {
		return 0, 0, err
	}
	opcode, size = head[0]&0x0F, int(head[1])
	whole, length := head[0]&0x80 != 0, 2 // What Peek returned is gone after Discard.
	switch size {
	case 126:
		if head, err = s.in.Peek(4); err != nil {
			return 0, 0, err
		}
		size, length = int(binary.BigEndian.Uint16(head[2:])), 4
	case 127:
		if head, err = s.in.Peek(10); err != nil {
			return 0, 0, err
		}
		size, length = int(binary.BigEndian.Uint64(head[2:])&(1<<40-1)), 10
	}
	if !whole || size > 1<<30 {
		return 0, 0, errNotSocket
	}
	_, err = s.in.Discard(length)
	return opcode, size, err
}

func (s *Socket) control(opcode byte, size int) error {
	if size > 125 {
		return errNotSocket
	}
	var payload [125]byte
	if _, err := io.ReadFull(s.in, payload[:size]); err != nil {
		return err
	}
	switch opcode {
	case opPing:
		return s.send(opPong, payload[:size])
	case opPong:
		return nil
	case opClose:
		if size < 2 {
			return ErrClosed
		}
		return fmt.Errorf("%w with code %d: %q", ErrClosed, binary.BigEndian.Uint16(payload[:2]), payload[2:size])
	}
	return errNotSocket
}
