import { createClient } from 'graphql-ws'
import type { Socket, SocketHooks } from '../store/connection'
import { socketEndpoint } from './client'

/** A graphql-transport-ws client that never gives up by itself and tells how many characters came in. */
export function openSocket({ retryWait }: SocketHooks, received: (characters: number) => void): Socket {
  class CountingWebSocket extends WebSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols)
      this.addEventListener('message', ({ data }) => received(String(data).length))
    }
  }
  return createClient({
    url: socketEndpoint,
    webSocketImpl: CountingWebSocket,
    lazyCloseTimeout: 5_000,
    connectionAckWaitTimeout: 10_000,
    retryAttempts: Number.POSITIVE_INFINITY,
    shouldRetry: () => true,
    retryWait,
  })
}
