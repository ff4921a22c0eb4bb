import { devices, type Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import { type Figures, type Options, picture } from './browser'
import { setStage } from './stage'

const stage = setStage(20, 8)

const firstRow = (page: Page) => page.locator('.grid-body .row:not(.skeleton)').first().waitFor()
const focused = (page: Page) =>
  page.evaluate(() => {
    const at = document.activeElement
    return at?.getAttribute('aria-label') ?? at?.textContent ?? ''
  })

describe('with the keyboard alone', () => {
  const visit = async (query = ''): Promise<Page> => {
    const page = await stage.visit(query)
    await firstRow(page)
    return page
  }
  const find = 'Find workers by id, model or hostname'

  test('the focus is where it was when a dialog closes, in whatever way', async () => {
    const page = await visit()
    const palette = page.getByRole('dialog', { name: 'Search and commands' })
    await page.getByLabel(find).focus()
    await page.keyboard.press('Control+k')
    await palette.waitFor()
    await page.keyboard.press('Control+k')
    await palette.waitFor({ state: 'detached' })
    expect(await focused(page)).toBe(find)
    await page.keyboard.press('Control+k')
    await page.keyboard.type('Next theme')
    await page.keyboard.press('Enter')
    await palette.waitFor({ state: 'detached' })
    expect(await focused(page)).toBe(find)
    await page.getByRole('button', { name: 'Keyboard shortcuts' }).press('Enter')
    const sheet = page.getByRole('dialog', { name: 'Keyboard' })
    await sheet.getByRole('button', { name: 'Close' }).press('Enter')
    await sheet.waitFor({ state: 'detached' })
    expect(await focused(page)).toBe('Keyboard shortcuts')
    await page.keyboard.press('Enter')
    await sheet.waitFor()
    await page.keyboard.press('Control+k')
    await sheet.waitFor({ state: 'detached' })
    await palette.waitFor()
    await page.keyboard.type('gpu-007')
    await page
      .getByRole('option', { name: /gpu-007/ })
      .first()
      .waitFor()
    await page.keyboard.press('Enter')
    await page.getByTestId('drawer').waitFor()
    await expect.poll(() => focused(page)).toBe('gpu-007')
    await page.keyboard.press('Escape')
    await page.getByTestId('drawer').waitFor({ state: 'detached' })
    expect(await focused(page)).toBe('Keyboard shortcuts')
  })

  test('the details beside a list scroll, and a menu keeps its keys', async () => {
    const page = await visit('?sel=hive:gpu-007')
    await page.getByTestId('drawer').locator('.devices').waitFor()
    await page.keyboard.press('PageDown')
    await expect.poll(() => page.getByTestId('drawer').evaluate((drawer) => drawer.scrollTop)).toBeGreaterThan(100)
    expect(await page.locator('.row.active').count()).toBe(0)
    await page.keyboard.press('Escape')
    await page.locator('.filters').getByRole('button', { name: 'Model' }).press('Enter')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Tab')
    await page.keyboard.press('ArrowDown')
    expect(await page.locator('.row.active').count()).toBe(0)
    expect(await page.locator('.popover').count()).toBe(1)
    for (let i = 0; i < 8; i++) await page.keyboard.press('Tab')
    expect(await page.locator('.popover').count()).toBe(0)
  })
})

describe('on a phone', () => {
  const { defaultBrowserType: _, ...phone } = devices['iPhone 13'] as (typeof devices)[string]
  const visit = (query = '', options: Options = {}) =>
    stage.visit(query, { ...phone, viewport: { width: 390, height: 844 }, ...options })

  test('the filter of models is on the screen and filters', async () => {
    const page = await visit()
    await firstRow(page)
    await page.getByRole('button', { name: 'Model', exact: true }).tap()
    const popover = page.locator('.popover')
    await popover.waitFor()
    await picture(page, 'facet-phone')
    const box = await popover.boundingBox()
    expect(box?.x).toBeGreaterThanOrEqual(0)
    expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThanOrEqual(390)
    expect((box?.y ?? 0) + (box?.height ?? 0)).toBeLessThanOrEqual(844)
    await popover.getByLabel(/gemma-3-27b/).tap()
    await page.getByTestId('total').getByText('32 workers').waitFor()
  })

  test('nothing is cut off and nothing lies over something else', async () => {
    const page = await visit('?view=models')
    await page.locator('.models tbody tr').first().waitFor()
    await picture(page, 'models-phone')
    expect(await page.locator('.scroll').evaluate((box) => box.scrollWidth - box.clientWidth)).toBe(0)
    await stage.waggle.query(
      'mutation { heartbeat(input: { hive: { id: "gpu-ill", hostname: "10.0.0.1", port: 0, healthStatus: DEGRADED } workers: [] }) { outcome } }',
    )
    await stage.waggle.query(
      'mutation { heartbeat(input: { hive: { id: "gpu-ill", hostname: "10.0.0.1", port: 0 } workers: [] }) { outcome } }',
    )
    await page.getByRole('link', { name: 'Activity' }).tap()
    const kind = page.locator('.event-kind').getByText('Hive health changed').first()
    await kind.waitFor()
    await picture(page, 'activity-phone')
    const over = await page
      .locator('.event-kind')
      .evaluateAll((kinds) => kinds.filter((k) => k.scrollWidth > k.clientWidth).map((k) => k.textContent))
    expect(over).toEqual([])
    await stage.waggle.query('mutation { removeHive(id: "gpu-ill") }')
  })

  test('a finger on the map chooses a hive, and then one of its workers', async () => {
    const page = await visit()
    await page.getByRole('img', { name: /^Map of 160 workers on 20 hives/ }).tap({ position: { x: 5, y: 5 } })
    const hive = page.getByRole('img', { name: /^Map of 8 workers on 1 hive,/ })
    await hive.waitFor()
    expect(new URL(page.url()).search).toBe('?hive=gpu-000')
    await page.getByTestId('total').getByText('8 workers').waitFor()
    await picture(page, 'map-hive-phone')
    await hive.tap({ position: { x: 36, y: 12 } })
    await page.getByTestId('drawer').getByRole('heading', { name: 'gpu-000/llm/8080' }).waitFor()
  })

  test.each([
    { hives: 40, workers: 320 },
    { hives: 12_500, workers: 100_000 },
  ])('the summary keeps its height when some of $hives hives are in trouble', async ({ hives, workers }) => {
    let troubled = 0
    const split = (total: number, names: [string, string, string]) => {
      const [second, third] = [Math.floor(0.4 * troubled * total), Math.floor(0.2 * troubled * total)]
      return { total, [names[0]]: total - second - third, [names[1]]: second, [names[2]]: third }
    }
    const page = await visit('', {
      change: ({ fleet }) =>
        fleet &&
        Object.assign(fleet, {
          hives: { ...fleet.hives, ...split(hives, ['online', 'suspect', 'offline']) },
          workers: { ...fleet.workers, ...split(workers, ['idle', 'busy', 'unknown']) },
        }),
    })
    const summary = page.getByTestId('summary')
    await summary.getByText(`${hives.toLocaleString('en-US')} online`).waitFor()
    const before = await summary.boundingBox()
    troubled = 1
    await summary.getByText('suspect').waitFor()
    await picture(page, `summary-phone-${hives}`)
    expect(await summary.boundingBox()).toEqual(before)
  })

  test.each([
    [250, 3],
    [12_500, 3],
    [12_500, 1],
  ])('the map of %i hives leaves room for the list, at %i pixels to one', async (hives, deviceScaleFactor) => {
    const groups = Array.from({ length: hives }, (_, h) => ({
      key: `hive-${h}`,
      workerIds: Array.from({ length: 8 }, (_, w) => `hive-${h}/llm/${w}`),
    }))
    const page = await visit('', {
      deviceScaleFactor,
      change: ({ fleetMap }) => {
        if (!fleetMap) return
        if (fleetMap.layout) fleetMap.layout.groups = groups
        fleetMap.cells = '0z9~9z0!'.repeat(hives)
      },
    })
    const map = page.getByRole('img', { name: `on ${hives.toLocaleString('en-US')} hives` })
    await map.waitFor()
    await picture(page, `map-phone-${hives}-${deviceScaleFactor}`)
    expect((await map.boundingBox())?.height).toBeLessThanOrEqual(96)
    // What is wider than a phone makes its page wider.
    expect(await page.evaluate(() => innerWidth)).toBe(390)
  })
})

describe('enlarged', () => {
  test.each([
    [640, 400],
    [320, 256],
  ])('all is within reach at %i x %i', async (width, height) => {
    const page = await stage.visit('', { viewport: { width, height } })
    await firstRow(page)
    await page.keyboard.press('End')
    const last = page.locator('.row.active')
    await last.getByText('gpu-019').waitFor()
    await picture(page, `enlarged-${width}`)
    const covered = await last.evaluate((row) => {
      const { left, top, height } = row.getBoundingClientRect()
      return !row.contains(document.elementFromPoint(left + 30, top + height / 2))
    })
    expect(covered).toBe(false)
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0)
  })
})

describe('whatever the figures are', () => {
  const small = {
    hives: { total: 20, online: 20, suspect: 0, offline: 0 },
    workers: { total: 160, idle: 60, busy: 100, unknown: 0, available: 160 },
  }
  const large = {
    hives: { total: 12_500, online: 8_765, suspect: 2_345, offline: 1_390 },
    workers: { total: 100_000, idle: 39_876, busy: 48_124, unknown: 12_000, available: 100_000 },
    vramUsedMb: 7e9,
    vramTotalMb: 1.2e10,
    heartbeatsPerSecond: 12_480,
  }
  const beside = '?sel=hive:gpu-007'
  const visit = async (width: number, query: string) => {
    let figures: Partial<Figures> = small
    const page = await stage.visit(query, {
      viewport: { width, height: 800 },
      change: ({ fleet }) => fleet && Object.assign(fleet, figures),
    })
    await firstRow(page)
    const total = page.getByTestId('workers-total').locator('.figure-value')
    await total.getByText('160').waitFor()
    const grow = async () => {
      figures = large
      await total.getByText('100,000').waitFor()
    }
    return { page, grow }
  }

  test.each([
    { width: 1280, query: beside, lines: 1 },
    { width: 1280, query: `${beside}&model=gemma-3-27b`, lines: 1 },
    { width: 1280, query: '', lines: 1 },
    { width: 1440, query: beside, lines: 1 },
    { width: 1110, query: beside, lines: 2 },
    { width: 800, query: '', lines: 2 },
  ])(
    'the summary keeps its height, nothing is cut off, no filter stands alone: $width $query',
    async ({ width, query, lines }) => {
      const { page, grow } = await visit(width, query)
      const summary = page.getByTestId('summary')
      const before = await summary.boundingBox()
      await grow()
      await picture(page, `figures-${width}${query && '-beside'}`)
      expect(await summary.boundingBox()).toEqual(before)
      const cut = await page
        .locator('.figure')
        .evaluateAll((figures) => figures.filter((f) => f.scrollWidth > f.clientWidth).map((f) => f.textContent))
      expect(cut).toEqual([])
      const middles = await page
        .locator('.filters > *')
        .evaluateAll((filters) =>
          filters.map((f) => f.getBoundingClientRect()).map(({ top, height }) => Math.round(top + height / 2)),
        )
      expect(new Set(middles).size).toBe(lines)
    },
  )
})
