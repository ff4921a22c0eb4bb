import { useEffect } from 'react'
import { viewNames } from '../lib/names'
import { usePage, useValue } from '../page'

const size = 32

function drawBadge(icon: HTMLImageElement, offline: number): string {
  const canvas = document.createElement('canvas')
  canvas.width = size
  canvas.height = size
  const context = canvas.getContext('2d')
  if (!context) return ''
  context.drawImage(icon, 0, 0, size, size)
  context.fillStyle = '#c9252b'
  context.beginPath()
  context.arc(21, 21, 11, 0, 2 * Math.PI)
  context.fill()
  context.fillStyle = '#fff'
  context.font = `bold ${offline > 9 ? 13 : 16}px sans-serif`
  context.textAlign = 'center'
  context.textBaseline = 'middle'
  context.fillText(offline > 99 ? '99' : String(offline), 21, 22)
  return canvas.toDataURL()
}

/** Title and favicon carry the number of offline hives, for the tab that is not looked at. */
export function useTitle(): void {
  const page = usePage()
  const { view } = useValue(page.address.place)
  const offline = useValue(page.summary.live.state).value?.fleet.hives.offline ?? 0

  useEffect(() => {
    document.title = `${offline ? `(${offline} offline) ` : ''}${viewNames[view]} · Waggle`
  }, [view, offline])

  useEffect(() => {
    const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]')
    if (!link) return
    const plain = './favicon.svg'
    if (offline === 0) {
      if (link.getAttribute('href') !== plain) {
        link.type = 'image/svg+xml'
        link.href = plain
      }
      return
    }
    const icon = new Image(size, size)
    icon.onload = () => {
      const badge = drawBadge(icon, offline)
      if (!badge) return
      link.type = 'image/png'
      link.href = badge
    }
    icon.src = plain
    return () => {
      icon.onload = null
    }
  }, [offline])
}
