import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withEngine } from '../support/leaks.ts';
import { opcode } from '../support/raw-frames.ts';
import { pause, until } from '../support/waiting.ts';
import { flood, handlers, isUnbroken, numbersOf, openObserver, openSleeper } from './slow-fixture.ts';

const bounded = { shards: 1, maxBackpressureBytes: 262_144, handlers };
const closes = (frame: { readonly opcode: number }): boolean => frame.opcode === opcode.close;

describe('a close behind bytes that the client has not read', () => {
  it('a slow consumer that reads again gets what was queued, in order, then 3008, told once', () =>
    withEngine({ ...bounded, writeWaitMs: 600_000 }, async (engine) => {
      const { client, log } = await openObserver(engine);
      const sleeper = await openSleeper(engine, 'sleeper');
      await flood(engine, () => engine.stats().slowConsumersClosed === 1);
      // Until all drops are counted that happened before.
      await client.sync();
      const { messagesDropped } = engine.stats();
      // What is published meanwhile does not go to it any more.
      for (let i = 0; i < 200; i++) engine.publish('flood', { data: [-1, 'late'] });
      await client.sync();
      assert.equal(engine.stats().messagesDropped, messagesDropped);
      assert.deepEqual([engine.stats().connections, log('gone').length], [2, 0]);
      sleeper.socket.resume();
      assert.deepEqual(await sleeper.closeFrame(), { code: 3008, reason: 'too slow' });
      await sleeper.ended();
      const numbers = numbersOf(sleeper);
      assert.ok(numbers.length > 0 && isUnbroken(numbers), `${numbers.length} messages came`);
      await client.next((message) => (message.data as unknown[])[0] === 'gone');
      await client.sync();
      assert.deepEqual(log('gone'), [['gone', 'sleeper', 3008, 'too slow']]);
      const { connections, slowConsumersClosed } = engine.stats();
      assert.deepEqual([connections, slowConsumersClosed], [1, 1]);
      await until(() => engine.stats().channels === 1, 'only log to be left');
    }));

  it('a slow consumer that never reads is cut after the wait, told once and with 3008', () =>
    withEngine({ ...bounded, writeWaitMs: 300 }, async (engine) => {
      const { client, log } = await openObserver(engine);
      const sleeper = await openSleeper(engine, 'sleeper');
      await flood(engine, () => engine.stats().slowConsumersClosed === 1);
      await client.next((message) => (message.data as unknown[])[0] === 'gone');
      assert.equal(engine.stats().connections, 1);
      sleeper.socket.resume();
      await sleeper.ended();
      assert.equal(sleeper.frames.some(closes), false);
      await client.sync();
      assert.deepEqual(log('gone'), [['gone', 'sleeper', 3008, 'too slow']]);
    }));

  it("an application's close reaches a client that reads again; until then nothing more is sent to it", () =>
    withEngine({ ...bounded, slowConsumer: 'drop', writeWaitMs: 600_000 }, async (engine) => {
      const { client, log } = await openObserver(engine);
      const sleeper = await openSleeper(engine, 'sleeper');
      await flood(engine, () => engine.stats().messagesDropped > 0);
      sleeper.sendJson({ type: 'farewell' });
      const { data } = await client.next((message) => (message.data as unknown[])[0] === 'closing');
      assert.deepEqual(data, ['closing', 'sleeper', false, 0, 'closed', 'queued']);
      assert.equal(engine.stats().undeliverable, 1);
      await client.sync();
      const { messagesDropped } = engine.stats();
      for (let i = 0; i < 200; i++) engine.publish('flood', { data: [-1, 'late'] });
      // What it says is not acted on either.
      sleeper.sendJson({ type: 'subscribe', data: { channel: 'flood' } });
      sleeper.sendJson({ type: 'publish', channel: 'log', data: ['said', 'sleeper'] });
      await client.sync();
      assert.equal(engine.stats().messagesDropped, messagesDropped);
      sleeper.socket.resume();
      assert.deepEqual(await sleeper.closeFrame(), { code: 4001, reason: 'farewell' });
      assert.ok(isUnbroken(numbersOf(sleeper)));
      await client.next((message) => (message.data as unknown[])[0] === 'gone');
      await client.sync();
      assert.deepEqual([log('gone'), log('said')], [[['gone', 'sleeper', 4001, 'farewell']], []]);
    }));

  it('a client that reads at least half of what is left in each wait gets everything, and the code', () =>
    withEngine({ ...bounded, maxBackpressureBytes: 67_108_864, writeWaitMs: 4_000 }, async (engine) => {
      const { client, log } = await openObserver(engine);
      const sleeper = await openSleeper(engine, 'sleeper');
      await flood(engine, () => engine.stats().slowConsumersClosed === 1);
      const began = performance.now();
      // A quarter of the rest at a time; the end of it is small.
      let left = 67_108_864;
      let read = 0;
      sleeper.socket.on('data', (bytes: Buffer) => {
        read += bytes.length;
        if (read < left / 4) return;
        left -= read;
        read = 0;
        if (left < 4_194_304) return;
        sleeper.socket.pause();
        setTimeout(() => sleeper.socket.resume(), 750);
      });
      sleeper.socket.resume();
      assert.deepEqual(await sleeper.closeFrame(240_000), { code: 3008, reason: 'too slow' });
      assert.ok(performance.now() - began > 4_000, 'the client must take longer than one wait');
      assert.ok(isUnbroken(numbersOf(sleeper)));
      await client.next((message) => (message.data as unknown[])[0] === 'gone');
      assert.deepEqual(log('gone'), [['gone', 'sleeper', 3008, 'too slow']]);
    }));

  it('a client that leaves during the wait is told of once, with the code that was meant', () =>
    withEngine({ ...bounded, writeWaitMs: 600_000 }, async (engine) => {
      const { client, log } = await openObserver(engine);
      const sleepers = await Promise.all(['fin', 'reset', 'polite'].map((name) => openSleeper(engine, name)));
      await flood(engine, () => engine.stats().slowConsumersClosed === 3);
      const [fin, reset, polite] = sleepers;
      fin?.socket.end();
      reset?.reset();
      polite?.sendClose(1000, 'bye');
      await until(() => log('gone').length === 3, 'all to be told');
      await client.sync();
      assert.deepEqual(
        log('gone').toSorted(),
        ['fin', 'polite', 'reset'].map((name) => ['gone', name, 3008, 'too slow']),
      );
      assert.equal(engine.stats().connections, 1);
    }));

  it('an engine that closes does not wait for it, and tells its end', async () => {
    const ends: unknown[] = [];
    await withEngine({ ...bounded, writeWaitMs: 600_000 }, async (engine) => {
      engine.on('disconnect', (_connection, code, reason) => ends.push([code, reason]));
      // Longer than it takes shards to hear of the listener.
      await pause(50);
      await openSleeper(engine, 'sleeper');
      await flood(engine, () => engine.stats().slowConsumersClosed === 1);
      assert.equal(ends.length, 0);
      await engine.close();
    });
    assert.deepEqual(ends, [[3008, 'too slow']]);
  });
});
