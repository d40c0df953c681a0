import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { clientPerShard, clientsApart, shardOf } from '../engine/shard-pairs.ts';
import { type Client, connect } from '../support/client.ts';
import { socketDescriptors, withEngine } from '../support/leaks.ts';
import { until, within } from '../support/waiting.ts';
import { clientOn, coming, failShard, handlers } from './lost-shards.ts';

function numbersOf(client: Client, publisher: string): unknown[] {
  return client.all
    .map((message) => message.data as [string, number])
    .filter(([who]) => who === publisher)
    .map(([, number]) => number);
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

describe('a lost shard is replaced', () => {
  it('twice, while clients of the other three see every message of every publisher once and in order', () =>
    withEngine({ shards: 4, handlers }, async (engine) => {
      const clients = await clientPerShard(engine);
      for (const client of clients) await client.subscribe('news');
      const survivors = clients.filter((client) => shardOf(client.id) !== 1);
      const events: unknown[] = [];
      engine.on('shard-lost', (shard, error) => events.push(['lost', shard, error.code]));
      engine.on('shard-restarted', (shard) => events.push(['restarted', shard]));
      let sent = 0;
      const publishing = setInterval(() => {
        assert.equal(engine.publish('news', { data: ['main', sent] }), 'queued');
        for (const client of survivors) {
          client.send({ type: 'publish', channel: 'news', data: [client.id, sent] });
        }
        sent += 1;
      }, 2);
      try {
        let victim = clients[1];
        for (let round = 0; round < 2; round++) {
          assert.ok(victim);
          await failShard(engine, victim);
          assert.equal((await victim.closed).code, 1012);
          victim = await clientOn(engine, 1);
        }
      } finally {
        clearInterval(publishing);
      }
      const newcomer = await clientOn(engine, 1);
      await newcomer.subscribe('news');
      const counts = sent;
      assert.ok(counts > 20, `${counts} messages while shards failed`);
      engine.publish('news', { data: ['main', counts] });
      newcomer.send({ type: 'publish', channel: 'news', data: ['newcomer', 0] });
      for (const client of survivors) {
        await client.next(({ data }) => (data as [string, number])[0] === 'newcomer');
        await client.next(({ data }) => (data as [string, number]).join() === `main,${counts}`);
        for (const { id } of survivors) {
          await until(() => numbersOf(client, id).length >= counts, 'all messages of a survivor');
          assert.deepEqual(numbersOf(client, id), upTo(counts));
        }
        assert.deepEqual(numbersOf(client, 'main'), upTo(counts + 1));
        assert.deepEqual(numbersOf(client, 'newcomer'), [0]);
      }
      await newcomer.next(({ data }) => (data as [string, number])[0] === 'newcomer');
      await newcomer.next(({ data }) => (data as [string, number])[0] === 'main');
      const once = [
        ['lost', 1, 'ERR_SHARD_FAILED'],
        ['restarted', 1],
      ];
      assert.deepEqual(events, [...once, ...once]);
      assert.equal(engine.stats().shards[1]?.restarts, 2);
    }));

  it('and what its clients do reaches listeners in main, before and after', () =>
    withEngine({ handlers }, async (engine) => {
      const seen: string[] = [];
      engine.on('message', (connection, message) => {
        if (message.type === 'hello') seen.push(connection.id);
      });
      const ended: string[] = [];
      engine.on('disconnect', (connection) => ended.push(connection.id));
      const [one] = await clientsApart(engine);
      one.send({ type: 'hello' });
      await until(() => seen.includes(one.id), 'the first hello');
      await failShard(engine, one);
      assert.ok(ended.includes(one.id), 'its end was told before it was replaced');
      const again = await clientOn(engine, 0);
      again.send({ type: 'hello' });
      await until(() => seen.includes(again.id), 'the second hello');
      assert.equal(engine.send(again.id, { data: 'direct' }), 'queued');
      assert.equal((await again.next()).data, 'direct');
    }));

  it('and its counters go on, without its gauges and connections', () =>
    withEngine({ handlers }, async (engine) => {
      const [one] = await clientsApart(engine);
      await one.subscribe('a', 'b');
      await one.joinRoom('c');
      const before = engine.stats().shards[0];
      assert.ok(before);
      await failShard(engine, one);
      const after = engine.stats().shards[0];
      assert.ok(after);
      assert.equal(after.connections, 0);
      assert.equal(after.channels + after.rooms, 0);
      for (const name of ['connectionsOpened', 'messagesIn', 'publishes', 'descriptorsAdopted', 'doorbells'] as const) {
        assert.ok(after[name] >= before[name], name);
      }
      const again = await clientOn(engine, 0);
      assert.equal(engine.stats().shards[0]?.connections, 1);
      again.terminate();
    }));

  it('and the names of its clients are free again', () =>
    withEngine({ handlers, duplicateName: 'reject' }, async (engine) => {
      const named = await connect(engine, { query: 'client_id=ann' });
      await named.sync();
      await failShard(engine, named);
      const again = await connect(engine, { query: 'client_id=ann' });
      await again.sync();
    }));

  it('and only its own keys are placed elsewhere, until it is back', () =>
    withEngine({ shards: 4, handlers, placement: { by: 'address' }, restart: { backoffMs: 1_000 } }, async (engine) => {
      const addresses = Array.from({ length: 24 }, (_, i) => `127.0.0.${i + 2}`);
      const placed = async (): Promise<number[]> => {
        const shards: number[] = [];
        for (const localAddress of addresses) {
          const client = await connect(engine, { localAddress });
          shards.push(shardOf(await client.sync()));
          client.terminate();
        }
        return shards;
      };
      const before = await placed();
      const [lostShard = 0] = before;
      const victim = await connect(engine, { localAddress: addresses[0] ?? '' });
      const lost = coming(engine, 'shard-lost');
      const restarted = coming(engine, 'shard-restarted');
      victim.send({ type: 'crash' });
      await lost;
      const meanwhile = await placed();
      await restarted;
      assert.deepEqual(await placed(), before);
      for (const [i, shard] of before.entries()) {
        if (shard !== lostShard) assert.equal(meanwhile[i], shard);
      }
    }));

  it('also with the fallback acceptor, the shard that holds the port included', () =>
    withEngine({ shards: 3, acceptor: 'shard', handlers }, async (engine) => {
      for (const shard of [2, 0, 1, 0]) {
        const { port } = engine;
        await failShard(engine, await clientOn(engine, shard));
        assert.equal(engine.port, port);
        const clients = await clientPerShard(engine);
        for (const client of clients) await client.subscribe('all');
        engine.publish('all', { data: 1 });
        for (const client of clients) await client.next();
        for (const client of clients) client.terminate();
      }
    }));

  it('also the only one', () =>
    withEngine({ shards: 1, handlers }, async (engine) => {
      await failShard(engine, await clientOn(engine, 0));
      const again = await clientOn(engine, 0);
      await again.subscribe('c');
      engine.publish('c', { data: 1 });
      await again.next();
      assert.equal(engine.stats().state, 'ready');
    }));

  it('also two at a time', () =>
    withEngine({ shards: 3, handlers }, async (engine) => {
      const clients = await clientPerShard(engine);
      const restarted = new Set<number>();
      engine.on('shard-restarted', (shard) => restarted.add(shard));
      clients[0]?.send({ type: 'crash' });
      clients[2]?.send({ type: 'crash' });
      await until(() => restarted.size === 2, 'both to be back');
      const again = await clientPerShard(engine);
      for (const client of again) await client.subscribe('c');
      for (const client of again) client.send({ type: 'publish', channel: 'c', data: client.id });
      for (const client of again) {
        const senders = [await client.next(), await client.next(), await client.next()].map(({ data }) => data);
        assert.deepEqual(senders.toSorted(), again.map(({ id }) => id).toSorted());
      }
    }));

  it('and leaves no descriptor or thread behind, however often', () =>
    withEngine({ handlers, restart: { maxRestarts: 20, backoffMs: 1 } }, async (engine) => {
      await failShard(engine, await clientOn(engine, 1));
      const before = socketDescriptors();
      for (let round = 0; round < 8; round++) await failShard(engine, await clientOn(engine, 1));
      await until(() => socketDescriptors() <= before, 'descriptors to go');
    }));
});

describe('a shard that fails too often', () => {
  it('stays lost, which is told, and the others go on', () =>
    withEngine({ handlers, restart: { maxRestarts: 1, backoffMs: 1 } }, async (engine) => {
      await failShard(engine, await clientOn(engine, 1));
      const error = coming(engine, 'error');
      (await clientOn(engine, 1)).send({ type: 'crash' });
      const [{ code, message }] = await error;
      assert.equal(code, 'ERR_SHARD_FAILED');
      assert.match(message, /shard 1 has failed too often and stays lost: an uncaught error/);
      for (let i = 0; i < 10; i++) assert.equal(shardOf(await (await connect(engine)).sync()), 0);
      assert.equal(engine.stats().state, 'ready');
    }));

  it('is started again by restartShard', () =>
    withEngine({ handlers, restart: false }, async (engine) => {
      const lost = coming(engine, 'shard-lost');
      (await clientOn(engine, 1)).send({ type: 'crash' });
      await lost;
      await engine.restartShard(1);
      await clientOn(engine, 1);
    }));

  it('and is the last one closes the engine', () =>
    withEngine({ shards: 1, handlers, restart: { maxRestarts: 0 } }, async (engine) => {
      const texts: string[] = [];
      engine.on('error', (error) => texts.push(error.message));
      (await clientOn(engine, 0)).send({ type: 'crash' });
      await until(() => texts.length === 2, 'both errors');
      assert.match(texts[0] ?? '', /too often/);
      assert.equal(texts[1], 'no shard is left');
      assert.equal(engine.stats().state, 'closed');
      await assert.rejects(within(engine.restartShard(0), 'the refusal'), { code: 'ERR_SHUTTING_DOWN' });
    }));
});
