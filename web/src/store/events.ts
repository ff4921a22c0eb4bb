import { execute, operation } from '../api/client'
import { EventsDocument, type EventsSubscription, PastEventsDocument } from '../api/gen/graphql'
import type { Connection } from './connection'
import { onFrame } from './frame'
import { Observable } from './observable'

export type FleetEvent = EventsSubscription['events']

export interface EventLog {
  /** Newest first. */
  events: readonly FleetEvent[]
  loaded: boolean
  error: string
}

const mostKept = 1_000
const past = 200

/** What makes one event another. */
export const identity = (e: FleetEvent): string => `${e.revision} ${e.kind} ${e.hiveId} ${e.workerId ?? ''}`

/** Joins what is new to what is there: newest first, nothing twice, never more than are kept. */
export function join(held: readonly FleetEvent[], more: readonly FleetEvent[]): FleetEvent[] {
  const known = new Set(held.map(identity))
  const fresh = more.filter((e) => !known.has(identity(e)) && known.add(identity(e)))
  if (fresh.length === 0) return held as FleetEvent[]
  return [...fresh, ...held].sort((a, b) => Date.parse(b.at) - Date.parse(a.at)).slice(0, mostKept)
}

/**
 * What happened and what happens. It follows first and asks for the past second, so nothing falls between; after
 * every break, the connection's or the page's own, it asks for the past again.
 */
export class Events {
  readonly log = new Observable<EventLog>({ events: [], loaded: false, error: '' })
  readonly #connection: Connection
  readonly #hiveId: string | null
  #arrived: FleetEvent[] = []
  #stop: (() => void) | null = null
  #unfollow: (() => void) | null = null
  #wasLive = false

  constructor(connection: Connection, hiveId: string | null = null) {
    this.#connection = connection
    this.#hiveId = hiveId
  }

  get operation() {
    return operation(PastEventsDocument, { first: 50, hiveId: this.#hiveId })
  }

  start(): () => void {
    this.#stop = this.#connection.follow(operation(EventsDocument, { hiveId: this.#hiveId }), {
      next: ({ events }) => {
        this.#arrived.push(events)
        onFrame(this.#show)
      },
      error: (error) => this.log.update({ error }),
      again: () => void this.#load(),
    })
    this.#wasLive = this.#connection.status.get().phase === 'live'
    this.#unfollow = this.#connection.status.subscribe(() => {
      const live = this.#connection.status.get().phase === 'live'
      if (live && !this.#wasLive) void this.#load()
      this.#wasLive = live
    })
    void this.#load()
    return () => {
      this.#stop?.()
      this.#unfollow?.()
    }
  }

  async #load(): Promise<void> {
    try {
      const { events } = await execute(operation(PastEventsDocument, { first: past, hiveId: this.#hiveId }))
      this.log.set({ events: join(this.log.get().events, events), loaded: true, error: '' })
    } catch (cause) {
      this.log.update({ error: (cause as Error).message })
    }
  }

  readonly #show = (): void => {
    const arrived = this.#arrived.reverse()
    this.#arrived = []
    this.log.update({ events: join(this.log.get().events, arrived), error: '' })
  }
}

const troubles = new Set([
  'HIVE_SUSPECT',
  'HIVE_OFFLINE',
  'HIVE_REMOVED',
  'HIVE_CONFLICT',
  'HIVE_HEALTH_CHANGED',
  'WORKER_RESTARTED',
])

/** Does the event belong to what the reader asked to see? */
export function ofKind(event: FleetEvent, kind: string): boolean {
  if (kind === 'trouble') return troubles.has(event.kind)
  if (kind === 'hives') return event.kind.startsWith('HIVE_')
  if (kind === 'workers') return event.kind.startsWith('WORKER_')
  return true
}
