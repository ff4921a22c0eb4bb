package graphqlhttp

import (
	"net/http"
	"time"
)

// pieceBytes is what is written within one deadline.
const pieceBytes = 64 << 10

// writer writes to a client, which is cut if it does not read.
type writer struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	timeout time.Duration
}

func newWriter(w http.ResponseWriter, timeout time.Duration) writer {
	return writer{w: w, rc: http.NewResponseController(w), timeout: timeout}
}

// write writes in pieces, so that the size does not decide whether it is written in time. What net/http holds back of it is to be written in that
// of the last piece.
func (w *writer) write(b []byte) error {
	for len(b) > 0 {
		n := min(len(b), pieceBytes)
		w.grant()
		if _, err := w.w.Write(b[:n]); err != nil { //nolint:gosec // JSON, or events, and said to be that.
			return err
		}
		b = b[n:]
	}
	return nil
}

// grant gives the client its time for what is written next, by whomever.
func (w *writer) grant() {
	_ = w.rc.SetWriteDeadline(time.Now().Add(w.timeout)) // Where it is not supported, the server's own holds.
}
