package client

import (
	"encoding/json"
	"errors"
	"fmt"
)

// subprotocol names graphql-transport-ws, as specified in PROTOCOL.md of the npm package graphql-ws.
const subprotocol = "graphql-transport-ws"

// The types of its messages.
const (
	typeInit      = "connection_init"
	typeAck       = "connection_ack"
	typePing      = "ping"
	typePong      = "pong"
	typeSubscribe = "subscribe"
	typeNext      = "next"
	typeError     = "error"
	typeComplete  = "complete"
)

// sent is a message to the server.
type sent struct {
	ID      string `json:"id,omitempty"`
	Type    string `json:"type"`
	Payload any    `json:"payload,omitempty"`
}

// operation is the payload of a subscribe message.
type operation struct {
	Name      string `json:"operationName,omitempty"`
	Query     string `json:"query"`
	Variables any    `json:"variables,omitempty"`
}

// received is a message from the server; all of it lies in the bytes that were read.
type received struct {
	kind    string
	id      []byte
	payload []byte // nil when there is none
}

// parseMessage reads the envelope of a message and leaves the payload as it is.
func parseMessage(data []byte) (received, error) {
	var m received
	s := scanner{data: data}
	for key, ok := s.openObject(); ok; key, ok = s.nextKey() {
		switch string(key) {
		case "type":
			m.kind = messageType(s.text())
		case "id":
			m.id = s.text()
		case "payload":
			m.payload = s.skip()
		default:
			s.skip()
		}
	}
	if err := s.end(); err != nil {
		return received{}, err
	}
	if m.kind == "" {
		return received{}, fmt.Errorf("%w: a message has a type that is none", errProtocol)
	}
	return m, nil
}

func messageType(b []byte) string {
	for _, t := range [...]string{typeNext, typePing, typePong, typeComplete, typeError, typeAck} {
		if string(b) == t {
			return t
		}
	}
	return ""
}

// dataOf returns the data of an execution result, or its first error.
func dataOf(payload []byte) ([]byte, error) {
	var data, problems []byte
	s := scanner{data: payload}
	for key, ok := s.openObject(); ok; key, ok = s.nextKey() {
		switch string(key) {
		case "data":
			data = s.skip()
		case "errors":
			problems = s.skip()
		default:
			s.skip()
		}
	}
	if err := s.end(); err != nil {
		return nil, err
	}
	if problems != nil {
		return nil, firstError(problems)
	}
	if data == nil || string(data) == "null" {
		return nil, errors.New("a message of the server holds neither data nor errors")
	}
	return data, nil
}

// firstError reads a list of GraphQL errors.
func firstError(list []byte) error {
	var problems []*Error
	if err := json.Unmarshal(list, &problems); err != nil || len(problems) == 0 || problems[0] == nil {
		return errors.New("the server refused the operation without saying why")
	}
	return problems[0]
}
