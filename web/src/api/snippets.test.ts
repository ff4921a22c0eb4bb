import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { parse, print, visit } from 'graphql'
import { describe, expect, test } from 'vitest'
import { tabs } from '../../playground/operations'
import { schemaErrors } from '../test/fakesocket'
import { operation } from './client'
import * as documents from './gen/graphql'
import { type AnyOperation, asCurl, asGo, asGraphQL, isQuery, literal } from './snippets'

const nasty = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.constantFrom('"', "'", '\\', '`', '$(id)', "it's", 'a\nb', '\u2028', '"""', '#', '{}'),
)

const filters = fc.record(
  {
    ids: fc.array(nasty, { maxLength: 3 }),
    search: nasty,
    models: fc.array(nasty, { maxLength: 3 }),
    idle: fc.boolean(),
    minFreeVramMb: fc.integer({ min: 0, max: 1_000_000 }),
    liveness: fc.constantFrom(['SUSPECT'], ['SUSPECT', 'OFFLINE']) as fc.Arbitrary<documents.Liveness[]>,
  },
  { requiredKeys: [] },
)

const asked = fc.record({ filter: fc.option(filters), sorted: fc.boolean() }).map(({ filter, sorted }) =>
  operation(documents.WorkersDocument, {
    filter,
    orderBy: sorted ? { field: 'GPU_UTILIZATION' as const, direction: 'DESC' as const } : null,
    first: 40,
    offset: 0,
    intervalMs: 1000,
  }),
)

/** Values of string literals, in order. */
const strings = (text: string): string[] => {
  const found: string[] = []
  visit(parse(text), { StringValue: (node) => void found.push(node.value) })
  return found
}

describe('copied text', () => {
  test('is valid for the server, once and live, whatever people filter by', () => {
    fc.assert(
      fc.property(asked, (op) => {
        for (const live of [false, true]) {
          const text = asGraphQL(op, { live })
          expect(schemaErrors(text)).toEqual([])
          expect(text).not.toContain('$first')
          expect(text.startsWith(live ? 'subscription' : 'query')).toBe(true)
        }
        const { search, ids, models } = op.variables.filter ?? {}
        for (const value of [...(search === undefined ? [] : [search as string]), ...(ids ?? []), ...(models ?? [])]) {
          expect(strings(asGraphQL(op))).toContain(value)
        }
      }),
      { numRuns: 60 },
    )
  })

  test('the shell gives curl exactly the query', () => {
    fc.assert(
      fc.property(asked, (op) => {
        const script = asCurl(op).replace(/^curl/, 'arguments() { printf "%s\\0" "$@"; }; arguments')
        const given = execFileSync('bash', ['-c', script], { encoding: 'utf8' }).split('\0')
        expect(JSON.parse(given[given.indexOf('--data-raw') + 1] as string)).toEqual({ query: asGraphQL(op) })
      }),
      { numRuns: 15 },
    )
  })

  test('the Go program holds the query', () => {
    const op = operation(documents.BestWorkerDocument, { model: 'it`s "m"', minFreeVramMb: 1 })
    expect(asGo(op)).toContain(`const query = ${JSON.stringify(asGraphQL(op))}`)
    const plain = operation(documents.BestWorkerDocument, { model: 'm', minFreeVramMb: null })
    expect(asGo(plain)).toContain('const query = `query BestWorker {')
  })

  test('every view can be copied', () => {
    const all: AnyOperation[] = [
      operation(documents.FleetDocument, { models: 50, intervalMs: 1000 }),
      operation(documents.HivesDocument, {
        filter: { search: 'x' },
        orderBy: { field: 'LIVENESS', direction: 'DESC' },
        first: 20,
        offset: 0,
        intervalMs: 1000,
      }),
      operation(documents.WorkerDetailDocument, { id: 'h/g/1', intervalMs: 1000 }),
      operation(documents.HiveDetailDocument, { filter: { ids: ['h'] }, first: 1, intervalMs: 1000 }),
      operation(documents.PastEventsDocument, { first: 50, hiveId: null }),
      operation(documents.CandidatesDocument, {
        filter: { idle: true },
        orderBy: { field: 'VRAM_FREE', direction: 'DESC' },
        first: 20,
        intervalMs: 1000,
      }),
      operation(documents.BestWorkerDocument, { model: 'm', minFreeVramMb: 5 }),
      operation(documents.ServerDocument, {}),
      operation(documents.FleetMapDocument, { metric: 'VRAM_USED', filter: null, intervalMs: 1000 }),
    ]
    for (const op of all) {
      expect(schemaErrors(asGraphQL(op))).toEqual([])
      expect(schemaErrors(asGraphQL(op, { live: true }))).toEqual([])
      expect(print(parse(asGraphQL(op)))).not.toContain('$')
    }
    expect(isQuery(all[0] as AnyOperation)).toBe(true)
    expect(isQuery(all.at(-1) as AnyOperation)).toBe(false)
  })

  test('arguments that would make a long line stand on a line each', () => {
    const candidates = operation(documents.CandidatesDocument, {
      filter: { idle: true, available: true },
      orderBy: { field: 'VRAM_FREE', direction: 'DESC' },
      first: 20,
      intervalMs: 1000,
    })
    expect(asGraphQL(candidates).split('\n').slice(0, 7)).toEqual([
      'query Candidates {',
      '  workers(',
      '    filter: { idle: true, available: true }',
      '    orderBy: { field: VRAM_FREE, direction: DESC }',
      '    first: 20',
      '  ) {',
      '    totalCount',
    ])
    expect(asGraphQL(operation(documents.BestWorkerDocument, { model: 'm', minFreeVramMb: 5 }))).toContain(
      '\n  bestWorker(model: "m", minFreeVramMb: 5) {\n',
    )
  })

  test('names are written as names, text as text', () => {
    expect(literal({ liveness: ['OFFLINE'], search: 'OFFLINE', idle: false, model: null })).toBe(
      '{ liveness: [OFFLINE], search: "OFFLINE", idle: false }',
    )
  })

  test('the first tabs of the playground are valid', () => {
    expect(tabs.length).toBeGreaterThanOrEqual(6)
    for (const { query, variables } of tabs) {
      expect(schemaErrors(query)).toEqual([])
      expect(() => JSON.parse(variables ?? '{}')).not.toThrow()
    }
  })
})
