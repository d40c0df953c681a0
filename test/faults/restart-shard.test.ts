import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { clientPerShard, shardOf } from '../engine/shard-pairs.ts';
import { connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import { openRaw } from '../support/raw-socket.ts';
import { connectSealed } from '../support/sealed-client.ts';
import { until, within } from '../support/waiting.ts';
import { clientOn, coming, failShard, handlers } from './lost-shards.ts';

describe('restartShard', () => {
  it('closes the connections of its shard with 3001, replaces it, and no other connection notices', () =>
    withEngine({ shards: 3, handlers }, async (engine) => {
      const events: string[] = [];
      for (const name of ['shard-lost', 'error'] as const) engine.on(name, () => events.push(name));
      engine.on('shard-restarted', (shard) => events.push(`restarted ${shard}`));
      const clients = await clientPerShard(engine);
      for (const client of clients) await client.subscribe('news');
      const [first, leaver, last] = clients;
      assert.ok(first && leaver && last);
      let sent = 0;
      const publishing = setInterval(() => {
        first.send({ type: 'publish', channel: 'news', data: sent });
        sent += 1;
      }, 1);
      await within(engine.restartShard(1, { graceMs: 500 }), 'the restart');
      clearInterval(publishing);
      assert.deepEqual(await leaver.closed, { code: 3001, reason: 'restart' });
      const newcomer = await clientOn(engine, 1);
      await newcomer.subscribe('news');
      newcomer.send({ type: 'publish', channel: 'news', data: 'new' });
      for (const client of [first, last]) {
        await client.next(({ data }) => data === 'new');
        const numbers = client.all.map(({ data }) => data).filter((data) => data !== 'new');
        await until(() => client.all.length > sent, 'every message');
        assert.deepEqual(numbers.slice(0, sent), Array.from({ length: sent }, (_, i) => i).slice(0, numbers.length));
      }
      assert.deepEqual(events, ['restarted 1']);
      assert.equal(engine.stats().shards[1]?.restarts, 1);
    }));

  it('delivers what the shard has published before it ends', () =>
    withEngine(
      { handlers, ring: { bytes: 65_536, spillBytes: 4_194_304 }, maxMessageBytes: 65_536 },
      async (engine) => {
        const [one, two] = await clientPerShard(engine);
        assert.ok(one && two);
        await two.subscribe('news');
        for (let i = 0; i < 1_000; i++) {
          one.send({ type: 'publish', channel: 'news', data: [i, 'x'.repeat(500)] });
        }
        await one.sync();
        await engine.restartShard(0, { graceMs: 5_000 });
        await until(() => two.all.length === 1_000, 'all that was published');
        assert.deepEqual(
          two.all.map(({ data }) => (data as unknown[])[0]),
          Array.from({ length: 1_000 }, (_, i) => i),
        );
      },
    ));

  it('takes no connection from clients that come meanwhile: all are served by the others', () =>
    withEngine({ handlers }, async (engine) => {
      // It is waited for, so that there is time to connect in.
      await clientOn(engine, 1);
      let isBack = false;
      engine.on('shard-restarted', () => {
        isBack = true;
      });
      const restarted = engine.restartShard(1, { graceMs: 1_000 });
      let meanwhile = 0;
      while (!isBack) {
        const shard = shardOf(await (await connect(engine)).sync());
        if (isBack) break;
        assert.equal(shard, 0);
        meanwhile += 1;
      }
      await restarted;
      assert.ok(meanwhile > 0, 'none came in time');
      await clientOn(engine, 1);
    }));

  it('with the fallback acceptor hands no connection to an App that is closing, and takes the port again', () =>
    withEngine({ shards: 3, acceptor: 'shard', handlers }, async (engine) => {
      let isStorming = true;
      const storm = Array.from({ length: 4 }, async () => {
        while (isStorming) {
          const socket = await openRaw(engine.port).catch(() => null);
          socket?.destroy();
          await new Promise((resolve) => setImmediate(resolve));
        }
      });
      for (const shard of [1, 0, 2, 0]) await within(engine.restartShard(shard, { graceMs: 50 }), `shard ${shard}`);
      isStorming = false;
      await Promise.all(storm);
      await clientPerShard(engine);
    }));

  it('refuses a second time at once, wrong numbers, and an engine that is ending', () =>
    withEngine({ handlers }, async (engine) => {
      const first = engine.restartShard(0, { graceMs: 200 });
      await assert.rejects(engine.restartShard(0), { code: 'ERR_SHARD_RESTARTING' });
      // Another one may be restarted at the same time.
      await Promise.all([first, engine.restartShard(1, { graceMs: 200 })]);
      for (const wrong of [-1, 2, 0.5, Number.NaN, '0' as never]) {
        await assert.rejects(engine.restartShard(wrong), { code: 'ERR_OPTION_INVALID', path: 'shard' });
      }
      await assert.rejects(engine.restartShard(0, { graceMs: -1 }), { code: 'ERR_OPTION_INVALID', path: 'graceMs' });
      const interrupted = engine.restartShard(0, { graceMs: 5_000 });
      const expected = assert.rejects(interrupted, { code: 'ERR_SHUTTING_DOWN' });
      await engine.close();
      await expected;
      await assert.rejects(engine.restartShard(0), { code: 'ERR_SHUTTING_DOWN' });
    }));

  it('of a shard that fails meanwhile goes on', async () => {
    for (const acceptor of ['handover', 'shard'] as const) {
      await withEngine({ shards: 3, handlers, acceptor, restart: false }, async (engine) => {
        const lost = coming(engine, 'shard-lost');
        const client = await clientOn(engine, 1);
        client.send({ type: 'crash-as-you-leave' });
        await client.sync();
        await within(engine.restartShard(1, { graceMs: 2_000 }), 'the restart');
        assert.equal((await lost)[1].message, 'an uncaught error at the end');
        await clientPerShard(engine);
      });
    }
  });

  it('of a shard that is blocked meanwhile rejects, and it is replaced once it has ended', () =>
    withEngine({ handlers, watchdog: { stalledMs: 1_000 }, restart: false }, async (engine) => {
      const events: string[] = [];
      for (const name of ['shard-lost', 'error'] as const) engine.on(name, () => events.push(name));
      const restarted = coming(engine, 'shard-restarted');
      const client = await clientOn(engine, 1);
      client.send({ type: 'block-as-you-leave', data: 4_000 });
      await client.sync();
      await assert.rejects(engine.restartShard(1, { graceMs: 0 }), {
        code: 'ERR_SHARD_STALLED',
        message: /has not ended/,
      });
      await assert.rejects(engine.restartShard(1, { graceMs: 0 }), { code: /^ERR_SHARD_(STALLED|RESTARTING)$/ });
      assert.deepEqual(await restarted, [1]);
      await clientOn(engine, 1);
      assert.deepEqual(events, []);
    }));

  it('does not wait for the pause after a failure', () =>
    withEngine({ handlers, restart: { backoffMs: 600_000, maxBackoffMs: 600_000 } }, async (engine) => {
      const lost = coming(engine, 'shard-lost');
      (await clientOn(engine, 1)).send({ type: 'crash' });
      await lost;
      await within(engine.restartShard(1), 'the restart');
      await clientOn(engine, 1);
    }));

  it('forgives failures: the bound begins anew', () =>
    withEngine({ handlers, restart: { maxRestarts: 1, backoffMs: 1 } }, async (engine) => {
      await failShard(engine, await clientOn(engine, 1));
      await engine.restartShard(1, { graceMs: 0 });
      await failShard(engine, await clientOn(engine, 1));
    }));

  it('of every shard in turn: the new threads have the newest keys', () =>
    withEngine({ security: { aesKey: randomBytes(32) }, handlers }, async (engine) => {
      const keys = { aesKey: randomBytes(32) };
      engine.rotateKeys(keys, { graceMs: 0 });
      for (let shard = 0; shard < engine.shards; shard++) await engine.restartShard(shard, { graceMs: 0 });
      const shards = new Set<number>();
      await until(async () => {
        shards.add(shardOf(await (await connectSealed(engine, { keys })).sync()));
        return shards.size === engine.shards;
      }, 'a client on every shard that can read and be read');
    }));
});
