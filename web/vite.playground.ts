import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// A build of its own: it keeps the editor out of the dashboard's files, and its hashed names unchanged
// while only the dashboard changes.
export default defineConfig({
  base: './',
  root: 'playground',
  publicDir: false,
  plugins: [react()],
  worker: { format: 'es' },
  build: {
    outDir: '../dist/playground',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: false,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 8000,
    rolldownOptions: {
      // GraphiQL's files carry a directive for the React compiler, which has no meaning after bundling.
      onLog(level, log, report) {
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') report(level, log)
      },
    },
  },
  server: {
    proxy: { '/graphql': { target: process.env.WAGGLE ?? 'http://127.0.0.1:7833', ws: true } },
  },
})
