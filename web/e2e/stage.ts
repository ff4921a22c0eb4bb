import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { complaints, launch, type Options, open, type Watch } from './browser'
import { Fleet, Waggle } from './server'

/** What the tests of a file act on: a browser, a server, and a fleet that reports to it. */
export interface Stage {
  browser: Browser
  waggle: Waggle
  fleet: Fleet
  /** The page that was opened last. */
  watch: Watch
  /** Opens the page, or another path of the server. It is closed after the test, and must have had nothing to complain of. */
  visit(path?: string, options?: Options): Promise<Watch['page']>
}

export function setStage(hives: number, workersOfEach: number): Stage {
  const stage = {
    async visit(path = '', options = {}) {
      stage.watch = await open(stage.browser, stage.waggle.url + path, options)
      return stage.watch.page
    },
  } as Stage
  beforeAll(async () => {
    stage.browser = await launch()
    stage.waggle = await Waggle.start()
    stage.fleet = await new Fleet(stage.waggle, hives, workersOfEach).start()
  })
  afterAll(async () => {
    stage.fleet?.stop()
    await stage.browser?.close()
    await stage.waggle?.kill()
  })
  afterEach(async () => {
    const held = complaints(stage.watch)
    await stage.watch.page.context().close()
    expect(held).toEqual([])
  })
  return stage
}
