import { execute, operation } from '../api/client'
import { EndProtectionDocument, ServerDocument, type ServerQuery } from '../api/gen/graphql'
import type { Connection } from './connection'
import type { FleetSummary } from './fleet'
import { Observable } from './observable'

export interface ServerState {
  server: ServerQuery['server'] | null
  /** How long the last answer took, in milliseconds. */
  roundTripMs: number | null
  error: string
  /** The version that this page came with; empty before the first answer. */
  pageVersion: string
}

const everyMs = 10_000

/** The server about itself, asked at each connection, every few seconds while somebody looks, and when its mode may be another. */
export class Server {
  readonly state = new Observable<ServerState>({
    server: null,
    roundTripMs: null,
    error: '',
    pageVersion: '',
  })
  readonly operation = operation(ServerDocument, {})
  readonly #connection: Connection
  #timer: ReturnType<typeof setInterval> | undefined
  #heard = { total: 0, online: 0, offline: 0 }

  constructor(connection: Connection) {
    this.#connection = connection
  }

  start(): () => void {
    let wasLive = false
    const unfollow = this.#connection.status.subscribe(() => {
      const live = this.#connection.status.get().phase === 'live'
      if (live && !wasLive) void this.read()
      wasLive = live
    })
    this.#timer = setInterval(() => {
      if (this.#connection.status.get().phase === 'live' && !document.hidden) void this.read()
    }, everyMs)
    return () => {
      unfollow()
      clearInterval(this.#timer)
    }
  }

  /**
   * The registry begins to protect itself when so many hives go offline at once that it may be to blame, and ends it when
   * half of them are back. It forgets none meanwhile: when it does, an operator has ended it.
   */
  heard(hives: FleetSummary['hives']): void {
    const before = this.#heard
    this.#heard = hives
    const { total, online, offline } = hives
    const manyMore = offline > before.offline && offline * 2 >= total - offline
    const isProtected = this.state.get().server?.mode === 'PROTECTED'
    if (manyMore || (isProtected && (online !== before.online || total < before.total))) void this.read()
  }

  async read(): Promise<void> {
    const before = performance.now()
    try {
      const { server } = await execute(this.operation)
      const pageVersion = this.state.get().pageVersion || server.version
      this.state.set({ server, roundTripMs: performance.now() - before, error: '', pageVersion })
    } catch (cause) {
      this.state.update({ error: (cause as Error).message })
    }
  }

  /** Tells a protected registry that the silence is real. */
  async endProtection(): Promise<void> {
    await execute(operation(EndProtectionDocument, {}))
    await this.read()
  }
}
