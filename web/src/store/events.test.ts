import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { FakeSocket } from '../test/fakesocket'
import { Connection } from './connection'
import { Events, type FleetEvent } from './events'

let socket: FakeSocket
let connection: Connection
let past: FleetEvent[]

const event = (revision: number): FleetEvent => ({
  revision: `e.${revision}`,
  at: new Date(revision * 1000).toISOString(),
  kind: 'HIVE_JOINED',
  hiveId: 'a',
  workerId: null,
  message: '',
})

beforeEach(() => {
  vi.useFakeTimers()
  past = [event(1)]
  vi.stubGlobal(
    'fetch',
    vi.fn(async () => new Response(JSON.stringify({ data: { events: past } }))),
  )
  socket = new FakeSocket()
  connection = new Connection(socket.make)
})
afterEach(() => {
  connection.dispose()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

describe('nothing falls between', () => {
  const missed = {
    'the tab is hidden': async () => {
      connection.setHidden(true)
      past = [event(2), event(1)]
      await pass(20_000)
      connection.setHidden(false)
    },
    'the page is paused': async () => {
      connection.pause()
      past = [event(2), event(1)]
      connection.resume()
    },
    'the server ends the subscription': async () => {
      socket.only('Events').complete()
      past = [event(2), event(1)]
      await pass(2000)
    },
    'the connection is lost': async () => {
      connection.tick('e.1', 1000)
      socket.emit('closed', { code: 1006 })
      past = [event(2), event(1)]
      connection.tick('e.2', 1000)
    },
  }
  test.each(Object.entries(missed))('while %s', async (_, miss) => {
    const events = new Events(connection)
    const stop = events.start()
    await pass(100)
    expect(events.log.get().events).toEqual([event(1)])
    await miss()
    await pass(100)
    expect(events.log.get().events).toEqual([event(2), event(1)])
    stop()
  })
})
