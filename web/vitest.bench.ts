import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    environment: 'node',
    include: ['e2e/**/*.bench.ts'],
    fileParallelism: false,
    testTimeout: 1_000_000,
    hookTimeout: 300_000,
  },
})
