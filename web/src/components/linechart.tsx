import { useState } from 'react'
import { duration } from '../lib/format'

interface Props {
  label: string
  /** Oldest first; null where nothing was known. */
  values: readonly (number | null)[]
  stepMs: number
  unit: string
  /** The top of the scale; the largest value, rounded up, when left out. */
  most?: number
  format?: (value: number) => string
  tone?: 'load' | 'memory'
}

const width = 400
const height = 96
const left = 2
const bottom = 14
const top = 8

/** The next round number above: 1, 2 or 5 times a power of ten. */
export function roundUp(value: number): number {
  if (value <= 0) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return ([1, 2, 5, 10].find((m) => m * power >= value) ?? 10) * power
}

/** A figure over the last minutes, with the value under the pointer. */
export function LineChart({
  label,
  values,
  stepMs,
  unit,
  most,
  format = (v) => v.toFixed(v < 10 ? 1 : 0),
  tone = 'load',
}: Props) {
  const [at, setAt] = useState<number | null>(null)
  const known = values.filter((v) => v !== null)
  const scale = most ?? roundUp(Math.max(0, ...known))
  const x = (i: number) => left + (values.length > 1 ? (i / (values.length - 1)) * (width - 2 * left) : 0)
  const y = (v: number) => top + (1 - Math.min(1, v / scale)) * (height - top - bottom)
  let line = ''
  let area = ''
  let from: number | null = null
  const closeArea = (to: number) => {
    if (from !== null) area += `L${x(to).toFixed(1)} ${height - bottom}L${x(from).toFixed(1)} ${height - bottom}Z`
    from = null
  }
  values.forEach((v, i) => {
    if (v === null) {
      if (from !== null) closeArea(i - 1)
      return
    }
    const point = `${x(i).toFixed(1)} ${y(v).toFixed(1)}`
    line += `${from === null ? 'M' : 'L'}${point}`
    area += `${from === null ? 'M' : 'L'}${point}`
    from ??= i
  })
  if (from !== null) closeArea(values.length - 1)

  const span = ((values.length - 1) * stepMs) / 1000
  const shown = at === null ? null : (values[at] ?? null)
  const newest = known.at(-1)
  return (
    <figure className={`line-chart ${tone}`}>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${label}, last ${duration(Math.max(0, span))}: ${newest === undefined ? 'nothing known' : `now ${format(newest)} ${unit}`}`}
        onPointerMove={(event) => {
          const box = event.currentTarget.getBoundingClientRect()
          const share = (event.clientX - box.left) / box.width
          setAt(
            values.length ? Math.min(values.length - 1, Math.max(0, Math.round(share * (values.length - 1)))) : null,
          )
        }}
        onPointerLeave={() => setAt(null)}
      >
        <path
          className="rule"
          d={`M0 ${top}H${width}M0 ${(top + height - bottom) / 2}H${width}M0 ${height - bottom}H${width}`}
        />
        {area && <path className="area" d={area} />}
        {line && <path className="line" d={line} />}
        {at !== null && <path className="cross" d={`M${x(at).toFixed(1)} ${top}V${height - bottom}`} />}
        {at !== null && shown !== null && <path className="dot" d={`M${x(at).toFixed(1)} ${y(shown).toFixed(1)}h0`} />}
      </svg>
      <figcaption aria-hidden="true">
        <span>{span > 0 ? `${duration(span)} ago` : ''}</span>
        <span className="chart-value">
          {at === null
            ? `top ${format(scale)} ${unit}`
            : `${shown === null ? 'unknown' : `${format(shown)} ${unit}`}, ${duration(((values.length - 1 - at) * stepMs) / 1000)} ago`}
        </span>
        <span>now</span>
      </figcaption>
    </figure>
  )
}
