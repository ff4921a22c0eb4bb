import type { View } from '../store/url'

/** Views as people call them. */
export const viewNames: Record<View, string> = {
  fleet: 'Fleet',
  hives: 'Hives',
  models: 'Models',
  find: 'Find capacity',
  activity: 'Activity',
  server: 'Server',
}
