import { useSyncExternalStore } from 'react'

/** Does the screen fit the condition? */
export function useMedia(condition: string): boolean {
  return useSyncExternalStore(
    (changed) => {
      const query = matchMedia(condition)
      query.addEventListener('change', changed)
      return () => query.removeEventListener('change', changed)
    },
    () => matchMedia(condition).matches,
  )
}

/** Phones: fewer columns, taller rows. */
export const useNarrow = (): boolean => useMedia('(max-width: 720px)')
