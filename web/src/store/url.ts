import type {
  FleetMapMetric,
  HiveFilter,
  HiveOrder,
  WorkerFilter,
  WorkerOrder,
  WorkerOrderField,
} from '../api/gen/graphql'
import { Observable } from './observable'

export const views = ['fleet', 'hives', 'models', 'find', 'activity', 'server'] as const
export type View = (typeof views)[number]

export const workerStates = ['idle', 'busy', 'suspect', 'offline'] as const
export type WorkerState = (typeof workerStates)[number]

/** Everything about what is shown that is worth a link. Lists are without doubles; text is trimmed by the reader of it. */
export interface Place {
  view: View
  q: string
  state: WorkerState | ''
  model: string[]
  hive: string[]
  group: string[]
  /** Least free GPU memory in MB; 0 is no limit. */
  minFree: number
  /** A column of the worker table, with `-` before it for descending. */
  sort: string
  /** A column of the hive table, likewise. */
  hsort: string
  map: 'gpu' | 'vram' | 'off'
  /** `worker:<id>` or `hive:<id>`. */
  sel: string
  /** Columns of the worker table that are shown; empty is the usual ones. */
  cols: string[]
  /** Kinds of events. */
  kind: 'all' | 'trouble' | 'hives' | 'workers'
}

export const start: Readonly<Place> = {
  view: 'fleet',
  q: '',
  state: '',
  model: [],
  hive: [],
  group: [],
  minFree: 0,
  sort: 'id',
  hsort: 'id',
  map: 'gpu',
  sel: '',
  cols: [],
  kind: 'all',
}

export const orderFields: Record<string, WorkerOrderField> = {
  id: 'ID',
  model: 'MODEL',
  state: 'ACTIVITY',
  gpu: 'GPU_UTILIZATION',
  free: 'VRAM_FREE',
  vram: 'VRAM_USED',
  cpu: 'CPU',
  uptime: 'UPTIME',
  seen: 'LAST_SEEN',
}

export const hiveOrderFields: Record<string, HiveOrder['field']> = {
  id: 'ID',
  state: 'LIVENESS',
  workers: 'WORKERS',
  seen: 'LAST_SEEN',
}

export const allColumns = ['model', 'gpu', 'vram', 'free', 'cpu', 'rss', 'requests', 'uptime', 'seen'] as const
export const usualColumns: readonly string[] = ['model', 'gpu', 'vram', 'free', 'requests', 'uptime', 'seen']

const mostMinFree = 16 * 1024 * 1024
const mostText = 200
const mostValue = 256
const mostValues = 100

type Reading = { place: Place /** Names of parameters that made no sense and were left out. */; ignored: string[] }

/** Reads a query string. What it does not know or cannot use it leaves out and names. */
export function parse(search: string): Reading {
  const place: Place = { ...start, model: [], hive: [], group: [], cols: [] }
  const ignored: string[] = []
  const given = new URLSearchParams(search)
  const pick = <T extends string>(name: string, allowed: readonly T[], put: (value: T) => void) => {
    const value = given.get(name)
    if (value === null || value === '') return
    if ((allowed as readonly string[]).includes(value)) put(value as T)
    else ignored.push(name)
  }
  const list = (name: 'model' | 'hive' | 'group') => {
    const values = new Set(given.getAll(name).filter((v) => v !== ''))
    place[name] = [...values].filter((v) => v.length <= mostValue).slice(0, mostValues)
    if (place[name].length < values.size) ignored.push(name)
  }
  const sort = (name: 'sort' | 'hsort', fields: Record<string, unknown>) =>
    pick(
      name,
      Object.keys(fields).flatMap((f) => [f, `-${f}`]),
      (v) => {
        place[name] = v
      },
    )

  pick('view', views, (v) => {
    place.view = v
  })
  pick('state', workerStates, (v) => {
    place.state = v
  })
  pick('map', ['gpu', 'vram', 'off'] as const, (v) => {
    place.map = v
  })
  pick('kind', ['all', 'trouble', 'hives', 'workers'] as const, (v) => {
    place.kind = v
  })
  sort('sort', orderFields)
  sort('hsort', hiveOrderFields)
  list('model')
  list('hive')
  list('group')
  place.q = (given.get('q') ?? '').slice(0, mostText)

  const minFree = given.get('minFree')
  if (minFree !== null) {
    if (/^\d{1,8}$/.test(minFree) && Number(minFree) <= mostMinFree) place.minFree = Number(minFree)
    else ignored.push('minFree')
  }
  const sel = given.get('sel')
  if (sel !== null) {
    if (/^(worker|hive):.{1,400}$/.test(sel)) place.sel = sel
    else ignored.push('sel')
  }
  const cols = given.get('cols')
  if (cols !== null) {
    const wanted = cols.split(',')
    if (wanted.some((c) => !(allColumns as readonly string[]).includes(c))) ignored.push('cols')
    place.cols = allColumns.filter((c) => wanted.includes(c))
  }
  const known = new Set([...Object.keys(start)])
  for (const name of given.keys()) if (!known.has(name) && !ignored.includes(name)) ignored.push(name)
  return { place, ignored }
}

/** Writes a query string; what is as at the start is left out. */
export function format(place: Place): string {
  const out = new URLSearchParams()
  for (const [name, usual] of Object.entries(start) as [keyof Place, unknown][]) {
    const value = place[name]
    if (Array.isArray(value)) {
      if (name === 'cols') {
        if (value.length) out.set(name, value.join(','))
      } else for (const one of value) out.append(name, one)
    } else if (value !== usual) out.set(name, String(value))
  }
  const text = out.toString()
  return text ? `?${text}` : ''
}

/** The place with those filters only that its view has: a hive has no model, and is neither idle nor busy. */
export function narrowed(place: Place): Place {
  if (place.view !== 'hives') return place
  const state = place.state === 'suspect' || place.state === 'offline' ? place.state : ''
  return { ...place, state, model: [], group: [], minFree: 0 }
}

/** Is anything narrowed down? */
export const isFiltered = (p: Place): boolean =>
  p.q !== '' || p.state !== '' || p.model.length > 0 || p.hive.length > 0 || p.group.length > 0 || p.minFree > 0

/** The worker filter of a place; null when nothing is narrowed down. */
export function workerFilter(place: Place): WorkerFilter | null {
  const filter = staticFilter(place) ?? {}
  if (place.state === 'idle') filter.idle = true
  if (place.state === 'busy') filter.idle = false
  if (place.state === 'suspect') filter.liveness = ['SUSPECT']
  if (place.state === 'offline') filter.liveness = ['OFFLINE']
  if (place.minFree > 0) filter.minFreeVramMb = place.minFree
  return Object.keys(filter).length ? filter : null
}

/**
 * The part of the filter by which a worker hardly ever comes or goes. The map uses only this: filtered by load, every
 * tick would bring another layout, megabytes at 100,000 workers.
 */
export function staticFilter(place: Place): WorkerFilter | null {
  const filter: WorkerFilter = {}
  if (place.q.trim()) filter.search = place.q.trim()
  if (place.model.length) filter.models = place.model
  if (place.hive.length) filter.hiveIds = place.hive
  if (place.group.length) filter.groups = place.group
  return Object.keys(filter).length ? filter : null
}

export function hiveFilter(place: Place): HiveFilter | null {
  const filter: HiveFilter = {}
  if (place.q.trim()) filter.search = place.q.trim()
  if (place.hive.length) filter.ids = place.hive
  if (place.state === 'suspect') filter.liveness = ['SUSPECT']
  if (place.state === 'offline') filter.liveness = ['OFFLINE']
  return Object.keys(filter).length ? filter : null
}

export const isDescending = (sort: string): boolean => sort.startsWith('-')
export const sortColumn = (sort: string): string => sort.replace(/^-/, '')

/** Times are shown as ages, and what was seen longest ago has the largest. */
const direction = (sort: string): 'ASC' | 'DESC' =>
  isDescending(sort) === (sortColumn(sort) === 'seen') ? 'ASC' : 'DESC'

/** Null for the usual order, by id. */
export function workerOrder(place: Place): WorkerOrder | null {
  if (place.sort === start.sort) return null
  const field = orderFields[sortColumn(place.sort)] ?? 'ID'
  return { field, direction: direction(place.sort) }
}

export function hiveOrder(place: Place): HiveOrder | null {
  if (place.hsort === start.hsort) return null
  const field = hiveOrderFields[sortColumn(place.hsort)] ?? 'ID'
  return { field, direction: direction(place.hsort) }
}

export const mapMetric = (place: Place): FleetMapMetric => (place.map === 'vram' ? 'VRAM_USED' : 'GPU_UTILIZATION')

/** The address bar as a store. */
export class Address {
  readonly place: Observable<Place>
  /** What the address held that made no sense. */
  readonly ignored: string[]

  constructor() {
    const { place, ignored } = parse(location.search)
    this.place = new Observable(place)
    this.ignored = ignored
    addEventListener('popstate', () => this.place.set(parse(location.search).place))
  }

  /** Goes elsewhere: a new entry of the history, so that "back" returns here. */
  go(change: Partial<Place>): void {
    this.#write({ ...this.place.get(), ...change }, true)
  }

  /** Refines what is shown, in place: for typing and sorting. */
  refine(change: Partial<Place>): void {
    this.#write({ ...this.place.get(), ...change }, false)
  }

  #write(place: Place, push: boolean): void {
    const before = format(this.place.get())
    const after = format(place)
    if (before === after) return
    const url = `${location.pathname}${after}`
    if (push) history.pushState(null, '', url)
    else history.replaceState(null, '', url)
    this.place.set(place)
  }
}
