import { operation } from '../api/client'
import { FleetDocument, type FleetSubscription } from '../api/gen/graphql'
import type { Clock } from './clock'
import type { Connection } from './connection'
import { Live } from './live'

export type FleetSummary = FleetSubscription['fleet']
export type ModelSummary = FleetSummary['models'][number]

const visibleMs = 1000
const hiddenMs = 10_000
const samples = 60
/** Models in the summary, those with the most workers; the view of models alone asks for more. */
export const fewModels = 50
const allModels = 500

/**
 * The fleet in one glance, and the page's pulse: it comes every interval, changed or not, so its silence means trouble.
 * It also remembers the last minute of a few figures that the server keeps no history of.
 */
export class Summary {
  readonly live: Live<FleetSubscription>
  /** Idle workers per model, newest last, up to a minute. */
  readonly idleByModel = new Map<string, number[]>()
  /** Heartbeats per second, newest last, up to a minute. */
  readonly heartbeats: number[] = []
  #models = fewModels
  #hidden = false
  #epoch = ''

  constructor(connection: Connection, clock: Clock) {
    this.live = new Live(connection, {
      whileHidden: true,
      arrived: ({ fleet }) => {
        clock.learn(fleet.serverTime)
        connection.tick(fleet.revision, this.#intervalMs)
        this.#remember(fleet)
      },
    })
  }

  start(): void {
    this.#ask()
  }

  setHidden(hidden: boolean): void {
    this.#hidden = hidden
    this.#ask()
  }

  /** The page of models wants all of them, everything else the largest few. */
  setAllModels(all: boolean): void {
    this.#models = all ? allModels : fewModels
    this.#ask()
  }

  get operation() {
    return operation(FleetDocument, { models: this.#models, intervalMs: visibleMs })
  }

  get #intervalMs(): number {
    return this.#hidden ? hiddenMs : visibleMs
  }

  #ask(): void {
    this.live.ask(operation(FleetDocument, { models: this.#models, intervalMs: this.#intervalMs }))
  }

  #remember(fleet: FleetSummary): void {
    const epoch = fleet.revision.slice(0, fleet.revision.lastIndexOf('.'))
    if (epoch !== this.#epoch) {
      this.#epoch = epoch
      this.idleByModel.clear()
      this.heartbeats.length = 0
    }
    if (this.#hidden) return
    push(this.heartbeats, fleet.heartbeatsPerSecond)
    const seen = new Set<string>()
    for (const { model, idle } of fleet.models) {
      seen.add(model)
      let past = this.idleByModel.get(model)
      if (!past) {
        past = []
        this.idleByModel.set(model, past)
      }
      push(past, idle)
    }
    for (const model of this.idleByModel.keys()) if (!seen.has(model)) this.idleByModel.delete(model)
  }
}

function push(values: number[], value: number): void {
  values.push(value)
  if (values.length > samples) values.shift()
}
