import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { census } from '../store/map'
import { arrange, blockNear, blocksWithin, paint, stepOf, tileAt } from './mosaic'
import { paletteOf } from './palette'

const fleets = fc.record({
  counts: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 200 }),
  width: fc.integer({ min: 200, max: 2600 }),
  height: fc.integer({ min: 20, max: 600 }),
  ratio: fc.constantFrom(1, 1.25, 3),
})

describe('a mosaic', () => {
  test('every tile stands inside the canvas, overlaps no other, and is found where it was painted', () => {
    fc.assert(
      fc.property(fleets, ({ counts, width, height, ratio }) => {
        const m = arrange(counts, width, height, 18, ratio)
        const total = counts.reduce((a, b) => a + b, 0)
        expect(m.size).toBe(total)
        expect(m.height).toBeLessThanOrEqual(height * m.ratio)
        const pixels = new Uint32Array(m.width * m.height)
        const cells = 'z'.repeat(total)
        expect(paint(m, cells, null, paletteOf(true), pixels)).toBe(total)
        const side = m.tile >= 4 ? m.tile - 1 : m.tile
        // As many coloured pixels as tiles have: none was painted over another or outside.
        expect(pixels.reduce((n, p) => n + (p === 0 ? 0 : 1), 0)).toBe(total * side * side)
        for (let b = 0; b < counts.length; b++) {
          const first = m.starts[b] as number
          expect(tileAt(m, m.lefts[b] as number, m.tops[b] as number)).toEqual({ tile: first, block: b })
        }
      }),
      { numRuns: 60 },
    )
  })

  test.each([
    [1252, 300],
    [1252, 210],
    [358, 96],
  ])('every fleet fits %i x %i', (width, most) => {
    for (const hives of [1, 250, 12_500]) {
      for (const ratio of [1, 2, 3]) {
        const m = arrange(Array(hives).fill(8), width, most, 18, ratio)
        expect(m.size).toBe(8 * hives)
        expect(m.width / m.ratio).toBeCloseTo(width)
        expect(m.height / m.ratio).toBeLessThanOrEqual(most)
      }
    }
  })

  test('between the tiles there is nothing', () => {
    const m = arrange([4, 4], 400, 200, 18, 1)
    expect(tileAt(m, -1, 0)).toBeNull()
    expect(tileAt(m, 2 * m.tile + 2, 0)).toBeNull()
    expect(tileAt(m, 0, m.height + 50)).toBeNull()
    expect(tileAt(arrange([], 400, 200, 18, 1), 0, 0)).toBeNull()
    expect(blocksWithin(m, 0, 0, 5, 5)).toEqual([0])
    expect(blocksWithin(m, 0, 0, 400, 200)).toEqual([0, 1])
  })

  test('a finger between two blocks means the nearer one', () => {
    const m = arrange([4, 4], 400, 200, 18, 1)
    const gap = m.lefts[1] as number
    expect([0, 37, gap - 1, gap + 30, gap + 30 + 18].map((x) => blockNear(m, x, 4, 24))).toEqual([0, 0, 1, 1, 1])
    expect(blockNear(m, 10, m.height + 23, 24)).toBe(0)
    expect(blockNear(m, 10, m.height + 24, 24)).toBeNull()
  })

  test('repaints only what changed', () => {
    const m = arrange([8], 400, 200, 18, 1)
    const pixels = new Uint32Array(m.width * m.height)
    paint(m, '00000000', null, paletteOf(false), pixels)
    expect(paint(m, '00z00000', '00000000', paletteOf(false), pixels)).toBe(1)
    expect(paint(m, '00z00000', '00z00000', paletteOf(false), pixels)).toBe(0)
  })

  test('suspect and offline differ from every figure and from each other by more than colour', () => {
    const m = arrange([1], 400, 200, 18, 1)
    const draw = (cell: string) => {
      const pixels = new Uint32Array(m.width * m.height)
      paint(m, cell, null, paletteOf(true), pixels)
      return {
        colours: new Set(pixels).size,
        empty: pixels.filter((p) => p === 0).length,
        middle: pixels[8 * m.width + 8],
      }
    }
    const full = draw('z')
    expect(draw('~').colours).toBeGreaterThan(full.colours)
    expect(draw('!').middle).toBe(0)
    expect(full.middle).not.toBe(0)
  })

  test('reads cells as the schema says', () => {
    expect([...'09az'].map((c) => stepOf(c.charCodeAt(0)))).toEqual([0, 9, 10, 35])
    expect([...'-~!A'].map((c) => stepOf(c.charCodeAt(0)))).toEqual([-1, -1, -1, -1])
    expect(census('0z~~!-')).toEqual({ suspect: 2, offline: 1 })
  })
})
