import type { ReactNode } from 'react'
import { count, megabytes, percent, rate } from '../lib/format'
import { usePage, useValue } from '../page'
import { Meter, Shape, Sparkline } from './parts'

function Figure({
  label,
  value,
  children,
  testid,
}: {
  label: string
  value: ReactNode
  children?: ReactNode
  testid?: string
}) {
  return (
    <div className="figure" data-testid={testid}>
      <dt>{label}</dt>
      <dd>
        <span className="figure-value">{value}</span>
        <span className="figure-more">{children}</span>
      </dd>
    </div>
  )
}

/** The fleet in one glance. */
export function SummaryStrip() {
  const page = usePage()
  const fleet = useValue(page.summary.live.state).value?.fleet
  const none = <span className="quiet">–</span>
  const { hives, workers } = fleet ?? {}
  const used = fleet && fleet.vramTotalMb > 0 ? fleet.vramUsedMb / fleet.vramTotalMb : null
  const beats = page.summary.heartbeats
  const isLarge = workers && workers.total >= 1000
  return (
    <dl className={isLarge ? 'summary large' : 'summary'} aria-label="The fleet in one glance" data-testid="summary">
      <Figure label="Workers" value={workers ? count(workers.total) : none} testid="workers-total">
        {workers && (
          <>
            <span className="mark idle">
              <Shape state="idle" />
              {count(workers.idle)} idle
            </span>
            <span className="mark busy">
              <Shape state="busy" />
              {count(workers.busy)} busy
            </span>
            {workers.unknown > 0 && (
              <span className="mark unknown">
                <Shape state="unknown" />
                {count(workers.unknown)} unknown
              </span>
            )}
          </>
        )}
      </Figure>
      <Figure label="Hives" value={hives ? count(hives.total) : none}>
        {hives && (
          <>
            <span className="mark online">
              <Shape state="online" />
              {count(hives.online)} online
            </span>
            {hives.suspect > 0 && (
              <span className="mark suspect">
                <Shape state="suspect" />
                {count(hives.suspect)} suspect
              </span>
            )}
            {hives.offline > 0 && (
              <span className="mark offline">
                <Shape state="offline" />
                {count(hives.offline)} offline
              </span>
            )}
          </>
        )}
      </Figure>
      <Figure
        label="GPU memory in use"
        value={
          used === null ? (
            none
          ) : (
            <>
              {percent(used * 100)}
              <small> %</small>
            </>
          )
        }
      >
        {fleet && (
          <>
            <Meter share={used} tone="memory" />
            <span>
              {used === null ? 'none is known' : `${megabytes(fleet.vramUsedMb)} of ${megabytes(fleet.vramTotalMb)}`}
            </span>
          </>
        )}
      </Figure>
      <Figure
        label="Largest free"
        value={fleet && fleet.workers.available > 0 ? megabytes(fleet.largestFreeVramMb) : none}
      >
        {fleet && <span>{fleet.workers.available > 0 ? 'on an available worker' : 'no worker is available'}</span>}
      </Figure>
      <Figure
        label="Heartbeats"
        value={
          fleet ? (
            <>
              {rate(fleet.heartbeatsPerSecond)}
              <small> /s</small>
            </>
          ) : (
            none
          )
        }
      >
        {fleet && <Sparkline values={beats} most={Math.max(...beats, 1) * 1.15} />}
      </Figure>
    </dl>
  )
}
