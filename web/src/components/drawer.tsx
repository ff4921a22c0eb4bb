import { useEffect, useRef, useState } from 'react'
import { execute, operation } from '../api/client'
import {
  CordonHiveDocument,
  HiveDetailDocument,
  type HiveDetailSubscription,
  UncordonHiveDocument,
  WorkerDetailDocument,
  type WorkerDetailSubscription,
} from '../api/gen/graphql'
import { count, duration, gigabytes, megabytes, percent, unknown } from '../lib/format'
import { usePage, useValue } from '../page'
import { identity } from '../store/events'
import { Live } from '../store/live'
import { start } from '../store/url'
import { Age, Moment, requests } from '../views/columns'
import { hiveNote } from '../views/hives'
import { CopyMenu, copy } from './copymenu'
import { EventRow } from './eventrow'
import { CloseIcon } from './icons'
import { LineChart } from './linechart'
import { Meter, Shape, type Shown, StateBadge, Trouble, workerState } from './parts'

const intervalMs = 1000

/** One worker or one hive, beside what else is shown. */
export function Drawer({ selection }: { selection: string }) {
  const page = usePage()
  const at = selection.indexOf(':')
  const kind = selection.slice(0, at)
  const id = selection.slice(at + 1)
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null
    heading.current?.focus({ preventScroll: true })
    return () => before?.focus?.({ preventScroll: true })
  }, [])
  return (
    <aside className="drawer" aria-label={`${kind} ${id}`} data-testid="drawer">
      <header>
        <p className="drawer-kind">{kind}</p>
        <h2 ref={heading} tabIndex={-1}>
          {id}
        </h2>
        <button
          type="button"
          className="icon-button close"
          aria-label="Close"
          title="Close (Esc)"
          onClick={() => page.address.go({ sel: '' })}
        >
          <CloseIcon />
        </button>
      </header>
      {kind === 'worker' ? <WorkerDetail id={id} /> : <HiveDetail id={id} />}
    </aside>
  )
}

function Facts({ rows }: { rows: [string, React.ReactNode][] }) {
  return (
    <dl className="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value ?? unknown}</dd>
        </div>
      ))}
    </dl>
  )
}

/** What a silent hive said last is still there, but does not pass for news. */
function Figures({ silent, heardAt, children }: { silent: boolean; heardAt: string; children: React.ReactNode }) {
  return (
    <div className={silent ? 'silent' : undefined}>
      {silent && (
        <p>
          These are the last figures that were heard, <Age at={heardAt} /> ago.
        </p>
      )}
      {children}
    </div>
  )
}

function Raw({ value }: { value: object }) {
  const page = usePage()
  const [open, setOpen] = useState(false)
  return (
    <details className="raw" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Raw</summary>
      {open && (
        <>
          <button
            type="button"
            className="button"
            onClick={() => void copy(page, JSON.stringify(value, null, 2), 'it as JSON')}
          >
            Copy JSON
          </button>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls. */}
          <pre tabIndex={0}>{JSON.stringify(value, null, 2)}</pre>
        </>
      )}
    </details>
  )
}

function WorkerDetail({ id }: { id: string }) {
  const page = usePage()
  const [live] = useState(() => new Live<WorkerDetailSubscription>(page.connection))
  const { value, error, waiting } = useValue(live.state)
  const asked = operation(WorkerDetailDocument, { id, intervalMs })
  const last = useRef<WorkerDetailSubscription['worker']>(null)
  // biome-ignore lint/correctness/useExhaustiveDependencies: the operation depends on the id alone.
  useEffect(() => {
    live.ask(asked)
    return () => live.clear()
  }, [live, id])
  if (value?.worker) last.current = value.worker
  const w = last.current
  if (error) return <Trouble message={error} />
  if (!w) return <p className="nothing">{waiting ? 'Asking…' : 'There is no such worker. Perhaps it is gone.'}</p>
  const gone = value?.worker === null
  const state = workerState(w.activity, w.liveness)
  return (
    <>
      <div className="drawer-tools">
        <StateBadge state={state} />
        <span className="quiet">
          for <Age at={w.activitySince} />
        </span>
        {!w.available && <span className="note">not available</span>}
        {gone && <span className="note">gone; last seen as below</span>}
        <CopyMenu operation={() => asked} rows={() => [w]} />
      </div>
      <p className="drawer-model">{w.model ?? 'model unknown'}</p>
      <Figures silent={gone || w.liveness !== 'ONLINE'} heardAt={w.lastSeenAt}>
        <h3>
          GPU <b>{percent(w.gpuUtilizationPercent)} %</b>
        </h3>
        <LineChart
          label="GPU utilization"
          values={w.history.gpuUtilizationPercent}
          stepMs={w.history.stepMs}
          unit="%"
          most={100}
        />
        <h3>
          GPU memory <b>{megabytes(w.vramUsedMb)}</b> <small>of {megabytes(w.vramTotalMb)}</small>
        </h3>
        <LineChart
          label="GPU memory"
          tone="memory"
          values={w.history.vramUsedMb}
          stepMs={w.history.stepMs}
          unit="GB"
          most={w.vramTotalMb ?? undefined}
          format={(mb) => gigabytes(mb)}
        />
        <Facts
          rows={[
            ['Hive', <Go key="hive" sel={`hive:${w.hiveId}`} name={w.hiveId} />],
            ['Endpoint', <code key="endpoint">{w.endpoint ?? unknown}</code>],
            ['Requests', requests(w)],
            ['Free GPU memory', megabytes(w.vramFreeMb)],
            ['CPU', w.cpuPercent === null ? unknown : `${percent(w.cpuPercent)} % of a core`],
            ['Memory', megabytes(w.rssMb)],
            ['Storage', `${rate(w.ioReadMbPerSecond)} read, ${rate(w.ioWriteMbPerSecond)} written`],
            ['Process', w.pid === null ? unknown : <code key="pid">{w.pid}</code>],
            ['Uptime', duration(w.uptimeSeconds)],
            ['Group', <Filter key="group" name={w.group} change={{ group: [w.group] }} />],
            ['Model', w.model ? <Filter key="model" name={w.model} change={{ model: [w.model] }} /> : unknown],
            ['Last seen', <Age key="seen" at={w.lastSeenAt} />],
            ['Revision', <code key="revision">{w.revision}</code>],
          ]}
        />
      </Figures>
      <Raw value={w} />
    </>
  )
}

const rate = (mb: number | null): string => (mb === null ? unknown : `${mb.toFixed(1)} MB/s`)

function Go({ sel, name }: { sel: string; name: string }) {
  const page = usePage()
  return (
    <button type="button" className="link" onClick={() => page.address.go({ sel })}>
      {name}
    </button>
  )
}

function Filter({ name, change }: { name: string; change: object }) {
  const page = usePage()
  return (
    <button
      type="button"
      className="link"
      title="Show all of these"
      onClick={() => page.address.go({ ...start, ...change, sel: page.address.place.get().sel })}
    >
      {name}
    </button>
  )
}

type Hive = HiveDetailSubscription['hives']['nodes'][number]

/** One course for the hive: the mean load, or the sum of memory, of its workers at each step. */
export function together(courses: readonly (readonly (number | null)[])[], how: 'mean' | 'sum'): (number | null)[] {
  const length = Math.max(0, ...courses.map((c) => c.length))
  return Array.from({ length }, (_, i) => {
    let sum = 0
    let known = 0
    for (const course of courses) {
      const value = course[course.length - length + i]
      if (value === null || value === undefined) continue
      sum += value
      known++
    }
    return known === 0 ? null : how === 'mean' ? sum / known : sum
  })
}

function HiveDetail({ id }: { id: string }) {
  const page = usePage()
  const [live] = useState(() => new Live<HiveDetailSubscription>(page.connection))
  const [events] = useState(() => page.events(id))
  const { value, error, waiting } = useValue(live.state)
  const log = useValue(events.log)
  const asked = operation(HiveDetailDocument, { filter: { ids: [id] }, first: 1, intervalMs })
  const last = useRef<Hive | null>(null)
  // biome-ignore lint/correctness/useExhaustiveDependencies: the operation depends on the id alone.
  useEffect(() => {
    live.ask(asked)
    return () => live.clear()
  }, [live, id])
  useEffect(() => events.start(), [events])
  const newest = value?.hives.nodes[0]
  if (newest) last.current = newest
  const hive = last.current
  if (error) return <Trouble message={error} />
  if (!hive)
    return <p className="nothing">{waiting ? 'Asking…' : 'There is no such hive. Perhaps it was forgotten.'}</p>
  const gone = value && !newest
  const cordon = async () => {
    try {
      await (hive.cordoned
        ? execute(operation(UncordonHiveDocument, { id }))
        : execute(operation(CordonHiveDocument, { id })))
      page.say(hive.cordoned ? `${id} may take new work again.` : `${id} takes no new work now.`)
    } catch (cause) {
      page.say((cause as Error).message)
    }
  }
  const steps = hive.workers[0]?.history.stepMs ?? 5000
  return (
    <>
      <div className="drawer-tools">
        <StateBadge state={hive.liveness.toLowerCase() as Shown} />
        {gone && <span className="note">forgotten; last seen as below</span>}
        <button type="button" className="button" onClick={cordon}>
          {hive.cordoned ? 'Uncordon' : 'Cordon'}
        </button>
        <CopyMenu operation={() => asked} rows={() => [hive]} />
      </div>
      {hiveNote(hive) && (
        <p>
          <span className="note">{hiveNote(hive)}</span>
        </p>
      )}
      <Figures silent={!!gone || hive.liveness !== 'ONLINE'} heardAt={hive.lastSeenAt}>
        {hive.workers.length > 0 && (
          <>
            <h3>GPU load, mean of its workers</h3>
            <LineChart
              label="Mean GPU utilization"
              values={together(
                hive.workers.map((w) => w.history.gpuUtilizationPercent),
                'mean',
              )}
              stepMs={steps}
              unit="%"
              most={100}
            />
            <h3>GPU memory of its workers</h3>
            <LineChart
              label="GPU memory of its workers"
              tone="memory"
              values={together(
                hive.workers.map((w) => w.history.vramUsedMb),
                'sum',
              )}
              stepMs={steps}
              unit="GB"
              most={hive.workers.reduce((sum, w) => sum + (w.vramTotalMb ?? 0), 0) || undefined}
              format={(mb) => gigabytes(mb)}
            />
          </>
        )}
        <h3>Workers</h3>
        <ul className="drawer-list">
          {hive.workers.map((w) => (
            <li key={w.id}>
              <Shape state={workerState(w.activity, w.liveness)} />
              <Go sel={`worker:${w.id}`} name={`${w.group}/${w.instance}`} />
              <span className="quiet ellipsis">{w.model ?? 'model unknown'}</span>
              <span className="numeric">{percent(w.gpuUtilizationPercent)} %</span>
            </li>
          ))}
          {hive.workers.length === 0 && <li className="quiet">It reports none.</li>}
        </ul>
        <p>
          <Filter name="Show them in the fleet" change={{ hive: [id] }} />
        </p>
        {hive.devices.length > 0 && (
          <>
            <h3>Devices</h3>
            <ul className="drawer-list devices">
              {hive.devices.map((d) => (
                <li key={d.id}>
                  <span className="ellipsis" title={d.name}>
                    {d.id} <span className="quiet">{d.name}</span>
                  </span>
                  <Meter share={d.memoryTotalMb ? (d.memoryUsedMb ?? 0) / d.memoryTotalMb : null} tone="memory" />
                  <span className="numeric">
                    {gigabytes(d.memoryUsedMb)} / {gigabytes(d.memoryTotalMb)} GB
                  </span>
                  <span className="quiet numeric">
                    {[
                      d.utilizationPercent === null ? '' : `${percent(d.utilizationPercent)} %`,
                      d.temperatureCelsius === null ? '' : `${Math.round(d.temperatureCelsius)} °C`,
                      d.powerWatts === null ? '' : `${Math.round(d.powerWatts)} W`,
                    ]
                      .filter(Boolean)
                      .join(' · ')}
                  </span>
                </li>
              ))}
            </ul>
          </>
        )}
        <Facts
          rows={[
            ['Address', <code key="endpoint">{hive.port ? hive.endpoint : hive.hostname}</code>],
            ['Version', hive.version || unknown],
            ['Heartbeat every', hive.heartbeatIntervalMs === null ? unknown : `${count(hive.heartbeatIntervalMs)} ms`],
            ['Last seen', <Age key="seen" at={hive.lastSeenAt} />],
            [
              'First seen',
              <span key="first">
                <Moment at={hive.firstSeenAt} />, <Age at={hive.firstSeenAt} /> ago
              </span>,
            ],
            ['Clock skew', hive.clockSkewMs === null ? unknown : `${count(hive.clockSkewMs)} ms`],
            ['Revision', <code key="revision">{hive.revision}</code>],
          ]}
        />
      </Figures>
      <h3>What happened here</h3>
      {log.events.length === 0 ? (
        <p className="quiet">{log.loaded ? 'Nothing yet.' : log.error || 'Asking…'}</p>
      ) : (
        <ol className="drawer-events">
          {log.events.slice(0, 20).map((e) => (
            <li key={identity(e)}>
              <EventRow event={e} />
            </li>
          ))}
        </ol>
      )}
      <Raw value={hive} />
    </>
  )
}
