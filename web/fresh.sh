#!/usr/bin/env bash
# Is what is committed what the sources give? Rebuilds the page and its generated types and compares the bytes.
set -euo pipefail
cd "$(dirname "$0")"

if [[ ! -e node_modules/.package-lock.json || package-lock.json -nt node_modules/.package-lock.json ]]; then
  npm ci --ignore-scripts --no-audit --no-fund
fi
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT

cp -r src/api/gen "$built/gen"
npm run --silent codegen >/dev/null
npx vite build --logLevel warn --config vite.app.ts --outDir "$built/dist/app"
npx vite build --logLevel warn --config vite.playground.ts --outDir "$built/dist/playground"
if ! diff -rq "$built/gen" src/api/gen || ! diff -rq "$built/dist" dist; then
  echo "web: the committed build is not what the sources give; run: make web" >&2
  exit 1
fi
