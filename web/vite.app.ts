import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// Names carry no hash, so that a rebuild changes bytes and not files; the server's ETag does the caching.
export default defineConfig({
  base: './',
  plugins: [react()],
  build: {
    outDir: 'dist/app',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: false,
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        entryFileNames: 'assets/[name].js',
        chunkFileNames: 'assets/[name].js',
        assetFileNames: 'assets/[name][extname]',
        codeSplitting: false,
      },
    },
  },
  server: {
    proxy: { '/graphql': { target: process.env.WAGGLE ?? 'http://127.0.0.1:7833', ws: true } },
  },
})
