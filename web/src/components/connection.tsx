import { useEffect, useRef, useState } from 'react'
import { timeOfDay } from '../lib/format'
import { usePage, useValue } from '../page'
import type { Phase, Status } from '../store/connection'

const words: Record<Phase, string> = {
  connecting: 'Connecting',
  live: 'Live',
  late: 'Late',
  reconnecting: 'Reconnecting',
  paused: 'Paused',
  refused: 'Refused',
}

/** One word on how far the page can be trusted. */
export function ConnectionPill() {
  const page = usePage()
  const { phase } = useValue(page.connection.status)
  return (
    <span className={`pill ${phase}`} data-testid="connection">
      <i aria-hidden="true" />
      {words[phase]}
    </span>
  )
}

const seconds = (ms: number): string => `${Math.max(0, Math.round(ms / 1000))} s`

/** What is wrong, since when, and what happens next; empty while all is well. */
function explain(status: Status, now: number): string {
  const asOf = status.asOf === null ? '' : `As of ${timeOfDay(status.asOf)}, ${seconds(now - status.asOf)} ago.`
  const next = status.nextTryAt === null ? 'Trying now.' : `Next try in ${seconds(status.nextTryAt - now)}.`
  switch (status.phase) {
    case 'connecting':
      return status.nextTryAt === null ? '' : `The server does not answer. ${next}`
    case 'late':
      return `The server has gone quiet. ${asOf}`
    case 'reconnecting':
      return `The connection is lost. ${asOf} ${next}`
    case 'refused':
      return `${status.reason} ${asOf}`
    case 'paused':
      return asOf || 'Nothing is being fetched.'
    default:
      return ''
  }
}

const headings: Partial<Record<Phase, string>> = {
  connecting: 'Not connected',
  late: 'Late',
  reconnecting: 'Not live',
  paused: 'Paused',
  refused: 'Refused by the server',
}

/** Everything that takes the shine off the data, above the data. */
export function Notices() {
  const page = usePage()
  const status = useValue(page.connection.status)
  const { server, pageVersion } = useValue(page.server.state)
  useValue(page.clock.now)
  const text = explain(status, Date.now())
  return (
    <div className="notices">
      {text && (
        <section className={`notice ${status.phase}`} aria-label="Connection" data-testid="banner">
          <p>
            <strong>{headings[status.phase]}.</strong> {text}
          </p>
          {(status.phase === 'reconnecting' || status.phase === 'connecting') && status.nextTryAt !== null && (
            <button type="button" className="button" onClick={() => page.connection.retry()}>
              Try now
            </button>
          )}
          {status.phase === 'refused' && (
            <button type="button" className="button" onClick={() => page.connection.retry()}>
              Try again
            </button>
          )}
          {status.phase === 'paused' && (
            <button type="button" className="button" onClick={() => page.connection.resume()}>
              Resume
            </button>
          )}
        </section>
      )}
      {server && server.version !== pageVersion && (
        <section className="notice" aria-label="New version">
          <p>
            <strong>Another version.</strong> The server is {server.version} now; this page came with {pageVersion}.
          </p>
          <button type="button" className="button" onClick={() => location.reload()}>
            Reload
          </button>
        </section>
      )}
      {server?.mode === 'PROTECTED' && (
        <section className="notice protected" aria-label="Protection">
          <p>
            <strong>Protected.</strong> Most hives fell silent at once; this may be the network. No hive is forgotten
            until heartbeats return or an operator says that the silence is real.
          </p>
          <button
            type="button"
            className="button"
            onClick={() => page.server.endProtection().catch((cause: Error) => page.say(cause.message))}
          >
            The silence is real
          </button>
        </section>
      )}
    </div>
  )
}

/** One message at a time, and it goes by itself. */
export function Toast() {
  const page = usePage()
  const message = useValue(page.toast)
  return (
    <div className="toast-place" role="status">
      {message && <p className="toast">{message}</p>}
    </div>
  )
}

const quietMs = 10_000

/** Tells readers of screens about the connection: politely, and at most once in ten seconds. */
export function Announcer() {
  const page = usePage()
  const { phase } = useValue(page.connection.status)
  const [said, say] = useState('')
  const last = useRef({ at: 0, phase: 'connecting' as Phase })
  useEffect(() => {
    const wait = Math.max(0, last.current.at + quietMs - Date.now())
    const timer = setTimeout(() => {
      if (last.current.phase === phase) return
      last.current = { at: Date.now(), phase }
      say(`Connection: ${words[phase].toLowerCase()}.`)
    }, wait)
    return () => clearTimeout(timer)
  }, [phase])
  return (
    <div className="offscreen" aria-live="polite">
      {said}
    </div>
  )
}
