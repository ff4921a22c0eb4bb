import { Observable } from './observable'

export type Theme = 'system' | 'light' | 'dark'

export interface Prefs {
  theme: Theme
  density: 'compact' | 'roomy'
  /** Single-letter keys; off for people whose software types for them (WCAG 2.1.4). */
  letterKeys: boolean
}

const key = 'waggle.prefs'
const usual: Prefs = { theme: 'system', density: 'compact', letterKeys: true }

function read(): Prefs {
  try {
    const stored = JSON.parse(localStorage.getItem(key) ?? '{}') as Partial<Prefs>
    return {
      theme: stored.theme === 'light' || stored.theme === 'dark' ? stored.theme : usual.theme,
      density: stored.density === 'roomy' ? 'roomy' : usual.density,
      letterKeys: stored.letterKeys !== false,
    }
  } catch {
    return usual
  }
}

/** What belongs to the reader and not to the link. A browser that stores nothing still remembers for the visit. */
export class Preferences {
  readonly prefs = new Observable<Prefs>(read())
  /** The theme in force. */
  readonly dark = new Observable(false)
  readonly #system = matchMedia('(prefers-color-scheme: dark)')

  constructor() {
    this.#system.addEventListener('change', () => this.#apply())
    this.#apply()
  }

  set(change: Partial<Prefs>): void {
    this.prefs.update(change)
    this.#apply()
    try {
      localStorage.setItem(key, JSON.stringify(this.prefs.get()))
    } catch {
      // Private windows may refuse.
    }
  }

  nextTheme(): Theme {
    const order: Theme[] = ['system', 'light', 'dark']
    const theme = order[(order.indexOf(this.prefs.get().theme) + 1) % order.length] ?? 'system'
    this.set({ theme })
    return theme
  }

  #apply(): void {
    const { theme, density } = this.prefs.get()
    const root = document.documentElement
    if (theme === 'system') delete root.dataset.theme
    else root.dataset.theme = theme
    root.dataset.density = density
    this.dark.set(theme === 'dark' || (theme === 'system' && this.#system.matches))
  }
}
