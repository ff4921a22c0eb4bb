import { describe, expect, test } from 'vitest'
import { age, bytes, counted, duration, gigabytes, megabytes, moment, percent, rate, word } from './format'

describe('figures', () => {
  test('unknown is a dash and never a zero', () => {
    expect([percent(null), megabytes(null), gigabytes(undefined), duration(null), age(null, 0)]).toEqual([
      '–',
      '–',
      '–',
      '–',
      '–',
    ])
    expect([percent(0), megabytes(0), duration(0)]).toEqual(['0', '0 MB', '0 s'])
  })
  test('percent', () => {
    expect([percent(0.04), percent(3.26), percent(9.96), percent(99.6)]).toEqual(['0.0', '3.3', '10', '100'])
  })
  test('rates', () => {
    expect([rate(0.04), rate(2.96), rate(1981.3)]).toEqual(['0', '3', '1,981'])
  })
  test('memory', () => {
    expect([
      megabytes(512),
      megabytes(8192),
      megabytes(143_360),
      megabytes(2 * 1024 * 1024),
      megabytes(1590 * 1024 * 1024),
    ]).toEqual(['512 MB', '8.0 GB', '140 GB', '2.0 TB', '1.6 PB'])
  })
  test('time', () => {
    expect([duration(59), duration(61), duration(3600), duration(90_000)]).toEqual([
      '59 s',
      '1 m 1 s',
      '1 h 0 m',
      '1 d 1 h',
    ])
    expect(age('2026-01-01T00:00:00Z', Date.parse('2026-01-01T00:00:05Z'))).toBe('5 s')
    expect(age('2026-01-01T00:00:09Z', Date.parse('2026-01-01T00:00:05Z'))).toBe('0 s')
  })
  test('a moment of another day is not shown as one of today', () => {
    const noon = new Date(2026, 0, 31, 12, 3, 4)
    expect(moment(noon.toISOString(), noon.getTime())).toBe('12:03:04')
    expect(moment(noon.toISOString(), new Date(2026, 1, 1, 0, 0, 1).getTime())).toBe('31 Jan')
  })
  test('words', () => {
    expect([word('HIVE_SUSPECT'), word('busy'), counted(1, 'hive'), counted(1200, 'hive'), bytes(1500)]).toEqual([
      'Hive suspect',
      'Busy',
      '1 hive',
      '1,200 hives',
      '1.5 kB',
    ])
  })
})
