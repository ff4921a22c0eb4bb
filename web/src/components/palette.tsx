import { useEffect, useMemo, useState } from 'react'
import { execute, operation, playgroundLink } from '../api/client'
import { FindDocument, type FindQuery } from '../api/gen/graphql'
import { asCurl, asGo, asGraphQL, isQuery } from '../api/snippets'
import { count, counted } from '../lib/format'
import { type Page, usePage, useValue } from '../page'
import { start, type View } from '../store/url'
import { copy } from './copymenu'
import { Modal } from './modal'
import { Shape, type Shown, workerState } from './parts'

interface Entry {
  id: string
  group: string
  name: string
  note?: string
  state?: Shown
  run: () => void
}

const debounceMs = 120
const mostPerGroup = 6
const nothing = { search: '', answer: null, error: '' }

function fixedEntries(page: Page): Entry[] {
  const go = (view: View) => () => page.address.go({ view, sel: '' })
  const entries: Entry[] = [
    { id: 'v-fleet', group: 'Views', name: 'Fleet', note: 'g f', run: go('fleet') },
    { id: 'v-hives', group: 'Views', name: 'Hives', note: 'g h', run: go('hives') },
    { id: 'v-models', group: 'Views', name: 'Models', note: 'g m', run: go('models') },
    { id: 'v-find', group: 'Views', name: 'Find capacity', note: 'g c', run: go('find') },
    { id: 'v-activity', group: 'Views', name: 'Activity', note: 'g a', run: go('activity') },
    { id: 'v-server', group: 'Views', name: 'Server', note: 'g s', run: go('server') },
    {
      id: 'v-playground',
      group: 'Views',
      name: 'Playground',
      note: 'g p',
      run: () => window.open(playgroundLink(), '_blank', 'noreferrer'),
    },
    {
      id: 'a-idle',
      group: 'Actions',
      name: 'Show idle workers',
      run: () => page.address.go({ ...start, state: 'idle' }),
    },
    {
      id: 'a-offline',
      group: 'Actions',
      name: 'Show workers of offline hives',
      run: () => page.address.go({ ...start, state: 'offline' }),
    },
    {
      id: 'a-clear',
      group: 'Actions',
      name: 'Clear all filters',
      run: () => page.address.go({ ...start, view: page.address.place.get().view }),
    },
    { id: 'a-pause', group: 'Actions', name: 'Pause or resume updates', note: 'Space', run: () => page.togglePause() },
    {
      id: 'a-theme',
      group: 'Actions',
      name: 'Next theme',
      note: 't',
      run: () => page.say(`Theme: ${page.prefs.nextTheme()}.`),
    },
    {
      id: 'a-density',
      group: 'Actions',
      name: 'Roomy or compact rows',
      run: () => page.prefs.set({ density: page.prefs.prefs.get().density === 'roomy' ? 'compact' : 'roomy' }),
    },
    {
      id: 'a-copy',
      group: 'Actions',
      name: 'Copy this view as GraphQL',
      note: 'c',
      run: () => void copy(page, asGraphQL(page.operation()), 'the query as GraphQL'),
    },
    { id: 'a-keys', group: 'Actions', name: 'Keyboard shortcuts', note: '?', run: () => page.dialog.set('keys') },
  ]
  if (isQuery(page.operation())) {
    entries.push(
      {
        id: 'a-curl',
        group: 'Actions',
        name: 'Copy this view as curl',
        run: () => void copy(page, asCurl(page.operation()), 'the query as a curl command'),
      },
      {
        id: 'a-go',
        group: 'Actions',
        name: 'Copy this view as Go',
        run: () => void copy(page, asGo(page.operation()), 'the query as a Go program'),
      },
    )
  }
  return entries
}

/** Views, actions, models, workers and hives, by name. */
export function Palette() {
  const page = usePage()
  const [text, setText] = useState('')
  const [found, setFound] = useState<{ search: string; answer: FindQuery | null; error: string }>(nothing)
  const [at, setAt] = useState(0)
  const summary = useValue(page.summary.live.state).value

  const search = text.trim()
  useEffect(() => {
    if (!search) {
      setFound(nothing)
      return
    }
    const stop = new AbortController()
    const timer = setTimeout(() => {
      execute(operation(FindDocument, { search }), stop.signal)
        .then((answer) => setFound({ search, answer, error: '' }))
        .catch((cause: Error) => {
          if (!stop.signal.aborted) setFound({ search, answer: null, error: cause.message })
        })
    }, debounceMs)
    return () => {
      clearTimeout(timer)
      stop.abort()
    }
  }, [search])

  const fixed = useMemo(() => fixedEntries(page), [page])
  const entries = useMemo(() => {
    const words = search.toLowerCase().split(/\s+/)
    const matches = (name: string) => words.every((w) => name.toLowerCase().includes(w))
    const all = fixed.filter((e) => matches(e.name))
    if (!search) return all
    const models: Entry[] = (summary?.fleet.models ?? [])
      .filter((m) => matches(m.model))
      .slice(0, mostPerGroup)
      .map((m) => ({
        id: `m-${m.model}`,
        group: 'Models',
        name: m.model,
        note: `${counted(m.workers, 'worker')}, ${m.idle} idle`,
        run: () => page.address.go({ ...start, model: [m.model] }),
      }))
    // Until the answer is there, of the one before only what fits these words, too.
    const fits = (...texts: (string | null)[]) => texts.some((t) => t?.toLowerCase().includes(search.toLowerCase()))
    const { answer } = found
    const foundHives = (answer?.hives.nodes ?? []).filter((h) => fits(h.id, h.hostname))
    const foundWorkers = (answer?.workers.nodes ?? []).filter((w) => found.search === search || fits(w.id, w.model))
    const hives: Entry[] = foundHives.map((h) => ({
      id: `h-${h.id}`,
      group: 'Hives',
      name: h.id,
      note: h.hostname,
      state: h.liveness.toLowerCase() as Shown,
      run: () => page.address.go({ sel: `hive:${h.id}` }),
    }))
    const workers: Entry[] = foundWorkers.map((w) => ({
      id: `w-${w.id}`,
      group: 'Workers',
      name: w.id,
      note: w.model ?? undefined,
      state: workerState(w.activity, w.liveness),
      run: () => page.address.go({ sel: `worker:${w.id}` }),
    }))
    const more: Entry[] =
      found.search === search && (answer?.workers.totalCount ?? 0) > workers.length
        ? [
            {
              id: 'w-all',
              group: 'Workers',
              name: `All ${count(answer?.workers.totalCount)} workers with “${search}”`,
              run: () => page.address.go({ ...start, q: search }),
            },
          ]
        : []
    return [...all, ...models, ...hives, ...workers, ...more]
  }, [fixed, found, page, search, summary])

  const active = Math.min(at, entries.length - 1)
  const close = () => page.dialog.set('')
  const run = (entry: Entry | undefined) => {
    if (!entry) return
    close()
    entry.run()
  }
  const onKey = (event: React.KeyboardEvent) => {
    const { key } = event
    if (key === 'ArrowDown') setAt((active + 1) % Math.max(1, entries.length))
    else if (key === 'ArrowUp') setAt((active - 1 + entries.length) % Math.max(1, entries.length))
    else if (key === 'Enter') run(entries[active])
    else return
    event.preventDefault()
  }
  const optionId = (entry: Entry | undefined) => (entry ? `option-${entries.indexOf(entry)}` : undefined)
  useEffect(() => {
    document.getElementById(`option-${active}`)?.scrollIntoView({ block: 'nearest' })
  }, [active])

  return (
    <Modal
      className="palette"
      aria-label="Search and commands"
      onClick={(event) => {
        if (event.target === event.currentTarget) close()
      }}
      onKeyDown={onKey}
    >
      <input
        type="text"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-options"
        aria-activedescendant={optionId(entries[active])}
        aria-label="Search workers, hives, models and actions"
        placeholder="Worker, hive, model or action"
        autoComplete="off"
        spellCheck={false}
        value={text}
        onChange={(event) => {
          setText(event.target.value)
          setAt(0)
        }}
      />
      <div id="palette-options" role="listbox" aria-label="Results" tabIndex={-1}>
        {entries.map((entry, i) => (
          <div key={entry.id} className="option-place" role="presentation">
            {entry.group !== entries[i - 1]?.group && (
              <div className="option-group" aria-hidden="true">
                {entry.group}
              </div>
            )}
            {/* The text field keeps the focus and hears the keys; the options are its listbox. */}
            {/* biome-ignore lint/a11y/useKeyWithClickEvents: see above. */}
            <div
              id={`option-${i}`}
              role="option"
              aria-selected={i === active}
              className="option"
              onClick={() => run(entry)}
              onPointerMove={() => setAt(i)}
            >
              {entry.state && <Shape state={entry.state} />}
              <span className="option-name">{entry.name}</span>
              {entry.note && <span className="option-note">{entry.note}</span>}
            </div>
          </div>
        ))}
        {(entries.length === 0 || found.error) && (
          <p className="nothing">
            {found.error || (found.search === search ? 'Nothing is called that.' : 'Searching…')}
          </p>
        )}
      </div>
    </Modal>
  )
}
