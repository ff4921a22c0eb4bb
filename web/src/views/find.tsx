import { useEffect, useMemo, useRef, useState } from 'react'
import { execute, operation, playgroundLink } from '../api/client'
import {
  BestWorkerDocument,
  type BestWorkerQuery,
  CandidatesDocument,
  type CandidatesSubscription,
} from '../api/gen/graphql'
import { asCurl, asGo, asGraphQL } from '../api/snippets'
import { copy } from '../components/copymenu'
import { useGigabytes } from '../components/filterbar'
import { CopyIcon, LinkIcon } from '../components/icons'
import { count, counted, gigabytes, megabytes, percent, unknown } from '../lib/format'
import { usePage, useValue } from '../page'
import { Live, type LiveState } from '../store/live'
import { requests } from './columns'

const everyMs = 1000
const candidates = 20

type Best = BestWorkerQuery['bestWorker']
type Candidate = CandidatesSubscription['workers']['nodes'][number]

interface Answer {
  model: string
  question: string
  best: Best
  tookMs: number
  error: string
}

/** Asks what a scheduler asks, as a scheduler asks it: over HTTP, once a second, timed; while paused, only once for each question. */
function useBest(model: string, minFreeVramMb: number | null): Answer | null {
  const page = usePage()
  const { phase } = useValue(page.connection.status)
  const [answer, setAnswer] = useState<Answer | null>(null)
  const answered = useRef('')
  const live = phase === 'live'
  const paused = phase === 'paused'
  useEffect(() => {
    const question = operation(BestWorkerDocument, { model, minFreeVramMb })
    const name = JSON.stringify(question.variables)
    if (!model || !(live || (paused && answered.current !== name))) return
    const stop = new AbortController()
    const ask = async () => {
      if (document.hidden) return
      const before = performance.now()
      const got = (best: Best, error = '') => {
        answered.current = name
        setAnswer({ model, question: name, best, tookMs: performance.now() - before, error })
      }
      try {
        const { bestWorker } = await execute(question, stop.signal)
        got(bestWorker)
      } catch (cause) {
        if (!stop.signal.aborted) got(null, (cause as Error).message)
      }
    }
    void ask()
    const timer = live ? setInterval(ask, everyMs) : undefined
    return () => {
      stop.abort()
      clearInterval(timer)
    }
  }, [live, paused, model, minFreeVramMb])
  return answer?.model === model ? answer : null
}

/** Why there is no candidate, as far as the page knows. */
function nobody(workers: number | undefined, model: boolean, memory: boolean): string {
  if (workers === 0) return 'There is no worker in the fleet. An idle, available one is listed here at once.'
  if (!model && !memory) return 'No worker is idle and available now.'
  const ways = [...(memory ? ['less memory'] : []), ...(model ? ['another model'] : [])].join(', or ')
  return `No idle, available worker has that. ${ways.charAt(0).toUpperCase()}${ways.slice(1)}?`
}

/** Is the pointer or the focus in there? What is about to be clicked must not move away. */
function useHold() {
  const [holding, setHolding] = useState({ pointer: false, focus: false })
  const hold = (change: Partial<typeof holding>) => () => setHolding((is) => ({ ...is, ...change }))
  return {
    held: holding.pointer || holding.focus,
    hold: {
      onPointerEnter: hold({ pointer: true }),
      onPointerLeave: hold({ pointer: false }),
      onFocus: hold({ focus: true }),
      onBlur: hold({ focus: false }),
    },
  }
}

/**
 * The candidates in an order that does not change while it is held. Their figures do change; who is new is below, and
 * who is none any more stays in its place, struck out.
 */
function useHeldOrder({ value, waiting }: LiveState<CandidatesSubscription>) {
  const nodes = value?.workers.nodes ?? []
  const before = useRef<Candidate[] | null>(null)
  const { held, hold } = useHold()
  const now = new Map(nodes.map((w) => [w.id, w]))
  let rows = nodes
  if (waiting || !held) {
    before.current = null // Another question is another list.
  } else {
    const kept = before.current ?? nodes
    const known = new Set(kept.map((w) => w.id))
    rows = [...kept.map((w) => now.get(w.id) ?? w), ...nodes.filter((w) => !known.has(w.id))].slice(0, 3 * candidates)
    before.current = rows
  }
  return { rows: rows.map((w) => ({ worker: w, gone: !now.has(w.id) })), hold }
}

/** The answer to one question: the best worker, or while it is held the one that was the best. */
function BestWorker({ best }: { best: Best }) {
  const page = usePage()
  const shown = useRef(best)
  const { held, hold } = useHold()
  if (!held || !shown.current || shown.current.id === best?.id) shown.current = best
  const w = shown.current
  if (!w) return <p className="nothing">No idle, available worker has that.</p>
  return (
    <div className="best" {...hold}>
      <button type="button" className="link best-id" onClick={() => page.address.go({ sel: `worker:${w.id}` })}>
        {w.id}
      </button>
      <code>{w.endpoint ?? 'endpoint unknown'}</code>
      <span>{megabytes(w.vramFreeMb)} free</span>
      {w.id !== best?.id && (
        <span className="quiet">{best ? 'Another is the best by now.' : 'None has that by now.'}</span>
      )}
    </div>
  )
}

/** Where would a scheduler put this work, right now? */
export function FindView() {
  const page = usePage()
  const place = useValue(page.address.place)
  const fleet = useValue(page.summary.live.state).value?.fleet
  const models = fleet?.models ?? []
  const model = place.model[0] ?? ''
  const minFreeVramMb = place.minFree || null
  const [live] = useState(() => new Live<CandidatesSubscription>(page.connection))
  const state = useValue(live.state)
  const best = useBest(model, minFreeVramMb)

  const ask = useMemo(
    () =>
      operation(CandidatesDocument, {
        filter: {
          idle: true,
          available: true,
          ...(model ? { model } : {}),
          ...(minFreeVramMb ? { minFreeVramMb } : {}),
        },
        orderBy: { field: 'VRAM_FREE', direction: 'DESC' },
        first: candidates,
        intervalMs: everyMs,
      }),
    [model, minFreeVramMb],
  )
  useEffect(() => live.ask(ask), [live, ask])
  useEffect(() => () => live.clear(), [live])

  const scheduler = useMemo(
    () => (model ? operation(BestWorkerDocument, { model, minFreeVramMb }) : ask),
    [model, minFreeVramMb, ask],
  )
  useEffect(() => {
    page.operation = () => scheduler
    return () => {
      page.operation = () => page.summary.operation
    }
  }, [page, scheduler])

  const found = state.value?.workers
  const list = useHeldOrder(state)
  return (
    <div className="find">
      <section className="panel find-ask" aria-label="What is needed">
        <label>
          <span>Model</span>
          <input
            className="field"
            list="models"
            data-find
            value={model}
            placeholder="any"
            autoComplete="off"
            spellCheck={false}
            onChange={(event) => page.address.refine({ model: event.target.value ? [event.target.value] : [] })}
          />
          <datalist id="models">
            {models.map((m) => (
              <option key={m.model} value={m.model} />
            ))}
          </datalist>
        </label>
        <label>
          <span>Free GPU memory, GB</span>
          <input {...useGigabytes()} />
        </label>
        <p className="find-count" data-testid="candidates">
          <strong>{found ? count(found.totalCount) : unknown}</strong> idle and available
        </p>
      </section>

      <section className="panel find-answer" aria-label="The answer" data-testid="best">
        <header className="panel-head">
          <h2>Best worker</h2>
          {best && !best.error && <span className="quiet">answered in {best.tookMs.toFixed(1)} ms, round trip</span>}
        </header>
        {!model && <p className="nothing">Choose a model to ask for the one best worker that has it.</p>}
        {model && !best && <p className="nothing">Asking…</p>}
        {best?.error && <p className="nothing">{best.error}</p>}
        {best && !best.error && <BestWorker key={best.question} best={best.best} />}
      </section>

      <section className="panel find-list" aria-label="Candidates">
        <header className="panel-head">
          <h2>Candidates, most free memory first</h2>
          {found && (
            <span className="quiet">
              {found.nodes.length < found.totalCount
                ? `first ${candidates} of ${counted(found.totalCount, 'worker')}`
                : ''}
            </span>
          )}
        </header>
        {state.error && <p className="nothing">{state.error}</p>}
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls. */}
        <div className="scroll" tabIndex={0} role="region" aria-label="Table of candidates">
          <table className={`plain${state.waiting ? ' waiting' : ''}`}>
            <thead>
              <tr>
                <th scope="col">Worker</th>
                <th scope="col" className="wide-only">
                  Model
                </th>
                <th scope="col" className="numeric">
                  Free GB
                </th>
                <th scope="col" className="numeric wide-only">
                  GPU %
                </th>
                <th scope="col" className="numeric">
                  Requests
                </th>
              </tr>
            </thead>
            <tbody {...list.hold}>
              {list.rows.map(({ worker: w, gone }) => (
                <tr key={w.id} className={gone ? 'gone' : undefined}>
                  <th scope="row">
                    <button type="button" className="link" onClick={() => page.address.go({ sel: `worker:${w.id}` })}>
                      {w.id}
                    </button>
                  </th>
                  <td className="wide-only name" title={w.model ?? undefined}>
                    {w.model ?? unknown}
                  </td>
                  <td className="numeric">{gigabytes(w.vramFreeMb)}</td>
                  <td className="numeric wide-only">{percent(w.gpuUtilizationPercent)}</td>
                  <td className="numeric">{requests(w)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {found?.totalCount === 0 && (
            <p className="nothing">{nobody(fleet?.workers.total, model !== '', minFreeVramMb !== null)}</p>
          )}
        </div>
      </section>

      <Snippets />
    </div>
  )
}

const forms = { graphql: 'GraphQL', curl: 'curl', go: 'Go' } as const
type Form = keyof typeof forms

/** The same question, to take into a scheduler. */
function Snippets() {
  const page = usePage()
  const place = useValue(page.address.place)
  const [form, setForm] = useState<Form>('graphql')
  const tabs = useRef<HTMLDivElement>(null)
  const model = place.model[0] ?? ''
  const minFreeVramMb = place.minFree || null
  const asked = model
    ? operation(BestWorkerDocument, { model, minFreeVramMb })
    : operation(CandidatesDocument, {
        filter: { idle: true, available: true, ...(minFreeVramMb ? { minFreeVramMb } : {}) },
        orderBy: { field: 'VRAM_FREE', direction: 'DESC' },
        first: candidates,
        intervalMs: everyMs,
      })
  const text = { graphql: asGraphQL, curl: asCurl, go: asGo }[form](asked)
  const turn = (event: React.KeyboardEvent) => {
    const all = Object.keys(forms) as Form[]
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0
    if (!step) return
    event.preventDefault()
    const next = (all.indexOf(form) + step + all.length) % all.length
    setForm(all[next] as Form)
    tabs.current?.querySelectorAll('button')[next]?.focus()
  }
  return (
    <section className="panel find-code" aria-label="The same question in code">
      <header className="panel-head">
        <div ref={tabs} role="tablist" aria-label="Written as" className="choice small" onKeyDown={turn}>
          {(Object.keys(forms) as Form[]).map((f) => (
            <button
              key={f}
              type="button"
              role="tab"
              id={`form-${f}`}
              aria-selected={form === f}
              aria-controls="form-text"
              tabIndex={form === f ? 0 : -1}
              onClick={() => setForm(f)}
            >
              {forms[f]}
            </button>
          ))}
        </div>
        <div className="panel-tools">
          <button type="button" className="button" onClick={() => void copy(page, text, `it as ${forms[form]}`)}>
            <CopyIcon /> Copy
          </button>
          <a className="button" href={playgroundLink(asGraphQL(asked))} target="_blank" rel="noreferrer">
            Playground <LinkIcon />
          </a>
        </div>
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls. */}
      <pre id="form-text" role="tabpanel" aria-labelledby={`form-${form}`} tabIndex={0}>
        {text}
      </pre>
    </section>
  )
}
