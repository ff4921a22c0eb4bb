package graphqlws

import "github.com/gorilla/websocket"

// The close codes of the protocol, and those of RFC 6455 that are used here.
const (
	closeInvalidMessage  = 4400
	closeUnauthorized    = 4401
	closeForbidden       = 4403
	closeSubprotocol     = 4406
	closeInitTimeout     = 4408
	closeDuplicateID     = 4409
	closeTooMany         = 4429
	closeServiceRestart  = websocket.CloseServiceRestart
	closeSlowConsumer    = websocket.CloseTryAgainLater
	closeTooBig          = websocket.CloseMessageTooBig
	closeProtocolError   = websocket.CloseProtocolError
	closeInvalidUTF8     = websocket.CloseInvalidFramePayloadData
	closeInternalError   = websocket.CloseInternalServerErr
	closeNormal          = websocket.CloseNormalClosure
	maxCloseReasonBytes  = 123 // RFC 6455, 5.5: a control frame carries at most 125 bytes, two are the code.
	reasonInitTimeout    = "Connection initialisation timeout"
	reasonTooManyInits   = "Too many initialisation requests"
	reasonTooManyMessage = "Too many requests"
	reasonUnauthorized   = "Unauthorized"
	reasonForbidden      = "Forbidden"
	reasonExpired        = "Forbidden: the credentials have expired"
	reasonSubprotocol    = "Subprotocol not acceptable"
	reasonRestart        = "Service restart"
	reasonSlowConsumer   = "Slow consumer"
	reasonTooBig         = "Message too big"
)
