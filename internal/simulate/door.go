package simulate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"waggle/client"
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

// hivesPerSocket keeps a socket well below the server's limit of 50 messages a second.
const hivesPerSocket = 20

// errNotAccepted is a heartbeat that the server answered with another outcome than ACCEPTED.
var errNotAccepted = errors.New("not accepted")

// sender sends heartbeats, all of which belong to hives whose numbers have the same remainder. It is used by one goroutine.
type sender interface {
	// send sends what the hives with these numbers report. It returns how many were not accepted, or why none was.
	send(ctx context.Context, hives []int, beats []*client.HeartbeatInput) (refused int, err error)
	close()
}

func newSender(cfg Config) (sender, error) {
	switch cfg.Door {
	case DoorGraphQL, DoorBatch:
		c, err := newClient(cfg)
		if err != nil {
			return nil, err
		}
		return &poster{c}, nil
	case DoorSocket:
		return &socketSender{cfg: cfg, clients: map[int]*client.Client{}}, nil
	case DoorLegacy:
		return &legacySender{url: strings.TrimSuffix(strings.TrimSuffix(cfg.Server, "/"), "/graphql") + "/v1/hive-heartbeat",
			http: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}}, nil
	}
	return nil, fmt.Errorf("the door %.20q is none of graphql, batch, websocket and legacy", string(cfg.Door))
}

// newClient returns a client with connections of its own.
func newClient(cfg Config) (*client.Client, error) {
	return client.New(client.Config{URL: cfg.Server, Token: cfg.Token, Transport: &http.Transport{}, Linger: time.Minute})
}

type poster struct{ *client.Client }

func (p *poster) close() { p.CloseIdle() }

func (p *poster) send(ctx context.Context, _ []int, beats []*client.HeartbeatInput) (int, error) {
	if len(beats) == 1 {
		answer, err := p.Heartbeat(ctx, beats[0])
		if err != nil {
			return 0, err
		}
		return refused(answer), nil
	}
	answers, err := p.Heartbeats(ctx, beats)
	if err != nil {
		return 0, err
	}
	return refused(answers...), nil
}

func refused(answers ...*client.HeartbeatPayload) int {
	n := 0
	for _, a := range answers {
		if a.Outcome != client.HeartbeatOutcomeAccepted {
			n++
		}
	}
	return n
}

// socketSender sends operations over sockets that stay open.
type socketSender struct {
	cfg     Config
	clients map[int]*client.Client
}

func (s *socketSender) close() {
	for _, c := range s.clients {
		c.CloseIdle()
	}
}

func (s *socketSender) send(ctx context.Context, hives []int, beats []*client.HeartbeatInput) (int, error) {
	n := 0
	for i, beat := range beats {
		outcome, err := s.sendOne(ctx, hives[i], beat)
		if err != nil {
			return n, err
		}
		if outcome != client.HeartbeatOutcomeAccepted {
			n++
		}
	}
	return n, nil
}

const heartbeatText = `mutation Heartbeat($input: HeartbeatInput!) { heartbeat(input: $input) { outcome } }`

func (s *socketSender) sendOne(ctx context.Context, hive int, beat *client.HeartbeatInput) (client.HeartbeatOutcome, error) {
	key := hive / (s.cfg.Senders * hivesPerSocket)
	c := s.clients[key]
	if c == nil {
		var err error
		if c, err = newClient(s.cfg); err != nil {
			return "", err
		}
		s.clients[key] = c
	}
	type answer struct {
		Heartbeat struct{ Outcome client.HeartbeatOutcome }
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for a, err := range client.Watch[answer](ctx, c, heartbeatText, map[string]any{"input": beat}) {
		return a.Heartbeat.Outcome, err
	}
	return "", errors.New("the server completed the mutation without an answer")
}

// legacySender speaks rbee's wire, as far as it can be said there.
type legacySender struct {
	url  string
	http *http.Client
}

func (l *legacySender) close() { l.http.CloseIdleConnections() }

func (l *legacySender) send(ctx context.Context, _ []int, beats []*client.HeartbeatInput) (int, error) {
	for _, beat := range beats {
		body, err := json.Marshal(legacyBody(beat))
		if err != nil {
			return 0, err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url, bytes.NewReader(body))
		if err != nil {
			return 0, err
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := l.http.Do(req)
		if err != nil {
			return 0, err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			return 0, err
		}
		if resp.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("the server answered %d to a legacy heartbeat", resp.StatusCode)
		}
	}
	return 0, nil
}
