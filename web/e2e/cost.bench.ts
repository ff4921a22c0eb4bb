import type { Browser, CDPSession, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launch, open } from './browser'
import { Fleet, sleep, Waggle } from './server'

// What the page costs, by size of the fleet: every worker changes once a second. BENCH_SIZES and BENCH_MINUTES
// choose less. The load comes from this process and shares the machine with the server and the browser.
const sizes = (process.env.BENCH_SIZES ?? '2000,10000,100000').split(',').map(Number)
const minutes = Number(process.env.BENCH_MINUTES ?? '10')
const perHive = 8
const sampleMs = 10_000

let browser: Browser

beforeAll(async () => {
  browser = await launch()
})
afterAll(() => browser?.close())

const metrics = async (session: CDPSession): Promise<Record<string, number>> => {
  const { metrics } = await session.send('Performance.getMetrics')
  return Object.fromEntries(metrics.map((m) => [m.name, m.value]))
}

/** Heap in MB after a collection. */
async function heap(session: CDPSession): Promise<number> {
  await session.send('HeapProfiler.collectGarbage')
  return (await metrics(session)).JSHeapUsedSize as unknown as number
}

const countLongTasks = (page: Page) =>
  page.evaluate(() => {
    const seen = { longest: 0, count: 0 }
    Object.assign(window, { longTasks: seen })
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        seen.count++
        seen.longest = Math.max(seen.longest, entry.duration)
      }
    }).observe({ type: 'longtask' })
  })

async function watchPage(waggle: Waggle) {
  const watch = await open(browser, 'about:blank')
  const session = await watch.page.context().newCDPSession(watch.page)
  await session.send('Performance.enable')
  await session.send('Network.enable')
  let received = 0
  session.on('Network.webSocketFrameReceived', ({ response }) => {
    received += response.payloadData.length
  })
  const before = performance.now()
  await watch.page.goto(waggle.url)
  await watch.page.locator('.grid-body .row:not(.skeleton)').first().waitFor({ timeout: 60_000 })
  const firstRow = performance.now() - before
  return { page: watch.page, session, firstRow, received: () => received }
}

test.each(sizes)('with %i workers', async (size) => {
  const waggle = await Waggle.start()
  const fleet = await new Fleet(waggle, size / perHive, perHive).start()
  await sleep(3000)
  const { page, session, firstRow, received } = await watchPage(waggle)
  await sleep(5000)
  await countLongTasks(page)
  const bytes = received()
  const before = await metrics(session)
  await sleep(sampleMs)
  const after = await metrics(session)
  const seconds = sampleMs / 1000
  const task = (((after.TaskDuration ?? 0) - (before.TaskDuration ?? 0)) * 1000) / seconds
  const script = (((after.ScriptDuration ?? 0) - (before.ScriptDuration ?? 0)) * 1000) / seconds
  const long = await page.evaluate(
    () => (window as unknown as { longTasks: { longest: number; count: number } }).longTasks,
  )
  const nodes = await page.evaluate(() => document.querySelectorAll('*').length)
  console.log(
    `bench-web: ${size} workers: first row ${Math.round(firstRow)} ms, main thread ${Math.round(task)} ms/s ` +
      `(script ${Math.round(script)}), long tasks ${long.count} (longest ${Math.round(long.longest)} ms), ` +
      `received ${Math.round((received() - bytes) / seconds / 1000)} kB/s, ${nodes} DOM nodes, ` +
      `heap ${((await heap(session)) / 1e6).toFixed(1)} MB, heartbeats took up to ${Math.round(fleet.slowestBeatMs)} ms`,
  )
  fleet.stop()
  await page.context().close()
  await waggle.kill()
  expect(nodes).toBeLessThanOrEqual(1500)
})

test.runIf(minutes > 0)(`over ${minutes} minutes with 10,000 workers`, async () => {
  const waggle = await Waggle.start()
  const fleet = await new Fleet(waggle, 10_000 / perHive, perHive).start()
  const { page, session } = await watchPage(waggle)
  const heaps: number[] = []
  for (let minute = 1; minute <= minutes; minute++) {
    await sleep(60_000)
    heaps.push((await heap(session)) / 1e6)
    console.log(`bench-web: minute ${minute}: heap ${heaps.at(-1)?.toFixed(2)} MB`)
  }
  fleet.stop()
  await page.context().close()
  await waggle.kill()
  const settled = heaps.slice(1)
  console.log(`bench-web: heap from minute 2 on within ${(Math.max(...settled) - Math.min(...settled)).toFixed(2)} MB`)
})
