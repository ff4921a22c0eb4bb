import { act, fireEvent, render, screen, within } from '@testing-library/react'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { App } from './app'
import { Page, PageContext } from './page'
import { FakeSocket, fleetAnswer, worker } from './test/fakesocket'

let socket: FakeSocket
let page: Page
let stop: () => void

/** A box of 600 pixels: happy-dom lays nothing out. */
function withHeights(): void {
  vi.spyOn(HTMLElement.prototype, 'clientHeight', 'get').mockReturnValue(600)
  vi.spyOn(HTMLElement.prototype, 'offsetWidth', 'get').mockReturnValue(1250)
}

const server = {
  data: { server: { version: '1', epoch: 'epoch1', startedAt: '2026-01-01T00:00:00Z', mode: 'SERVING' } },
}

function show(address = '/'): void {
  history.replaceState(null, '', address)
  socket = new FakeSocket()
  page = new Page(socket.make)
  stop = page.start()
  render(
    <PageContext value={page}>
      <App />
    </PageContext>,
  )
}

beforeEach(() => {
  vi.useFakeTimers()
  withHeights()
  vi.stubGlobal(
    'fetch',
    vi.fn(async () => new Response(JSON.stringify(server))),
  )
})
afterEach(() => {
  stop?.()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

const pass = (ms: number) => act(async () => void (await vi.advanceTimersByTimeAsync(ms)))
async function tick(change = {}): Promise<void> {
  act(() => socket.only('Fleet').next(fleetAnswer(change)))
  await pass(20)
}
async function rows(ids: string[], change = {}, total = ids.length): Promise<void> {
  act(() =>
    socket.only('Workers').next({
      workers: { revision: 'epoch1.1', totalCount: total, offset: 0, nodes: ids.map((id) => worker(id, change)) },
    }),
  )
  await pass(20)
}
const key = (name: string, more = {}) => fireEvent.keyDown(document.body, { key: name, ...more })
const pill = () => screen.getByTestId('connection').textContent

describe('what the page says', () => {
  test('first: connecting, with the shape of rows to come', () => {
    show()
    expect(pill()).toBe('Connecting')
    expect(screen.getByRole('grid').getAttribute('aria-busy')).toBe('true')
    expect(screen.queryByTestId('banner')).toBeNull()
  })

  test('an empty fleet: what to do, with a command to copy', async () => {
    show()
    await tick({ hives: { total: 0, online: 0, suspect: 0, offline: 0, available: 0 } })
    expect(screen.getByRole('heading', { name: 'No hive has been heard yet' })).toBeTruthy()
    expect(screen.getByText(/--data-raw/).textContent).toContain('/graphql')
    expect(screen.getByText('waggle serve --demo 250')).toBeTruthy()
    expect(screen.getByText('go run . --demo 250')).toBeTruthy()
  })

  const noWorker = { workers: { total: 0, available: 0, idle: 0, busy: 0, unknown: 0 }, models: [] }

  test('hives without a worker: what to do, unless a filter is set', async () => {
    show()
    await tick({ ...noWorker, hives: { total: 1, online: 1, suspect: 0, offline: 0, available: 1 } })
    expect(screen.getByRole('heading', { name: 'No worker is reported' })).toBeTruthy()
    expect(screen.getByText(/^1 hive known, but no model server on it\./)).toBeTruthy()
    expect(screen.getByText(/llama-server, Ollama, vLLM/)).toBeTruthy()
    expect(screen.getByText('go run . --demo 250')).toBeTruthy()
    expect(screen.queryByText('No worker like that.')).toBeNull()
    act(() => page.address.go({ state: 'idle' }))
    await rows([])
    expect(screen.queryByRole('heading', { name: 'No worker is reported' })).toBeNull()
    expect(screen.getByText('No worker like that.')).toBeTruthy()
    act(() => page.address.go({ state: '' }))
    await tick()
    await rows(['a/llm/1'])
    expect(screen.getByTitle('a/llm/1')).toBeTruthy()
  })

  test('models: a name that none has is told from a fleet without models', async () => {
    show('/?view=models')
    await tick({ models: [] })
    expect(screen.getByText('No worker reports a model.')).toBeTruthy()
    const field = screen.getByRole<HTMLInputElement>('searchbox', { name: 'Find models' })
    fireEvent.change(field, { target: { value: 'x' } })
    await pass(200)
    expect(screen.getByText('No model is called that.')).toBeTruthy()
    act(() => page.address.go({ q: '' }))
    expect(field.value).toBe('')
  })

  test('hives: only filters that hives have are said to be in force', async () => {
    show('/?view=hives&state=idle&model=m&minFree=1024&hive=a&q=b')
    await tick()
    act(() => socket.only('Hives').next({ hives: { revision: 'epoch1.1', totalCount: 0, offset: 0, nodes: [] } }))
    await pass(20)
    const chips = within(screen.getByRole('list', { name: 'Filters in force' })).getAllByRole('button')
    expect(chips.map((chip) => chip.textContent)).toEqual([
      '“b”, remove this filter',
      'hive a, remove this filter',
      'Clear all',
    ])
    expect(screen.queryByRole('button', { name: 'Without idle' })).toBeNull()
    expect(screen.getByRole('button', { name: /^All/ }).getAttribute('aria-pressed')).toBe('true')
    act(() => page.address.go({ q: '', hive: [] }))
    expect(screen.queryByRole('list', { name: 'Filters in force' })).toBeNull()
  })

  test.each([
    ['/', 'Least free GPU memory in GB'],
    ['/?view=find', 'Free GPU memory, GB'],
  ])('%s: memory stays as it is typed', async (address, label) => {
    show(address)
    await tick()
    const field = screen.getByLabelText<HTMLInputElement>(label)
    const seen: string[] = []
    for (const text of ['0', '0.3', '2', '2.35', '2.355']) {
      fireEvent.change(field, { target: { value: text } })
      seen.push(field.value)
    }
    expect(seen).toEqual(['0', '0.3', '2', '2.35', '2.355'])
    expect(page.address.place.get().minFree).toBe(2412)
    act(() => page.address.refine({ minFree: 2355 }))
    expect(field.value).toBe('2.3')
    act(() => page.address.refine({ minFree: 0 }))
    expect(field.value).toBe('')
  })

  test.each([
    ['', noWorker, /^There is no worker in the fleet\./],
    ['&model=m&minFree=1024', noWorker, /^There is no worker in the fleet\./],
    ['', {}, 'No worker is idle and available now.'],
    ['&minFree=1024', {}, 'No idle, available worker has that. Less memory?'],
    ['&model=m', {}, 'No idle, available worker has that. Another model?'],
    ['&model=m&minFree=1024', {}, 'No idle, available worker has that. Less memory, or another model?'],
  ])('no candidate: what is true of it, asked for "%s" (%#)', async (asked, change, said) => {
    show(`/?view=find${asked}`)
    await tick(change)
    act(() => socket.only('Candidates').next({ workers: { totalCount: 0, nodes: [] } }))
    await pass(20)
    expect(within(screen.getByRole('region', { name: 'Table of candidates' })).getByText(said)).toBeTruthy()
  })

  test('candidates: none moves away under the pointer, or the focus', async () => {
    show('/?view=find')
    await tick()
    const offer = async (...ids: string[]) => {
      act(() =>
        socket.only('Candidates').next({ workers: { totalCount: ids.length, nodes: ids.map((id) => worker(id)) } }),
      )
      await pass(20)
    }
    const table = within(screen.getByRole('region', { name: 'Table of candidates' }))
    const ids = () => table.getAllByRole('button').map((b) => `${b.textContent}${b.closest('.gone') ? ' gone' : ''}`)
    await offer('a', 'b')
    await offer('b', 'a')
    expect(ids()).toEqual(['b', 'a'])
    const body = table.getAllByRole('rowgroup')[1] as HTMLElement
    fireEvent.pointerEnter(body)
    await offer('c', 'a')
    expect(ids()).toEqual(['b gone', 'a', 'c'])
    fireEvent.focus(table.getByRole('button', { name: 'a' }))
    fireEvent.pointerLeave(body)
    await offer('c', 'b', 'a')
    expect(ids()).toEqual(['b', 'a', 'c'])
    fireEvent.blur(table.getByRole('button', { name: 'a' }))
    expect(ids()).toEqual(['c', 'b', 'a'])
    fireEvent.pointerEnter(body)
    act(() => page.address.go({ minFree: 1024 }))
    await offer('d', 'c')
    expect(ids()).toEqual(['d', 'c'])
  })

  test('the best worker: it does not change under the pointer, or the focus', async () => {
    let best: object | null = null
    vi.stubGlobal(
      'fetch',
      vi.fn(
        async (_, { body }: RequestInit) =>
          new Response(JSON.stringify(String(body).includes('BestWorker') ? { data: { bestWorker: best } } : server)),
      ),
    )
    show('/?view=find&model=m')
    const answer = async (id: string | null, vramFreeMb = 1024) => {
      best = id === null ? null : worker(id, { endpoint: null, vramFreeMb })
      await tick()
      await pass(1000)
    }
    const panel = within(screen.getByTestId('best'))
    const link = () => panel.getByRole('button')
    const said = () => link().parentElement?.textContent
    await answer('a')
    await answer('b')
    expect(said()).toBe('bendpoint unknown1.0 GB free')
    fireEvent.pointerEnter(link().parentElement as HTMLElement)
    await answer('b', 2048)
    expect(said()).toBe('bendpoint unknown2.0 GB free')
    await answer('c')
    expect(said()).toBe('bendpoint unknown2.0 GB freeAnother is the best by now.')
    fireEvent.focus(link())
    fireEvent.pointerLeave(link().parentElement as HTMLElement)
    await answer(null)
    expect(said()).toBe('bendpoint unknown2.0 GB freeNone has that by now.')
    fireEvent.click(link())
    expect(page.address.place.get().sel).toBe('worker:b')
    fireEvent.blur(link())
    expect(panel.getByText('No idle, available worker has that.')).toBeTruthy()
    await answer('c')
    fireEvent.pointerEnter(link().parentElement as HTMLElement)
    act(() => page.address.go({ minFree: 1024, sel: '' }))
    await answer('d')
    expect(said()).toBe('dendpoint unknown1.0 GB free')
  })

  test('live: rows with shape, word and colour; the title counts what is offline', async () => {
    show()
    await tick({ hives: { total: 3, online: 1, suspect: 1, offline: 1, available: 1 } })
    await rows(['a/llm/1', 'b/llm/1'], { liveness: 'OFFLINE', activity: 'UNKNOWN' })
    expect(pill()).toBe('Live')
    expect(document.title).toBe('(1 offline) Fleet · Waggle')
    const [first] = screen.getAllByRole('row').slice(1)
    const badge = first?.querySelector('.badge.offline')
    expect(badge?.textContent).toBe('Offline')
    expect(badge?.querySelector('svg path')).toBeTruthy()
    expect(screen.getByRole('grid').getAttribute('aria-rowcount')).toBe('3')
    expect(first?.getAttribute('aria-rowindex')).toBe('2')
  })

  test('a worker of a cordoned hive is idle, and said to take no work', async () => {
    show()
    await tick()
    await rows(['a/llm/1'], { available: false })
    const row = () => within(screen.getAllByRole('row')[1] as HTMLElement)
    expect(row().getByText('Idle')).toBeTruthy()
    expect(row().getByText('not available')).toBeTruthy()
    await rows(['a/llm/1'], { available: false, liveness: 'OFFLINE', activity: 'UNKNOWN' })
    expect(row().queryByText('not available')).toBeNull()
    await rows(['a/llm/1'])
    expect(row().queryByText('not available')).toBeNull()
  })

  test('details of a silent worker do not pass for news', async () => {
    show('/?sel=worker:a/llm/1')
    await tick()
    const detail = (change: object) =>
      worker('a/llm/1', {
        pid: 1,
        endpoint: null,
        ioReadMbPerSecond: null,
        ioWriteMbPerSecond: null,
        revision: 'epoch1.1',
        history: { stepMs: 5000, gpuUtilizationPercent: [44], vramUsedMb: [100] },
        gpuUtilizationPercent: 44,
        ...change,
      })
    act(() => socket.only('WorkerDetail').next({ worker: detail({}) }))
    await pass(20)
    const drawer = within(screen.getByTestId('drawer'))
    expect(drawer.queryByText(/the last figures/)).toBeNull()
    expect(drawer.getByText('44 %').closest('.silent')).toBeNull()
    const lastSeenAt = new Date(Date.now() - 30_000).toISOString()
    act(() => socket.only('WorkerDetail').next({ worker: detail({ liveness: 'OFFLINE', lastSeenAt }) }))
    await pass(1000)
    expect(drawer.getByText(/^These are the last figures that were heard, 3\d s ago\.$/)).toBeTruthy()
    expect(drawer.getByText('44 %').closest('.silent')).toBeTruthy()
  })

  test('the models to choose from are the most common ones, and not said to be all', async () => {
    show()
    await tick()
    await rows(['a/llm/1'])
    const choose = (name: string) => {
      fireEvent.change(screen.getByRole('searchbox', { name: 'Find a model' }), { target: { value: name } })
    }
    fireEvent.click(within(document.querySelector('.filters') as HTMLElement).getByRole('button', { name: 'Model' }))
    choose('rare')
    expect(screen.getByText('No such model.')).toBeTruthy()
    const model = (i: number) => ({ model: `m${i}`, workers: 1, available: 1, idle: 1, hives: 1, largestFreeVramMb: 1 })
    await tick({ models: Array.from({ length: 50 }, (_, i) => model(i)) })
    expect(screen.getByText('None of the 50 models that most workers have.')).toBeTruthy()
  })

  test('a server of another version: a hint to load its page', async () => {
    const serve = (version: string) =>
      vi.stubGlobal(
        'fetch',
        vi.fn(async () => new Response(JSON.stringify({ data: { server: { ...server.data.server, version } } }))),
      )
    serve('1')
    show()
    await tick()
    await pass(11_000)
    expect(screen.queryByText(/Reload/)).toBeNull()
    serve('2')
    await tick()
    await pass(10_000)
    expect(screen.getByRole('region', { name: 'New version' }).textContent).toBe(
      'Another version. The server is 2 now; this page came with 1.Reload',
    )
  })

  test('a fleet of which nothing is heard has no figures, not zeros', async () => {
    show()
    await tick({
      workers: { total: 3, available: 0, idle: 0, busy: 0, unknown: 3 },
      vramTotalMb: 0,
      vramUsedMb: 0,
      largestFreeVramMb: 0,
    })
    const summary = screen.getByTestId('summary').textContent
    expect(summary).toContain('GPU memory in use–none is known')
    expect(summary).toContain('Largest free–no worker is available')
  })

  test('no match: which filter to drop', async () => {
    show('/?q=nothing&state=idle')
    await tick()
    await rows([])
    expect(screen.getByText('No worker like that.')).toBeTruthy()
    fireEvent.click(screen.getByRole('button', { name: 'Without idle' }))
    expect(location.search).toBe('?q=nothing')
  })

  test('late, then lost: a banner with the age, the rows stay', async () => {
    show()
    await tick()
    await rows(['a/llm/1'])
    await pass(4500)
    expect(pill()).toBe('Late')
    expect(screen.getByTestId('banner').textContent).toMatch(/gone quiet\. As of \d\d:\d\d:\d\d, \d s ago/)
    act(() => socket.emit('closed', { code: 1006 }))
    act(() => void socket.hooks.retryWait(5))
    await pass(1000)
    expect(pill()).toBe('Reconnecting')
    expect(screen.getByTestId('banner').textContent).toMatch(/Next try in \d+ s/)
    expect(document.querySelector('.shell')?.getAttribute('data-phase')).toBe('reconnecting')
    expect(screen.getByTitle('a/llm/1')).toBeTruthy()
  })

  test('restarted: said once', async () => {
    show()
    await tick()
    await tick({ revision: 'epoch2.1' })
    expect(screen.getByText(/The server was restarted/)).toBeTruthy()
    await pass(6000)
    expect(screen.queryByText(/The server was restarted/)).toBeNull()
  })

  test('refused: in the words of the server, with a way to try again', async () => {
    show()
    act(() => {
      for (const f of socket.active()) f.fail({ code: 4401, reason: 'Unauthorized' })
    })
    expect(pill()).toBe('Refused')
    expect(screen.getByTestId('banner').textContent).toContain('Unauthorized (4401)')
    fireEvent.click(screen.getByRole('button', { name: 'Try again' }))
    expect(pill()).toBe('Connecting')
  })

  test('an error of the question: said where the answer would be', async () => {
    show()
    await tick()
    act(() => socket.only('Workers').refuse('search is longer than 128 characters.'))
    expect(screen.getByRole('alert').textContent).toContain('search is longer than 128 characters.')
  })

  test('a server that is away is not said to have refused', async () => {
    vi.stubGlobal(
      'fetch',
      vi.fn(() => Promise.reject(new Error('down'))),
    )
    show('/?view=server')
    await pass(20)
    expect(screen.getByRole('alert').textContent).toBe('The server does not answer.Try again')
  })

  test.each([
    ['half of the silent hives are back', { online: 7, offline: 3 }],
    ['another operator said so, and the silent are forgotten', { total: 4, online: 4, offline: 0 }],
  ])('protected: said as soon as it is so, with the way out, and as long: until %s', async (_, end) => {
    let mode = 'SERVING'
    vi.stubGlobal(
      'fetch',
      vi.fn(async () => new Response(JSON.stringify({ data: { server: { ...server.data.server, mode } } }))),
    )
    show()
    const hives = { total: 10, suspect: 0, available: 4 }
    await tick({ hives: { ...hives, online: 10, offline: 0 } })
    expect(screen.queryByText('Protected.')).toBeNull()
    mode = 'PROTECTED'
    await tick({ hives: { ...hives, online: 4, offline: 6 } })
    await pass(50)
    expect(screen.getByText('Protected.').parentElement?.textContent).toBe(
      'Protected. Most hives fell silent at once; this may be the network. ' +
        'No hive is forgotten until heartbeats return or an operator says that the silence is real.',
    )
    expect(screen.getByRole('button', { name: 'The silence is real' })).toBeTruthy()
    mode = 'SERVING'
    await tick({ hives: { ...hives, ...end } })
    await pass(50)
    expect(screen.queryByText('Protected.')).toBeNull()
  })
})

test('activity: what is read stays where it is when more happens', async () => {
  const event = (n: number) => ({
    revision: `epoch1.${n}`,
    at: new Date(Date.UTC(2026, 0, 1) + n * 1000).toISOString(),
    kind: 'HIVE_JOINED',
    hiveId: `hive-${n}`,
    workerId: null,
    message: '',
  })
  const past = Array.from({ length: 100 }, (_, i) => event(100 - i))
  vi.stubGlobal(
    'fetch',
    vi.fn(async () => new Response(JSON.stringify({ data: { events: past } }))),
  )
  show('/?view=activity')
  await tick()
  await pass(50)
  const list = screen.getByRole('region', { name: 'Events, newest first' })
  act(() => socket.only('Events').next({ events: event(101) }))
  await pass(50)
  expect(list.scrollTop).toBe(0)
  list.scrollTop = 315
  fireEvent.scroll(list)
  act(() => {
    socket.only('Events').next({ events: event(102) })
    socket.only('Events').next({ events: event(103) })
  })
  await pass(50)
  expect(list.scrollTop).toBe(375)
})

test('activity: what happened today is told from other days by the clock of the server, not by this one', async () => {
  const noon = new Date(2026, 4, 5, 12).getTime()
  vi.setSystemTime(noon + 86_400_000)
  const happened = (at: number) => ({
    revision: `epoch1.${at}`,
    at: new Date(at).toISOString(),
    kind: 'HIVE_JOINED',
    hiveId: 'a',
    workerId: null,
    message: '',
  })
  const events = [happened(noon - 60_000), happened(noon - 86_400_000)]
  vi.stubGlobal(
    'fetch',
    vi.fn(async () => new Response(JSON.stringify({ data: { events } }))),
  )
  show('/?view=activity')
  await pass(50)
  await tick({ serverTime: new Date(noon).toISOString() })
  await pass(1000)
  expect([...document.querySelectorAll('.event time')].map((time) => time.textContent)).toEqual(['11:59:00', '4 May'])
})

describe('keys', () => {
  test('j, k, Enter and Escape walk, open and leave rows', async () => {
    show()
    await tick()
    await rows(['a/llm/1', 'b/llm/1', 'c/llm/1'])
    key('j')
    key('j')
    await pass(20)
    expect(document.querySelector('.row.active [title="b/llm/1"]')).toBeTruthy()
    expect(page.workers.state.get().held).toBe(true)
    await rows(['a/llm/1', 'b/llm/1', 'c/llm/1'])
    key('Enter')
    expect(new URLSearchParams(location.search).get('sel')).toBe('worker:b/llm/1')
    key('Escape')
    expect(new URLSearchParams(location.search).get('sel')).toBeNull()
    key('Escape')
    expect(page.workers.state.get().held).toBe(false)
  })

  test('g and a letter go to a view; ? shows the sheet; Ctrl-K searches', async () => {
    show()
    await tick()
    key('g')
    key('m')
    expect(location.search).toBe('?view=models')
    key('?')
    expect(screen.getByRole('dialog', { name: 'Keyboard' })).toBeTruthy()
    act(() => page.dialog.set(''))
    key('k', { ctrlKey: true })
    expect(within(screen.getByRole('dialog', { name: 'Search and commands' })).getByRole('combobox')).toBeTruthy()
  })

  test('nothing fires while somebody types, nor when letters are switched off', async () => {
    show()
    await tick()
    fireEvent.keyDown(screen.getByRole('searchbox', { name: /Find workers/ }), { key: '?' })
    expect(screen.queryByRole('dialog')).toBeNull()
    act(() => page.prefs.set({ letterKeys: false }))
    key('?')
    expect(screen.queryByRole('dialog')).toBeNull()
    act(() => page.prefs.set({ letterKeys: true }))
  })

  test('Ctrl-K: nothing that was found for other words can be opened', async () => {
    show()
    await tick()
    const found = (id: string) => ({
      hives: { totalCount: 1, nodes: [{ id, hostname: '10.0.0.1', liveness: 'ONLINE' }] },
      workers: { totalCount: 0, nodes: [] },
    })
    key('k', { ctrlKey: true })
    const options = () => screen.queryAllByRole('option').map((option) => option.textContent)
    const search = async (text: string, answer: () => Promise<Response>) => {
      vi.stubGlobal('fetch', vi.fn(answer))
      fireEvent.change(screen.getByRole('combobox'), { target: { value: text } })
    }
    await search('gpu-1', async () => new Response(JSON.stringify({ data: found('gpu-1') })))
    await pass(200)
    expect(options()).toEqual(['gpu-110.0.0.1'])
    await search('gpu-12', () => Promise.reject(new Error('down')))
    expect(options()).toEqual([])
    await pass(200)
    expect(options()).toEqual([])
    expect(screen.getByText('The server does not answer.')).toBeTruthy()
  })

  test('Space pauses and resumes; what has no answer yet gets one', async () => {
    show()
    await tick()
    key(' ')
    expect(pill()).toBe('Paused')
    expect(socket.active().map((f) => f.name)).toEqual(['Workers'])
    await rows(['a/llm/1'])
    expect(socket.active('Workers')).toHaveLength(0)
    key(' ')
    expect(socket.active('Fleet')).toHaveLength(1)
  })

  test('paused: nothing moves because the tab was hidden meanwhile', async () => {
    show()
    await tick()
    await rows(['a/llm/1'])
    await pass(500)
    for (const f of socket.active('FleetMap')) {
      act(() => f.next({ fleetMap: { revision: 'epoch1.1', layoutVersion: 1, layout: { groups: [] }, cells: '' } }))
    }
    act(() => socket.only('RowHistories').next({ workers: { nodes: [] } }))
    key(' ')
    const asked = socket.followed.length
    const hidden = vi.spyOn(document, 'hidden', 'get')
    for (const is of [true, false]) {
      hidden.mockReturnValue(is)
      fireEvent(document, new Event('visibilitychange'))
    }
    expect(socket.followed.length).toBe(asked)
    key(' ')
    expect(socket.only('Fleet').variables.intervalMs).toBe(1000)
  })

  test('find, opened while paused: the best worker is asked for once, and again for another question', async () => {
    let asked = 0
    const best = () => ({ ...worker(`a/llm/${++asked}`), endpoint: null })
    vi.stubGlobal(
      'fetch',
      vi.fn(async (_, { body }: RequestInit) =>
        String(body).includes('BestWorker')
          ? new Response(JSON.stringify({ data: { bestWorker: best() } }))
          : new Response(JSON.stringify(server)),
      ),
    )
    show()
    await tick()
    key(' ')
    act(() => page.address.go({ view: 'find', model: ['m'] }))
    await pass(5000)
    expect(screen.getByTestId('best').textContent).toContain('a/llm/1')
    act(() => page.address.go({ model: ['n'] }))
    await pass(5000)
    expect(screen.getByTestId('best').textContent).toContain('a/llm/2')
    key(' ')
    await tick()
    await pass(2500)
    expect(asked).toBeGreaterThan(3)
    key(' ')
    const then = asked
    await pass(5000)
    expect(asked).toBe(then)
  })
})

test('a view opened in another tab is the one that a click opens', async () => {
  show('/?state=idle&sel=worker:a/llm/1')
  await tick()
  const link = screen.getByRole('link', { name: 'Hives' })
  const href = new URL(link.getAttribute('href') ?? '', location.href).search
  fireEvent.click(link)
  expect(location.search).toBe(href)
})

test('leaving a view stops what it followed', async () => {
  show()
  await tick()
  await rows(['a/llm/1'])
  await pass(500)
  act(() => page.address.go({ view: 'server' }))
  expect(socket.active().map((f) => f.name)).toEqual(['Fleet'])
})
