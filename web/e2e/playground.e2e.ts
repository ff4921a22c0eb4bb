import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import { picture } from './browser'
import { setStage } from './stage'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Known in GraphiQL 5.4.0 itself: contrast of a few quiet words, and a close button inside each tab. */
const upstream = new Set(['color-contrast', 'nested-interactive'])

const stage = setStage(6, 4)

const visit = (path: string, script?: string) => stage.visit(path, { script })
const answer = (page: Page): Promise<string> => page.locator('.graphiql-response').innerText()
const run = async (page: Page) => {
  await page.locator('.graphiql-execute-button').click()
}
const plain = (text: string): string => text.replace(/\s/g, '')

describe('the playground', () => {
  test('runs its first tab, knows the schema, and asks nobody else', async () => {
    const page = await visit('playground/', axe)
    await page.locator('.graphiql-execute-button').waitFor({ timeout: 20_000 })
    await page.locator('.graphiql-query-editor .view-lines').getByText('heartbeatsPerSecond').waitFor()
    expect(await page.locator('.graphiql-tab').count()).toBeGreaterThanOrEqual(6)
    await run(page)
    await expect.poll(async () => plain(await answer(page)), { timeout: 10_000 }).toContain('"hives":{"total":6,')
    await page.getByRole('button', { name: 'Show Documentation Explorer' }).click()
    await page
      .getByRole('link', { name: 'Query', exact: true })
      .or(page.getByText('Query', { exact: true }))
      .first()
      .click()
    await page.getByText('Reading the registry.', { exact: false }).waitFor()
    await picture(page, 'playground-dark')
    const found = await page.evaluate(async () => {
      const { axe } = window as unknown as {
        axe: { run(options: object): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> }
      }
      const options = {
        preload: false,
        resultTypes: ['violations'],
        runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'],
      }
      return (await axe.run(options)).violations.map((v) => ({ id: v.id, nodes: v.nodes.map((n) => n.html) }))
    })
    expect(found.filter(({ id }) => !upstream.has(id))).toEqual([])
  })

  test('is filled from the address and follows a live subscription', async () => {
    const query = 'subscription { fleet(intervalMs: 200) { serverTime workers { total } } }'
    const page = await visit(`playground/?query=${encodeURIComponent(query)}`)
    await page.locator('.graphiql-query-editor .view-lines').getByText('intervalMs').waitFor({ timeout: 20_000 })
    await run(page)
    await expect.poll(async () => plain(await answer(page)), { timeout: 10_000 }).toContain('"total":24')
    const first = await answer(page)
    await expect.poll(() => answer(page), { timeout: 5000 }).not.toBe(first)
    expect(new URL(page.url()).search).toBe('')
  })

  test('gives the answer the page shows, to the query the page copies', async () => {
    const page = await visit('?state=idle&sort=-free')
    await page.locator('.grid-body .row:not(.skeleton)').first().waitFor()
    const shown = await page.locator('.worker-name').first().getAttribute('title')
    const total = /\d+/.exec(await page.getByTestId('total').innerText())?.[0]
    await page.keyboard.press('c')
    await page.getByText('Copied the query as GraphQL.').waitFor()
    await page.goto(`${stage.waggle.url}playground/?query=${encodeURIComponent('# paste here')}`)
    const editor = page.locator('.graphiql-query-editor .view-lines')
    await editor.getByText('paste').waitFor({ timeout: 20_000 })
    await editor.click()
    await page.keyboard.press('Control+a')
    await page.keyboard.press('Control+v')
    await editor.getByText('gpuUtilizationPercent').waitFor()
    await run(page)
    await expect.poll(async () => plain(await answer(page)), { timeout: 10_000 }).toContain(`"totalCount":${total}`)
    expect(plain(await answer(page))).toContain(`"nodes":[{"id":"${shown}"`)
  })
})
