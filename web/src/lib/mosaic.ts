/** Where the tiles of a fleet map stand. Lengths are in pixels of the canvas; blocks and cells in the order of the layout. */
export interface Mosaic {
  /** Pixels of the canvas to one of the page. */
  ratio: number
  width: number
  height: number
  /** Rows of tiles in every block: one height for all leaves no ragged shelves. */
  rows: number
  /** Side of a tile with its own margin. */
  tile: number
  /** Tiles, of all blocks together. */
  size: number
  /** First tile of each block, and one more entry: the number of tiles. */
  starts: Int32Array
  lefts: Int32Array
  tops: Int32Array
  columns: Int32Array
  /** First block of each shelf, and one more entry: the number of blocks. */
  shelves: number[]
}

/** Rows that make the usual block about twice as wide as high. */
function rowsFor(counts: readonly number[]): number {
  const mean = counts.reduce((sum, n) => sum + n, 0) / Math.max(1, counts.length)
  return Math.max(1, Math.ceil(Math.sqrt(mean / 2) - 0.2))
}

/** Sides to try, largest first, with the gap between blocks that suits each. */
function sides(largest: number): { tile: number; gap: number }[] {
  const tried: { tile: number; gap: number }[] = []
  for (let tile = largest; tile >= 2; tile--)
    tried.push({ tile, gap: tile >= 8 ? Math.round(tile / 2) : tile >= 4 ? 3 : 2 })
  tried.push({ tile: 3, gap: 0 }, { tile: 2, gap: 0 }, { tile: 1, gap: 0 })
  return tried
}

/**
 * Arranges one block per hive, left to right and shelf by shelf, with the largest tiles that fit. Lengths are in pixels
 * of the page, of which each is `ratio` of the screen's wide. Nothing is left out and the height is kept: for more tiles
 * than the screen has pixels the canvas is finer than the screen, and the browser blends them.
 */
export function arrange(
  counts: readonly number[],
  width: number,
  mostHeight: number,
  largest: number,
  ratio: number,
): Mosaic {
  const rows = rowsFor(counts)
  for (const { tile, gap } of sides(Math.round(largest * ratio))) {
    const m = shelve(counts, Math.floor(width * ratio), tile, gap, rows, ratio)
    if (m.height <= mostHeight * ratio && fits(m)) return m
  }
  return arrange(counts, width, mostHeight, largest, 2 * ratio)
}

const fits = (m: Mosaic): boolean => m.columns.every((c) => c * m.tile <= m.width)

function shelve(
  counts: readonly number[],
  width: number,
  tile: number,
  gap: number,
  rows: number,
  ratio: number,
): Mosaic {
  const blocks = counts.length
  const starts = new Int32Array(blocks + 1)
  const lefts = new Int32Array(blocks)
  const tops = new Int32Array(blocks)
  const columns = new Int32Array(blocks)
  const shelves: number[] = []
  let x = 0
  let y = 0
  let size = 0
  for (let b = 0; b < blocks; b++) {
    const n = counts[b] as number
    const across = Math.ceil(n / rows) * tile
    if (b === 0 || x + across > width) {
      if (b > 0) y += rows * tile + gap
      x = 0
      shelves.push(b)
    }
    starts[b] = size
    lefts[b] = x
    tops[b] = y
    columns[b] = Math.ceil(n / rows)
    x += across + gap
    size += n
  }
  starts[blocks] = size
  shelves.push(blocks)
  const height = blocks === 0 ? 0 : y + rows * tile
  return { ratio, width, height, rows, tile, size, starts, lefts, tops, columns, shelves }
}

/** The last index of a rising list whose value is not above `value`; -1 when all are. */
function lastNotAbove(length: number, at: (i: number) => number, value: number): number {
  let low = 0
  let high = length
  while (low < high) {
    const middle = (low + high) >> 1
    if (at(middle) <= value) low = middle + 1
    else high = middle
  }
  return low - 1
}

/** Which tile is at this pixel: its number and its block's; null between the tiles. */
export function tileAt(m: Mosaic, x: number, y: number): { tile: number; block: number } | null {
  if (m.size === 0 || x < 0 || y < 0) return null
  const shelf = lastNotAbove(m.shelves.length - 1, (i) => m.tops[m.shelves[i] as number] as number, y)
  if (shelf < 0) return null
  const from = m.shelves[shelf] as number
  const to = m.shelves[shelf + 1] as number
  const block = from + lastNotAbove(to - from, (i) => m.lefts[from + i] as number, x)
  if (block < from) return null
  const column = Math.floor((x - (m.lefts[block] as number)) / m.tile)
  const row = Math.floor((y - (m.tops[block] as number)) / m.tile)
  const tile = (m.starts[block] as number) + row * (m.columns[block] as number) + column
  if (column >= (m.columns[block] as number) || tile >= (m.starts[block + 1] as number)) return null
  return { tile, block }
}

function edges(m: Mosaic, block: number): { left: number; top: number; right: number; bottom: number } {
  const left = m.lefts[block] as number
  const top = m.tops[block] as number
  return { left, top, right: left + (m.columns[block] as number) * m.tile, bottom: top + m.rows * m.tile }
}

/** Blocks that a rectangle touches. */
export function blocksWithin(m: Mosaic, x0: number, y0: number, x1: number, y1: number): number[] {
  const touched: number[] = []
  for (let b = 0; b < m.lefts.length; b++) {
    const { left, top, right, bottom } = edges(m, b)
    if (left < x1 && right > x0 && top < y1 && bottom > y0) touched.push(b)
  }
  return touched
}

/** The block nearest to this pixel; null where none is less than `reach` away. */
export function blockNear(m: Mosaic, x: number, y: number, reach: number): number | null {
  let nearest: number | null = null
  let least = reach
  for (let b = 0; b < m.lefts.length; b++) {
    const { left, top, right, bottom } = edges(m, b)
    const away = Math.hypot(Math.max(left - x, 0, x - right), Math.max(top - y, 0, y - bottom))
    if (away >= least) continue
    nearest = b
    least = away
  }
  return nearest
}

/** Colours of tiles as little-endian RGBA words, as ImageData holds them. */
export interface Palette {
  /** 36 steps, from 0 to 100 percent. */
  ramp: Uint32Array
  unknown: number
  suspect: number
  suspectStripe: number
  offline: number
}

const digitZero = 48
const letterA = 97

/** The step of a cell, 0 to 35; -1 for what is not a step. */
export function stepOf(code: number): number {
  if (code >= digitZero && code <= digitZero + 9) return code - digitZero
  if (code >= letterA && code <= letterA + 25) return code - letterA + 10
  return -1
}

export const suspectCode = '~'.charCodeAt(0)
export const offlineCode = '!'.charCodeAt(0)

/** Paints the tiles whose character changed since `before`; null paints them all. Returns how many it painted. */
export function paint(m: Mosaic, cells: string, before: string | null, colours: Palette, pixels: Uint32Array): number {
  const side = m.tile >= 4 ? m.tile - 1 : m.tile
  let painted = 0
  for (let b = 0; b < m.lefts.length; b++) {
    const from = m.starts[b] as number
    const to = m.starts[b + 1] as number
    const columns = m.columns[b] as number
    for (let i = from; i < to; i++) {
      const code = cells.charCodeAt(i)
      if (before !== null && code === before.charCodeAt(i)) continue
      painted++
      const x = (m.lefts[b] as number) + ((i - from) % columns) * m.tile
      const y = (m.tops[b] as number) + Math.floor((i - from) / columns) * m.tile
      paintTile(pixels, m.width, x, y, side, code, colours)
    }
  }
  return painted
}

function paintTile(
  pixels: Uint32Array,
  width: number,
  x: number,
  y: number,
  side: number,
  code: number,
  c: Palette,
): void {
  const step = stepOf(code)
  const suspect = code === suspectCode
  const plain =
    step >= 0 ? (c.ramp[step] as number) : suspect ? c.suspect : code === offlineCode ? c.offline : c.unknown
  // Full for a figure, striped for a suspect hive, hollow for what is not known or gone; tiny tiles have but a colour.
  const striped = suspect && side >= 3
  const hollow = step < 0 && !suspect && side >= 4
  const edge = Math.max(1, side >> 3)
  for (let dy = 0; dy < side; dy++) {
    const row = (y + dy) * width + x
    for (let dx = 0; dx < side; dx++) {
      const rim = dx < edge || dy < edge || dx >= side - edge || dy >= side - edge
      pixels[row + dx] = striped && (dx + dy) % 4 < 2 ? c.suspectStripe : hollow && !rim ? 0 : plain
    }
  }
}
