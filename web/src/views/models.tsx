import { useState } from 'react'
import { CopyMenu } from '../components/copymenu'
import { EmptyFleet } from '../components/empty'
import { SearchField } from '../components/filterbar'
import { Meter, Sparkline } from '../components/parts'
import { count, counted, gigabytes } from '../lib/format'
import { usePage, useValue } from '../page'
import { start } from '../store/url'

const mostShown = 100

/** Every model, who serves it and how much of that is free. */
export function ModelsView() {
  const page = usePage()
  const fleet = useValue(page.summary.live.state).value?.fleet
  const { q } = useValue(page.address.place)
  const [all, setAll] = useState(false)
  if (fleet && fleet.hives.total === 0) return <EmptyFleet />
  const wanted = q.trim().toLowerCase()
  const models = (fleet?.models ?? []).filter((m) => m.model.toLowerCase().includes(wanted))
  const shown = all ? models : models.slice(0, mostShown)
  return (
    <>
      <search className="filters" aria-label="Filters">
        <SearchField label="Find models" placeholder="Find model" />
      </search>
      <section className="panel table-panel" aria-label="Models">
        <header className="panel-head">
          <h2>{fleet ? counted(models.length, 'model') : 'Models'}</h2>
          <div className="panel-tools">
            <CopyMenu operation={() => page.summary.operation} rows={() => models} />
          </div>
        </header>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls. */}
        <div className="scroll" tabIndex={0} role="region" aria-label="Table of models">
          <table className="plain models">
            <thead>
              <tr>
                <th scope="col">Model</th>
                <th scope="col" className="numeric">
                  Workers
                </th>
                <th scope="col">Idle</th>
                <th scope="col" className="numeric wide-only">
                  Idle, last minute
                </th>
                <th scope="col" className="numeric wide-only">
                  Available
                </th>
                <th scope="col" className="numeric wide-only">
                  Hives
                </th>
                <th scope="col" className="numeric">
                  Largest free GB
                </th>
                <th scope="col" className="wide-only">
                  <span className="offscreen">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.map((m) => {
                const past = page.summary.idleByModel.get(m.model) ?? []
                return (
                  <tr key={m.model}>
                    <th scope="row">
                      <button
                        type="button"
                        className="link"
                        onClick={() => page.address.go({ ...start, model: [m.model] })}
                      >
                        {m.model}
                      </button>
                    </th>
                    <td className="numeric">{count(m.workers)}</td>
                    <td>
                      <span className="with-meter">
                        <Meter share={m.workers ? m.idle / m.workers : null} tone="idle" />
                        <span className="value">{count(m.idle)}</span>
                      </span>
                    </td>
                    <td className="numeric wide-only">
                      <Sparkline values={past} most={Math.max(...past, 1)} />
                    </td>
                    <td className="numeric wide-only">{count(m.available)}</td>
                    <td className="numeric wide-only">{count(m.hives)}</td>
                    <td className="numeric">{gigabytes(m.largestFreeVramMb)}</td>
                    <td className="wide-only numeric">
                      <button
                        type="button"
                        className="link"
                        onClick={() => page.address.go({ ...start, view: 'find', model: [m.model] })}
                      >
                        Find capacity
                        <span className="offscreen"> for {m.model}</span>
                      </button>
                    </td>
                  </tr>
                )
              })}
            </tbody>
          </table>
          {fleet && models.length === 0 && (
            <p className="nothing">{wanted ? 'No model is called that.' : 'No worker reports a model.'}</p>
          )}
          {shown.length < models.length && (
            <button type="button" className="button more" onClick={() => setAll(true)}>
              Show all {count(models.length)}
            </button>
          )}
        </div>
      </section>
    </>
  )
}
