import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { complaints, launch, open, picture } from './browser'
import { Fleet, Waggle } from './server'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

let browser: Browser
let waggle: Waggle
let empty: Waggle
let bare: Waggle
let fleet: Fleet

beforeAll(async () => {
  browser = await launch()
  waggle = await Waggle.start('--suspect-after', '2s', '--offline-after', '4s', '--forget-after', '10m')
  empty = await Waggle.start()
  bare = await Waggle.start('--offline-after', '10m', '--forget-after', '20m')
  await bare.query(
    'mutation { heartbeat(input: { hive: { id: "a", hostname: "127.0.0.1", port: 0 } workers: [] }) { outcome } }',
  )
  fleet = await new Fleet(waggle, 40, 8).start()
  fleet.silence(0)
})
afterAll(async () => {
  fleet?.stop()
  await browser?.close()
  await waggle?.kill()
  await empty?.kill()
  await bare?.kill()
})

/** What axe-core holds against the page: all rules, best practice too. */
async function violations(page: Page): Promise<string[]> {
  return page.evaluate(async () => {
    const { axe } = window as unknown as {
      axe: {
        run(
          options: object,
        ): Promise<{ violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] }>
      }
    }
    const { violations } = await axe.run({ preload: false, resultTypes: ['violations'] })
    return violations.flatMap((v) =>
      v.nodes.map((n) => `${v.id}: ${n.html.slice(0, 160)} ${n.failureSummary.slice(0, 200)}`),
    )
  })
}

const live = (page: Page) => page.getByTestId('connection').getByText('Live', { exact: true }).waitFor()
const firstRow = (page: Page) => page.locator('.grid-body .row:not(.skeleton)').first().waitFor()

interface State {
  name: string
  query: string
  server?: () => Waggle
  ready(page: Page): Promise<unknown>
}

const states: State[] = [
  {
    name: 'fleet',
    query: '',
    ready: async (page) => {
      await firstRow(page)
      await page.locator('.badge.offline').first().waitFor({ timeout: 15_000 })
    },
  },
  { name: 'hives', query: '?view=hives', ready: firstRow },
  { name: 'models', query: '?view=models', ready: (page) => page.locator('.models tbody tr').first().waitFor() },
  {
    name: 'find',
    query: '?view=find&model=gemma-3-27b&minFree=8192',
    ready: (page) => page.locator('.best-id').waitFor(),
  },
  { name: 'activity', query: '?view=activity', ready: (page) => page.locator('.event').first().waitFor() },
  { name: 'server', query: '?view=server', ready: (page) => page.getByText('Serving').waitFor() },
  {
    name: 'worker',
    query: '?sel=worker:gpu-001/llm/8080',
    ready: (page) => page.locator('.drawer .line-chart').first().waitFor(),
  },
  { name: 'hive', query: '?view=hives&sel=hive:gpu-005', ready: (page) => page.locator('.drawer .devices').waitFor() },
  {
    name: 'no-match',
    query: '?q=nothing-is-called-that&state=idle',
    ready: (page) => page.getByText('No worker like that.').waitFor(),
  },
  {
    name: 'empty',
    query: '',
    server: () => empty,
    ready: (page) => page.getByText('No hive has been heard yet').waitFor(),
  },
  {
    name: 'no-worker',
    query: '',
    server: () => bare,
    ready: (page) => page.getByText('No worker is reported').waitFor(),
  },
  {
    name: 'palette',
    query: '',
    ready: async (page) => {
      await firstRow(page)
      await page.keyboard.press('Control+k')
      await page.getByRole('combobox').fill('gpu-00')
      await page
        .getByRole('option', { name: /gpu-00\d\// })
        .first()
        .waitFor()
    },
  },
  {
    name: 'active-row',
    query: '',
    ready: async (page) => {
      await firstRow(page)
      await page.keyboard.press('j')
      await page.keyboard.press('j')
      await page.locator('.row.active').waitFor()
    },
  },
  {
    name: 'keys',
    query: '',
    ready: async (page) => {
      await firstRow(page)
      await page.keyboard.press('?')
      await page.getByRole('dialog').waitFor()
    },
  },
  {
    name: 'filters',
    query: '?state=busy&model=gemma-3-27b&minFree=1024',
    ready: async (page) => {
      await live(page)
      await page.getByRole('button', { name: 'Model 1' }).click()
      await page.getByLabel('Find a model').waitFor()
    },
  },
  {
    name: 'paused',
    query: '',
    ready: async (page) => {
      await firstRow(page)
      await page.keyboard.press('Space')
      await page.getByTestId('banner').waitFor()
    },
  },
]

const looks = [
  { look: 'dark', options: { colorScheme: 'dark' } },
  { look: 'light', options: { colorScheme: 'light' } },
  {
    look: 'phone',
    options: { colorScheme: 'dark', viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
  },
] as const

/** What is laid out otherwise on a phone. */
const phoneStates = new Set(['fleet', 'hives', 'find', 'activity', 'worker', 'palette', 'empty', 'no-worker'])

describe.each(looks)('nothing to hold against the page, $look', ({ look, options }) => {
  test.each(states.filter(({ name }) => look !== 'phone' || phoneStates.has(name)))(
    '$name',
    async ({ name, query, server, ready }) => {
      const watch = await open(browser, (server?.() ?? waggle).url + query, { ...options, script: axe })
      try {
        await ready(watch.page)
        const found = await violations(watch.page)
        await picture(watch.page, `${name}-${look}`)
        expect(found).toEqual([])
        expect(complaints(watch)).toEqual([])
        const sideways = await watch.page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
        expect(sideways).toBeLessThanOrEqual(0)
      } finally {
        await watch.page.context().close()
      }
    },
  )
})

test.each(['dark', 'light'] as const)(
  'nothing to hold against the page without its server, %s',
  async (colorScheme) => {
    const lost = await Waggle.start()
    const some = await new Fleet(lost, 3, 2).start()
    const watch = await open(browser, lost.url, { colorScheme, script: axe })
    await firstRow(watch.page)
    some.stop()
    watch.serverIsDown = true
    await lost.kill()
    await watch.page
      .getByTestId('banner')
      .getByText(/Next try/)
      .waitFor()
    expect(await violations(watch.page)).toEqual([])
    await picture(watch.page, `lost-${colorScheme}`)
    expect(complaints(watch)).toEqual([])
    await watch.page.context().close()
  },
)
