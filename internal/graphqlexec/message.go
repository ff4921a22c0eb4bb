package graphqlexec

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// envelopePrefix begins every message. The payload comes first, so that all sockets share these bytes and each appends
// only its own id.
const envelopePrefix = `{"payload":`

// Message is one response, encoded once and shared by everyone who gets it. It is never changed.
type Message struct {
	envelope []byte
	joining  bool
}

// Envelope is `{"payload":<response>`: the beginning of a graphql-transport-ws message that lacks `,"id":…,"type":…}`.
// The caller must not change it.
func (m *Message) Envelope() []byte { return m.envelope }

// Response is the response alone. The caller must not change it.
func (m *Message) Response() []byte { return m.envelope[len(envelopePrefix):] }

// Joining tells that the message brings joiners up to date. A sink should take it even if it is larger than what the
// sink queues otherwise: refused, the joiner would only be sent it again.
func (m *Message) Joining() bool { return m.joining }

// Sink is where the messages of one subscriber go. Its methods are called by one goroutine at a time; they must not
// block and must not call methods of the Subscription. One that panics ends its own subscription, with an error, and
// nobody else's.
type Sink interface {
	// Next takes a message, or returns false if there is no room for it: then nothing was taken, nothing else comes,
	// and Subscription.CatchUp must be called once there is room again.
	Next(m *Message) bool
	// Error ends the subscription with errors. Nothing comes after it.
	Error(errs gqlerror.List)
	// Complete ends the subscription. Nothing comes after it.
	Complete()
}

// NewMessage encodes a response for a transport that frames messages itself.
func NewMessage(resp *graphql.Response) (*Message, error) { return encode(resp) }

// encode writes the response out. It copies Data, which gqlgen uses again for the next element.
func encode(resp *graphql.Response) (*Message, error) {
	b := make([]byte, 0, len(envelopePrefix)+len(`{"data":}`)+len(resp.Data)+1)
	b = append(b, envelopePrefix...)
	b, err := AppendResponse(b, resp)
	if err != nil {
		return nil, err
	}
	return &Message{envelope: b}, nil
}

// AppendResponse appends the response as JSON. Unlike json.Marshal it does not scan Data again, and it leaves data out
// where the specification wants that: when the request failed before it was executed.
func AppendResponse(b []byte, resp *graphql.Response) ([]byte, error) {
	b = append(slices.Grow(b, len(`{"data":}`)+len(resp.Data)), '{')
	if len(resp.Errors) > 0 {
		errs, err := json.Marshal(resp.Errors)
		if err != nil {
			return nil, fmt.Errorf("encode errors: %w", err)
		}
		b = append(b, `"errors":`...)
		b = append(b, errs...)
	}
	if resp.Data != nil {
		b = appendComma(b)
		b = append(b, `"data":`...)
		b = append(b, resp.Data...)
	}
	if len(resp.Extensions) > 0 {
		ext, err := json.Marshal(resp.Extensions)
		if err != nil {
			return nil, fmt.Errorf("encode extensions: %w", err)
		}
		b = appendComma(b)
		b = append(b, `"extensions":`...)
		b = append(b, ext...)
	}
	return append(b, '}'), nil
}

func appendComma(b []byte) []byte {
	if b[len(b)-1] == '{' {
		return b
	}
	return append(b, ',')
}
