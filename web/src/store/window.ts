import type { Operation } from '../api/client'
import type { Connection } from './connection'
import { Live } from './live'
import { Observable } from './observable'

export interface Row {
  id: string
}

/** A page of rows, as the server sends it. */
export interface Page<R> {
  totalCount: number
  offset: number
  nodes: R[]
}

/** What a window is asked for. */
export interface Question<Filter, Order> {
  filter: Filter | null
  orderBy: Order | null
}

// biome-ignore lint/suspicious/noExplicitAny: operations of every type pass through here unread.
type AnyOperation = Operation<any, any>

/** How one kind of rows is asked for. */
export interface Source<R, Filter, Order> {
  rows(question: Question<Filter, Order>, first: number, offset: number): AnyOperation
  order(question: Question<Filter, Order>, first: number, offset: number): AnyOperation
  byId(ids: string[]): AnyOperation
  page(result: unknown): Page<R>
}

export interface WindowState<R> {
  /** How many match; null before the first answer. */
  total: number | null
  /** Position of the first of `rows`. */
  offset: number
  rows: readonly R[]
  /** Rows held in place that no longer exist: shown as they were. */
  gone: ReadonlySet<string>
  /** True while the order stands still. */
  held: boolean
  /** How many of the held rows would stand elsewhere by now. */
  moves: number
  /** True while what is shown answers an earlier question. */
  waiting: boolean
  error: string
}

/** Windows begin at multiples of this, so that scrolling by a row asks for nothing. */
const step = 20
/** No screen shows more rows than this; the server's work is bounded by it. */
export const mostRows = 100

/**
 * The rows on the screen, and only these. Order and values come in one answer, so what is sorted looks sorted.
 * While held, values go on and places stand still; how the order would have changed is counted meanwhile.
 */
export class RowWindow<R extends Row, Filter, Order> {
  readonly state = new Observable<WindowState<R>>({
    total: null,
    offset: 0,
    rows: [],
    gone: new Set(),
    held: false,
    moves: 0,
    waiting: true,
    error: '',
  })
  readonly #connection: Connection
  readonly #source: Source<R, Filter, Order>
  readonly #rows: Live<unknown>
  readonly #order: Live<unknown>
  #question: Question<Filter, Order> | null = null
  #first = 0
  #offset = 0
  #wanted = false
  #heldIds: string[] | null = null

  constructor(connection: Connection, source: Source<R, Filter, Order>) {
    this.#connection = connection
    this.#source = source
    this.#rows = new Live(connection)
    this.#order = new Live(connection)
    this.#rows.state.subscribe(() => this.#arrived())
    this.#order.state.subscribe(() => this.#counted())
    connection.status.subscribe(() => this.#settle())
  }

  /** The operation that is running, for "copy as"; null while nothing is asked. */
  get operation(): AnyOperation | null {
    return this.#question && this.#source.rows(this.#question, this.#first || step, this.#offset)
  }

  /** Asks for other rows or another order; null stops. The hold ends, the old rows stay until the new ones are there. */
  ask(question: Question<Filter, Order> | null): void {
    if (JSON.stringify(question) === JSON.stringify(this.#question)) return
    this.#question = question
    this.#heldIds = null
    this.#offset = 0
    this.#send()
  }

  /** The screen shows the rows from `from` up to, but without, `to`. */
  look(from: number, to: number): void {
    const offset = Math.max(0, Math.floor(from / step) * step)
    const first = Math.min(mostRows, Math.max(step, Math.ceil((to - offset) / step) * step))
    if (offset === this.#offset && first === this.#first) return
    this.#offset = offset
    this.#first = first
    this.#heldIds = null
    this.#send()
  }

  hold(): void {
    this.#wanted = true
    this.#settle()
  }

  release(): void {
    this.#wanted = false
    this.#settle()
  }

  /** Holds or lets go, as is wanted. While the page is paused all stands still; to ask for its rows otherwise would move them. */
  #settle(): void {
    if (this.#connection.status.get().phase === 'paused') return
    if (this.#wanted) this.#freeze()
    else this.#thaw()
  }

  #send(): void {
    if (!this.#question || this.#first === 0) {
      this.#rows.ask(null)
      this.#order.ask(null)
      return
    }
    if (this.#heldIds) {
      this.#rows.ask(this.#source.byId(this.#heldIds))
      this.#order.ask(this.#source.order(this.#question, this.#first, this.#offset))
    } else {
      this.#order.ask(null)
      this.#rows.ask(this.#source.rows(this.#question, this.#first, this.#offset))
    }
  }

  #freeze(): void {
    const { rows, waiting } = this.state.get()
    if (this.#heldIds || waiting || rows.length === 0) return
    this.#heldIds = rows.map((r) => r.id)
    this.state.update({ held: true, moves: 0, gone: new Set() })
    this.#send()
  }

  #thaw(): void {
    if (!this.#heldIds) return
    this.#heldIds = null
    this.state.update({ held: false, moves: 0 })
    this.#send()
  }

  #arrived(): void {
    const { value, error, waiting } = this.#rows.state.get()
    const before = this.state.get()
    if (error || value === null) {
      this.state.update({ error, waiting: before.rows.length === 0 && waiting })
      return
    }
    if (waiting) {
      if (!this.#heldIds) this.state.update({ waiting: true, error: '' })
      return
    }
    const page = this.#source.page(value)
    if (this.#heldIds) {
      const fresh = new Map(page.nodes.map((r) => [r.id, r]))
      const known = new Map(before.rows.map((r) => [r.id, r]))
      const rows: R[] = []
      const gone = new Set<string>()
      for (const id of this.#heldIds) {
        const row = fresh.get(id) ?? known.get(id)
        if (!row) continue
        rows.push(row)
        if (!fresh.has(id)) gone.add(id)
      }
      this.state.update({ rows, gone, error: '', waiting: false })
      return
    }
    this.state.set({
      total: page.totalCount,
      offset: page.offset,
      rows: page.nodes,
      gone: new Set(),
      held: false,
      moves: 0,
      waiting: false,
      error: '',
    })
    this.#settle()
  }

  #counted(): void {
    const { value, waiting } = this.#order.state.get()
    if (!this.#heldIds || value === null || waiting) return
    const page = this.#source.page(value)
    const moves = page.nodes.reduce((n, row, i) => n + (row.id === this.#heldIds?.[i] ? 0 : 1), 0)
    // Rows that are held are shown, also when by now fewer match.
    const least = this.state.get().offset + this.#heldIds.length
    this.state.update({ moves, total: Math.max(page.totalCount, least) })
  }
}
