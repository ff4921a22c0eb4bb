import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { schemaErrors } from '../test/fakesocket'
import {
  allColumns,
  format,
  hiveOrder,
  hiveOrderFields,
  orderFields,
  type Place,
  parse,
  start,
  staticFilter,
  views,
  workerFilter,
  workerOrder,
  workerStates,
} from './url'

const name = fc.string({ minLength: 1, maxLength: 30 }).filter((s) => s.isWellFormed())
const names = fc.uniqueArray(name, { maxLength: 5 })
const sorts = (fields: object) => fc.constantFrom(...Object.keys(fields).flatMap((f) => [f, `-${f}`]))

const places: fc.Arbitrary<Place> = fc.record({
  view: fc.constantFrom(...views),
  q: fc.string({ maxLength: 60 }).filter((s) => s.isWellFormed()),
  state: fc.constantFrom(...workerStates, '' as const),
  model: names,
  hive: names,
  group: names,
  minFree: fc.integer({ min: 0, max: 1_000_000 }),
  sort: sorts(orderFields),
  hsort: sorts(hiveOrderFields),
  map: fc.constantFrom('gpu' as const, 'vram' as const, 'off' as const),
  sel: fc.oneof(
    fc.constant(''),
    fc
      .string({ minLength: 1, maxLength: 40 })
      .filter((s) => s.isWellFormed() && !/[\n\r\u2028\u2029]/.test(s))
      .map((s) => `worker:${s}`),
  ),
  cols: fc.subarray([...allColumns]),
  kind: fc.constantFrom('all' as const, 'trouble' as const, 'hives' as const, 'workers' as const),
})

describe('the address', () => {
  test('holds every place exactly', () => {
    fc.assert(
      fc.property(places, (place) => {
        expect(parse(format(place))).toEqual({ place, ignored: [] })
      }),
    )
  })

  test('survives anything, and names what it left out', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const { place } = parse(text)
        expect(parse(format(place)).place).toEqual(place)
      }),
    )
    expect(
      parse('?view=kitchen&state=asleep&minFree=-1&sort=colour&sel=dog:1&cols=gpu,dog&what=1').ignored.sort(),
    ).toEqual(['cols', 'minFree', 'sel', 'sort', 'state', 'view', 'what'].sort())
  })

  test('holds the longest names there are, and names what is longer', () => {
    const model = 'm'.repeat(256)
    expect(parse(format({ ...start, model: [model] }))).toEqual({ place: { ...start, model: [model] }, ignored: [] })
    expect(parse(format({ ...start, model: [`${model}m`] })).ignored).toEqual(['model'])
  })

  test('leaves out what is as usual', () => {
    expect(format({ ...start })).toBe('')
    expect(format({ ...start, state: 'idle', sort: '-gpu' })).toBe('?state=idle&sort=-gpu')
  })
})

describe('filters', () => {
  test('are what the server takes', () => {
    expect(workerFilter({ ...start })).toBeNull()
    expect(workerOrder({ ...start })).toBeNull()
    expect(
      workerFilter({ ...start, q: '  x ', state: 'idle', model: ['a', 'b'], hive: ['h'], group: ['g'], minFree: 8192 }),
    ).toEqual({
      search: 'x',
      idle: true,
      models: ['a', 'b'],
      hiveIds: ['h'],
      groups: ['g'],
      minFreeVramMb: 8192,
    })
    expect(workerFilter({ ...start, state: 'offline' })).toEqual({ liveness: ['OFFLINE'] })
  })

  test('what is shown as an age is ordered as an age: the longest unseen is the largest', () => {
    expect(workerOrder({ ...start, sort: '-seen' })).toEqual({ field: 'LAST_SEEN', direction: 'ASC' })
    expect(hiveOrder({ ...start, hsort: 'seen' })).toEqual({ field: 'LAST_SEEN', direction: 'DESC' })
    expect(hiveOrder({ ...start, hsort: '-workers' })).toEqual({ field: 'WORKERS', direction: 'DESC' })
  })

  test('the map is never asked by what changes from tick to tick', () => {
    fc.assert(
      fc.property(places, (place) => {
        const keys = Object.keys(staticFilter(place) ?? {})
        expect(keys.filter((k) => ['idle', 'liveness', 'minFreeVramMb', 'available'].includes(k))).toEqual([])
      }),
    )
  })

  test('every column that sorts is a field the server orders by', () => {
    for (const field of Object.values(orderFields)) {
      expect(schemaErrors(`{ workers(orderBy: { field: ${field}, direction: DESC }) { totalCount } }`)).toEqual([])
    }
    for (const field of Object.values(hiveOrderFields)) {
      expect(schemaErrors(`{ hives(orderBy: { field: ${field} }) { totalCount } }`)).toEqual([])
    }
  })
})
