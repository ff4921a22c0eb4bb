import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { complaints, launch, open, picture, type Watch } from './browser'
import { Fleet, sleep, Waggle } from './server'

let browser: Browser
let waggle: Waggle
let fleet: Fleet
let watch: Watch
let page: Page

beforeAll(async () => {
  browser = await launch()
  waggle = await Waggle.start()
  fleet = await new Fleet(waggle, 20, 4).start()
})
afterAll(async () => {
  fleet?.stop()
  await browser?.close()
  await waggle?.kill()
})
beforeEach(async () => {
  watch = await open(browser, waggle.url)
  page = watch.page
  await pill('Live')
  await rows().first().waitFor()
})
afterEach(async () => {
  const held = complaints(watch)
  await page.context().close()
  expect(held).toEqual([])
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
    watch.serverIsDown = true
    await waggle.kill()
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
    await waggle.again()
    await fleet.beat()
    await page
      .getByRole('button', { name: 'Try now' })
      .click({ timeout: 2000 })
      .catch(() => {})
    await pill('Live', 15_000)
    watch.serverIsDown = false
    await page.getByText('The server was restarted.').waitFor()
    await banner.waitFor({ state: 'detached' })
    expect(await looks()).toBe('none')
    await expect.poll(names).toEqual(before)
    await sleep(1500)
  })

  test('a server that sleeps while the socket stays open is called late', async () => {
    await sleep(1500)
    waggle.freeze()
    try {
      await pill('Late')
      expect(await looks()).toContain('saturate')
      expect(await names()).not.toEqual([])
    } finally {
      waggle.thaw()
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

  test('a worker that goes away under the pointer is struck out, not swept away', async () => {
    await fleet.beat()
    await page.getByLabel('Find workers by id, model or hostname').fill('gpu-019')
    await page.getByTestId('total').getByText('4 workers').waitFor()
    await rows().nth(1).hover()
    await page.getByTestId('held').waitFor()
    fleet.silence(19)
    await waggle.query('mutation { removeHive(id: "gpu-019") }')
    await page.locator('.row.gone').first().waitFor({ timeout: 5000 })
    expect(await rows().count()).toBe(4)
    await page.mouse.move(5, 5)
    await page.getByText('No worker like that.').waitFor({ timeout: 5000 })
    fleet.speak(19)
  })

  test('an address that makes no sense is said to, and the rest of it is used', async () => {
    await page.goto(`${waggle.url}?state=sleeping&sort=-gpu&colour=blue`)
    await page.getByText('Left out of the address, as it made no sense: state, colour.').waitFor()
    await page.locator('[aria-sort="descending"]').getByText('GPU %').waitFor()
  })
})
