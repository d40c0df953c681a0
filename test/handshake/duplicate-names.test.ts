import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Engine } from '#dist/main/index.js';
import { type Client, connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import { handshakeText, openRaw, openWebSocket } from '../support/raw-socket.ts';
import { until, within } from '../support/waiting.ts';

const named = { headers: { 'X-Client-ID': 'twin' } };

function shardOf(client: Client): number {
  return Number.parseInt(client.id, 36);
}

/** Connects under the same name until the new connection is on another shard than `other`. */
async function connectElsewhere(engine: Engine, other: number): Promise<Client> {
  return until(async () => {
    const client = await connect(engine, named);
    await client.sync();
    if (shardOf(client) !== other) return client;
    await client.close();
    return undefined;
  }, 'a connection on another shard');
}

/** Connects under the name once it is free. */
async function holder(engine: Engine): Promise<Client> {
  return until(async () => {
    const client = await connect(engine, named);
    return client.sync().then(
      () => client,
      () => undefined,
    );
  }, 'the name to be free');
}

describe('two clients with the same id', () => {
  test("'allow' gives both a connection of their own, and the end of one leaves the other alone", async () => {
    await withEngine({}, async (engine) => {
      const one = await connect(engine, named);
      await one.sync();
      const two = await connectElsewhere(engine, shardOf(one));
      assert.notEqual(one.id, two.id);
      await two.subscribe('news');
      await one.close();
      engine.publish('news', { data: 'still here' });
      assert.equal((await two.next()).data, 'still here');
      assert.equal(engine.stats().connections, 1);
    });
  });

  test("'reject' closes every further one with 3505, on whichever shard, until the first has gone", async () => {
    await withEngine({ duplicateName: 'reject' }, async (engine) => {
      const connected: string[] = [];
      engine.on('connect', (connection) => void connected.push(connection.name));
      const first = await connect(engine, named);
      await first.sync();
      // One of two shards is the first's: these come to both but for one time in a million.
      for (let round = 0; round < 20; round++) {
        const twin = await connect(engine, named);
        assert.deepEqual(await within(twin.closed, 'the twin to be closed'), {
          code: 3505,
          reason: 'a client with this id is connected',
        });
        assert.deepEqual(twin.all, []);
      }
      assert.equal(engine.stats().connections, 1);
      await first.sync();
      await (await connect(engine, { headers: { 'X-Client-ID': 'somebody else' } })).sync();
      await (await connect(engine)).sync();
      await (await connect(engine)).sync();
      await first.close();
      await holder(engine);
      assert.deepEqual(connected.sort(), ['', '', 'somebody else', 'twin', 'twin']);
    });
  });

  test("'reject' handles nothing that a rejected client sends", async () => {
    await withEngine({ duplicateName: 'reject' }, async (engine) => {
      const first = await connect(engine, named);
      await first.subscribe('news');
      const raws = await Promise.all(Array.from({ length: 10 }, () => openWebSocket(engine.port, named)));
      for (const raw of raws) raw.sendJson({ type: 'publish', channel: 'news', data: 'from a twin' });
      await Promise.all(raws.map((raw) => raw.ended()));
      await first.sync();
      assert.deepEqual(first.all, []);
      assert.equal(engine.stats().publishes, 2);
    });
  });

  test("'replace' closes the first with 3503, on whichever shard, and the name is the second's", async () => {
    await withEngine({ duplicateName: 'replace' }, async (engine) => {
      let old = await connect(engine, named);
      await old.sync();
      const shards = new Set<string>();
      // Until a connection was replaced from its own shard and from another one.
      for (let round = 0; shards.size < 2 || round < 6; round++) {
        const next = await connect(engine, named);
        assert.deepEqual(await within(old.closed, 'the old connection to be closed'), {
          code: 3503,
          reason: 'replaced',
        });
        await next.sync();
        shards.add(shardOf(next) === shardOf(old) ? 'same' : 'other');
        old = next;
        assert.ok(round < 100, 'all connections came to the same shard');
      }
      assert.equal(engine.stats().connections, 1);
      await old.sync();
    });
  });

  for (const policy of ['reject', 'replace'] as const) {
    test(`'${policy}' leaves exactly one of 50 that come at once`, async () => {
      await withEngine({ duplicateName: policy }, async (engine) => {
        for (let round = 0; round < 5; round++) {
          const raws = await Promise.all(Array.from({ length: 50 }, () => openRaw(engine.port)));
          for (const raw of raws) raw.write(handshakeText(named));
          await Promise.all(raws.map((raw) => raw.reply()));
          await until(() => raws.filter((raw) => !raw.isEnded).length === 1, 'all but one to end');
          await until(() => engine.stats().connections === 1, 'all but one to be closed');
          for (const raw of raws) raw.destroy();
          await until(() => engine.stats().connections === 0, 'the last one to be closed');
        }
      });
    });
  }

  test('a client that leaves before its id was granted does not keep it', async () => {
    await withEngine({ duplicateName: 'reject' }, async (engine) => {
      for (let round = 0; round < 30; round++) {
        const raw = await openRaw(engine.port);
        raw.write(handshakeText(named));
        // At once, with the request on its way, or a moment later.
        if (round % 3 > 0) await new Promise((resolve) => setTimeout(resolve, (round % 3) - 1));
        raw.reset();
      }
      await holder(engine);
      await until(() => engine.stats().connections === 1, 'the others to be closed');
    });
  });
});
