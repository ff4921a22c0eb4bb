#!/usr/bin/env bash
# Measures what the page costs a browser. Figures go to standard output; nothing is asserted but that it ran.
set -euo pipefail
cd "$(dirname "$0")"

if [[ ! -e node_modules/.package-lock.json || package-lock.json -nt node_modules/.package-lock.json ]]; then
  npm ci --ignore-scripts --no-audit --no-fund
fi
npx vitest run --config vitest.bench.ts --disable-console-intercept
