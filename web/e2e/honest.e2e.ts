import type { Page } from 'playwright-core'
import { beforeEach, describe, expect, test } from 'vitest'
import { picture } from './browser'
import { sleep } from './server'
import { setStage } from './stage'

const stage = setStage(20, 4)
let page: Page

beforeEach(async () => {
  page = await stage.visit()
  await pill('Live')
  await rows().first().waitFor()
})

const rows = () => page.locator('.grid-body .row:not(.skeleton)')
const pill = (word: string, timeout = 8000) =>
  page.getByTestId('connection').getByText(word, { exact: true }).waitFor({ timeout })
/** The first rows: the banner takes some room at the end of the list. */
const names = async () => (await rows().locator('.worker-name').allInnerTexts()).slice(0, 10)
const looks = () => page.locator('.view').evaluate((view) => getComputedStyle(view).filter)
const ageSaid = async () => Number(/(\d+) s ago/.exec(await page.getByTestId('banner').innerText())?.[1])

describe('when things break', () => {
  test('a killed server: rows stay and look stale, the banner counts, and it is live again by itself', async () => {
    const before = await names()
    expect(await looks()).toBe('none')
    stage.watch.serverIsDown = true
    await stage.waggle.kill()
    await pill('Reconnecting')
    const banner = page.getByTestId('banner')
    await banner.getByText(/Next try in \d+ s\.|Trying now\./).waitFor()
    expect(await banner.innerText()).toMatch(/As of \d\d:\d\d:\d\d, \d+ s ago\./)
    expect(await names()).toEqual(before)
    expect(await looks()).toContain('saturate')
    await picture(page, 'reconnecting-dark')
    const said = await ageSaid()
    await expect.poll(ageSaid, { timeout: 5000 }).toBeGreaterThan(said + 1)
    expect(await names()).toEqual(before)
    await stage.waggle.again()
    await stage.fleet.beat()
    await page
      .getByRole('button', { name: 'Try now' })
      .click({ timeout: 2000 })
      .catch(() => {})
    await pill('Live', 15_000)
    stage.watch.serverIsDown = false
    await page.getByText('The server was restarted.').waitFor()
    await banner.waitFor({ state: 'detached' })
    expect(await looks()).toBe('none')
    await expect.poll(names).toEqual(before)
    await sleep(1500)
  })

  test('a server that sleeps while the socket stays open is called late', async () => {
    await sleep(1500)
    stage.waggle.freeze()
    try {
      await pill('Late')
      expect(await looks()).toContain('saturate')
      expect(await names()).not.toEqual([])
    } finally {
      stage.waggle.thaw()
    }
    await pill('Live')
  })

  test('paused means nothing moves, and resuming brings the newest', async () => {
    await page.keyboard.press('Space')
    await pill('Paused')
    const values = () => page.locator('.gpu .value').allInnerTexts()
    const still = await values()
    await sleep(3000)
    expect(await values()).toEqual(still)
    await page.getByTestId('banner').getByRole('button', { name: 'Resume' }).click()
    await pill('Live')
    await expect.poll(values, { timeout: 5000 }).not.toEqual(still)
  })

  test('what is opened while paused has its data, and stands still', async () => {
    await page.keyboard.press('Space')
    await pill('Paused')
    const grid = () => rows().allInnerTexts()
    await page.getByRole('link', { name: 'Hives' }).click()
    await expect.poll(async () => (await grid()).length).toBeGreaterThan(10)
    await page.getByRole('link', { name: 'Fleet' }).click()
    await rows().filter({ hasText: 'gpu-000' }).first().waitFor()
    await page.getByRole('img', { name: /^Map of 80 workers/ }).waitFor()
    await page.keyboard.press('End')
    await rows().filter({ hasText: 'gpu-019' }).first().click()
    await page
      .getByTestId('drawer')
      .getByRole('img', { name: /^GPU utilization, last/ })
      .waitFor()
    await sleep(500)
    const still = await page.locator('body').innerText()
    await page.locator('.row.selected').hover()
    await sleep(2500)
    await page.mouse.move(5, 5)
    await sleep(500)
    const sinceThen = (text: string) => text.replace(/\d+ (m \d+ )?s\b/g, '')
    expect(sinceThen(await page.locator('body').innerText())).toBe(sinceThen(still))
    await page.getByRole('link', { name: 'Find' }).click()
    await page.getByTestId('candidates').getByText(/^\d+/).waitFor()
    await page.getByLabel('Model', { exact: true }).fill('gemma-3-27b')
    await page.locator('.best-id').waitFor()
    await picture(page, 'paused-find')
    await page.keyboard.press('Escape')
    await page.getByTestId('banner').getByRole('button', { name: 'Resume' }).click()
    await pill('Live')
  })

  test('a worker that goes away under the pointer is struck out, not swept away', async () => {
    await stage.fleet.beat()
    await page.getByLabel('Find workers by id, model or hostname').fill('gpu-019')
    await page.getByTestId('total').getByText('4 workers').waitFor()
    await rows().nth(1).hover()
    await page.getByTestId('held').waitFor()
    stage.fleet.silence(19)
    await stage.waggle.query('mutation { removeHive(id: "gpu-019") }')
    await page.locator('.row.gone').first().waitFor({ timeout: 5000 })
    expect(await rows().count()).toBe(4)
    await page.mouse.move(5, 5)
    await page.getByText('No worker like that.').waitFor({ timeout: 5000 })
    stage.fleet.speak(19)
  })

  test('a registry that protects itself is said to as soon as it does, and as long', async () => {
    const most = Array.from({ length: 17 }, (_, hive) => hive)
    const mode = async () => (await stage.waggle.query<{ server: { mode: string } }>('{ server { mode } }')).server.mode
    const notice = page.getByLabel('Protection')
    for (const hive of most) stage.fleet.silence(hive)
    await expect.poll(mode, { timeout: 20_000 }).toBe('PROTECTED')
    await notice.waitFor({ timeout: 3000 })
    for (const hive of most) stage.fleet.speak(hive)
    await expect.poll(mode, { timeout: 5000 }).toBe('SERVING')
    await notice.waitFor({ state: 'detached', timeout: 3000 })
  }, 60_000)

  test('an address that makes no sense is said to, and the rest of it is used', async () => {
    await page.goto(`${stage.waggle.url}?state=sleeping&sort=-gpu&colour=blue`)
    await page.getByText('Left out of the address, as it made no sense: state, colour.').waitFor()
    await page.locator('[aria-sort="descending"]').getByText('GPU %').waitFor()
  })
})
