import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Engine } from '#dist/main/index.js';
import { type Client, connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import { handshakeText, openRaw } from '../support/raw-socket.ts';
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

/** Shards that have refused a handshake. */
function refusing(engine: Engine): number[] {
  return engine
    .stats()
    .shards.filter((shard) => shard.handshakesRefused > 0)
    .map((shard) => shard.shard);
}

describe('two clients with the same id (H-29)', () => {
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

  test("'reject' answers the second with 409, on whichever shard, until the first has gone", async () => {
    await withEngine({ duplicateName: 'reject' }, async (engine) => {
      const first = await connect(engine, named);
      await first.sync();
      await until(async () => {
        const raw = await openRaw(engine.port);
        const reply = await raw.handshake(named);
        assert.equal(reply.status, 409);
        assert.match(reply.body, /^ERR_NAME_TAKEN: /);
        return refusing(engine).length === 2;
      }, 'a refusal by either shard');
      await first.sync();
      await (await connect(engine, { headers: { 'X-Client-ID': 'somebody else' } })).sync();
      await connect(engine);
      await connect(engine);
      await first.close();
      const next = await until(() => connect(engine, named).catch(() => undefined), 'the name to be free');
      await next.sync();
    });
  });

  test("'replace' closes the first with 3503, on whichever shard, and the name is the second's", async () => {
    await withEngine({ duplicateName: 'replace' }, async (engine) => {
      let holder = await connect(engine, named);
      await holder.sync();
      const shards = new Set<string>();
      // Until a connection was replaced from its own shard and from another one.
      for (let round = 0; shards.size < 2 || round < 6; round++) {
        const next = await connect(engine, named);
        assert.deepEqual(await within(holder.closed, 'the old connection to be closed'), {
          code: 3503,
          reason: 'replaced',
        });
        await next.sync();
        shards.add(shardOf(next) === shardOf(holder) ? 'same' : 'other');
        holder = next;
        assert.ok(round < 100, 'all connections came to the same shard');
      }
      assert.equal(engine.stats().connections, 1);
      await holder.sync();
    });
  });

  for (const policy of ['reject', 'replace'] as const) {
    test(`'${policy}' leaves exactly one of 50 that come at once`, async () => {
      await withEngine({ duplicateName: policy }, async (engine) => {
        const raws = await Promise.all(Array.from({ length: 50 }, () => openRaw(engine.port)));
        for (const raw of raws) raw.write(handshakeText(named));
        const replies = await Promise.all(raws.map((raw) => raw.reply()));
        const opened = replies.filter((reply) => reply.status === 101).length;
        assert.equal(opened, policy === 'reject' ? 1 : 50);
        await until(() => engine.stats().connectionsOpened === opened, 'all opens');
        await until(() => raws.filter((raw) => !raw.isEnded).length === 1, 'all but one to end');
        await until(() => engine.stats().connections === 1, 'all but one to be closed');
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
      const next = await until(() => connect(engine, named).catch(() => undefined), 'the name to be free');
      await next.sync();
      assert.equal(engine.stats().connections, 1);
    });
  });
});
