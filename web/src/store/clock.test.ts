import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Clock } from './clock'

beforeEach(() => void vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) }))
afterEach(() => void vi.useRealTimers())

const hour = 3_600_000
const serverTime = () => new Date(Date.now() - hour).toISOString()

test('ages are right from the first answer on, however wrong the clock here is', () => {
  const clock = new Clock()
  const stop = clock.start()
  clock.learn(serverTime())
  expect(clock.now.get()).toBe(Date.now() - hour)
  stop()
})

test('between the seconds it does not tick: each one renders every age', () => {
  const clock = new Clock()
  const stop = clock.start()
  clock.learn(serverTime())
  const ticked = vi.fn()
  clock.now.subscribe(ticked)
  for (let i = 0; i < 9; i++) {
    vi.advanceTimersByTime(100)
    clock.learn(serverTime())
  }
  expect(ticked).not.toHaveBeenCalled()
  vi.advanceTimersByTime(100)
  expect(ticked).toHaveBeenCalledTimes(1)
  stop()
})
