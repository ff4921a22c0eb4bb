import { readFileSync } from 'node:fs'
import { buildSchema, type GraphQLSchema, parse, validate } from 'graphql'
import type { Sink as SocketSink, SubscribePayload } from 'graphql-ws'
import type { Socket, SocketHooks } from '../store/connection'

// biome-ignore lint/suspicious/noExplicitAny: results of every operation pass through.
type Any = any

/** One operation that is being followed. */
export interface Followed {
  name: string
  variables: Record<string, Any>
  ended: boolean
  next(data: object): void
  fail(cause: unknown): void
  refuse(message: string): void
  complete(): void
}

/** A socket in the hands of a test: it notes what is asked and sends what it is told, when it is told. */
export class FakeSocket {
  readonly followed: Followed[] = []
  terminated = 0
  hooks: SocketHooks = { retryWait: () => Promise.resolve() }
  readonly #listeners = new Map<string, Set<(event: Any) => void>>()

  make = (hooks: SocketHooks): Socket => {
    this.hooks = hooks
    return {
      on: ((event: string, listener: (value: Any) => void) => {
        const all = this.#listeners.get(event) ?? new Set()
        this.#listeners.set(event, all.add(listener))
        return () => all.delete(listener)
      }) as Socket['on'],
      terminate: () => {
        this.terminated++
      },
      subscribe: ((payload: SubscribePayload, sink: SocketSink<Any>) => {
        const followed: Followed = {
          name: /(?:subscription|query) (\w+)/.exec(payload.query)?.[1] ?? '',
          variables: payload.variables as Record<string, Any>,
          ended: false,
          // A late frame is sent even after the end: the page must not listen.
          next: (data) => sink.next({ data }),
          fail: (cause) => {
            followed.ended = true
            sink.error(cause)
          },
          refuse: (message) => followed.fail([{ message }]),
          complete: () => {
            followed.ended = true
            sink.complete()
          },
        }
        this.followed.push(followed)
        return () => {
          followed.ended = true
        }
      }) as Socket['subscribe'],
    }
  }

  emit(event: string, value?: Any): void {
    for (const listener of this.#listeners.get(event) ?? []) listener(value)
  }

  /** What is followed now, by name. */
  active(name?: string): Followed[] {
    return this.followed.filter((f) => !f.ended && (!name || f.name === name))
  }

  only(name: string): Followed {
    const [one, ...more] = this.active(name)
    if (!one || more.length) throw new Error(`${name} is followed ${more.length + (one ? 1 : 0)} times, want once`)
    return one
  }
}

let schema: GraphQLSchema | undefined

/** What the server's own schema says against a document. */
export function schemaErrors(text: string): string[] {
  schema ??= buildSchema(readFileSync('../schema.graphqls', 'utf8'))
  return validate(schema, parse(text)).map((e) => e.message)
}

/** An answer of the fleet, with whatever the test cares about. */
export function fleetAnswer(change: Record<string, unknown> = {}) {
  return {
    fleet: {
      revision: 'epoch1.1',
      serverTime: new Date().toISOString(),
      hives: { total: 2, online: 2, suspect: 0, offline: 0, available: 2 },
      workers: { total: 3, available: 3, idle: 1, busy: 2, unknown: 0 },
      vramTotalMb: 1000,
      vramUsedMb: 500,
      largestFreeVramMb: 300,
      models: [{ model: 'm', workers: 3, available: 3, idle: 1, hives: 2, largestFreeVramMb: 300 }],
      heartbeatsPerSecond: 2,
      ...change,
    },
  }
}

export function worker(id: string, change: Record<string, unknown> = {}) {
  const [hiveId, group, instance] = id.split('/')
  return {
    id,
    hiveId,
    group,
    instance,
    model: 'm',
    activity: 'IDLE',
    activitySince: '2026-01-01T00:00:00Z',
    liveness: 'ONLINE',
    available: true,
    gpuUtilizationPercent: 0,
    vramUsedMb: 100,
    vramTotalMb: 400,
    vramFreeMb: 300,
    cpuPercent: 10,
    rssMb: 10,
    uptimeSeconds: 10,
    requestsRunning: 0,
    requestsQueued: 0,
    lastSeenAt: new Date().toISOString(),
    ...change,
  }
}
