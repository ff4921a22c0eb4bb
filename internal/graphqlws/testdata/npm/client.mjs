// Usage: node client.mjs ws://host:port/
import assert from 'node:assert/strict';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const closed = [];
const client = createClient({
  url: process.argv[2],
  webSocketImpl: WebSocket,
  lazy: false,
  keepAlive: 50, // The client pings by messages of the protocol.
  retryAttempts: 0,
  on: { closed: (event) => closed.push(event.code) },
});

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
await assert.rejects(all('{nothing}'), (errors) => errors[0].extensions.code === 'BAD_USER_INPUT');
await assert.rejects(all('subscription{broken(kind:"public")}'), (errors) => errors[0].extensions.code === 'UNAVAILABLE');

// Two equal subscriptions on one socket, with ids of their own, and one left early.
const changes = 'subscription($since:String){changes(since:$since){revision texts}}';
const [fresh, resumed] = await Promise.all([all(changes, {}, 1), all(changes, { since: '1' }, 1)]);
assert.deepEqual(fresh, [{ data: { changes: { revision: 1, texts: ['x'] } } }]);
assert.deepEqual(resumed, [{ data: { changes: { revision: 1, texts: [] } } }]);
const following = client.iterate({ query: changes, variables: { since: '1' } });
assert.deepEqual((await following.next()).value.data.changes.texts, []);
await all('mutation{append(text:"y")}');
assert.deepEqual((await following.next()).value.data.changes.texts, ['y']);
await following.return();

await new Promise((resolve) => setTimeout(resolve, 200)); // Some pings.
assert.deepEqual(closed, []);
await client.dispose();
for (let i = 0; closed.length === 0 && i < 500; i++) await new Promise((resolve) => setTimeout(resolve, 10));
assert.deepEqual(closed, [1000]);
