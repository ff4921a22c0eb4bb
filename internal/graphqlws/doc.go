// Package graphqlws serves GraphQL over WebSocket: the graphql-transport-ws protocol to the letter
// (https://github.com/graphql/graphql-over-http/blob/main/rfcs/GraphQLOverWebSocket.md).
//
// Its promises:
//
//   - A socket costs a goroutine, one more while there is something to write, and what is queued for it, which is bounded in messages and in bytes.
//     Messages of equal subscriptions are shared by all sockets; each adds only its own id.
//   - A message to a socket that keeps up is written by whoever brings it, in one attempt that does not wait; all else is
//     left to the socket's writer. Either way frames keep their order.
//   - A client that does not read is never waited for and never delays another: its subscriptions are put aside until
//     it has taken what is queued, and then catch up; if it has asked for more than it reads, nothing more is read from it
//     until then; if nothing can be written for the write timeout, the socket is closed.
//   - Every way out has the close code that the protocol gives it, so that a client knows whether to come back.
//   - Nothing outlives its socket: operations end, groups are left, goroutines return.
//
// gorilla/websocket does the handshake and the reading. Frames are written here, since messages that differ only in
// their id cannot be prepared there, and since many of them go into one write. Compression is never negotiated:
// gorilla's read limit counts compressed bytes. The old subprotocol, graphql-ws, is not offered.
package graphqlws
