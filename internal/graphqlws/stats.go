package graphqlws

import "sync/atomic"

// Stats counts what a Handler did since it was made.
type Stats struct {
	Connections   int64 `metric:"ws_connections" help:"Sockets that are open."`
	Accepted      int64 `metric:"ws_connections_total" label:"result=accepted" help:"Sockets accepted."`
	Refused       int64 `metric:"ws_connections_total" label:"result=refused" help:"Upgrades refused."`
	MessagesIn    int64 `metric:"ws_messages_total" label:"direction=in" help:"Messages received."`
	MessagesOut   int64 `metric:"ws_messages_total" label:"direction=out" help:"Messages written."`
	SlowConsumers int64 `metric:"slow_consumers_total" label:"kind=put_aside" help:"Times a subscription was put aside since its socket had no room."`
	SlowClosed    int64 `metric:"slow_consumers_total" label:"kind=closed" help:"Sockets closed with 1013."`
	WriteTimeouts int64 `metric:"slow_consumers_total" label:"kind=write_timeout" help:"Sockets cut since nothing could be written for the write timeout."`
	BadClients    int64 `metric:"ws_protocol_errors_total" help:"Sockets closed since the client broke the protocol or a limit."`
	Panics        int64 `metric:"ws_panics_total" help:"Panics recovered."`
}

type counters struct {
	accepted, refused, messagesIn, messagesOut          atomic.Int64
	slow, slowClosed, writeTimeouts, badClients, panics atomic.Int64
}

func (s *counters) closed(code int) {
	switch code {
	case closeSlowConsumer:
		s.slowClosed.Add(1)
	case closeNormal, closeServiceRestart, closeInternalError:
	default:
		if code == closeProtocolError || code == closeTooBig || code == closeInvalidUTF8 || code >= closeInvalidMessage {
			s.badClients.Add(1)
		}
	}
}

func (s *counters) writeFailed(err error) {
	if isTimeout(err) {
		s.writeTimeouts.Add(1)
	}
}

// Stats returns the counts so far.
func (h *Handler) Stats() Stats {
	h.mu.Lock()
	connections := len(h.conns)
	h.mu.Unlock()
	return Stats{
		Connections:   int64(connections),
		Accepted:      h.stats.accepted.Load(),
		Refused:       h.stats.refused.Load(),
		MessagesIn:    h.stats.messagesIn.Load(),
		MessagesOut:   h.stats.messagesOut.Load(),
		SlowConsumers: h.stats.slow.Load(),
		SlowClosed:    h.stats.slowClosed.Load(),
		WriteTimeouts: h.stats.writeTimeouts.Load(),
		BadClients:    h.stats.badClients.Load(),
		Panics:        h.stats.panics.Load(),
	}
}
