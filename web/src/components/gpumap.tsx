import { useEffect, useMemo, useRef, useState } from 'react'
import { execute, operation } from '../api/client'
import { PeekDocument, type PeekQuery } from '../api/gen/graphql'
import { counted, megabytes, word } from '../lib/format'
import {
  arrange,
  blockNear,
  blocksWithin,
  type Mosaic,
  offlineCode,
  paint,
  stepOf,
  suspectCode,
  tileAt,
} from '../lib/mosaic'
import { paletteOf } from '../lib/palette'
import { usePage, useValue } from '../page'
import type { FleetCells } from '../store/map'
import { workerState } from './parts'
import { useMedia } from './usemedia'

const largestTile = 18
/** What a finger can aim at (WCAG 2.5.8). */
const fingerTile = 24
const dragMin = 6
const peekAfterMs = 150
const mostHivesByDrag = 60

/** Every worker of the fleet as a tile, hive by hive, on one canvas. */
export function GpuMap({ most }: { most: number }) {
  const page = usePage()
  const cells = useValue(page.map.state)
  const dark = useValue(page.prefs.dark)
  const box = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const [width, setWidth] = useState(0)
  // Where the pointer is, not what is there: the tiles move when workers come and go.
  const [hover, setHover] = useState<{ x: number; y: number } | null>(null)
  const [drag, setDrag] = useState<{ x0: number; y0: number; x1: number; y1: number } | null>(null)
  const screenRatio = window.devicePixelRatio || 1
  const largest = useMedia('(pointer: coarse)') ? fingerTile : largestTile

  useEffect(() => {
    const element = box.current
    if (!element) return
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)))
    observer.observe(element)
    return () => observer.disconnect()
  }, [])

  const layout = cells?.layout
  // biome-ignore lint/correctness/useExhaustiveDependencies: the counts change with the layout only.
  const mosaic = useMemo(() => {
    if (!cells || width === 0) return null
    return arrange(cells.counts, width, most, largest, screenRatio)
  }, [layout, width, most, largest, screenRatio])
  const ratio = mosaic?.ratio ?? screenRatio

  // Before the layout arrives the room it will need is kept free, so that the rows below do not jump.
  const fleet = useValue(page.summary.live.state).value?.fleet
  const { hives, workers } = fleet ?? {}
  const likely =
    !cells && width > 0 && hives?.total && workers
      ? arrange(Array(hives.total).fill(Math.ceil(workers.total / hives.total)), width, most, largest, screenRatio)
      : null

  usePainting(canvas, mosaic, cells, dark)

  const at = (event: React.PointerEvent): { x: number; y: number } => {
    const bounds = canvas.current?.getBoundingClientRect()
    return { x: event.clientX - (bounds?.left ?? 0), y: event.clientY - (bounds?.top ?? 0) }
  }
  const tileUnder = (x: number, y: number) => (mosaic ? tileAt(mosaic, x * ratio, y * ratio) : null)
  const workerOf = (block: number, tile: number): string | undefined =>
    cells?.groups[block]?.workerIds[tile - (mosaic?.starts[block] ?? 0)]

  /** A mouse means the worker; a finger that covers many means their hive, until it is the only one. */
  const choose = (x: number, y: number, byFinger: boolean) => {
    if (!mosaic || !cells) return
    if (byFinger && mosaic.tile < Math.floor(fingerTile * ratio) && cells.groups.length > 1) {
      const block = blockNear(mosaic, x * ratio, y * ratio, fingerTile * ratio)
      const hive = block !== null && cells.groups[block]?.key
      if (hive) page.address.go({ hive: [hive] })
      return
    }
    const hit = tileUnder(x, y)
    const id = hit && workerOf(hit.block, hit.tile)
    if (id) page.address.go({ sel: `worker:${id}` })
  }

  const finish = (event: React.PointerEvent) => {
    if (!drag || !mosaic || !cells) return
    const [x0, x1] = [Math.min(drag.x0, drag.x1), Math.max(drag.x0, drag.x1)]
    const [y0, y1] = [Math.min(drag.y0, drag.y1), Math.max(drag.y0, drag.y1)]
    setDrag(null)
    if (x1 - x0 < dragMin && y1 - y0 < dragMin) {
      choose(drag.x1, drag.y1, event.pointerType === 'touch')
      return
    }
    const hives = blocksWithin(mosaic, x0 * ratio, y0 * ratio, x1 * ratio, y1 * ratio).flatMap(
      (b) => cells.groups[b]?.key ?? [],
    )
    if (hives.length > mostHivesByDrag)
      page.say(`That is ${counted(hives.length, 'hive')}. Drag over ${mostHivesByDrag} at the most.`)
    else if (hives.length) page.address.go({ hive: hives })
  }

  const under = hover && tileUnder(hover.x, hover.y)
  const height = mosaic ? Math.ceil(mosaic.height / ratio) : 0
  const label = cells
    ? `Map of ${counted(mosaic?.size ?? 0, 'worker')} on ${counted(cells.groups.length, 'hive')}, ${cells.suspect} suspect, ${cells.offline} offline. The table below has the same workers.`
    : 'Map of the fleet, loading.'

  return (
    <div ref={box} className="map-box" style={likely ? { minHeight: likely.height / likely.ratio } : undefined}>
      <canvas
        ref={canvas}
        role="img"
        aria-label={label}
        width={mosaic?.width || 1}
        height={Math.max(1, mosaic?.height ?? 1)}
        style={{ width: mosaic ? mosaic.width / ratio : '100%', height: height || 1 }}
        onPointerMove={(event) => {
          const { x, y } = at(event)
          if (drag) setDrag({ ...drag, x1: x, y1: y })
          const hit = tileUnder(x, y)
          if (hit?.tile !== under?.tile) setHover(hit ? { x, y } : null)
        }}
        onPointerLeave={() => setHover(null)}
        onPointerDown={(event) => {
          if (event.button !== 0) return
          const { x, y } = at(event)
          if (event.pointerType === 'mouse') event.currentTarget.setPointerCapture(event.pointerId)
          setDrag({ x0: x, y0: y, x1: x, y1: y })
        }}
        onPointerUp={finish}
        onPointerCancel={() => setDrag(null)}
      />
      {drag && (Math.abs(drag.x1 - drag.x0) > dragMin || Math.abs(drag.y1 - drag.y0) > dragMin) && (
        <div
          className="map-drag"
          style={{
            left: Math.min(drag.x0, drag.x1),
            top: Math.min(drag.y0, drag.y1),
            width: Math.abs(drag.x1 - drag.x0),
            height: Math.abs(drag.y1 - drag.y0),
          }}
        />
      )}
      {hover && under && cells && (
        <Tip
          id={workerOf(under.block, under.tile) ?? ''}
          cell={cells.cells.charCodeAt(under.tile)}
          metric={cells.metric === 'VRAM_USED' ? 'VRAM' : 'GPU'}
          x={hover.x}
          y={hover.y}
          width={width}
        />
      )}
    </div>
  )
}

/** Keeps the canvas as the cells say, repainting only tiles that changed. */
function usePainting(
  canvas: React.RefObject<HTMLCanvasElement | null>,
  mosaic: Mosaic | null,
  cells: FleetCells | null,
  dark: boolean,
): void {
  const painted = useRef<{ mosaic: Mosaic; dark: boolean; cells: string; image: ImageData } | null>(null)
  useEffect(() => {
    if (!mosaic || !cells || mosaic.size === 0 || cells.cells.length !== mosaic.size) return
    const context = canvas.current?.getContext('2d')
    if (!context) return
    const last = painted.current
    const same = last && last.mosaic === mosaic && last.dark === dark ? last : null
    const image = same?.image ?? new ImageData(Math.max(1, mosaic.width), Math.max(1, mosaic.height))
    const changed = paint(mosaic, cells.cells, same?.cells ?? null, paletteOf(dark), new Uint32Array(image.data.buffer))
    if (changed) context.putImageData(image, 0, 0)
    painted.current = { mosaic, dark, cells: cells.cells, image }
  }, [canvas, mosaic, cells, dark])
}

function reading(cell: number, metric: string): string {
  if (cell === suspectCode) return 'hive suspect'
  if (cell === offlineCode) return 'hive offline'
  const step = stepOf(cell)
  return step < 0 ? `${metric} unknown` : `${metric} ${Math.round((step / 35) * 100)} %`
}

function Tip({
  id,
  cell,
  metric,
  x,
  y,
  width,
}: {
  id: string
  cell: number
  metric: string
  x: number
  y: number
  width: number
}) {
  const [worker, setWorker] = useState<PeekQuery['worker']>(null)
  useEffect(() => {
    setWorker(null)
    const stop = new AbortController()
    const timer = setTimeout(() => {
      execute(operation(PeekDocument, { id }), stop.signal)
        .then((answer) => setWorker(answer.worker))
        .catch(() => {})
    }, peekAfterMs)
    return () => {
      clearTimeout(timer)
      stop.abort()
    }
  }, [id])
  return (
    <div className="tip" style={x > width / 2 ? { right: width - x + 12, top: y + 14 } : { left: x + 12, top: y + 14 }}>
      <strong>{id}</strong>
      <span>{reading(cell, metric)}</span>
      {worker && (
        <>
          <span>{worker.model ?? 'model unknown'}</span>
          <span>
            {word(workerState(worker.activity, worker.liveness))} · {megabytes(worker.vramUsedMb)} of{' '}
            {megabytes(worker.vramTotalMb)}
          </span>
        </>
      )}
    </div>
  )
}
