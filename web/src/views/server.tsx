import { useEffect, useRef } from 'react'
import { CopyMenu } from '../components/copymenu'
import { LineChart } from '../components/linechart'
import { Trouble } from '../components/parts'
import { age, bytes, count, rate, timeOfDay, unknown, word } from '../lib/format'
import { usePage, useValue } from '../page'

/** The server about itself, and how well this page hears it. */
export function ServerView() {
  const page = usePage()
  const { server, roundTripMs, error } = useValue(page.server.state)
  const fleet = useValue(page.summary.live.state).value?.fleet
  const status = useValue(page.connection.status)
  const now = useValue(page.clock.now)
  useEffect(() => {
    page.operation = () => page.server.operation
    return () => {
      page.operation = () => page.summary.operation
    }
  }, [page])
  useEffect(() => void page.server.read(), [page])

  const received = useRate(page.connection.traffic.bytes, now)
  const beats = page.summary.heartbeats
  const facts = (rows: [string, React.ReactNode][]) => (
    <dl className="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
  return (
    <div className="server">
      <section className="panel" aria-label="This server">
        <header className="panel-head">
          <h2>This server</h2>
          <div className="panel-tools">
            <CopyMenu operation={() => page.server.operation} />
          </div>
        </header>
        {error && !server && <Trouble message={error} again={() => void page.server.read()} />}
        {facts([
          ['Version', server?.version || unknown],
          ['Running for', server ? age(server.startedAt, now) : unknown],
          [
            'Mode',
            server ? (
              <span key="mode" className={server.mode === 'PROTECTED' ? 'mark suspect' : undefined}>
                {word(server.mode)}
              </span>
            ) : (
              unknown
            ),
          ],
          ['Epoch', <code key="epoch">{server?.epoch ?? unknown}</code>],
          ['Revision', <code key="revision">{fleet?.revision ?? unknown}</code>],
          ['Hives', count(fleet?.hives.total)],
          ['Workers', count(fleet?.workers.total)],
        ])}
      </section>
      <section className="panel" aria-label="This page">
        <header className="panel-head">
          <h2>This page</h2>
        </header>
        {facts([
          ['Connection', word(status.phase)],
          ['Last word', status.asOf === null ? unknown : timeOfDay(status.asOf)],
          ['Round trip', roundTripMs === null ? unknown : `${roundTripMs.toFixed(1)} ms`],
          ["Server's clock minus this one", `${Math.round(page.clock.offset)} ms`],
          ['Received', bytes(page.connection.traffic.bytes)],
          ['Receiving', received === null ? unknown : `${bytes(received)}/s`],
          ['Messages', count(page.connection.traffic.messages)],
          ['Server restarts seen', count(status.restarts)],
        ])}
      </section>
      <section className="panel server-chart" aria-label="Heartbeats">
        <header className="panel-head">
          <h2>Heartbeats per second, last minute</h2>
          <span className="quiet">{fleet ? rate(fleet.heartbeatsPerSecond) : unknown}</span>
        </header>
        <LineChart label="Heartbeats per second" values={[...beats]} stepMs={1000} unit="/s" />
      </section>
    </div>
  )
}

/** How fast a counter grows, per second, over the last few of them. */
function useRate(value: number, now: number): number | null {
  const seen = useRef<{ value: number; at: number }[]>([])
  const last = seen.current.at(-1)
  if (!last || now - last.at >= 900) {
    seen.current.push({ value, at: now })
    if (seen.current.length > 6) seen.current.shift()
  }
  const first = seen.current[0]
  const newest = seen.current.at(-1)
  if (!first || !newest || newest.at === first.at) return null
  return ((newest.value - first.value) / (newest.at - first.at)) * 1000
}
