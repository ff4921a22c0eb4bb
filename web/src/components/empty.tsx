import { httpEndpoint } from '../api/client'
import { count, counted } from '../lib/format'
import { usePage, useValue } from '../page'
import { copy } from './copymenu'
import { activeFilters, clear } from './filterbar'
import { CopyIcon } from './icons'

const firstHeartbeat = `mutation {
  heartbeat(input: {
    hive: { id: "my-first-hive", hostname: "127.0.0.1", port: 0 }
    workers: [{ group: "llm", instance: "8080", model: "qwen2.5-7b", gpuUtilizationPercent: 0, vramUsedMb: 6000, vramTotalMb: 24576 }]
  }) { outcome nextHeartbeatMs }
}`

export const heartbeatCommand = (): string =>
  `curl -sS ${httpEndpoint()} -H 'Content-Type: application/json' \\\n  --data-raw '${JSON.stringify({ query: firstHeartbeat.replace(/\s+/g, ' ') })}'`

function Command({ text, what }: { text: string; what: string }) {
  const page = usePage()
  return (
    <div className="command">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls sideways. */}
      <pre tabIndex={0}>{text}</pre>
      <button
        type="button"
        className="icon-button"
        aria-label={`Copy ${what}`}
        onClick={() => void copy(page, text, what)}
      >
        <CopyIcon />
      </button>
    </div>
  )
}

/** No hive yet, or hives without a worker: what to do about it. */
export function EmptyFleet() {
  const page = usePage()
  const hives = useValue(page.summary.live.state).value?.fleet.hives.total ?? 0
  return (
    <section className="empty-fleet">
      <svg className="empty-art" viewBox="0 0 120 60" aria-hidden="true" focusable="false">
        <path d="M20 8 37 18v20L20 48 3 38V18zM60 8 77 18v20L60 48 43 38V18zM100 8l17 10v20l-17 10-17-10V18z" />
      </svg>
      {hives === 0 ? (
        <>
          <h2>No hive has been heard yet</h2>
          <p>Waggle listens. The first heartbeat appears here at once; nothing needs to be reloaded.</p>
        </>
      ) : (
        <>
          <h2>No worker is reported</h2>
          <p>
            {counted(hives, 'hive')} known, but no model server on {hives === 1 ? 'it' : 'any of them'}. The next one
            appears here by itself; nothing needs to be reloaded.
          </p>
          <h3>Start a model server</h3>
          <p>
            llama-server, Ollama, vLLM, SGLang and TGI are found by themselves on a machine that reports. Unless started
            with --no-agent, Waggle reports the machine it runs on.
          </p>
        </>
      )}
      <h3>Send one by hand</h3>
      <Command text={heartbeatCommand()} what="the heartbeat" />
      <h3>Let a machine report itself</h3>
      <Command
        text={`waggle agent --server ${new URL('.', document.baseURI).href.replace(/\/$/, '')}`}
        what="the agent's command"
      />
      <h3>Or look at a made-up fleet</h3>
      <p>In place of this server, with the program:</p>
      <Command text="waggle serve --demo 250" what="the demo's command" />
      <p>Or with Go, in the folder of Waggle's source:</p>
      <Command text="go run . --demo 250" what="the demo's command for Go" />
    </section>
  )
}

/** There are some, but none like that: which filter to drop. */
export function NoMatch({ what }: { what: 'worker' | 'hive' }) {
  const page = usePage()
  const place = useValue(page.address.place)
  const fleet = useValue(page.summary.live.state).value?.fleet
  const total = what === 'worker' ? fleet?.workers.total : fleet?.hives.total
  const filters = activeFilters(place)
  return (
    <div className="no-match">
      <p>
        <strong>No {what} like that.</strong> {total ? `There are ${count(total)} in the fleet.` : ''}
      </p>
      <p className="no-match-ways">
        {filters.map(({ name, without }) => (
          <button key={name} type="button" className="button" onClick={() => page.address.go(without)}>
            Without {name}
          </button>
        ))}
        {filters.length > 1 && (
          <button type="button" className="button" onClick={() => page.address.go(clear)}>
            Clear all
          </button>
        )}
      </p>
    </div>
  )
}
