import type { WorkerRowFragment } from '../api/gen/graphql'
import { Barred, Meter, Sparkline, StateBadge, workerState } from '../components/parts'
import type { Column } from '../components/rowtable'
import { age, count, duration, gigabytes, megabytes, moment, percent, unknown } from '../lib/format'
import { usePage, useValue } from '../page'

type Worker = WorkerRowFragment

const known = (value: string): React.ReactNode => (value === unknown ? <span className="quiet">{unknown}</span> : value)

/** How long ago, counted on by the page's own second hand. */
export function Age({ at }: { at: string }) {
  const page = usePage()
  return <>{age(at, useValue(page.clock.now))}</>
}

/** When it was: the time of day, or the day where the server's clock shows another one by now. */
export function Moment({ at }: { at: string }) {
  const page = usePage()
  return <>{moment(at, useValue(page.clock.now))}</>
}

function Course({ id }: { id: string }) {
  const page = usePage()
  const past = useValue(page.histories.byId).get(id)
  return <Sparkline values={past?.gpu ?? []} most={100} />
}

const workerName = ({ hiveId, group, instance }: Pick<Worker, 'hiveId' | 'group' | 'instance'>) => (
  <span className="worker-name" title={`${hiveId}/${group}/${instance}`}>
    <span>{hiveId}</span>
    <span className="quiet">
      /{group}/{instance}
    </span>
  </span>
)

export function requests({ requestsRunning, requestsQueued }: Pick<Worker, 'requestsRunning' | 'requestsQueued'>) {
  if (requestsRunning === null && requestsQueued === null) return <span className="quiet">{unknown}</span>
  return (
    <>
      {count(requestsRunning)}
      {(requestsQueued ?? 0) > 0 && <span className="queued"> +{count(requestsQueued)}</span>}
    </>
  )
}

const share = (part: number | null, whole: number | null): number | null =>
  part === null || !whole ? null : part / whole

const badge = (w: Pick<Worker, 'activity' | 'liveness' | 'available'>) => (
  <>
    <StateBadge state={workerState(w.activity, w.liveness)} />
    {w.liveness === 'ONLINE' && !w.available && <Barred />}
  </>
)

/** Columns of the worker table; the first two are always there. */
export const workerColumns: readonly Column<Worker>[] = [
  { key: 'state', label: 'State', least: 92, drop: 0, sort: 'state', cell: badge },
  { key: 'worker', label: 'Worker', least: 150, grow: 1.3, drop: 0, sort: 'id', cell: workerName },
  {
    key: 'model',
    label: 'Model',
    least: 120,
    grow: 1.5,
    drop: 2,
    sort: 'model',
    cell: (w) => <span title={w.model ?? undefined}>{known(w.model ?? unknown)}</span>,
  },
  {
    key: 'gpu',
    label: 'GPU %',
    least: 168,
    drop: 1,
    sort: 'gpu',
    descendingFirst: true,
    numeric: true,
    cell: (w) => (
      <>
        <Course id={w.id} />
        <Meter share={share(w.gpuUtilizationPercent, 100)} />
        <span className="value">{known(percent(w.gpuUtilizationPercent))}</span>
      </>
    ),
  },
  {
    key: 'vram',
    label: 'VRAM GB',
    least: 150,
    drop: 3,
    sort: 'vram',
    descendingFirst: true,
    numeric: true,
    cell: (w) => (
      <>
        <Meter share={share(w.vramUsedMb, w.vramTotalMb)} tone="memory" />
        <span className="value wide">
          {known(gigabytes(w.vramUsedMb))}
          <span className="quiet"> / {gigabytes(w.vramTotalMb)}</span>
        </span>
      </>
    ),
  },
  {
    key: 'free',
    label: 'Free GB',
    least: 64,
    drop: 4,
    sort: 'free',
    descendingFirst: true,
    numeric: true,
    cell: (w) => known(gigabytes(w.vramFreeMb)),
  },
  {
    key: 'cpu',
    label: 'CPU %',
    least: 56,
    drop: 8,
    sort: 'cpu',
    descendingFirst: true,
    numeric: true,
    cell: (w) => known(percent(w.cpuPercent)),
  },
  { key: 'rss', label: 'Memory', least: 70, drop: 9, numeric: true, cell: (w) => known(megabytes(w.rssMb)) },
  { key: 'requests', label: 'Requests', least: 70, drop: 5, numeric: true, cell: requests },
  {
    key: 'uptime',
    label: 'Uptime',
    least: 80,
    drop: 7,
    sort: 'uptime',
    descendingFirst: true,
    numeric: true,
    cell: (w) => known(duration(w.uptimeSeconds)),
  },
  {
    key: 'seen',
    label: 'Seen',
    least: 66,
    drop: 6,
    sort: 'seen',
    descendingFirst: true,
    numeric: true,
    cell: (w) => <Age at={w.lastSeenAt} />,
  },
]

/** A worker on a phone: what it is, how it is, what it has. */
export function narrowWorker(w: Worker) {
  return (
    <>
      <div role="gridcell" className="narrow-main">
        {workerName(w)}
        <span className="quiet">{w.model ?? 'model unknown'}</span>
      </div>
      <div role="gridcell" className="narrow-state">
        {badge(w)}
      </div>
      <div role="gridcell" className="narrow-load">
        <span>{percent(w.gpuUtilizationPercent)} %</span>
        <span className="quiet">
          {gigabytes(w.vramUsedMb)} / {gigabytes(w.vramTotalMb)} GB
        </span>
      </div>
    </>
  )
}
