// Usage: node audit.mjs http://host:port/ PASSES
// PASSES audits of 61 must pass; the others may be of level MAY only.
import { serverAudits } from 'graphql-http';

const counts = { ok: 0, notice: 0, warn: 0, error: 0 };
for (const audit of serverAudits({ url: process.argv[2], fetchFn: fetch })) {
  const result = await audit.fn();
  counts[result.status]++;
  if (result.status !== 'ok') console.log(audit.id, audit.name, result.status, result.reason);
}
console.log(counts);
process.exit(counts.ok === Number(process.argv[3]) && counts.ok + counts.notice === 61 ? 0 : 1);
