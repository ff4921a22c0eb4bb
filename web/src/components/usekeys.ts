import { useEffect } from 'react'
import { playgroundLink } from '../api/client'
import { asGraphQL } from '../api/snippets'
import { type Page, usePage } from '../page'
import type { View } from '../store/url'
import { copy } from './copymenu'

/** Letters after `g`. */
export const goKeys: Record<string, View | 'playground'> = {
  f: 'fleet',
  h: 'hives',
  m: 'models',
  c: 'find',
  a: 'activity',
  s: 'server',
  p: 'playground',
}

const goWaitMs = 1500

const moves = {
  ArrowDown: 'down',
  ArrowUp: 'up',
  PageDown: 'pageDown',
  PageUp: 'pageUp',
  Home: 'first',
  End: 'last',
  j: 'down',
  k: 'up',
} as const

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))

const isButton = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && /^(BUTTON|A|SUMMARY)$/.test(target.tagName)

/** Things with moves of their own: details scroll, menus have fields and lists. */
const isApart = (target: EventTarget | null): boolean =>
  target instanceof Element && target.closest('.drawer, .popover') !== null

/** What a key does; true when it did something and the browser shall not. */
export function press(page: Page, event: KeyboardEvent, goPending: { at: number }): boolean {
  const { key } = event
  if (key.toLowerCase() === 'k' && (event.metaKey || event.ctrlKey)) {
    page.dialog.set(page.dialog.get() === 'palette' ? '' : 'palette')
    return true
  }
  if (event.metaKey || event.ctrlKey || event.altKey || page.dialog.get()) return false
  if (isTyping(event.target)) {
    if (key === 'Escape') (event.target as HTMLElement).blur()
    return false
  }
  const { address, list } = page
  if (key === 'Escape') {
    if (address.place.get().sel) {
      address.go({ sel: '' })
      return true
    }
    return list?.leave() ?? false
  }
  const letters = page.prefs.prefs.get().letterKeys
  if (key.length === 1 && key !== ' ' && !letters) return false
  if (goPending.at && Date.now() - goPending.at < goWaitMs) {
    goPending.at = 0
    const target = goKeys[key]
    if (!target) return false
    if (target === 'playground') window.open(playgroundLink(), '_blank', 'noreferrer')
    else address.go({ view: target, sel: '' })
    return true
  }
  const move = moves[key as keyof typeof moves]
  if (move && list && !isApart(event.target)) {
    list.move(move)
    return true
  }
  if (isButton(event.target) && (key === ' ' || key === 'Enter')) return false
  switch (key) {
    case 'Enter':
      list?.open()
      return list !== null
    case ' ':
      page.togglePause()
      return true
    case 'g':
      goPending.at = Date.now()
      return true
    case '/': {
      const box = document.querySelector<HTMLInputElement>('[data-find]')
      if (box) {
        box.focus()
        box.select()
      } else page.dialog.set('palette')
      return true
    }
    case '?':
      page.dialog.set('keys')
      return true
    case 't':
      page.say(`Theme: ${page.prefs.nextTheme()}.`)
      return true
    case 'm': {
      const { map } = address.place.get()
      address.refine({ map: map === 'gpu' ? 'vram' : map === 'vram' ? 'off' : 'gpu' })
      return true
    }
    case 'c':
      void copy(page, asGraphQL(page.operation()), 'the query as GraphQL')
      return true
    default:
      return false
  }
}

export function useKeys(): void {
  const page = usePage()
  useEffect(() => {
    const goPending = { at: 0 }
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented) return
      if (press(page, event, goPending)) event.preventDefault()
    }
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [page])
}
