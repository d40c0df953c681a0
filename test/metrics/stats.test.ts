import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { closeCode } from '#dist/shared/errors/index.js';
import { createEngineMemory } from '#dist/shared/memory/engine-memory.js';
import { Vitals } from '#dist/shared/memory/vitals.js';
import { createRing, RingConsumer, RingProducer, ringDepth, targetAll } from '#dist/shared/ring/index.js';
import { clientsApart } from '../engine/shard-pairs.ts';
import { engineKeys } from '../sealed/own-keys.ts';
import { connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import { fc } from '../support/properties.ts';
import { connectSealed } from '../support/sealed-client.ts';
import { until } from '../support/waiting.ts';
import { readPage, sumOf } from './page.ts';

const recording = new URL('../engine/fixtures/recording.handlers.js', import.meta.url);
const blocking = new URL('../engine/fixtures/blocking.handlers.js', import.meta.url);

describe('closes by code', () => {
  it('are counted whoever closes, and those of all shards add up', () =>
    withEngine({ shards: 2, handlers: recording, duplicateName: 'reject' }, async (engine) => {
      await (await connect(engine)).close(1000);
      await (await connect(engine)).close(4321);
      const other = await connect(engine);
      engine.disconnect(await other.sync(), 3999);
      await other.closed;
      (await connect(engine)).terminate();
      const told = await connect(engine);
      engine.disconnect(await told.sync(), 4444);
      await told.closed;
      await connect(engine, { query: 'client_id=twice' });
      assert.equal((await (await connect(engine, { query: 'client_id=twice' })).closed).code, closeCode.nameTaken);
      const expected = { 1000: 1, 1006: 1, [closeCode.nameTaken]: 1, '3xxx': 1, '4xxx': 2 };
      await until(() => Object.values(engine.stats().closes).reduce((sum, count) => sum + count, 0) === 6, 'all ends');
      const { closes, shards } = engine.stats();
      assert.deepEqual(closes, expected);
      for (const [code, count] of Object.entries(expected)) {
        const sum = shards.reduce((all, shard) => all + (shard.closes[code] ?? 0), 0);
        assert.equal(sum, count, code);
      }
    }));

  it('clients cannot make the list grow: any code has one of a few places, and is counted there once', () => {
    const vitals = new Vitals(createEngineMemory(1, 4096), 1);
    let counted = 0;
    fc.assert(
      fc.property(fc.oneof(fc.integer({ min: 0, max: 65_535 }), fc.integer(), fc.double()), (code) => {
        vitals.countClose(code);
        counted += 1;
        const { closes } = vitals.read();
        assert.equal(
          Object.values(closes).reduce((sum, count) => sum + count, 0),
          counted,
        );
        assert.ok(Object.keys(closes).length < 40);
      }),
    );
    for (const code of Object.values(closeCode)) {
      const before = vitals.read().closes[code] ?? 0;
      vitals.countClose(code);
      assert.equal(vitals.read().closes[code], before + 1, 'what the engine sends has a place of its own');
    }
    assert.deepEqual(new Vitals(createEngineMemory(1, 4096), 0).read().closes, {});
  });
});

describe('errors of handlers', () => {
  it('are counted by the handler, of listeners in main too', () =>
    withEngine({ shards: 1, handlers: recording }, async (engine) => {
      engine.on('message', () => {
        throw new Error('a listener');
      });
      const client = await connect(engine);
      for (const type of ['throw', 'reject', 'stray']) client.send({ type });
      client.send({ type: 'subscribe', data: { channel: 'explodes' } });
      (await connect(engine, { query: 'client_id=throws' })).terminate();
      await until(() => engine.stats().handlerErrors >= 9, 'the errors');
      const { handlerErrorsBy, main } = engine.stats();
      assert.deepEqual(handlerErrorsBy, { connect: 1, message: 2, authorize: 1, stray: 1, listener: 4 });
      assert.deepEqual(main.handlerErrorsBy, { listener: 4 });
    }));

  it('whatever the source, it is counted', () => {
    const vitals = new Vitals(createEngineMemory(1, 4096), 1);
    vitals.countHandlerError('nobody knows' as 'other');
    vitals.countHandlerError('ring');
    assert.deepEqual(vitals.read().handlerErrorsBy, { ring: 1, other: 1 });
  });
});

describe('what a thread tells of itself', () => {
  it('a blocked shard stops no reader, shows as one that is silent, and tells of the delay when it is back', () =>
    withEngine({ shards: 2, handlers: blocking }, async (engine) => {
      const [stuck, free] = await clientsApart(engine);
      await until(() => engine.stats().shards.every((shard) => shard.heapUsedBytes > 0), 'the first reports');
      stuck.send({ type: 'block', data: 3_000 });
      let isBack = false;
      const back = stuck.sync(120_000).then(() => {
        isBack = true;
      });
      const silent = await until(() => {
        const [one] = engine.stats().shards;
        return one !== undefined && one.reportAgeMs > 1_800 ? one : undefined;
      }, 'a shard that is silent');
      // A whole page, over HTTP from the other shard too, while the first one does nothing.
      const page = readPage(await engine.metrics());
      assert.ok(sumOf(page, 'shardwire_report_age_seconds', { shard: '0' }) > 1.8);
      assert.equal(await free.sync(), free.id);
      assert.equal(isBack, false, 'the shard was blocked all the while');
      assert.equal(silent.state, 'ready');
      // What main writes waits in its ring for the one that does not read.
      engine.publish('anything', { data: 'x'.repeat(10_000) });
      assert.ok(engine.stats().main.ringDepthBytes >= 10_000);
      await back;
      await until(
        () => engine.stats().shards[0]?.reportAgeMs !== undefined && engine.stats().main.ringDepthBytes === 0,
        'the ring to be read',
      );
      await until(() => (engine.stats().shards[0]?.loopDelay.maxMs ?? 0) > 1_500, 'the delay');
    }));

  it('states follow the life of a thread', async () => {
    const kept = await withEngine({ shards: 2, handlers: recording }, async (engine) => {
      const [one] = await clientsApart(engine);
      assert.deepEqual(
        engine.stats().shards.map((shard) => shard.state),
        ['ready', 'ready'],
      );
      one.send({ type: 'crash' });
      await until(() => engine.stats().shards[0]?.state === 'ended', 'the end of a shard');
      const [lost, other] = engine.stats().shards;
      assert.deepEqual([lost?.uptimeMs, lost?.reportAgeMs, other?.state], [0, 0, 'ready']);
      assert.equal(lost?.connections, 0);
      return engine;
    });
    const { main, shards, state } = kept.stats();
    assert.deepEqual([state, main.state, ...shards.map((shard) => shard.state)], ['closed', 'ended', 'ended', 'ended']);
  });

  it('frames that wait for the pool are counted, with how long', () =>
    withEngine(
      { shards: 1, security: engineKeys, offload: { threads: 1, thresholdBytes: { seal: 1_024 } } },
      async (engine) => {
        const client = await connectSealed(engine, { keys: engineKeys });
        await client.subscribe('large');
        for (let i = 0; i < 5; i++) {
          engine.publish('large', { data: 'x'.repeat(100_000) });
          engine.publish('large', { data: i });
        }
        for (let i = 0; i < 10; i++) await client.next();
        const { laneWaits, laneWaitMs, offload, sealsOffloaded } = engine.stats();
        assert.ok(laneWaits >= sealsOffloaded && sealsOffloaded > 0, `${laneWaits} waits, ${sealsOffloaded} jobs`);
        assert.ok(laneWaitMs > 0);
        assert.deepEqual({ ...offload, depth: 0 }, { depth: 0, threads: 1, running: 0, queue: 0 });
      },
    ));
});

describe('the depth of a ring', () => {
  it('is what the slowest reader has yet to read, and nothing where nobody reads', () => {
    const memory = createRing(4_096, 3);
    const producer = new RingProducer(memory, { spillBytes: 65_536, wake: () => undefined });
    assert.equal(ringDepth(memory), 0);
    const readers = [1, 2].map((self) => new RingConsumer(memory, self, { relieve: () => undefined }));
    for (const reader of readers) reader.attend();
    producer.write(1, targetAll, new Uint8Array(88));
    producer.write(1, targetAll, new Uint8Array(88));
    assert.equal(ringDepth(memory), 192);
    readers[0]?.drain(10, 10_000, () => undefined);
    assert.equal(ringDepth(memory), 192);
    readers[1]?.drain(1, 10_000, () => undefined);
    assert.equal(ringDepth(memory), 96);
    readers[1]?.drain(1, 10_000, () => undefined);
    assert.equal(ringDepth(memory), 0);
    producer.write(1, targetAll, new Uint8Array(88));
    for (const reader of readers) reader.leave();
    assert.equal(ringDepth(memory), 0);
  });

  it('is right across the wrap of the positions', () => {
    const memory = createRing(4_096, 2, 2 ** 32 - 64);
    const producer = new RingProducer(memory, { spillBytes: 65_536, wake: () => undefined });
    const reader = new RingConsumer(memory, 1, { relieve: () => undefined });
    reader.attend();
    producer.write(1, targetAll, new Uint8Array(56));
    producer.write(1, targetAll, new Uint8Array(56));
    assert.equal(ringDepth(memory), 128);
  });
});
