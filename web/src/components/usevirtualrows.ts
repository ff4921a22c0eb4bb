import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react'

export interface VirtualRows {
  /** Rows on the screen: the first, and the one after the last. */
  from: number
  to: number
  /** Rows to render: those on the screen and a few around them. */
  renderFrom: number
  renderTo: number
  /** Height of all rows together, in pixels. */
  height: number
  /** Brings a row wholly into view. */
  reveal(index: number): void
  /** Looks at once where the box is scrolled to. */
  look(): void
}

const overscan = 4
const guess = 600

/**
 * Which rows of equal height are on the screen. Nothing is measured but the box, so this stays forty lines where a
 * library for rows of any height would be a tenth of the page's whole budget.
 */
export function useVirtualRows(
  scroller: RefObject<HTMLElement | null>,
  count: number,
  rowHeight: number,
  /** Height of what sticks to the top of the box, before the rows, in pixels. */
  header = 0,
): VirtualRows {
  const [box, setBox] = useState({ top: 0, height: guess })
  const look = useCallback(() => {
    const element = scroller.current
    if (!element) return
    const next = { top: element.scrollTop, height: element.clientHeight - header }
    setBox((now) => (now.top === next.top && now.height === next.height ? now : next))
  }, [scroller, header])

  const revealed = useRef(-1)
  const reveal = useCallback(
    (index: number) => {
      const element = scroller.current
      revealed.current = index
      if (!element) return
      const top = index * rowHeight
      if (top < element.scrollTop) element.scrollTop = top
      else if (top + rowHeight > element.scrollTop + element.clientHeight - header) {
        element.scrollTop = top + rowHeight - element.clientHeight + header
      }
    },
    [scroller, rowHeight, header],
  )

  useEffect(() => {
    const element = scroller.current
    if (!element) return
    let before = 0
    const observer = new ResizeObserver(() => {
      // What stands above the list may come after it and take some of its room: what was revealed stays in sight.
      const top = revealed.current * rowHeight - element.scrollTop
      if (top >= 0 && top + rowHeight <= before + 1) reveal(revealed.current)
      before = element.clientHeight - header
      look()
    })
    observer.observe(element)
    element.addEventListener('scroll', look, { passive: true })
    look()
    return () => {
      observer.disconnect()
      element.removeEventListener('scroll', look)
    }
  }, [scroller, look, reveal, rowHeight, header])

  const from = Math.max(0, Math.min(count, Math.floor(box.top / rowHeight)))
  const to = Math.min(count, Math.ceil((box.top + box.height) / rowHeight))
  return {
    from,
    to,
    renderFrom: Math.max(0, from - overscan),
    renderTo: Math.min(count, to + overscan),
    height: count * rowHeight,
    reveal,
    look,
  }
}

/**
 * For a list that grows at its top: once scrolled down, the reader's rows stay where they are while others come before
 * them. At the very top the newest is shown.
 */
export function useAnchor(
  scroller: RefObject<HTMLElement | null>,
  /** What makes each row another, in order; a new array when they changed. */
  rows: readonly string[],
  rowHeight: number,
  look: () => void,
): void {
  const before = useRef(rows)
  useLayoutEffect(() => {
    const held = before.current
    before.current = rows
    const element = scroller.current
    if (held === rows || !element || element.scrollTop === 0) return
    const at = Math.floor(element.scrollTop / rowHeight)
    const now = held[at] === undefined ? -1 : rows.indexOf(held[at])
    if (now <= at) return
    element.scrollTop += (now - at) * rowHeight
    look()
  }, [scroller, rows, rowHeight, look])
}
