import { word } from '../lib/format'
import { usePage } from '../page'
import type { FleetEvent } from '../store/events'
import { Moment } from '../views/columns'

/** How it should be taken. */
function tone(kind: FleetEvent['kind']): string {
  switch (kind) {
    case 'HIVE_OFFLINE':
    case 'HIVE_CONFLICT':
      return 'offline'
    case 'HIVE_SUSPECT':
    case 'HIVE_HEALTH_CHANGED':
    case 'HIVE_CORDONED':
    case 'WORKER_RESTARTED':
    case 'HIVE_REMOVED':
      return 'suspect'
    case 'HIVE_JOINED':
    case 'HIVE_RETURNED':
    case 'WORKER_STARTED':
    case 'HIVE_UNCORDONED':
      return 'online'
    default:
      return 'unknown'
  }
}

/** One thing that happened. */
export function EventRow({ event }: { event: FleetEvent }) {
  const page = usePage()
  const target = event.workerId ?? event.hiveId
  const sel = event.workerId ? `worker:${event.workerId}` : `hive:${event.hiveId}`
  return (
    <div className="event">
      <time dateTime={event.at} title={new Date(event.at).toLocaleString('en-GB')}>
        <Moment at={event.at} />
      </time>
      <span className={`event-kind ${tone(event.kind)}`}>
        <i aria-hidden="true" />
        {word(event.kind)}
      </span>
      <button type="button" className="link" onClick={() => page.address.go({ sel })}>
        {target}
      </button>
      <span className="event-message" title={event.message}>
        {event.message}
      </span>
    </div>
  )
}
