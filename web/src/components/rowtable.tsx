import { type ReactNode, useEffect, useId, useRef, useState } from 'react'
import { count } from '../lib/format'
import { type ListKeys, usePage, useValue } from '../page'
import { isDescending, sortColumn } from '../store/url'
import type { Row, RowWindow } from '../store/window'
import { Trouble } from './parts'
import { useNarrow } from './usemedia'
import { useVirtualRows } from './usevirtualrows'

export interface Column<R> {
  key: string
  label: string
  /** Least width in pixels. */
  least: number
  /** Share of the width that is left over; none: stays at its least. */
  grow?: number
  /** On a narrow table the columns with the highest number go first; 0 stays. */
  drop: number
  /** The name by which the address sorts; none: cannot be sorted. */
  sort?: string
  /** Largest first when sorted for the first time. */
  descendingFirst?: boolean
  numeric?: boolean
  cell(row: R): ReactNode
}

interface Props<R extends Row> {
  label: string
  // biome-ignore lint/suspicious/noExplicitAny: filters and orders pass through unread.
  window: RowWindow<R, any, any>
  columns: readonly Column<R>[]
  sort: string
  onSort(sort: string): void
  onOpen(row: R): void
  selected: string
  /** What stands there when nothing matches. */
  nothing: ReactNode
  /** Are its figures of the past, as nothing is heard any more? */
  silent(row: R): boolean
  /** One row on a phone. */
  narrowRow(row: R): ReactNode
}

const overscan = 4
const headHeight = 29
const columnGap = 18
const sidePadding = 24 + 12

/** The columns that fit, without those that matter least. */
export function fitting<R>(columns: readonly Column<R>[], width: number): readonly Column<R>[] {
  let kept = columns
  const needed = () => kept.reduce((sum, c) => sum + c.least + columnGap, sidePadding - columnGap)
  while (needed() > width) {
    const last = kept.reduce((a, b) => (b.drop >= a.drop ? b : a))
    if (last.drop === 0) break
    kept = kept.filter((c) => c !== last)
  }
  return kept
}

/** Rows of a window: as many as the screen shows, in an order that stands still while somebody reads. */
export function RowTable<R extends Row>(props: Props<R>) {
  const { window: rows } = props
  const page = usePage()
  const state = useValue(rows.state)
  const { density } = useValue(page.prefs.prefs)
  const narrow = useNarrow()
  const scroller = useRef<HTMLDivElement>(null)
  const [active, setActive] = useState<number | null>(null)
  const pointerOver = useRef(false)
  const [width, setWidth] = useState(Number.POSITIVE_INFINITY)
  const id = useId()
  const total = state.total ?? 0
  const columns = fitting(props.columns, width)
  useEffect(() => {
    const element = scroller.current
    if (!element) return
    const observer = new ResizeObserver(() => setWidth(element.offsetWidth))
    observer.observe(element)
    return () => observer.disconnect()
  }, [])
  const rowHeight = narrow ? 56 : density === 'roomy' ? 40 : 30

  const virtual = useVirtualRows(scroller, total, rowHeight, narrow ? 0 : headHeight)
  const { from, to, renderFrom, renderTo } = virtual
  useEffect(() => {
    // Before the first answer nothing is known but the height of the box.
    const visible = Math.ceil((scroller.current?.clientHeight ?? 0) / rowHeight)
    rows.look(Math.max(0, from - overscan), Math.max(to, from + visible) + overscan)
  }, [rows, from, to, rowHeight])

  const hold = (yes: boolean) => (yes ? rows.hold() : rows.release())
  const activeNow = useRef(active)
  activeNow.current = active
  const rowAt = (index: number): R | undefined => state.rows[index - state.offset]
  const stepRows = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 0) / rowHeight) - 1)

  const activate = (index: number | null) => {
    setActive(index)
    hold(index !== null || pointerOver.current)
    if (index !== null) virtual.reveal(index)
  }

  const keys: ListKeys = {
    move(to) {
      if (total === 0) return
      const at = activeNow.current
      const next = {
        down: at === null ? from : at + 1,
        up: at === null ? from : at - 1,
        pageDown: (at ?? from) + stepRows,
        pageUp: (at ?? from) - stepRows,
        first: 0,
        last: total - 1,
      }[to]
      activate(Math.min(total - 1, Math.max(0, next)))
      scroller.current?.focus({ preventScroll: true })
      scroller.current?.scrollIntoView({ block: 'nearest' })
    },
    open() {
      const row = active === null ? undefined : rowAt(active)
      if (row) props.onOpen(row)
    },
    leave() {
      if (active === null) return false
      activate(null)
      return true
    },
  }
  const latest = useRef(keys)
  latest.current = keys
  useEffect(() => {
    const list: ListKeys = {
      move: (to) => latest.current.move(to),
      open: () => latest.current.open(),
      leave: () => latest.current.leave(),
    }
    page.list = list
    return () => {
      if (page.list === list) page.list = null
    }
  }, [page])
  useEffect(() => () => rows.release(), [rows])

  // Marked text must not move away under the marking.
  useEffect(() => {
    const onSelection = () => {
      const selection = document.getSelection()
      const inside = !!selection && !selection.isCollapsed && !!scroller.current?.contains(selection.anchorNode)
      if (inside) rows.hold()
      else if (!pointerOver.current && activeNow.current === null) rows.release()
    }
    document.addEventListener('selectionchange', onSelection)
    return () => document.removeEventListener('selectionchange', onSelection)
  }, [rows])

  const onHeader = (column: Column<R>) => {
    if (!column.sort) return
    const now = sortColumn(props.sort) === column.sort
    const descending = now ? !isDescending(props.sort) : column.descendingFirst
    props.onSort(`${descending ? '-' : ''}${column.sort}`)
    scroller.current?.scrollTo({ top: 0 })
  }

  const template = {
    '--columns': columns.map((c) => (c.grow ? `minmax(${c.least}px, ${c.grow}fr)` : `${c.least}px`)).join(' '),
  } as React.CSSProperties
  const shown = Array.from({ length: renderTo - renderFrom }, (_, i) => renderFrom + i)

  return (
    <div
      className={`rows${narrow ? ' narrow' : ''}${state.waiting && state.total !== null ? ' waiting' : ''}`}
      style={template}
    >
      <div
        ref={scroller}
        className="grid"
        role="grid"
        tabIndex={0}
        aria-activedescendant={active === null ? undefined : `${id}-${active}`}
        onBlur={() => {
          if (active !== null && !page.address.place.get().sel) activate(null)
        }}
        aria-label={props.label}
        aria-rowcount={total + 1}
        aria-colcount={columns.length}
        aria-busy={state.total === null}
      >
        <div className="grid-head" role="rowgroup">
          <div className="row head" role="row" aria-rowindex={1}>
            {columns.map((column) => {
              const sorted = column.sort !== undefined && sortColumn(props.sort) === column.sort
              const down = isDescending(props.sort)
              return (
                <div
                  key={column.key}
                  role="columnheader"
                  className={column.numeric ? 'numeric' : undefined}
                  aria-sort={sorted ? (down ? 'descending' : 'ascending') : undefined}
                >
                  {column.sort ? (
                    <button type="button" onClick={() => onHeader(column)}>
                      {column.label}
                      <span className="arrow" aria-hidden="true">
                        {sorted ? (down ? '▾' : '▴') : ''}
                      </span>
                    </button>
                  ) : (
                    column.label
                  )}
                </div>
              )
            })}
          </div>
        </div>
        <div
          className="grid-body"
          role="rowgroup"
          onPointerEnter={(event) => {
            if (event.pointerType !== 'mouse') return
            pointerOver.current = true
            hold(true)
          }}
          onPointerLeave={() => {
            pointerOver.current = false
            hold(active !== null)
          }}
        >
          <div className="grid-space" role="presentation" style={{ height: virtual.height }}>
            {shown.map((index) => {
              const row = rowAt(index)
              const key = row?.id ?? `place-${index}`
              const classes = ['row']
              if (index === active) classes.push('active')
              if (row && row.id === props.selected) classes.push('selected')
              if (row && state.gone.has(row.id)) classes.push('gone')
              if (row && props.silent(row)) classes.push('silent')
              if (!row) classes.push('skeleton')
              return (
                // biome-ignore lint/a11y/useKeyWithClickEvents: Enter opens the active row, see usekeys.
                <div
                  key={key}
                  id={`${id}-${index}`}
                  role="row"
                  aria-rowindex={index + 2}
                  aria-selected={row ? row.id === props.selected : undefined}
                  className={classes.join(' ')}
                  style={{ height: rowHeight, transform: `translateY(${index * rowHeight}px)` }}
                  onClick={() => {
                    if (row && document.getSelection()?.isCollapsed !== false) props.onOpen(row)
                  }}
                >
                  {row ? narrow ? props.narrowRow(row) : cells(columns, row) : <div role="gridcell">&nbsp;</div>}
                </div>
              )
            })}
          </div>
          {state.total === null && !state.error && <Skeleton rows={12} height={rowHeight} />}
        </div>
      </div>
      {state.total === 0 && !state.error && <div className="instead">{props.nothing}</div>}
      {state.error && <Trouble message={state.error} />}
      {state.held && (
        <p className="held" data-testid="held">
          Order held{state.moves > 0 ? ` · ${count(state.moves)} would move` : ''}
        </p>
      )}
    </div>
  )
}

function cells<R>(columns: readonly Column<R>[], row: R) {
  return columns.map((column) => (
    <div key={column.key} role="gridcell" className={column.numeric ? `numeric ${column.key}` : column.key}>
      {column.cell(row)}
    </div>
  ))
}

function Skeleton({ rows, height }: { rows: number; height: number }) {
  return (
    <div className="skeletons" aria-hidden="true">
      {Array.from({ length: rows }, (_, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: places, not things.
        <div key={i} className="row skeleton" style={{ height, transform: `translateY(${i * height}px)` }} />
      ))}
    </div>
  )
}
