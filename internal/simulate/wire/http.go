package wire

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"strconv"
	"time"
)

// StatusError is an answer with another status than 200.
type StatusError struct {
	// Status as HTTP has it.
	Status int
	// Begin is how the answer begins.
	Begin string
}

// Error implements the error interface.
func (e *StatusError) Error() string {
	return fmt.Sprintf("the server answered %d: %s", e.Status, e.Begin)
}

// errNotHTTP is an answer that this package cannot read.
var errNotHTTP = errors.New("the server does not answer as HTTP/1.1 has it")

// Requester sends requests of one kind over one connection that stays open, one after the other. It connects when it has to.
// One goroutine uses it at a time.
type Requester struct {
	to     Address
	head   []byte // up to the length of the body
	conn   net.Conn
	leave  func() bool // lets the context go that ends the connection
	in     *bufio.Reader
	out    []byte
	answer []byte
}

// NewRequester returns one that posts JSON to the address, or gets it with method GET, when bodies must be empty.
func NewRequester(to Address, method string) *Requester {
	head := to.appendHead(nil, method)
	return &Requester{to: to, head: append(head, "Content-Type: application/json\r\nAccept: application/json\r\nContent-Length: "...)}
}

// Do sends one request and returns the body of the answer, which is good until the next call. Answers with another status than 200
// are a [*StatusError]. The connection ends with ctx, and after an error.
func (r *Requester) Do(ctx context.Context, body []byte) ([]byte, error) {
	if r.conn == nil {
		conn, err := r.to.dial(ctx)
		if err != nil {
			return nil, err
		}
		r.conn, r.in = conn, bufio.NewReaderSize(conn, 16<<10)
		r.leave = context.AfterFunc(ctx, func() { _ = conn.Close() })
	}
	status, err := r.exchange(body)
	if err != nil {
		r.Close()
		return nil, err
	}
	if status != 200 {
		return nil, &StatusError{status, string(r.answer[:min(len(r.answer), 200)])}
	}
	return r.answer, nil
}

// Close closes the connection. The next request makes another one.
func (r *Requester) Close() {
	if r.conn != nil {
		r.leave()
		_ = r.conn.Close()
		r.conn = nil
	}
}

func (r *Requester) exchange(body []byte) (status int, err error) {
	r.out = strconv.AppendInt(append(r.out[:0], r.head...), int64(len(body)), 10)
	r.out = append(append(r.out, "\r\n\r\n"...), body...)
	_ = r.conn.SetDeadline(time.Now().Add(patience)) // if it fails, so does the write
	if _, err := r.conn.Write(r.out); err != nil {
		return 0, err
	}
	line, err := r.line()
	if err != nil {
		return 0, err
	}
	const before = len("HTTP/1.1 ")
	if len(line) < before+3 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, errNotHTTP
	}
	if status, err = strconv.Atoi(string(line[before : before+3])); err != nil {
		return 0, errNotHTTP
	}
	return status, r.readBody()
}

// readBody reads the headers and then as much as they say.
func (r *Requester) readBody() error {
	length, chunked := -1, false
	for {
		line, err := r.line()
		if err != nil {
			return err
		}
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return errNotHTTP
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = bytes.EqualFold(value, []byte("chunked"))
		}
	}
	switch {
	case chunked:
		return r.readChunks()
	case length < 0:
		return errNotHTTP
	}
	if cap(r.answer) < length {
		r.answer = make([]byte, length)
	}
	r.answer = r.answer[:length]
	_, err := io.ReadFull(r.in, r.answer)
	return err
}

func (r *Requester) readChunks() error {
	answer, err := io.ReadAll(httputil.NewChunkedReader(r.in))
	if err != nil {
		return err
	}
	r.answer = answer
	if line, err := r.line(); err != nil || len(line) > 0 { // no trailers
		return errors.Join(err, errNotHTTP)
	}
	return nil
}

// line reads a line without its end.
func (r *Requester) line() ([]byte, error) {
	line, err := r.in.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}
