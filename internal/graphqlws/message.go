package graphqlws

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"waggle/internal/jsonwalk"
)

// Message types of the protocol.
const (
	typeInit      = "connection_init"
	typeAck       = "connection_ack"
	typePing      = "ping"
	typePong      = "pong"
	typeSubscribe = "subscribe"
	typeComplete  = "complete"
)

// clientMessage is a message that a client may send.
type clientMessage struct {
	kind    string
	id      string          // of subscribe and complete; not empty there
	payload json.RawMessage // an object, or nil if it was absent or null
	params  params          // what the payload says, if that was read with the message
}

// params are the parameters of an operation, or why they are none. The zero value is one that was not read.
type params struct {
	*graphql.RawParams
	err error
}

func (p params) wereRead() bool { return p.RawParams != nil || p.err != nil }

// parseMessage reads a client's message, of which the payload stays a part. A payload that is known to be an operation's is read at once, by the function given, for
// it is most of the message. Errors become close reasons and quote nothing of the message.
func parseMessage(data []byte, maxIDBytes int, readParams func(*jsonwalk.Walker) (*graphql.RawParams, error)) (clientMessage, error) {
	var m clientMessage
	var kind, id, payload []byte
	w := jsonwalk.New(data)
	w.MendText = true
	w.Members(func(key []byte) {
		switch string(key) {
		case "type":
			kind = w.Raw()
		case "id":
			id = w.Raw()
		case "payload":
			m.params = params{}
			if string(kind) != `"subscribe"` || w.Next() != '{' {
				payload = w.Raw()
				return
			}
			payload = w.Rest()
			m.params.RawParams, m.params.err = readParams(&w)
			payload = payload[:len(payload)-len(w.Rest())]
		default:
			w.Skip()
		}
	})
	if w.End() != nil {
		return m, errors.New("it must be a JSON object")
	}
	var ok bool
	if m.kind, ok = textOf(kind); !ok {
		return m, errors.New("type must be a string")
	}
	if len(payload) > 0 && string(payload) != "null" {
		if payload[0] != '{' {
			return m, errors.New("payload must be an object")
		}
		m.payload = payload
	}
	switch m.kind {
	case typeInit, typePing, typePong:
		return m, nil
	case typeSubscribe, typeComplete:
		if m.id, ok = textOf(id); !ok || m.id == "" {
			return m, errors.New("id must be a string that is not empty")
		}
		if len(m.id) > maxIDBytes {
			return m, fmt.Errorf("id must have at most %d bytes", maxIDBytes)
		}
		if m.kind == typeSubscribe && m.payload == nil {
			return m, errors.New("payload is missing")
		}
		return m, nil
	default:
		return m, errors.New("type is not one of the protocol")
	}
}

// textOf returns the string that a value is, if it is one.
func textOf(raw []byte) (string, bool) {
	w := jsonwalk.New(raw)
	w.MendText = true
	text := string(w.Text())
	return text, w.Err() == nil
}

// gatherMillis reads the gather interval from the payload of connection_init; ok is false if it names none.
func gatherMillis(payload json.RawMessage) (ms int, ok bool, err error) {
	if payload == nil {
		return 0, false, nil
	}
	var keys map[string]json.RawMessage
	_ = json.Unmarshal(payload, &keys) // It was found to be an object before.
	if keys["gatherMs"] == nil {
		return 0, false, nil
	}
	if json.Unmarshal(keys["gatherMs"], &ms) != nil || ms < 0 || ms > 1000 {
		return 0, false, errors.New("gatherMs must be 0 to 1000")
	}
	return ms, true, nil
}

const nextEnd = `next"}`

// suffixOf is what a socket appends to an envelope: the rest of the message.
func suffixOf(id string) []byte {
	quoted, _ := json.Marshal(id) // A string cannot fail.
	return slices.Concat([]byte(`,"id":`), quoted, []byte(`,"type":"`+nextEnd))
}

func errorMessage(id string, errs gqlerror.List) []byte {
	b, err := json.Marshal(struct {
		ID      string        `json:"id"`
		Type    string        `json:"type"`
		Payload gqlerror.List `json:"payload"`
	}{id, "error", errs})
	if err != nil { // Extensions that cannot be encoded are the only way here.
		return errorMessage(id, gqlerror.List{{Message: "the error cannot be shown"}})
	}
	return b
}

// completeMessage ends the operation of which the suffix is.
func completeMessage(suffix []byte) []byte {
	return slices.Concat([]byte("{"), suffix[1:len(suffix)-len(nextEnd)], []byte(`complete"}`))
}

func pongMessage(payload json.RawMessage) []byte {
	if payload == nil {
		return []byte(`{"type":"pong"}`)
	}
	return fmt.Appendf(nil, `{"type":"pong","payload":%s}`, payload)
}
