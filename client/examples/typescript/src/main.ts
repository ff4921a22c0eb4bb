// Follows the workers that serve a model, and asks for the best of them each time something changed.
//
//   npm ci && npm run codegen && npm run build && npm start -- http://127.0.0.1:7833 llama-3.1-8b
import { createClient } from 'graphql-ws'
import WebSocket from 'ws'
import { BestWorkerDocument, ChangesDocument, type ChangesSubscription, type TypedDocumentString } from './gen/graphql.js'

const [server = 'http://127.0.0.1:7833', model = 'llama-3.1-8b'] = process.argv.slice(2)

/** Sends an operation; its result has the type that the operation has. */
async function ask<Result, Variables>(operation: TypedDocumentString<Result, Variables>, variables: Variables): Promise<Result> {
  const response = await fetch(`${server}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ query: operation.toString(), variables }),
    signal: AbortSignal.timeout(5_000),
  })
  const { data, errors } = (await response.json()) as { data?: Result; errors?: { message: string }[] }
  if (errors?.[0]) throw new Error(errors[0].message)
  return data as Result
}

type Worker = ChangesSubscription['changes']['workers'][number]

/** A copy of the fleet's part that is shown only when it is whole, as the schema describes it at `changes`. */
class Mirror {
  shown = new Map<string, Worker>()
  #next = new Map<string, Worker>()
  #complete = true
  revision: string | undefined

  /** Takes an update in, and reports whether there is a new truth. */
  take(update: ChangesSubscription['changes']): boolean {
    if (update.reset) this.#next = new Map()
    else if (this.#complete) this.#next = new Map(this.shown)
    for (const worker of update.workers) this.#next.set(worker.id, worker)
    for (const gone of update.removed) if (gone.kind === 'WORKER') this.#next.delete(gone.id)
    this.#complete = update.complete
    if (!update.complete) return false
    this.shown = this.#next
    this.revision = update.revision
    return true
  }

  /** Half of a snapshot is worth nothing once the connection broke. */
  interrupted(): void {
    this.#complete = true
  }
}

const mirror = new Mirror()
let silence: ReturnType<typeof setTimeout> | undefined
const sockets = createClient({
  url: `${server.replace(/^http/, 'ws')}/graphql`,
  webSocketImpl: WebSocket,
  retryAttempts: 0,
  // A server that is gone without a word is noticed because it answers no ping.
  keepAlive: 10_000,
  on: {
    ping: (received) => {
      if (!received) silence = setTimeout(() => sockets.terminate(), 5_000)
    },
    pong: (received) => {
      if (received) clearTimeout(silence)
    },
    closed: () => clearTimeout(silence),
  },
})
const workers = { models: [model] }

for (let pause = 0; ; pause = Math.min(pause * 2 + 100, 5_000)) {
  await new Promise((resolve) => setTimeout(resolve, Math.random() * pause))
  mirror.interrupted()
  try {
    const query = ChangesDocument.toString()
    for await (const { data } of sockets.iterate<ChangesSubscription>({ query, variables: { since: mirror.revision, workers } })) {
      if (!data || !mirror.take(data.changes)) continue
      pause = 0
      const { bestWorker } = await ask(BestWorkerDocument, { model })
      const idle = [...mirror.shown.values()].filter((worker) => worker.activity === 'IDLE').length
      console.log(`${mirror.shown.size} workers, ${idle} idle; the best is ${bestWorker?.id ?? 'none'} at ${bestWorker?.endpoint ?? 'no address'}`)
    }
  } catch (problem) {
    console.error(problem instanceof Error ? problem.message : problem)
  }
}
