/** What stands where nothing is known. */
export const unknown = '–'

const grouped = new Intl.NumberFormat('en-US')

export const count = (n: number | null | undefined): string => (n == null ? unknown : grouped.format(n))

/** A count with its noun: "1 hive", "2 hives". */
export const counted = (n: number, noun: string): string => `${count(n)} ${noun}${n === 1 ? '' : 's'}`

/** 0 to 100, without a sign; fractions below ten only. */
export function percent(value: number | null | undefined): string {
  if (value == null) return unknown
  return value > 0 && value < 9.95 ? value.toFixed(1) : Math.round(value).toString()
}

/** So many in a second; fractions below a hundred only. */
export const rate = (n: number): string => count(n < 100 ? Math.round(n * 10) / 10 : Math.round(n))

/** Megabytes (2^20 bytes) in the unit that reads best. */
export function megabytes(mb: number | null | undefined): string {
  if (mb == null) return unknown
  if (mb < 1000) return `${Math.round(mb)} MB`
  if (mb < 1000 * 1024) return `${trim(mb / 1024)} GB`
  if (mb < 1000 * 1024 * 1024) return `${trim(mb / 1024 / 1024)} TB`
  return `${trim(mb / 1024 / 1024 / 1024)} PB`
}

/** Megabytes as gigabytes, without the unit, for columns that name it. */
export const gigabytes = (mb: number | null | undefined): string => (mb == null ? unknown : trim(mb / 1024))

const trim = (n: number): string => (n >= 100 ? Math.round(n).toString() : n.toFixed(1))

/** A span of time in its two largest units. */
export function duration(seconds: number | null | undefined): string {
  if (seconds == null) return unknown
  const s = Math.max(0, Math.floor(seconds))
  if (s < 60) return `${s} s`
  if (s < 3600) return `${Math.floor(s / 60)} m ${s % 60} s`
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} m`
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`
}

/** How long ago, seen from `now` on the same clock. */
export function age(at: string | null | undefined, now: number): string {
  if (!at) return unknown
  const then = Date.parse(at)
  return Number.isNaN(then) ? unknown : duration((now - then) / 1000)
}

/** Time of day, as the reader's clock shows it, to the second. */
export const timeOfDay = (at: number | string): string =>
  new Date(at).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })

/** Time of day, or the day where it is not today's. */
export function moment(at: string, now: number): string {
  const then = new Date(at)
  if (then.toDateString() === new Date(now).toDateString()) return timeOfDay(at)
  return then.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })
}

export function bytes(n: number): string {
  if (n < 1000) return `${Math.round(n)} B`
  if (n < 1_000_000) return `${trim(n / 1000)} kB`
  return `${trim(n / 1_000_000)} MB`
}

/** "HIVE_SUSPECT" as people write it. */
export const word = (constant: string): string =>
  constant.charAt(0).toUpperCase() + constant.slice(1).toLowerCase().replaceAll('_', ' ')
