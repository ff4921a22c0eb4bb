import { type ReactNode, useRef } from 'react'
import { noAnswer } from '../api/client'
import type { Activity, Liveness } from '../api/gen/graphql'
import { word } from '../lib/format'

export type Shown = 'idle' | 'busy' | 'unknown' | 'suspect' | 'offline' | 'online'
type Drawn = Shown | 'barred'

/** What a worker's badge says: trouble with its hive goes before what it was doing. */
export function workerState(activity: Activity, liveness: Liveness): Shown {
  if (liveness === 'SUSPECT') return 'suspect'
  if (liveness === 'OFFLINE') return 'offline'
  return activity.toLowerCase() as Shown
}

const shapes: Record<Drawn, ReactNode> = {
  online: <path className="full" d="M8 2.2 13 5.1v5.8L8 13.8 3 10.9V5.1z" />,
  idle: <circle cx="8" cy="8" r="5" />,
  busy: <circle className="full" cx="8" cy="8" r="5.6" />,
  unknown: <path d="M4 8h8" />,
  suspect: (
    <>
      <circle cx="8" cy="8" r="5" />
      <path className="full" d="M8 3a5 5 0 0 1 0 10z" />
    </>
  ),
  offline: <path d="m4 4 8 8M12 4l-8 8" />,
  barred: <path d="M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11M4.2 11.8l7.6-7.6" />,
}

/** A shape alone, for legends and tiles beside a word. */
export function Shape({ state }: { state: Drawn }) {
  return (
    <svg className={`shape ${state}`} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      {shapes[state]}
    </svg>
  )
}

/** Shape, word and colour; lights up for a moment when it changes under the reader's eyes. */
export function StateBadge({ state }: { state: Shown }) {
  return (
    <span className={`badge ${state}`}>
      <Shape state={state} />
      <Changing value={state}>{word(state)}</Changing>
    </span>
  )
}

/** Beside the state of a worker that works, but is not offered: its hive is cordoned, unhealthy, or starts or stops. */
export function Barred() {
  return (
    <span className="barred" title="Takes no new work: its hive is not available">
      <Shape state="barred" />
      <span className="offscreen">not available</span>
    </span>
  )
}

/** Marks its content for a moment when `value` becomes another. */
export function Changing({ value, children }: { value: unknown; children: ReactNode }) {
  const seen = useRef({ value, changes: 0 })
  if (!Object.is(seen.current.value, value)) seen.current = { value, changes: seen.current.changes + 1 }
  const { changes } = seen.current
  return (
    <span key={changes} className={changes ? 'changed' : undefined}>
      {children}
    </span>
  )
}

/** A share as a bar. The figure stands beside it in text, so readers of screens hear it once. */
export function Meter({ share, tone = 'load' }: { share: number | null; tone?: 'load' | 'memory' | 'idle' }) {
  const scale = share === null ? 0 : Math.min(1, Math.max(0, share))
  return (
    <span className={`meter ${tone}${share === null ? ' none' : ''}`} aria-hidden="true">
      <i style={{ transform: `scaleX(${scale})` }} />
    </span>
  )
}

/** The course of a figure, for the eye; the figure itself stands beside it. Gaps are gaps: what was not known is not drawn. */
export function Sparkline({ values, most }: { values: readonly (number | null)[]; most: number }) {
  const width = 60
  const height = 16
  const step = values.length > 1 ? width / (values.length - 1) : width
  let path = ''
  let pen = false
  values.forEach((value, i) => {
    if (value === null) {
      pen = false
      return
    }
    const x = (i * step).toFixed(1)
    const y = (height - 1 - Math.min(1, Math.max(0, most > 0 ? value / most : 0)) * (height - 2)).toFixed(1)
    path += `${pen ? 'L' : 'M'}${x} ${y}`
    pen = true
  })
  return (
    <svg className="sparkline" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
      {path && <path d={path} />}
    </svg>
  )
}

/** A key as on the keyboard. */
export const Key = ({ children }: { children: ReactNode }) => <kbd>{children}</kbd>

/** An error with its way out. */
export function Trouble({ message, again }: { message: string; again?: () => void }) {
  return (
    <div className="trouble" role="alert">
      <p>
        {message !== noAnswer && <strong>The server refused this. </strong>}
        {message}
      </p>
      {again && (
        <button type="button" className="button" onClick={again}>
          Try again
        </button>
      )}
    </div>
  )
}
