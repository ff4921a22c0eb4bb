#!/usr/bin/env bash
# Everything about the page that CI runs: types and lint, unit tests, and a real browser against the real server.
# Installs what it needs. Its last line is "web: N passed, M failed".
set -uo pipefail
cd "$(dirname "$0")"

if [[ ! -e node_modules/.package-lock.json || package-lock.json -nt node_modules/.package-lock.json ]]; then
  npm ci --ignore-scripts --no-audit --no-fund || { echo "web: 0 passed, 1 failed"; exit 1; }
fi
if [[ -z "${CHROMIUM:-}" && ! -x /usr/bin/chromium ]]; then
  (apt-get update && apt-get install -y --no-install-recommends chromium fonts-dejavu-core) >/dev/null ||
    { echo "web: 0 passed, 1 failed"; exit 1; }
fi

reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
failed=0

run() { # run NAME COMMAND...: one more check that counts as one test
  local name=$1
  shift
  if "$@"; then echo "ok   $name"; passed_checks=$((passed_checks + 1)); else echo "FAIL $name"; failed=$((failed + 1)); fi
}
passed_checks=0

WAGGLE_BIN=${WAGGLE_BIN:-$reports/waggle}
export WAGGLE_BIN
[[ -x $WAGGLE_BIN ]] || (cd .. && go build -o "$WAGGLE_BIN" .) || { echo "web: 0 passed, 1 failed"; exit 1; }

run "types" npx tsc --noEmit
run "lint" npx biome check .
npx vitest run --reporter=default --reporter=json --outputFile.json="$reports/unit.json" || true
npx vitest run --config vitest.e2e.ts --reporter=default --reporter=json --outputFile.json="$reports/e2e.json" || true

node - "$reports" "$passed_checks" "$failed" <<'JS'
const [, , folder, passedChecks, failedChecks] = process.argv
let passed = Number(passedChecks)
let failed = Number(failedChecks)
for (const name of ['unit', 'e2e']) {
  try {
    const report = JSON.parse(require('node:fs').readFileSync(`${folder}/${name}.json`, 'utf8'))
    passed += report.numPassedTests
    failed += report.numFailedTests
    // A file that could not be loaded has no tests that could fail.
    if (!report.success && report.numFailedTests === 0) failed++
  } catch {
    failed++
  }
}
console.log(`web: ${passed} passed, ${failed} failed`)
process.exit(failed ? 1 : 0)
JS
