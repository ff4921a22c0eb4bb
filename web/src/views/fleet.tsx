import { useEffect, useMemo, useState } from 'react'
import { CopyMenu } from '../components/copymenu'
import { EmptyFleet, NoMatch } from '../components/empty'
import { Chips, FilterBar } from '../components/filterbar'
import { GpuMap } from '../components/gpumap'
import { ColumnsIcon } from '../components/icons'
import { Shape } from '../components/parts'
import { Popover } from '../components/popover'
import { RowTable } from '../components/rowtable'
import { SummaryStrip } from '../components/summary'
import { useMedia, useNarrow } from '../components/usemedia'
import { count, counted } from '../lib/format'
import { rampCss } from '../lib/palette'
import { usePage, useValue } from '../page'
import { allColumns, isFiltered, mapMetric, staticFilter, usualColumns, workerFilter, workerOrder } from '../store/url'
import { narrowWorker, workerColumns } from './columns'

export function FleetView() {
  const page = usePage()
  const place = useValue(page.address.place)
  const fleet = useValue(page.summary.live.state).value?.fleet
  if (fleet && (fleet.hives.total === 0 || (fleet.workers.total === 0 && !isFiltered(place)))) return <EmptyFleet />
  return (
    <>
      <SummaryStrip />
      <FilterBar />
      <Chips />
      <MapPanel />
      <Workers />
    </>
  )
}

function MapPanel() {
  const page = usePage()
  const place = useValue(page.address.place)
  const dark = useValue(page.prefs.dark)
  const narrow = useNarrow()
  const tall = useMedia('(min-height: 900px)')
  const cells = useValue(page.map.state)
  const { error } = useValue(page.map.live.state)
  // The layout of a large map is megabytes; on a shared socket the first rows go before it.
  const rowsAreThere = useValue(page.workers.state).total !== null
  const shown = place.map !== 'off'
  const metric = mapMetric(place)
  const filter = JSON.stringify(staticFilter(place))

  useEffect(() => {
    if (!shown) page.map.stop()
    else if (rowsAreThere) page.map.ask(metric, JSON.parse(filter))
  }, [page, shown, rowsAreThere, metric, filter])
  useEffect(() => () => page.map.stop(), [page])

  const choose = (map: 'gpu' | 'vram' | 'off', name: string) => (
    <button type="button" aria-pressed={place.map === map} onClick={() => page.address.refine({ map })}>
      {name}
    </button>
  )
  const mark = (state: 'suspect' | 'offline', n: number | undefined) => (
    <button
      type="button"
      className="legend-mark"
      aria-pressed={place.state === state}
      onClick={() => page.address.go({ state: place.state === state ? '' : state })}
    >
      <Shape state={state} />
      {state}
      <span className="tally">{count(n)}</span>
    </button>
  )
  return (
    <section className="panel map-panel" aria-label="Fleet map">
      <header className="panel-head">
        <fieldset className="choice small">
          <legend className="offscreen">The map shows</legend>
          {choose('gpu', 'GPU')}
          {choose('vram', 'VRAM')}
          {choose('off', 'Off')}
        </fieldset>
        {shown && (
          <div className="legend">
            <span className="ramp-end">0</span>
            <i className="ramp" style={{ background: rampCss(dark) }} aria-hidden="true" />
            <span className="ramp-end">100 %</span>
            {mark('suspect', cells?.suspect)}
            {mark('offline', cells?.offline)}
          </div>
        )}
      </header>
      {shown && (error ? <p className="nothing">{error}</p> : <GpuMap most={narrow ? 96 : tall ? 300 : 210} />)}
    </section>
  )
}

function Workers() {
  const page = usePage()
  const place = useValue(page.address.place)
  const { total, rows } = useValue(page.workers.state)
  const filter = JSON.stringify(workerFilter(place))
  const orderBy = JSON.stringify(workerOrder(place))
  const wanted = place.cols.length ? place.cols : usualColumns
  const columns = useMemo(
    () => workerColumns.filter((c) => c.key === 'state' || c.key === 'worker' || wanted.includes(c.key)),
    [wanted],
  )
  const [fallback] = useState(() => page.workers)

  useEffect(() => {
    page.workers.ask({ filter: JSON.parse(filter), orderBy: JSON.parse(orderBy) })
  }, [page, filter, orderBy])
  useEffect(() => {
    page.operation = () => page.workers.operation ?? page.summary.operation
    return () => {
      page.operation = () => page.summary.operation
      fallback.ask(null)
      page.histories.want([])
    }
  }, [page, fallback])

  const shown = rows.map((r) => r.id).join('\n')
  const course = wanted.includes('gpu')
  useEffect(() => {
    page.histories.want(course && shown ? shown.split('\n') : [])
  }, [page, shown, course])

  return (
    <section className="panel table-panel" aria-label="Workers">
      <header className="panel-head">
        <h2 data-testid="total">{total === null ? 'Workers' : counted(total, 'worker')}</h2>
        <div className="panel-tools">
          <ColumnChooser />
          <CopyMenu operation={page.operation} rows={() => page.workers.state.get().rows} />
        </div>
      </header>
      <RowTable
        label="Workers"
        window={page.workers}
        columns={columns}
        sort={place.sort}
        onSort={(sort) => page.address.refine({ sort })}
        onOpen={(row) => page.address.go({ sel: `worker:${row.id}` })}
        selected={place.sel.replace(/^worker:/, '')}
        nothing={<NoMatch what="worker" />}
        silent={(row) => row.liveness !== 'ONLINE'}
        narrowRow={narrowWorker}
      />
    </section>
  )
}

function ColumnChooser() {
  const page = usePage()
  const place = useValue(page.address.place)
  const { density } = useValue(page.prefs.prefs)
  const wanted = place.cols.length ? place.cols : usualColumns
  const toggle = (key: string) => {
    const next = allColumns.filter((c) => (c === key ? !wanted.includes(c) : wanted.includes(c)))
    const usual = next.length === usualColumns.length && next.every((c) => usualColumns.includes(c))
    page.address.refine({ cols: usual || next.length === 0 ? [] : next })
  }
  return (
    <Popover align="right" className="button wide-only" name="Columns" label={<ColumnsIcon />}>
      {() => (
        <div className="facet">
          <ul>
            {workerColumns
              .filter((c) => (allColumns as readonly string[]).includes(c.key))
              .map((c) => (
                <li key={c.key}>
                  <label className="check">
                    <input type="checkbox" checked={wanted.includes(c.key)} onChange={() => toggle(c.key)} />
                    {c.label}
                  </label>
                </li>
              ))}
          </ul>
          <hr />
          <label className="check">
            <input
              type="checkbox"
              checked={density === 'roomy'}
              onChange={(event) => page.prefs.set({ density: event.target.checked ? 'roomy' : 'compact' })}
            />
            Roomy rows
          </label>
        </div>
      )}
    </Popover>
  )
}
