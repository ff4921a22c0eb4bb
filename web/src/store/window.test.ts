import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Page } from '../page'
import { FakeSocket, worker } from '../test/fakesocket'

let socket: FakeSocket
let page: Page
let stop: () => void

beforeEach(() => {
  vi.useFakeTimers()
  socket = new FakeSocket()
  page = new Page(socket.make)
  stop = page.start()
  page.workers.ask({ filter: null, orderBy: null })
  page.workers.look(0, 20)
})
afterEach(() => {
  stop()
  vi.useRealTimers()
})

const frame = () => vi.advanceTimersByTime(20)
const send = (ids: string[], change: Record<string, unknown> = {}, total = ids.length) => {
  socket
    .only('Workers')
    .next({ workers: { revision: 'e.1', totalCount: total, offset: 0, nodes: ids.map((id) => worker(id, change)) } })
  frame()
}
const state = () => page.workers.state.get()
const shown = () => state().rows.map((r) => r.id)

describe('a window of rows', () => {
  test('asks for what the screen shows, in steps, and never for more than a hundred', () => {
    expect(socket.only('Workers').variables).toMatchObject({ first: 20, offset: 0 })
    page.workers.look(47, 75)
    expect(socket.only('Workers').variables).toMatchObject({ first: 40, offset: 40 })
    const asked = socket.followed.length
    page.workers.look(48, 76)
    expect(socket.followed.length).toBe(asked)
    page.workers.look(0, 5000)
    expect(socket.only('Workers').variables).toMatchObject({ first: 100, offset: 0 })
  })

  test('keeps the old rows until the answer to the new question is there, and never shows a late one', () => {
    send(['h/g/1', 'h/g/2'])
    const old = socket.only('Workers')
    page.workers.ask({ filter: { search: 'x' }, orderBy: null })
    expect(shown()).toEqual(['h/g/1', 'h/g/2'])
    expect(state().waiting).toBe(true)
    old.next({ workers: { revision: 'e.1', totalCount: 1, offset: 0, nodes: [worker('late/g/1')] } })
    frame()
    expect(shown()).toEqual(['h/g/1', 'h/g/2'])
    send(['h/g/9'])
    expect(shown()).toEqual(['h/g/9'])
    expect(state()).toMatchObject({ waiting: false, total: 1 })
  })

  test('several frames between two pictures show as the last one', () => {
    const listener = vi.fn()
    page.workers.state.subscribe(listener)
    const followed = socket.only('Workers')
    for (const id of ['a/g/1', 'b/g/1', 'c/g/1']) {
      followed.next({ workers: { revision: 'e.1', totalCount: 1, offset: 0, nodes: [worker(id)] } })
    }
    frame()
    expect(listener).toHaveBeenCalledTimes(1)
    expect(shown()).toEqual(['c/g/1'])
  })

  test('held: the order stands, values go on, moves are counted, what is gone stays', () => {
    send(['h/g/1', 'h/g/2', 'h/g/3'])
    page.workers.hold()
    expect(state().held).toBe(true)
    expect(socket.only('Workers').variables.filter).toEqual({ ids: ['h/g/1', 'h/g/2', 'h/g/3'] })
    socket
      .only('WorkerOrderOnly')
      .next({ workers: { totalCount: 3, offset: 0, nodes: [{ id: 'h/g/2' }, { id: 'h/g/1' }, { id: 'h/g/3' }] } })
    send(['h/g/3', 'h/g/1'], { gpuUtilizationPercent: 77 })
    expect(shown()).toEqual(['h/g/1', 'h/g/2', 'h/g/3'])
    expect(state().moves).toBe(2)
    expect(state().rows.map((r) => r.gpuUtilizationPercent)).toEqual([77, 0, 77])
    expect([...state().gone]).toEqual(['h/g/2'])
    socket.only('WorkerOrderOnly').next({ workers: { totalCount: 0, offset: 0, nodes: [] } })
    frame()
    expect(state().total).toBe(3)
    page.workers.release()
    expect(state().held).toBe(false)
    expect(socket.active('WorkerOrderOnly')).toHaveLength(0)
    send(['h/g/3', 'h/g/1'])
    expect(shown()).toEqual(['h/g/3', 'h/g/1'])
  })

  test('scrolled while held: the new rows come, and are held in turn', () => {
    send(['h/g/1', 'h/g/2'], {}, 500)
    page.workers.hold()
    page.workers.look(100, 120)
    expect(socket.only('Workers').variables).toMatchObject({ filter: null, offset: 100 })
    socket
      .only('Workers')
      .next({ workers: { revision: 'e.1', totalCount: 500, offset: 100, nodes: [worker('z/g/1')] } })
    frame()
    expect(state()).toMatchObject({ offset: 100, held: true })
    expect(socket.only('Workers').variables.filter).toEqual({ ids: ['z/g/1'] })
  })

  test('paused: a hold neither begins nor ends, so that nothing is asked and nothing moves', () => {
    send(['h/g/1', 'h/g/2'])
    page.connection.pause()
    const asked = socket.followed.length
    page.workers.hold()
    expect(state().held).toBe(false)
    expect(socket.followed.length).toBe(asked)
    page.connection.resume()
    expect(state().held).toBe(true)
    expect(socket.only('Workers').variables.filter).toEqual({ ids: ['h/g/1', 'h/g/2'] })
    send(['h/g/1', 'h/g/2'])
    page.connection.pause()
    page.workers.release()
    expect(shown()).toEqual(['h/g/1', 'h/g/2'])
    expect(socket.active('Workers')).toHaveLength(0)
    page.connection.resume()
    expect(state().held).toBe(false)
    expect(socket.only('Workers').variables.filter).toBeNull()
  })

  test('paused: other rows come, once', () => {
    send(['h/g/1'], {}, 500)
    page.connection.pause()
    page.workers.look(100, 120)
    send(['z/g/1'], {}, 500)
    expect(shown()).toEqual(['z/g/1'])
    expect(socket.active('Workers')).toHaveLength(0)
  })

  test('an error is said, and goes with the next answer', () => {
    socket.only('Workers').refuse('search is too long.')
    expect(state().error).toBe('search is too long.')
    page.workers.ask({ filter: { search: 'short' }, orderBy: null })
    send(['h/g/1'])
    expect(state().error).toBe('')
  })
})
