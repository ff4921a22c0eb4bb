import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export const launch = (): Promise<Browser> =>
  chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: flags })

/** What a browser must never have to say about us. */
export interface Watch {
  page: Page
  /** Errors on the console and uncaught ones. */
  errors: string[]
  /** Refusals by the content security policy. */
  violations: string[]
  /** Requests that would leave the server. */
  foreign: string[]
  /** Files and queries asked for, by path. */
  requests: string[]
  /** While true, errors of a lost connection are expected: browsers write these themselves. */
  serverIsDown: boolean
}

const lostConnection = /WebSocket|ERR_CONNECTION|ERR_EMPTY_RESPONSE|Failed to load resource/

export interface Options extends BrowserContextOptions {
  script?: string
  /** Changes an answer on its way to the page: no test machine holds a fleet of every size. */
  change?(answer: Answer): void
}

export interface Answer {
  fleet?: Figures
  fleetMap?: { layout: { groups: { key: string; workerIds: string[] }[] } | null; cells: string }
}

export interface Figures {
  hives: Record<string, number>
  workers: Record<string, number>
  vramUsedMb: number
  vramTotalMb: number
  heartbeatsPerSecond: number
}

/** Opens a page that is watched from its first byte on. */
export async function open(browser: Browser, url: string, options: Options = {}): Promise<Watch> {
  const { script, change, ...contextOptions } = options
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    colorScheme: 'dark',
    ...contextOptions,
  })
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  if (script) await context.addInitScript({ content: script })
  const page = await context.newPage()
  const watch: Watch = { page, errors: [], violations: [], foreign: [], requests: [], serverIsDown: false }
  const origin = url === 'about:blank' ? '' : new URL(url).origin
  await page.exposeFunction('reportViolation', (what: string) => watch.violations.push(what))
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      const report = (window as unknown as { reportViolation(what: string): void }).reportViolation
      report(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`)
    })
  })
  page.on('console', (message) => {
    if (message.type() !== 'error') return
    if (watch.serverIsDown && lostConnection.test(message.text())) return
    watch.errors.push(message.text())
  })
  page.on('pageerror', (error) => watch.errors.push(error.message))
  page.on('request', (request) => {
    const to = new URL(request.url())
    if (to.protocol === 'data:' || to.protocol === 'blob:') return
    watch.requests.push(to.pathname)
    if (origin && to.origin !== origin) watch.foreign.push(request.url())
  })
  page.on('websocket', (socket) => {
    if (origin && new URL(socket.url()).host !== new URL(url).host) watch.foreign.push(socket.url())
  })
  if (change) {
    await page.routeWebSocket(/graphql$/, (socket) => {
      socket.connectToServer().onMessage((text) => {
        const message = JSON.parse(String(text))
        if (message.payload?.data) change(message.payload.data)
        socket.send(JSON.stringify(message))
      })
    })
  }
  await page.goto(url)
  return watch
}

/** Everything the browser held against the page so far. */
export const complaints = ({ errors, violations, foreign }: Watch): string[] => [...errors, ...violations, ...foreign]

/** Keeps a picture for people to look at. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = join(import.meta.dirname, '..', 'artefacts')
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `${name}.png`) })
}
