package simulate

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"waggle/internal/simulate/wire"
)

// Door is a way by which heartbeats reach a server.
type Door string

// The doors of a server.
const (
	// DoorGraphQL is the mutation heartbeat, one POST for each.
	DoorGraphQL Door = "graphql"
	// DoorBatch is the mutation heartbeats, one POST for as many as are due, up to Config.Batch.
	DoorBatch Door = "batch"
	// DoorSocket is the mutation heartbeat over graphql-transport-ws; hivesPerSocket hives share a socket.
	DoorSocket Door = "websocket"
	// DoorLegacy is rbee's POST /v1/hive-heartbeat.
	DoorLegacy Door = "legacy"
)

// hivesPerSocket keeps a socket well below the server's limit of 50 messages a second, at one a second for each hive or even five.
const hivesPerSocket = 10

// HeartbeatQuery and HeartbeatsQuery are the mutations that agents and relays send, with a variable input or inputs.
const (
	HeartbeatQuery  = `mutation Heartbeat($input: HeartbeatInput!) { heartbeat(input: $input) { outcome hiveId revision nextHeartbeatMs warnings } }`
	HeartbeatsQuery = `mutation Heartbeats($inputs: [HeartbeatInput!]!) { heartbeats(inputs: $inputs) { outcome hiveId revision nextHeartbeatMs warnings } }`
)

// errNotAccepted is a heartbeat that the server answered with another outcome than ACCEPTED.
var errNotAccepted = errors.New("not accepted")

// sender sends heartbeats of hives that no other sender has. It is used by one goroutine.
type sender interface {
	// send sends what the hives with these numbers report. It returns how many were not accepted, or why none was.
	send(ctx context.Context, hives []int) (refused int, err error)
	close()
}

func (l *Load) newSender() sender {
	switch l.cfg.Door {
	case DoorBatch:
		return &relay{l.fleet, wire.NewRequester(l.server, http.MethodPost), newEnvelope(HeartbeatsQuery, `{"inputs":[`, `]}`)}
	case DoorSocket:
		return &socketSender{load: l, sockets: map[int]*wire.Socket{}, envelope: newMessage(HeartbeatQuery, `{"input":`, `}`)}
	case DoorLegacy:
		return &poster{wire.NewRequester(l.server.At("/v1/hive-heartbeat"), http.MethodPost), envelope{}, l.fleet.AppendLegacy, false}
	default:
		return &poster{wire.NewRequester(l.server, http.MethodPost), newEnvelope(HeartbeatQuery, `{"input":`, `}`), l.fleet.AppendInput, true}
	}
}

// envelope is what stands around reports in a request. It also holds the request that is being made.
type envelope struct{ before, after, body []byte }

func newEnvelope(query, before, after string) envelope {
	const mark = "\x00"
	b, a, _ := bytes.Cut(wire.AppendOperation(nil, query, []byte(before+mark+after)), []byte(mark))
	return envelope{before: b, after: a}
}

// newMessage is newEnvelope for a socket.
func newMessage(query, before, after string) envelope {
	const mark = "\x00"
	b, a, _ := bytes.Cut(wire.AppendSubscribe(nil, "1", query, []byte(before+mark+after)), []byte(mark))
	return envelope{before: b, after: a}
}

func (e *envelope) begin()      { e.body = append(e.body[:0], e.before...) }
func (e *envelope) end() []byte { e.body = append(e.body, e.after...); return e.body }

// poster sends each report in a request of its own.
type poster struct {
	*wire.Requester
	envelope
	report  func(b []byte, hive int, now time.Time) []byte
	graphQL bool
}

func (p *poster) close() { p.Close() }

func (p *poster) send(ctx context.Context, hives []int) (refused int, err error) {
	for _, hive := range hives {
		p.begin()
		p.body = p.report(p.body, hive, time.Now())
		answer, err := p.Do(ctx, p.end())
		if err != nil {
			return refused, err
		}
		if p.graphQL {
			n, err := countRefused(answer, 1)
			if err != nil {
				return refused, err
			}
			refused += n
		}
	}
	return refused, nil
}

// relay sends many reports in one request.
type relay struct {
	fleet *Fleet
	*wire.Requester
	envelope
}

func (r *relay) close() { r.Close() }

func (r *relay) send(ctx context.Context, hives []int) (refused int, err error) {
	r.begin()
	now := time.Now()
	for n, hive := range hives {
		if n > 0 {
			r.body = append(r.body, ',')
		}
		r.body = r.fleet.AppendInput(r.body, hive, now)
	}
	answer, err := r.Do(ctx, r.end())
	if err != nil {
		return 0, err
	}
	return countRefused(answer, len(hives))
}

// Fill lets a second pass for every hive and reports all that are heard, in batches and without pause, so that a server knows the fleet.
func Fill(ctx context.Context, server wire.Address, fleet *Fleet) error {
	const batch = 100
	r := &relay{fleet, wire.NewRequester(server, http.MethodPost), newEnvelope(HeartbeatsQuery, `{"inputs":[`, `]}`)}
	defer r.close()
	var hives []int
	for i := range fleet.Len() {
		if fleet.Beat(i) {
			hives = append(hives, i)
		}
	}
	for some := range slices.Chunk(hives, batch) {
		if refused, err := r.send(ctx, some); err != nil || refused > 0 {
			return cmp.Or(err, errNotAccepted)
		}
	}
	return nil
}

// countRefused tells how many of so many heartbeats were not accepted, by the answer to them.
func countRefused(answer []byte, sent int) (int, error) {
	accepted := bytes.Count(answer, []byte(`"outcome":"ACCEPTED"`))
	if accepted < sent && bytes.Contains(answer, []byte(`"errors":[`)) {
		return 0, fmt.Errorf("the server answered %.200s", answer)
	}
	return sent - accepted, nil
}

// socketSender sends operations over sockets that stay open, one after the other.
type socketSender struct {
	load    *Load
	sockets map[int]*wire.Socket
	envelope
}

func (s *socketSender) close() {
	for _, socket := range s.sockets {
		socket.Close()
	}
}

func (s *socketSender) send(ctx context.Context, hives []int) (refused int, err error) {
	for _, hive := range hives {
		n, err := s.sendOne(ctx, hive)
		if err != nil {
			return refused, err
		}
		refused += n
	}
	return refused, nil
}

func (s *socketSender) sendOne(ctx context.Context, hive int) (refused int, err error) {
	key := hive / (s.load.cfg.Senders * hivesPerSocket)
	socket := s.sockets[key]
	if socket == nil {
		if socket, err = wire.OpenSocket(ctx, s.load.server, 0, 4<<10); err != nil {
			return 0, err
		}
		s.sockets[key] = socket
	}
	s.begin()
	s.body = s.load.fleet.AppendInput(s.body, hive, time.Now())
	answer, err := socket.Ask(s.end())
	if err != nil {
		socket.Close()
		delete(s.sockets, key)
		return 0, err
	}
	return countRefused(answer, 1)
}
