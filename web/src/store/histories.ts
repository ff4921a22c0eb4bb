import { operation } from '../api/client'
import { RowHistoriesDocument, type RowHistoriesSubscription } from '../api/gen/graphql'
import type { Connection } from './connection'
import { Live } from './live'
import { Observable } from './observable'

export interface Past {
  stepMs: number
  gpu: readonly (number | null)[]
}

const intervalMs = 5_000
const settleMs = 250
const mostKept = 400

/** The last five minutes of the workers on the screen, fetched for these only and every few seconds only. */
export class Histories {
  readonly byId = new Observable<ReadonlyMap<string, Past>>(new Map())
  readonly #live: Live<RowHistoriesSubscription>
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(connection: Connection) {
    this.#live = new Live(connection)
    this.#live.state.subscribe(() => this.#arrived())
  }

  /** These workers are on the screen; none stops. */
  want(ids: readonly string[]): void {
    clearTimeout(this.#timer)
    if (ids.length === 0) {
      this.#live.ask(null)
      return
    }
    // The order on the screen changes all the time; who is on it changes less often.
    const sorted = [...ids].sort()
    this.#timer = setTimeout(
      () =>
        this.#live.ask(operation(RowHistoriesDocument, { filter: { ids: sorted }, first: sorted.length, intervalMs })),
      settleMs,
    )
  }

  #arrived(): void {
    const { value, waiting } = this.#live.state.get()
    if (!value || waiting) return
    const next = new Map(this.byId.get())
    for (const { id, history } of value.workers.nodes) {
      next.delete(id)
      next.set(id, { stepMs: history.stepMs, gpu: history.gpuUtilizationPercent })
    }
    for (const id of next.keys()) {
      if (next.size <= mostKept) break
      next.delete(id)
    }
    this.byId.set(next)
  }
}
