import { useEffect } from 'react'
import { playgroundLink } from './api/client'
import { Announcer, ConnectionPill, Notices, Toast } from './components/connection'
import { Drawer } from './components/drawer'
import {
  ActivityIcon,
  FindIcon,
  FleetIcon,
  HiveIcon,
  LinkIcon,
  ModelIcon,
  MoonIcon,
  PauseIcon,
  PlayIcon,
  SearchIcon,
  ServerIcon,
  SunIcon,
  SystemIcon,
} from './components/icons'
import { KeySheet } from './components/keysheet'
import { Palette } from './components/palette'
import { useKeys } from './components/usekeys'
import { useTitle } from './components/usetitle'
import { viewNames } from './lib/names'
import { usePage, useValue } from './page'
import { format, type View } from './store/url'
import { ActivityView } from './views/activity'
import { FindView } from './views/find'
import { FleetView } from './views/fleet'
import { HivesView } from './views/hives'
import { ModelsView } from './views/models'
import { ServerView } from './views/server'

const viewIcons = {
  fleet: FleetIcon,
  hives: HiveIcon,
  models: ModelIcon,
  find: FindIcon,
  activity: ActivityIcon,
  server: ServerIcon,
}

const viewParts = {
  fleet: FleetView,
  hives: HivesView,
  models: ModelsView,
  find: FindView,
  activity: ActivityView,
  server: ServerView,
}

export function App() {
  const page = usePage()
  const place = useValue(page.address.place)
  const { phase } = useValue(page.connection.status)
  const dialog = useValue(page.dialog)
  useKeys()
  useTitle()
  const { view } = place
  useEffect(() => page.summary.setAllModels(view === 'models'), [page, view])
  const Part = viewParts[view]

  return (
    <div className="shell" data-phase={phase} data-view={view}>
      <a className="skip" href="#content">
        Skip to content
      </a>
      <header className="bar">
        <a className="brand" href="./" aria-label="Waggle, start page">
          <Logo />
          <span className="brand-name">Waggle</span>
        </a>
        <PauseButton />
        <ConnectionPill />
        <nav aria-label="Views" className="views">
          {(Object.keys(viewNames) as View[]).map((v) => {
            const Icon = viewIcons[v]
            return (
              <a
                key={v}
                href={format({ ...place, view: v, sel: '' }) || './'}
                aria-current={v === view ? 'page' : undefined}
                onClick={(event) => {
                  if (event.metaKey || event.ctrlKey || event.shiftKey) return
                  event.preventDefault()
                  page.address.go({ view: v, sel: '' })
                }}
              >
                <Icon />
                <span>{v === 'find' ? <span className="long-name">Find capacity</span> : viewNames[v]}</span>
                {v === 'find' && <span className="short-name">Find</span>}
              </a>
            )
          })}
        </nav>
        <div className="bar-tools">
          <button type="button" className="find-button" onClick={() => page.dialog.set('palette')}>
            <SearchIcon />
            <span className="wide-only">Search</span>
            <kbd className="wide-only">Ctrl K</kbd>
            <span className="offscreen">Search workers, hives, models and actions</span>
          </button>
          <ThemeButton />
          <button
            type="button"
            className="icon-button"
            aria-label="Keyboard shortcuts"
            title="Keyboard shortcuts (?)"
            onClick={() => page.dialog.set('keys')}
          >
            ?
          </button>
          <a className="icon-button wide-only playground" href={playgroundLink()} target="_blank" rel="noreferrer">
            Playground <LinkIcon />
          </a>
        </div>
      </header>
      <Notices />
      <div className="stage">
        <main id="content" tabIndex={-1} className={`view view-${view}`}>
          <h1 className="offscreen">{viewNames[view]}</h1>
          <Part />
        </main>
        {place.sel && <Drawer key={place.sel} selection={place.sel} />}
      </div>
      {dialog === 'palette' && <Palette />}
      {dialog === 'keys' && <KeySheet />}
      <Toast />
      <Announcer />
    </div>
  )
}

function Logo() {
  return (
    <svg className="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <path className="comb" d="M16 2.5 27.7 9.25v13.5L16 29.5 4.3 22.75V9.25z" />
      <path className="cell" d="M10 13.2 16 9.7l6 3.5v6.9l-6 3.5-6-3.5z" />
      <circle className="comb" cx="16" cy="16.6" r="2.6" />
    </svg>
  )
}

function PauseButton() {
  const page = usePage()
  const paused = useValue(page.connection.status).phase === 'paused'
  const name = paused ? 'Resume' : 'Pause'
  return (
    <button
      type="button"
      className="icon-button pause"
      aria-label={`${name} updates`}
      title={`${name} updates (Space)`}
      onClick={() => page.togglePause()}
    >
      {paused ? <PlayIcon /> : <PauseIcon />}
    </button>
  )
}

function ThemeButton() {
  const page = usePage()
  const { theme } = useValue(page.prefs.prefs)
  const Icon = { system: SystemIcon, light: SunIcon, dark: MoonIcon }[theme]
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={`Theme: ${theme}`}
      title={`Theme: ${theme} (t)`}
      onClick={() => page.prefs.nextTheme()}
    >
      <Icon />
    </button>
  )
}
