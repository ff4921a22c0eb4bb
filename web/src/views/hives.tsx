import { useEffect } from 'react'
import type { HiveRowFragment } from '../api/gen/graphql'
import { CopyMenu } from '../components/copymenu'
import { EmptyFleet, NoMatch } from '../components/empty'
import { Chips, SearchField } from '../components/filterbar'
import { Meter, Shape, type Shown, StateBadge, workerState } from '../components/parts'
import { type Column, RowTable } from '../components/rowtable'
import { count, counted, gigabytes, percent, unknown, word } from '../lib/format'
import { cellCss } from '../lib/palette'
import { usePage, useValue } from '../page'
import { hiveFilter, hiveOrder, narrowed, type WorkerState } from '../store/url'
import { Age } from './columns'

type Hive = HiveRowFragment

const mostTiles = 10

/** Its workers as tiles: colour for load, the same marks as everywhere for trouble. */
function Tiles({ hive }: { hive: Hive }) {
  const page = usePage()
  const dark = useValue(page.prefs.dark)
  const { workers } = hive
  const shown = workers.slice(0, mostTiles)
  return (
    <span className={`tiles ${hive.liveness.toLowerCase()}`} title={`${counted(workers.length, 'worker')}, GPU load`}>
      {shown.map((w) => {
        const state = workerState(w.activity, w.liveness)
        const colour = w.gpuUtilizationPercent === null ? undefined : cellCss(w.gpuUtilizationPercent / 100, dark)
        return (
          <i key={w.id} className={state} style={hive.liveness === 'ONLINE' ? { background: colour } : undefined} />
        )
      })}
      {workers.length > mostTiles && <span className="quiet">+{workers.length - mostTiles}</span>}
    </span>
  )
}

/** Memory of its GPUs where reported, else what its workers say. */
export function hiveMemory(hive: Pick<Hive, 'devices' | 'workers'>): { used: number; total: number } | null {
  const gpus = hive.devices.filter((d) => d.kind === 'GPU' && d.memoryTotalMb !== null)
  const sum = (values: (number | null)[]) => values.reduce<number>((a, b) => a + (b ?? 0), 0)
  const total = gpus.length ? sum(gpus.map((d) => d.memoryTotalMb)) : sum(hive.workers.map((w) => w.vramTotalMb))
  const used = gpus.length ? sum(gpus.map((d) => d.memoryUsedMb)) : sum(hive.workers.map((w) => w.vramUsedMb))
  return total > 0 ? { used, total } : null
}

export function hiveNote(hive: Pick<Hive, 'cordoned' | 'operationalStatus' | 'health'>): string {
  const notes: string[] = []
  if (hive.cordoned) notes.push('Cordoned')
  if (hive.operationalStatus !== 'READY' && hive.operationalStatus !== 'BUSY') notes.push(word(hive.operationalStatus))
  if (hive.health.status !== 'HEALTHY')
    notes.push(word(hive.health.status) + (hive.health.reason ? `: ${hive.health.reason}` : ''))
  return notes.join(' · ')
}

const gpuNames = (hive: Hive): string => {
  const counts = new Map<string, number>()
  for (const d of hive.devices) if (d.kind === 'GPU') counts.set(d.name, (counts.get(d.name) ?? 0) + 1)
  return [...counts].map(([name, n]) => (n > 1 ? `${n} × ${name}` : name)).join(', ')
}

const meanLoad = (hive: Hive): number | null => {
  const known = hive.workers.flatMap((w) => (w.gpuUtilizationPercent === null ? [] : [w.gpuUtilizationPercent]))
  return known.length ? known.reduce((a, b) => a + b, 0) / known.length : null
}

function Memory({ hive }: { hive: Hive }) {
  const memory = hiveMemory(hive)
  return (
    <>
      <Meter share={memory && memory.used / memory.total} tone="memory" />
      <span className="value wide">
        {memory ? gigabytes(memory.used) : unknown}
        <span className="quiet"> / {memory ? gigabytes(memory.total) : unknown}</span>
      </span>
    </>
  )
}

const columns: readonly Column<Hive>[] = [
  {
    key: 'state',
    label: 'State',
    least: 84,
    drop: 0,
    sort: 'state',
    descendingFirst: true,
    cell: (h) => <StateBadge state={h.liveness.toLowerCase() as Shown} />,
  },
  {
    key: 'hive',
    label: 'Hive',
    least: 150,
    grow: 1.6,
    drop: 0,
    sort: 'id',
    cell: (h) => (
      <span className="worker-name" title={`${h.id} (${h.hostname})`}>
        <span>{h.id}</span> {hiveNote(h) && <span className="note">{hiveNote(h)}</span>}
      </span>
    ),
  },
  {
    key: 'host',
    label: 'Host',
    least: 90,
    grow: 0.8,
    drop: 8,
    cell: (h) => <span className="quiet">{h.hostname}</span>,
  },
  {
    key: 'gpus',
    label: 'GPUs',
    least: 120,
    grow: 1,
    drop: 6,
    cell: (h) => <span title={gpuNames(h)}>{gpuNames(h) || <span className="quiet">{unknown}</span>}</span>,
  },
  { key: 'tiles', label: 'Workers by load', least: 144, drop: 3, cell: (h) => <Tiles hive={h} /> },
  {
    key: 'workers',
    label: 'Workers',
    least: 66,
    drop: 5,
    sort: 'workers',
    descendingFirst: true,
    numeric: true,
    cell: (h) => h.workers.length,
  },
  { key: 'load', label: 'GPU %', least: 50, drop: 2, numeric: true, cell: (h) => percent(meanLoad(h)) },
  { key: 'vram', label: 'VRAM GB', least: 150, drop: 1, numeric: true, cell: (h) => <Memory hive={h} /> },
  {
    key: 'version',
    label: 'Version',
    least: 60,
    drop: 9,
    cell: (h) => <span className="quiet">{h.version || unknown}</span>,
  },
  {
    key: 'seen',
    label: 'Seen',
    least: 66,
    drop: 4,
    sort: 'seen',
    descendingFirst: true,
    numeric: true,
    cell: (h) => <Age at={h.lastSeenAt} />,
  },
]

function narrowHive(hive: Hive) {
  return (
    <>
      <div role="gridcell" className="narrow-main">
        <span className="worker-name">
          <span>{hive.id}</span> {hiveNote(hive) && <span className="note">{hiveNote(hive)}</span>}
        </span>
        <Tiles hive={hive} />
      </div>
      <div role="gridcell" className="narrow-state">
        <StateBadge state={hive.liveness.toLowerCase() as Shown} />
      </div>
      <div role="gridcell" className="narrow-load">
        <span>{percent(meanLoad(hive))} %</span>
        <span className="quiet">
          <Age at={hive.lastSeenAt} />
        </span>
      </div>
    </>
  )
}

const choices: { value: WorkerState | ''; name: string }[] = [
  { value: '', name: 'All' },
  { value: 'suspect', name: 'Suspect' },
  { value: 'offline', name: 'Offline' },
]

export function HivesView() {
  const page = usePage()
  const place = useValue(page.address.place)
  const fleet = useValue(page.summary.live.state).value?.fleet
  const { total } = useValue(page.hives.state)
  const filter = JSON.stringify(hiveFilter(place))
  const orderBy = JSON.stringify(hiveOrder(place))
  const hives = page.hives

  useEffect(() => hives.ask({ filter: JSON.parse(filter), orderBy: JSON.parse(orderBy) }), [hives, filter, orderBy])
  useEffect(() => {
    page.operation = () => hives.operation ?? page.summary.operation
    return () => {
      page.operation = () => page.summary.operation
      hives.ask(null)
    }
  }, [page, hives])

  if (fleet && fleet.hives.total === 0) return <EmptyFleet />
  const tally = { '': fleet?.hives.total, suspect: fleet?.hives.suspect, offline: fleet?.hives.offline } as Record<
    string,
    number
  >
  return (
    <>
      <search className="filters" aria-label="Filters">
        <SearchField label="Find hives by id or hostname" placeholder="Find hive, host" />
        <fieldset className="choice">
          <legend className="offscreen">State</legend>
          {choices.map(({ value, name }) => (
            <button
              key={name}
              type="button"
              aria-pressed={narrowed(place).state === value}
              onClick={() => page.address.go({ state: value })}
            >
              {value && <Shape state={value} />}
              {name}
              {tally[value] !== undefined && <span className="tally">{count(tally[value])}</span>}
            </button>
          ))}
        </fieldset>
      </search>
      <Chips />
      <section className="panel table-panel" aria-label="Hives">
        <header className="panel-head">
          <h2 data-testid="total">{total === null ? 'Hives' : counted(total, 'hive')}</h2>
          <div className="panel-tools">
            <CopyMenu operation={page.operation} rows={() => hives.state.get().rows} />
          </div>
        </header>
        <RowTable
          label="Hives"
          window={hives}
          columns={columns}
          sort={place.hsort}
          onSort={(hsort) => page.address.refine({ hsort })}
          onOpen={(hive) => page.address.go({ sel: `hive:${hive.id}` })}
          selected={place.sel.replace(/^hive:/, '')}
          nothing={<NoMatch what="hive" />}
          silent={(hive) => hive.liveness !== 'ONLINE'}
          narrowRow={narrowHive}
        />
      </section>
    </>
  )
}
