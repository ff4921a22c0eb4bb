import type { Palette } from './mosaic'

type RGB = readonly [number, number, number]

const hex = (text: string): RGB => [1, 3, 5].map((i) => Number.parseInt(text.slice(i, i + 2), 16)) as unknown as RGB

const pixel = ([r, g, b]: RGB): number => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0

const steps = 36

/** One hue, ordered by lightness, so that more is more in both themes and to every eye. */
const stops = {
  dark: ['#202d41', '#1f4473', '#2f74c0', '#66b0f7', '#cfe8ff'].map(hex),
  light: ['#dfe8f3', '#b3d1f1', '#6ba6e4', '#2a6fbe', '#0c376f'].map(hex),
}

const marks = {
  dark: { unknown: '#46505f', suspect: '#5a4310', stripe: '#f2b43c', offline: '#ff6b62' },
  light: { unknown: '#a9b3c0', suspect: '#fbe3ad', stripe: '#b87700', offline: '#c9252b' },
}

/** Colour at a share of 0 to 1. */
export function rampColour(share: number, dark: boolean): RGB {
  const s = stops[dark ? 'dark' : 'light']
  const at = Math.min(1, Math.max(0, share)) * (s.length - 1)
  const i = Math.min(s.length - 2, Math.floor(at))
  const from = s[i] as RGB
  const to = s[i + 1] as RGB
  const mix = (k: 0 | 1 | 2) => Math.round(from[k] + (to[k] - from[k]) * (at - i))
  return [mix(0), mix(1), mix(2)]
}

export function paletteOf(dark: boolean): Palette {
  const mark = marks[dark ? 'dark' : 'light']
  return {
    ramp: Uint32Array.from({ length: steps }, (_, i) => pixel(rampColour(i / (steps - 1), dark))),
    unknown: pixel(hex(mark.unknown)),
    suspect: pixel(hex(mark.suspect)),
    suspectStripe: pixel(hex(mark.stripe)),
    offline: pixel(hex(mark.offline)),
  }
}

/** The ramp as CSS, for legends. */
export const rampCss = (dark: boolean): string =>
  `linear-gradient(90deg, ${stops[dark ? 'dark' : 'light'].map(([r, g, b]) => `rgb(${r} ${g} ${b})`).join(', ')})`

/** A cell's colour as CSS. */
export function cellCss(share: number, dark: boolean): string {
  const [r, g, b] = rampColour(share, dark)
  return `rgb(${r} ${g} ${b})`
}
