import { useEffect, useState } from 'react'
import { count, megabytes } from '../lib/format'
import { usePage, useValue } from '../page'
import { fewModels } from '../store/fleet'
import { narrowed, type Place, start, staticFilter, type WorkerState } from '../store/url'
import { CloseIcon, DownIcon } from './icons'
import { Shape } from './parts'
import { Popover } from './popover'

const typingMs = 120

/** A text field that asks only when the typing pauses, and follows the address when that changes elsewhere. */
export function SearchField({ label, placeholder }: { label: string; placeholder: string }) {
  const page = usePage()
  const { q } = useValue(page.address.place)
  const [text, setText] = useState(q)
  useEffect(() => setText(q), [q])
  useEffect(() => {
    if (text === q) return
    const timer = setTimeout(() => page.address.refine({ q: text }), typingMs)
    return () => clearTimeout(timer)
  }, [page, text, q])
  return (
    <input
      type="search"
      className="field search"
      data-find
      aria-label={label}
      placeholder={placeholder}
      value={text}
      autoComplete="off"
      spellCheck={false}
      maxLength={200}
      onChange={(event) => setText(event.target.value)}
    />
  )
}

const states: { value: WorkerState | ''; name: string }[] = [
  { value: '', name: 'All' },
  { value: 'idle', name: 'Idle' },
  { value: 'busy', name: 'Busy' },
  { value: 'suspect', name: 'Suspect' },
  { value: 'offline', name: 'Offline' },
]

function StateChoice() {
  const page = usePage()
  const place = useValue(page.address.place)
  const { state } = place
  const workers = useValue(page.summary.live.state).value?.fleet.workers
  const cells = useValue(page.map.state)
  // The counts are the whole fleet's; beside a narrower list they would be read as the list's.
  const whole = staticFilter(place) === null && place.minFree === 0
  const counts: Record<string, number | undefined> = whole
    ? {
        '': workers?.total,
        idle: workers?.idle,
        busy: workers?.busy,
        suspect: cells?.suspect,
        offline: cells?.offline,
      }
    : {}
  return (
    <fieldset className="choice">
      <legend className="offscreen">State</legend>
      {states.map(({ value, name }) => (
        <button
          key={name}
          type="button"
          aria-pressed={state === value}
          onClick={() => page.address.go({ state: value })}
        >
          {value && <Shape state={value} />}
          {name}
          {counts[value] !== undefined && <span className="tally">{count(counts[value])}</span>}
        </button>
      ))}
    </fieldset>
  )
}

function ModelFacet() {
  const page = usePage()
  const { model } = useValue(page.address.place)
  const [text, setText] = useState('')
  const models = useValue(page.summary.live.state).value?.fleet.models ?? []
  const toggle = (name: string) =>
    page.address.go({ model: model.includes(name) ? model.filter((m) => m !== name) : [...model, name] })
  const shown = models.filter((m) => m.model.toLowerCase().includes(text.trim().toLowerCase()))
  return (
    <Popover
      label={
        <>
          Model{model.length > 0 && <span className="tally">{model.length}</span>}
          <DownIcon />
        </>
      }
    >
      {() => (
        <div className="facet">
          <input
            type="search"
            className="field"
            aria-label="Find a model"
            placeholder="Find a model"
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
          <ul>
            {shown.map((m) => (
              <li key={m.model}>
                <label className="check">
                  <input type="checkbox" checked={model.includes(m.model)} onChange={() => toggle(m.model)} />
                  <span className="facet-name">{m.model}</span>
                  <span className="tally">
                    {count(m.idle)} / {count(m.workers)}
                  </span>
                </label>
              </li>
            ))}
          </ul>
          {shown.length === 0 && (
            <p className="nothing">
              {models.length < fewModels ? 'No such model.' : `None of the ${fewModels} models that most workers have.`}
            </p>
          )}
          <p className="facet-note">idle / all workers</p>
        </div>
      )}
    </Popover>
  )
}

const mostGb = 16 * 1024
const inMb = (gb: string): number => Math.round(Number(gb) * 1024)
const inGb = (mb: number): string => (mb ? String(Math.round((mb / 1024) * 100) / 100) : '')

/** A field: gigabytes to type, megabytes in the address. What is typed stays as it is, also where it is rounded. */
export function useGigabytes() {
  const page = usePage()
  const { minFree } = useValue(page.address.place)
  const [text, setText] = useState(inGb(minFree))
  useEffect(() => setText((now) => (inMb(now) === minFree ? now : inGb(minFree))), [minFree])
  const put = (value: string) => {
    setText(value)
    const gb = Number(value)
    if (Number.isFinite(gb) && gb >= 0 && gb <= mostGb) page.address.refine({ minFree: inMb(value) })
  }
  return {
    type: 'number',
    className: 'field',
    min: 0,
    max: mostGb,
    step: 'any',
    inputMode: 'decimal',
    placeholder: '0',
    value: text,
    onChange: (event: React.ChangeEvent<HTMLInputElement>) => put(event.target.value),
  } as const
}

function FreeField() {
  return (
    <label className="free-field">
      <span>free ≥</span>
      <input {...useGigabytes()} aria-label="Least free GPU memory in GB" />
      <span>GB</span>
    </label>
  )
}

/** One chip per thing that narrows the view, so that each can be taken away alone. */
export function activeFilters(wanted: Place): { name: string; without: Partial<Place> }[] {
  const place = narrowed(wanted)
  const chips: { name: string; without: Partial<Place> }[] = []
  if (place.q.trim()) chips.push({ name: `“${place.q.trim()}”`, without: { q: '' } })
  if (place.state) chips.push({ name: place.state, without: { state: '' } })
  for (const m of place.model) chips.push({ name: m, without: { model: place.model.filter((x) => x !== m) } })
  if (place.hive.length > 3) chips.push({ name: `${place.hive.length} hives`, without: { hive: [] } })
  else
    for (const h of place.hive) chips.push({ name: `hive ${h}`, without: { hive: place.hive.filter((x) => x !== h) } })
  for (const g of place.group)
    chips.push({ name: `group ${g}`, without: { group: place.group.filter((x) => x !== g) } })
  if (place.minFree) chips.push({ name: `free ≥ ${megabytes(place.minFree)}`, without: { minFree: 0 } })
  return chips
}

export function Chips() {
  const page = usePage()
  const place = useValue(page.address.place)
  const filters = activeFilters(place)
  if (filters.length === 0) return null
  return (
    <ul className="chips" aria-label="Filters in force">
      {filters.map(({ name, without }) => (
        <li key={name}>
          <button type="button" className="chip" onClick={() => page.address.go(without)}>
            <span>{name}</span>
            <CloseIcon />
            <span className="offscreen">, remove this filter</span>
          </button>
        </li>
      ))}
      <li>
        <button type="button" className="chip clear" onClick={() => page.address.go({ ...clear })}>
          Clear all
        </button>
      </li>
    </ul>
  )
}

const { q, state, model, hive, group, minFree } = start
/** Takes every filter away and nothing else. */
export const clear: Partial<Place> = { q, state, model, hive, group, minFree }

export function FilterBar() {
  return (
    <search className="filters" aria-label="Filters">
      <SearchField label="Find workers by id, model or hostname" placeholder="Find worker, model, host" />
      <StateChoice />
      <ModelFacet />
      <FreeField />
    </search>
  )
}
