import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { operation } from '../api/client'
import { FleetDocument, ServerDocument } from '../api/gen/graphql'
import { FakeSocket, fleetAnswer } from '../test/fakesocket'
import { Connection } from './connection'

const fleet = operation(FleetDocument, { models: 1, intervalMs: 1000 })
const other = operation(ServerDocument, {})

let socket: FakeSocket
let connection: Connection
const phase = () => connection.status.get().phase

beforeEach(() => {
  vi.useFakeTimers()
  socket = new FakeSocket()
  connection = new Connection(socket.make)
})
afterEach(() => {
  connection.dispose()
  vi.useRealTimers()
})

const sink = () => ({ next: vi.fn(), error: vi.fn() })

describe('phases', () => {
  test('an open socket alone is not live; a tick is', () => {
    connection.follow(fleet, sink())
    socket.emit('connected')
    expect(phase()).toBe('connecting')
    connection.tick('e.1', 1000)
    expect(phase()).toBe('live')
  })

  test('late after three intervals of silence, and live again with the next tick', () => {
    connection.tick('e.1', 1000)
    vi.advanceTimersByTime(3000)
    expect(phase()).toBe('live')
    vi.advanceTimersByTime(1000)
    expect(phase()).toBe('late')
    connection.tick('e.2', 1000)
    expect(phase()).toBe('live')
  })

  test('a socket that stays silent for long is ended, so that another can be tried', () => {
    connection.tick('e.1', 1000)
    vi.advanceTimersByTime(14_000)
    expect(socket.terminated).toBe(0)
    vi.advanceTimersByTime(2_000)
    expect(socket.terminated).toBe(1)
  })

  test('a slower pulse is late later', () => {
    connection.tick('e.1', 10_000)
    vi.advanceTimersByTime(29_000)
    expect(phase()).toBe('live')
    vi.advanceTimersByTime(2_000)
    expect(phase()).toBe('late')
  })

  test('a lost socket: reconnecting, with the time of the next try, which can be had at once', async () => {
    connection.tick('e.1', 1000)
    socket.emit('closed', { code: 1006 })
    expect(phase()).toBe('reconnecting')
    const wait = socket.hooks.retryWait(3)
    const { nextTryAt } = connection.status.get()
    expect((nextTryAt ?? 0) - Date.now()).toBeGreaterThanOrEqual(2000)
    expect((nextTryAt ?? 0) - Date.now()).toBeLessThanOrEqual(4000)
    connection.retry()
    await wait
    socket.emit('connecting')
    expect(connection.status.get().nextTryAt).toBeNull()
  })

  test('waits grow, and never beyond ten seconds', () => {
    const waits = [0, 1, 2, 3, 4, 5, 10, 60].map((attempt) => {
      void socket.hooks.retryWait(attempt)
      return (connection.status.get().nextTryAt ?? 0) - Date.now()
    })
    expect(Math.max(...waits)).toBeLessThanOrEqual(10_000)
    expect(waits[0]).toBeLessThanOrEqual(500)
    expect(waits[6]).toBeGreaterThanOrEqual(5_000)
  })

  test('before the first tick a lost socket is still "connecting": there is nothing to be stale', () => {
    socket.emit('closed', { code: 1006 })
    expect(phase()).toBe('connecting')
  })

  test('refused: says why, tries nothing by itself, and starts all again when told', () => {
    const heard = sink()
    connection.follow(fleet, heard)
    connection.follow(other, sink())
    for (const f of socket.active()) f.fail({ code: 4401, reason: 'Unauthorized' })
    expect(phase()).toBe('refused')
    expect(connection.status.get().reason).toBe('Unauthorized (4401)')
    expect(heard.error).not.toHaveBeenCalled()
    const asked = socket.followed.length
    vi.advanceTimersByTime(60_000)
    expect(socket.followed.length).toBe(asked)
    connection.retry()
    expect(socket.followed.length).toBe(asked + 2)
    expect(phase()).toBe('connecting')
  })

  test('forbidden ends the trying', async () => {
    socket.emit('closed', { code: 4403, reason: 'Forbidden' })
    await expect(socket.hooks.retryWait(0)).rejects.toMatchObject({ code: 4403 })
  })

  test('another epoch is a restart; the first one is not', () => {
    connection.tick('one.5', 1000)
    expect(connection.status.get().restarts).toBe(0)
    connection.tick('two.1', 1000)
    expect(connection.status.get()).toMatchObject({ restarts: 1, epoch: 'two' })
  })
})

describe('following', () => {
  test('late frames of what is no longer followed are not heard', () => {
    const heard = sink()
    const stop = connection.follow(fleet, heard)
    const followed = socket.only('Fleet')
    followed.next(fleetAnswer())
    stop()
    followed.next(fleetAnswer())
    followed.complete()
    expect(heard.next).toHaveBeenCalledTimes(1)
    expect(followed.ended).toBe(true)
  })

  test('pause stops all of it, resume starts all of it', () => {
    connection.follow(fleet, sink())
    connection.tick('e.1', 1000)
    connection.pause()
    expect(phase()).toBe('paused')
    expect(socket.active()).toHaveLength(0)
    socket.emit('closed', { code: 1000 })
    connection.tick('e.2', 1000)
    expect(phase()).toBe('paused')
    connection.resume()
    expect(socket.active()).toHaveLength(1)
  })

  test('what is opened while paused has its first answer, and stands still then', () => {
    const seen = sink()
    connection.follow(fleet, seen, { onceWhilePaused: true })
    socket.only('Fleet').next(fleetAnswer())
    connection.follow(fleet, sink(), { onceWhilePaused: true })
    connection.tick('e.1', 1000)
    connection.pause()
    expect(socket.active(), 'what has no answer yet').toHaveLength(1)
    socket.only('Fleet').next(fleetAnswer())
    const opened = sink()
    connection.follow(fleet, opened, { onceWhilePaused: true })
    connection.follow(other, sink())
    const followed = socket.only('Fleet')
    followed.next(fleetAnswer())
    followed.next(fleetAnswer())
    expect(opened.next).toHaveBeenCalledTimes(1)
    connection.setHidden(true)
    connection.setHidden(false)
    expect(socket.active()).toHaveLength(0)
    connection.resume()
    expect(socket.active()).toHaveLength(4)
    expect(seen.next).toHaveBeenCalledTimes(1)
  })

  test('a server that is away is not asked all the time because the page is paused', () => {
    connection.pause()
    connection.follow(fleet, sink(), { onceWhilePaused: true })
    const tried = vi.fn()
    void socket.hooks.retryWait(3).then(tried)
    expect(vi.getTimerCount()).toBeGreaterThan(1)
    expect(tried).not.toHaveBeenCalled()
    expect(phase()).toBe('paused')
  })

  test('in a hidden tab only what asked for it goes on', () => {
    connection.follow(fleet, sink(), { whileHidden: true })
    connection.follow(other, sink())
    connection.setHidden(true)
    expect(socket.active().map((f) => f.name)).toEqual(['Fleet'])
    connection.follow(operation(ServerDocument, {}), sink())
    expect(socket.active()).toHaveLength(1)
    connection.setHidden(false)
    expect(socket.active()).toHaveLength(3)
  })

  test('errors of an operation reach its sink; what the server ends is followed again', () => {
    const heard = sink()
    connection.follow(fleet, heard)
    socket.only('Fleet').refuse('minFreeVramMb must be 0 or more.')
    expect(heard.error).toHaveBeenCalledWith('minFreeVramMb must be 0 or more.')
    const ends = sink()
    connection.follow(other, ends)
    const before = socket.followed.length
    socket.only('Server').complete()
    vi.advanceTimersByTime(1500)
    expect(socket.followed.length).toBe(before + 1)
  })
})
