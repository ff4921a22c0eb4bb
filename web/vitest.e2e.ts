import { defineConfig } from 'vitest/config'

// A real browser against the real server. One file after the other: the machine has few cores, and timing is tested.
export default defineConfig({
  test: {
    environment: 'node',
    include: ['e2e/**/*.e2e.ts'],
    fileParallelism: false,
    testTimeout: 40_000,
    hookTimeout: 120_000,
  },
})
