import { operation } from '../api/client'
import { FleetMapDocument, type FleetMapMetric, type FleetMapSubscription, type WorkerFilter } from '../api/gen/graphql'
import { offlineCode, suspectCode } from '../lib/mosaic'
import type { Connection } from './connection'
import { Live } from './live'
import { Observable } from './observable'

export interface FleetCells {
  /** Changes when the tiles stand elsewhere. */
  layout: number
  groups: readonly { key: string; workerIds: readonly string[] }[]
  /** Workers per group. */
  counts: readonly number[]
  cells: string
  suspect: number
  offline: number
  metric: FleetMapMetric
}

const intervalMs = 1000

/** The packed map: the layout is kept from the message that brought it, the cells are of the newest one. */
export class FleetMap {
  readonly state = new Observable<FleetCells | null>(null)
  readonly live: Live<FleetMapSubscription>
  #groups: FleetCells['groups'] = []
  #counts: number[] = []
  #layoutVersion = -1
  #layout = 0
  #metric: FleetMapMetric = 'GPU_UTILIZATION'

  constructor(connection: Connection) {
    this.live = new Live(connection, { arrived: ({ fleetMap }) => this.#fold(fleetMap) })
    this.live.state.subscribe(() => this.#show())
  }

  ask(metric: FleetMapMetric, filter: WorkerFilter | null): void {
    this.#metric = metric
    this.live.ask(operation(FleetMapDocument, { metric, filter, intervalMs }))
  }

  stop(): void {
    this.live.clear()
    this.state.set(null)
  }

  /** Every message is folded, also one that is never shown: it may be the one with the layout. */
  #fold({ layout, layoutVersion }: FleetMapSubscription['fleetMap']): void {
    if (!layout) return
    this.#groups = layout.groups
    this.#counts = layout.groups.map((g) => g.workerIds.length)
    this.#layoutVersion = layoutVersion
    this.#layout++
  }

  #show(): void {
    const { value, waiting } = this.live.state.get()
    if (!value || waiting || value.fleetMap.layoutVersion !== this.#layoutVersion) return
    const { cells } = value.fleetMap
    const { suspect, offline } = census(cells)
    this.state.set({
      layout: this.#layout,
      groups: this.#groups,
      counts: this.#counts,
      cells,
      suspect,
      offline,
      metric: this.#metric,
    })
  }
}

/** Counts the tiles of hives that are not heard in time. */
export function census(cells: string): { suspect: number; offline: number } {
  let suspect = 0
  let offline = 0
  for (let i = 0; i < cells.length; i++) {
    const code = cells.charCodeAt(i)
    if (code === suspectCode) suspect++
    else if (code === offlineCode) offline++
  }
  return { suspect, offline }
}
