import { useEffect, useMemo, useRef, useState } from 'react'
import { CopyMenu } from '../components/copymenu'
import { EventRow } from '../components/eventrow'
import { SearchField } from '../components/filterbar'
import { Trouble } from '../components/parts'
import { useAnchor, useVirtualRows } from '../components/usevirtualrows'
import { count } from '../lib/format'
import { usePage, useValue } from '../page'
import { identity, ofKind } from '../store/events'
import type { Place } from '../store/url'

const rowHeight = 30

const kinds: { value: Place['kind']; name: string }[] = [
  { value: 'all', name: 'All' },
  { value: 'trouble', name: 'Trouble' },
  { value: 'hives', name: 'Hives' },
  { value: 'workers', name: 'Workers' },
]

/** What happened and what happens, newest first. */
export function ActivityView() {
  const page = usePage()
  const { kind, q } = useValue(page.address.place)
  const [events] = useState(() => page.events(null))
  const log = useValue(events.log)
  const scroller = useRef<HTMLDivElement>(null)
  useEffect(() => {
    const stop = events.start()
    page.operation = () => events.operation
    return () => {
      stop()
      page.operation = () => page.summary.operation
    }
  }, [page, events])

  const wanted = q.trim().toLowerCase()
  const shown = useMemo(
    () =>
      log.events.filter(
        (e) =>
          ofKind(e, kind) && (!wanted || `${e.hiveId} ${e.workerId ?? ''} ${e.message}`.toLowerCase().includes(wanted)),
      ),
    [log.events, kind, wanted],
  )
  const { renderFrom, renderTo, height, look } = useVirtualRows(scroller, shown.length, rowHeight)
  const rows = useMemo(() => shown.map(identity), [shown])
  useAnchor(scroller, rows, rowHeight, look)

  return (
    <>
      <search className="filters" aria-label="Filters">
        <SearchField label="Find events" placeholder="Find hive, worker, word" />
        <fieldset className="choice">
          <legend className="offscreen">Kind</legend>
          {kinds.map(({ value, name }) => (
            <button
              key={value}
              type="button"
              aria-pressed={kind === value}
              onClick={() => page.address.go({ kind: value })}
            >
              {name}
            </button>
          ))}
        </fieldset>
      </search>
      <section className="panel table-panel" aria-label="Events">
        <header className="panel-head">
          <h2>{log.loaded ? `${count(shown.length)} of the last ${count(log.events.length)} events` : 'Events'}</h2>
          <div className="panel-tools">
            <CopyMenu operation={() => events.operation} rows={() => shown} />
          </div>
        </header>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls. */}
        <div ref={scroller} className="scroll events" tabIndex={0} role="region" aria-label="Events, newest first">
          <ol className="grid-space" style={{ height }}>
            {shown.slice(renderFrom, renderTo).map((event, i) => (
              <li
                key={identity(event)}
                className="event-place"
                style={{ transform: `translateY(${(renderFrom + i) * rowHeight}px)` }}
              >
                <EventRow event={event} />
              </li>
            ))}
          </ol>
          {log.loaded && shown.length === 0 && (
            <p className="nothing">
              {log.events.length === 0 ? 'Nothing has happened yet.' : 'No event like that among the last ones.'}
            </p>
          )}
        </div>
        {log.error && !log.loaded && <Trouble message={log.error} />}
      </section>
    </>
  )
}
