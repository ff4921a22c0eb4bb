// Usage: node client.mjs http://host:port/
import assert from 'node:assert/strict';
import { createClient } from 'graphql-sse';

const client = createClient({ url: process.argv[2], retryAttempts: 0 });

async function all(query, variables, take = Infinity) {
  const results = [];
  for await (const r of client.iterate({ query, variables })) {
    results.push(r);
    if (results.length === take) break;
  }
  return results;
}

assert.deepEqual(await all('{echo(text:"a")}'), [{ data: { echo: 'a' } }]);
assert.deepEqual(await all('mutation($t:String!){append(text:$t)}', { t: 'x' }), [{ data: { append: 1 } }]);
assert.deepEqual(await all('subscription{count(to:3)}'), [1, 2, 3].map((count) => ({ data: { count } })));
const [invalid] = await all('{nothing}');
assert.equal(invalid.errors[0].extensions.code, 'BAD_USER_INPUT');
const [broken] = await all('subscription{broken(kind:"public")}');
assert.equal(broken.errors[0].extensions.code, 'UNAVAILABLE');

const changes = 'subscription($since:String){changes(since:$since){revision texts}}';
const following = client.iterate({ query: changes, variables: { since: '1' } });
assert.deepEqual((await following.next()).value.data.changes.texts, []);
await all('mutation{append(text:"y")}');
assert.deepEqual((await following.next()).value.data.changes.texts, ['y']);
await following.return();
client.dispose();
