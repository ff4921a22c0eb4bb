import { playgroundLink } from '../api/client'
import { type AnyOperation, asCurl, asGo, asGraphQL, copyText, isQuery } from '../api/snippets'
import { type Page, usePage } from '../page'
import { CodeIcon, DownIcon, LinkIcon } from './icons'
import { Popover } from './popover'

/** Copies and says so. */
export async function copy(page: Page, text: string, what: string): Promise<void> {
  page.say((await copyText(text)) ? `Copied ${what}.` : 'The browser did not let this page copy.')
}

interface Props {
  operation: () => AnyOperation
  /** Rows on the screen, for people who want the answer and not the question. */
  rows?: () => readonly object[]
}

const csvCell = (value: unknown): string => {
  const text =
    value === null || value === undefined ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value)
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

export function asCsv(rows: readonly object[]): string {
  const first = rows[0]
  if (!first) return ''
  const names = Object.keys(first)
  const lines = rows.map((row) => names.map((n) => csvCell((row as Record<string, unknown>)[n])).join(','))
  return [names.join(','), ...lines].join('\n')
}

/** What this view asks, to take away: the page is the documentation of the interface. */
export function CopyMenu({ operation, rows }: Props) {
  const page = usePage()
  return (
    <Popover
      align="right"
      label={
        <>
          <CodeIcon />
          <span className="wide-only">Query</span>
          <DownIcon />
        </>
      }
      name="This view as a query"
    >
      {(close) => {
        const op = operation()
        const item = (text: string, what: string, make: () => string) => (
          <button
            type="button"
            className="menu-item"
            onClick={() => {
              close()
              void copy(page, make(), what)
            }}
          >
            {text}
          </button>
        )
        const shown = rows?.() ?? []
        return (
          <>
            {item('Copy as GraphQL', 'the query as GraphQL', () => asGraphQL(op))}
            {isQuery(op) && item('Copy as curl', 'the query as a curl command', () => asCurl(op))}
            {isQuery(op) && item('Copy as Go', 'the query as a Go program', () => asGo(op))}
            <a
              className="menu-item"
              href={playgroundLink(asGraphQL(op))}
              target="_blank"
              rel="noreferrer"
              onClick={close}
            >
              Open in playground <LinkIcon />
            </a>
            {op.document.toString().trim().startsWith('subscription') && isQuery(op) && (
              <a
                className="menu-item"
                href={playgroundLink(asGraphQL(op, { live: true }))}
                target="_blank"
                rel="noreferrer"
                onClick={close}
              >
                Open live in playground <LinkIcon />
              </a>
            )}
            {shown.length > 0 && <hr />}
            {shown.length > 0 &&
              item('Copy shown rows as JSON', 'the rows as JSON', () => JSON.stringify(shown, null, 2))}
            {shown.length > 0 && item('Copy shown rows as CSV', 'the rows as CSV', () => asCsv(shown))}
          </>
        )
      }}
    </Popover>
  )
}
