package rbee

import (
	"errors"
	"net/http"
	"os"
	"time"
)

// serveDashboard serves the event stream that rbee's dashboards read: a sum of the fleet at once and each 2.5 s, which also keeps the
// connection alive; the telemetry of every hive; and from then on whatever comes.
func (d *Door) serveDashboard(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Type", "text/event-stream")
		return
	}
	defer d.stats.dashboards.Add(-1)
	if n := d.stats.dashboards.Add(1); n > int64(d.cfg.MaxDashboards) {
		reply(w, http.StatusServiceUnavailable, answer{"error", "as many event streams are served as may be"})
		return
	}
	out := &stream{w: w, control: http.NewResponseController(w), patience: d.patience}
	if err := out.begin(); err != nil {
		reply(w, http.StatusInternalServerError, answer{"error", "this connection cannot carry an event stream"})
		return
	}
	frames, at := d.board.join(time.Now())
	defer d.board.leave()
	sums := time.NewTicker(queenEvery)
	defer sums.Stop()

	err := out.send(append(d.board.sum(time.Now()), frames...))
	for err == nil {
		select {
		case <-r.Context().Done():
			return
		case <-d.stopped:
			return
		case <-at.next:
			frames, at = d.board.since(at)
			err = out.send(frames)
		case <-sums.C:
			err = out.send(d.board.sum(time.Now()))
		}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		d.stats.dashboardsCut.Add(1)
		d.log.Info("dashboard was cut off: it does not read", "peer", peerOf(r).String())
	}
}

// stream writes to one dashboard.
type stream struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration // for one piece
}

// begin sends the header. Whatever time the server allows for a request does not hold for one that never ends.
func (s *stream) begin() error {
	if err := s.control.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	if err := s.control.SetWriteDeadline(time.Now().Add(s.patience)); err != nil {
		return err
	}
	s.w.Header().Set("Content-Type", "text/event-stream")
	s.w.Header().Set("Cache-Control", "no-cache")
	return s.control.Flush()
}

// send writes frames. Each piece has its own deadline, so that a slow reader has time for all of it and one that does not read has not.
func (s *stream) send(frames []byte) error {
	for len(frames) > 0 {
		n := min(len(frames), writeChunk)
		if err := s.control.SetWriteDeadline(time.Now().Add(s.patience)); err != nil {
			return err
		}
		if _, err := s.w.Write(frames[:n]); err != nil {
			return err
		}
		frames = frames[n:]
	}
	return s.control.Flush()
}
