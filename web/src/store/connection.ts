import type { Client, SubscribePayload } from 'graphql-ws'
import type { Operation } from '../api/client'
import { Observable } from './observable'

/** How things stand between the page and the server. */
export type Phase = 'connecting' | 'live' | 'late' | 'reconnecting' | 'paused' | 'refused'

export interface Status {
  phase: Phase
  /** Local time of the last tick, in milliseconds; null before the first. */
  asOf: number | null
  /** Local time of the next attempt to connect; null while none is planned. */
  nextTryAt: number | null
  /** Why the server refused, in its words. */
  reason: string
  /** Names the run of the server; another one means it was restarted. */
  epoch: string
  /** How many restarts this page has lived through. */
  restarts: number
}

/** What a follower of an operation is told. */
export interface Sink<Result> {
  next(result: Result): void
  error(message: string): void
  /** It is followed again after a break of this page's own making; what came meanwhile was missed. */
  again?(): void
}

/** When an operation is followed although others are not. */
export interface Exceptions {
  whileHidden?: boolean
  /** Until its first answer: what is opened while the page is paused has something to show, and stands still then. */
  onceWhilePaused?: boolean
}

interface Entry extends Exceptions {
  payload: SubscribePayload
  sink: Sink<unknown>
  begun: boolean
  answered: boolean
  stop: (() => void) | null
}

/** The part of graphql-ws that is used; tests bring their own. */
export type Socket = Pick<Client, 'subscribe' | 'terminate' | 'on'>

/** What the connection needs from whoever makes the socket. */
export interface SocketHooks {
  /** Waits before the given attempt, 0 for the first. */
  retryWait(attempt: number): Promise<void>
}

const lateAfterIntervals = 3
const terminateAfterIntervals = 15
const checkMs = 500
const retryFirstMs = 500
const retryMostMs = 10_000
const restartEndedMs = 1_000
const forbidden = 4403

/**
 * The one socket of the page. It starts, stops and restarts everything that is followed over it, and says how far
 * what is shown can be trusted. "Live" means that ticks arrive, not that a socket is open.
 */
export class Connection {
  readonly status = new Observable<Status>({
    phase: 'connecting',
    asOf: null,
    nextTryAt: null,
    reason: '',
    epoch: '',
    restarts: 0,
  })
  /** Bytes and messages that came in since the page was opened. */
  readonly traffic = { messages: 0, bytes: 0 }

  readonly #socket: Socket
  readonly #entries = new Set<Entry>()
  readonly #unhook: (() => void)[] = []
  #intervalMs = 1000
  #lastTick = 0
  #hidden = false
  #skipWait: (() => void) | null = null
  #forbidden: unknown = null
  #timer: ReturnType<typeof setInterval> | undefined

  constructor(makeSocket: (hooks: SocketHooks) => Socket) {
    this.#socket = makeSocket({ retryWait: (attempt) => this.#wait(attempt) })
    this.#unhook.push(
      this.#socket.on('connecting', () => this.status.update({ nextTryAt: null })),
      this.#socket.on('connected', () => {
        this.#lastTick = Date.now()
        if (this.#phase === 'refused') this.status.update({ phase: 'connecting', reason: '' })
      }),
      this.#socket.on('closed', (event) => this.#lost(event)),
      this.#socket.on('message', () => {
        this.traffic.messages++
      }),
    )
    this.#timer = setInterval(() => this.#check(), checkMs)
  }

  get #phase(): Phase {
    return this.status.get().phase
  }

  /** Follows an operation until the returned function is called; after that the sink hears nothing more. */
  follow<Result, Variables>(
    { document, variables }: Operation<Result, Variables>,
    sink: Sink<Result>,
    exceptions: Exceptions = {},
  ): () => void {
    const entry: Entry = {
      ...exceptions,
      payload: { query: document.toString(), variables: variables as Record<string, unknown> },
      sink: sink as Sink<unknown>,
      begun: false,
      answered: false,
      stop: null,
    }
    this.#entries.add(entry)
    this.#start(entry)
    return () => {
      this.#entries.delete(entry)
      entry.stop?.()
      entry.stop = null
    }
  }

  /** A tick has arrived: the server lives and says where it stands. */
  tick(revision: string, intervalMs: number): void {
    const epoch = revision.slice(0, revision.lastIndexOf('.'))
    const before = this.status.get()
    this.#lastTick = Date.now()
    this.#intervalMs = intervalMs
    if (before.phase === 'paused') return
    const restarted = before.epoch !== '' && before.epoch !== epoch
    this.status.set({
      phase: 'live',
      asOf: this.#lastTick,
      nextTryAt: null,
      reason: '',
      epoch,
      restarts: before.restarts + (restarted ? 1 : 0),
    })
  }

  pause(): void {
    if (this.#phase === 'paused') return
    this.status.update({ phase: 'paused', nextTryAt: null })
    this.#skipWait?.()
    for (const entry of this.#entries) if (this.#stands(entry)) this.#stop(entry)
  }

  resume(): void {
    if (this.#phase !== 'paused') return
    this.#lastTick = Date.now()
    this.status.update({ phase: 'connecting' })
    for (const entry of this.#entries) this.#start(entry)
  }

  /** Tries at once, whatever was planned. */
  retry(): void {
    this.#forbidden = null
    if (this.#phase === 'refused') {
      this.status.update({ phase: 'connecting', reason: '' })
      for (const entry of this.#entries) this.#start(entry)
    }
    this.#skipWait?.()
  }

  /** In a hidden tab only what asked for it goes on. */
  setHidden(hidden: boolean): void {
    if (hidden === this.#hidden) return
    this.#hidden = hidden
    this.#lastTick = Date.now()
    for (const entry of this.#entries) {
      if (entry.whileHidden) continue
      if (hidden) this.#stop(entry)
      else this.#start(entry)
    }
  }

  dispose(): void {
    clearInterval(this.#timer)
    for (const entry of this.#entries) this.#stop(entry)
    for (const unhook of this.#unhook) unhook()
  }

  /** Is this one not to be followed now? */
  #stands(entry: Entry): boolean {
    if (this.#phase === 'refused' || (this.#hidden && !entry.whileHidden)) return true
    return this.#phase === 'paused' && (entry.answered || !entry.onceWhilePaused)
  }

  #start(entry: Entry): void {
    if (entry.stop || this.#stands(entry)) return
    let over = false
    const dispose = this.#socket.subscribe<unknown>(entry.payload, {
      next: ({ data, errors }) => {
        if (over) return
        entry.answered = true
        if (this.#stands(entry)) this.#stop(entry)
        if (errors?.length) entry.sink.error(errors.map((e) => e.message).join(' '))
        else if (data) entry.sink.next(data)
      },
      error: (cause) => {
        if (over) return
        over = true
        entry.stop = null
        if (Array.isArray(cause)) entry.sink.error(cause.map((e) => String(e.message)).join(' '))
        else this.#refuse(cause)
      },
      complete: () => {
        if (over) return
        over = true
        entry.stop = null
        setTimeout(() => {
          if (this.#entries.has(entry)) this.#start(entry)
        }, restartEndedMs)
      },
    })
    entry.stop = () => {
      over = true
      dispose()
    }
    if (entry.begun) entry.sink.again?.()
    entry.begun = true
  }

  #stop(entry: Entry): void {
    entry.stop?.()
    entry.stop = null
  }

  /** The library gave up: the server does not want us, and asking again by itself would not change that. */
  #refuse(cause: unknown): void {
    const { code, reason, message } = (cause ?? {}) as { code?: number; reason?: string; message?: string }
    const why = reason || message || 'The connection was refused.'
    this.status.update({ phase: 'refused', nextTryAt: null, reason: code ? `${why} (${code})` : why })
  }

  #lost(event: unknown): void {
    const { code } = (event ?? {}) as { code?: number }
    this.#forbidden = code === forbidden ? event : null
    if (this.#phase === 'paused' || this.#phase === 'refused') return
    this.status.update({ phase: this.status.get().asOf === null ? 'connecting' : 'reconnecting' })
  }

  #wait(attempt: number): Promise<void> {
    // The library would go on trying after "forbidden"; a rejection ends that and reaches every sink.
    if (this.#forbidden) return Promise.reject(this.#forbidden)
    const most = Math.min(retryMostMs, retryFirstMs * 2 ** attempt)
    const delay = most / 2 + (Math.random() * most) / 2
    this.status.update({ nextTryAt: Date.now() + delay })
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        this.#skipWait = null
        resolve()
      }
      const timer = setTimeout(done, delay)
      this.#skipWait = done
    })
  }

  #check(): void {
    const phase = this.#phase
    if (phase !== 'live' && phase !== 'late') return
    const silent = Date.now() - this.#lastTick
    if (phase === 'live' && silent > lateAfterIntervals * this.#intervalMs) this.status.update({ phase: 'late' })
    if (silent > terminateAfterIntervals * this.#intervalMs) {
      this.#lastTick = Date.now()
      this.#socket.terminate()
    }
  }
}
