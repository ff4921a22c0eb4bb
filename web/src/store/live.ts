import type { Operation } from '../api/client'
import type { Connection, Exceptions } from './connection'
import { onFrame } from './frame'
import { Observable } from './observable'

export interface LiveState<T> {
  /** The newest answer; null before the first. */
  value: T | null
  /** What the server said instead of an answer; empty when all is well. */
  error: string
  /** True while the answer shown belongs to an earlier question. */
  waiting: boolean
}

/**
 * The newest answer to one question that can be changed. Every answer is whole, so the newest replaces what was
 * there: a slow page skips, it never queues. Answers to an earlier question are never shown.
 */
export class Live<Result> {
  readonly state = new Observable<LiveState<Result>>({ value: null, error: '', waiting: true })
  readonly #connection: Connection
  readonly #exceptions: Exceptions
  readonly #arrived: ((result: Result) => void) | undefined
  #asked = ''
  #stop: (() => void) | null = null
  #next: Result | null = null

  constructor(
    connection: Connection,
    options: {
      whileHidden?: boolean /** Hears every answer at once, before it is shown. */
      arrived?: (result: Result) => void
    } = {},
  ) {
    this.#connection = connection
    this.#exceptions = { whileHidden: options.whileHidden, onceWhilePaused: true }
    this.#arrived = options.arrived
  }

  /** Asks; null asks nothing. The earlier answer stays until the new one is there. Asking the same is free. */
  ask<Variables>(question: Operation<Result, Variables> | null): void {
    const asked = question ? `${question.document}${JSON.stringify(question.variables)}` : ''
    if (asked === this.#asked) return
    this.#asked = asked
    this.#stop?.()
    this.#stop = null
    this.#next = null
    if (!question) return
    this.state.update({ waiting: true, error: '' })
    this.#stop = this.#connection.follow(
      question,
      {
        next: (result) => {
          this.#arrived?.(result)
          this.#next = result
          onFrame(this.#show)
        },
        error: (error) => this.state.update({ error, waiting: false }),
      },
      this.#exceptions,
    )
  }

  /** Forgets question and answer. */
  clear(): void {
    this.ask(null)
    this.state.set({ value: null, error: '', waiting: true })
  }

  readonly #show = (): void => {
    if (this.#next === null) return
    this.state.set({ value: this.#next, error: '', waiting: false })
    this.#next = null
  }
}
