import { createContext, useContext, useSyncExternalStore } from 'react'
import { operation } from './api/client'
import {
  type HiveFilter,
  type HiveOrder,
  HiveOrderOnlyDocument,
  type HiveRowFragment,
  HivesDocument,
  type HivesSubscription,
  type WorkerFilter,
  type WorkerOrder,
  WorkerOrderOnlyDocument,
  type WorkerRowFragment,
  WorkersDocument,
  type WorkersSubscription,
} from './api/gen/graphql'
import type { AnyOperation } from './api/snippets'
import { Clock } from './store/clock'
import { Connection, type Socket, type SocketHooks } from './store/connection'
import { Events } from './store/events'
import { Summary } from './store/fleet'
import { Histories } from './store/histories'
import { FleetMap } from './store/map'
import { Observable } from './store/observable'
import { Preferences } from './store/prefs'
import { Server } from './store/server'
import { Address } from './store/url'
import { RowWindow, type Source } from './store/window'

const intervalMs = 1000

const workerSource: Source<WorkerRowFragment, WorkerFilter, WorkerOrder> = {
  rows: (question, first, offset) => operation(WorkersDocument, { ...question, first, offset, intervalMs }),
  order: (question, first, offset) => operation(WorkerOrderOnlyDocument, { ...question, first, offset, intervalMs }),
  byId: (ids) => operation(WorkersDocument, { filter: { ids }, first: ids.length, offset: 0, intervalMs }),
  page: (result) => (result as WorkersSubscription).workers,
}

const hiveSource: Source<HiveRowFragment, HiveFilter, HiveOrder> = {
  rows: (question, first, offset) => operation(HivesDocument, { ...question, first, offset, intervalMs }),
  order: (question, first, offset) => operation(HiveOrderOnlyDocument, { ...question, first, offset, intervalMs }),
  byId: (ids) => operation(HivesDocument, { filter: { ids }, first: ids.length, offset: 0, intervalMs }),
  page: (result) => (result as HivesSubscription).hives,
}

/** A list that answers to the keyboard. */
export interface ListKeys {
  move(to: 'up' | 'down' | 'pageUp' | 'pageDown' | 'first' | 'last'): void
  open(): void
  leave(): boolean
}

/** The page without its looks: every store, wired once. */
export class Page {
  readonly address = new Address()
  readonly prefs = new Preferences()
  readonly clock = new Clock()
  readonly connection: Connection
  readonly summary: Summary
  readonly map: FleetMap
  readonly workers: RowWindow<WorkerRowFragment, WorkerFilter, WorkerOrder>
  readonly hives: RowWindow<HiveRowFragment, HiveFilter, HiveOrder>
  readonly histories: Histories
  readonly server: Server
  readonly toast = new Observable<string>('')
  readonly dialog = new Observable<'' | 'palette' | 'keys'>('')
  /** The list on the screen; null where there is none. */
  list: ListKeys | null = null
  /** What the view on the screen asks the server, for "copy as". */
  operation: () => AnyOperation
  #toastTimer: ReturnType<typeof setTimeout> | undefined

  constructor(makeSocket: (hooks: SocketHooks, received: (characters: number) => void) => Socket) {
    this.connection = new Connection((hooks) =>
      makeSocket(hooks, (characters) => {
        this.connection.traffic.bytes += characters
      }),
    )
    this.summary = new Summary(this.connection, this.clock)
    this.map = new FleetMap(this.connection)
    this.workers = new RowWindow(this.connection, workerSource)
    this.hives = new RowWindow(this.connection, hiveSource)
    this.histories = new Histories(this.connection)
    this.server = new Server(this.connection)
    this.operation = () => this.summary.operation
  }

  /** Begins to follow the server and the tab; the returned function ends both. */
  start(): () => void {
    const stops = [this.clock.start(), this.server.start()]
    this.summary.start()
    const onVisibility = () => {
      this.connection.setHidden(document.hidden)
      // While paused it would ask again only to show other figures: a pause begins and ends in a tab that is seen.
      if (this.connection.status.get().phase !== 'paused') this.summary.setHidden(document.hidden)
    }
    document.addEventListener('visibilitychange', onVisibility)
    onVisibility()
    let restarts = 0
    const unfollow = this.connection.status.subscribe(() => {
      const status = this.connection.status.get()
      if (status.restarts === restarts) return
      restarts = status.restarts
      this.clock.forget()
      this.say('The server was restarted. This is its new picture of the fleet.')
    })
    if (this.address.ignored.length) {
      this.say(`Left out of the address, as it made no sense: ${this.address.ignored.join(', ')}.`)
    }
    const unheard = this.summary.live.state.subscribe(() => {
      const fleet = this.summary.live.state.get().value?.fleet
      if (fleet) this.server.heard(fleet.hives)
    })
    return () => {
      for (const stop of stops) stop()
      unfollow()
      unheard()
      document.removeEventListener('visibilitychange', onVisibility)
      this.connection.dispose()
    }
  }

  /** Says one thing for a few seconds; a newer one takes its place. */
  say(message: string): void {
    clearTimeout(this.#toastTimer)
    this.toast.set(message)
    this.#toastTimer = setTimeout(() => this.toast.set(''), 5_000)
  }

  events(hiveId: string | null): Events {
    return new Events(this.connection, hiveId)
  }

  togglePause(): void {
    if (this.connection.status.get().phase === 'paused') this.connection.resume()
    else this.connection.pause()
  }
}

export const PageContext = createContext<Page | null>(null)

export function usePage(): Page {
  const page = useContext(PageContext)
  if (!page) throw new Error('used outside of a page')
  return page
}

/** Follows a store. */
export const useValue = <T>(store: Observable<T>): T => useSyncExternalStore(store.subscribe, store.get, store.get)
