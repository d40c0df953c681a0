import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Engine } from '#dist/main/index.js';
import { withEngine } from '../support/leaks.ts';
import { connectSealed, type SealedClient, type SubprotocolForm } from '../support/sealed-client.ts';
import { engineKeys, keysOf } from './own-keys.ts';

const handlers = new URL('./fixtures/lanes.handlers.js', import.meta.url);
const largeBytes = 300_002;
const textOf = (data: Uint8Array | null): string => Buffer.from(data ?? []).toString();
const lengthOf = async (client: SealedClient): Promise<number> => (await client.next()).data?.length ?? 0;

/** A publish that is opened in the pool. */
function largePublish(client: SealedClient, channel: string): Buffer {
  return client.frameOf({ type: 'publish', channel, data: Buffer.from(`"${'l'.repeat(largeBytes - 2)}"`) });
}

async function connectAs(engine: Engine, name: string, form: SubprotocolForm): Promise<SealedClient> {
  return connectSealed(engine, { keys: engineKeys, form, headers: { 'X-Client-ID': name } });
}

describe('while the pool has a message', () => {
  for (const form of ['classic', 'seal3'] as const) {
    it(`a client that closes has sent it: it and what follows are handled (${form})`, () =>
      withEngine({ shards: 1, security: engineKeys, handlers }, async (engine) => {
        const watcher = await connectSealed(engine, { keys: engineKeys });
        await watcher.subscribe('news');
        const client = await connectSealed(engine, { keys: engineKeys, form });
        await client.subscribe('news');
        for (let i = 0; i < 3; i++) client.sendRaw(largePublish(client, 'news'));
        client.send({ type: 'publish', channel: 'news', data: Buffer.from('"last"') });
        client.socket.close(1000);
        await client.closed;
        for (let i = 0; i < 3; i++) assert.equal(await lengthOf(watcher), largeBytes);
        assert.equal(textOf((await watcher.next()).data), '"last"');
        assert.ok(engine.stats().opensOffloaded > 0);
      }));

    it(`a connection that the program closes still gets it, whatever way it was sent (${form})`, () =>
      withEngine({ shards: 1, security: engineKeys, handlers, maxBackpressureBytes: 16_777_216 }, async (engine) => {
        for (const name of ['', 'sent-to']) {
          const client = await connectAs(engine, name, form);
          await client.subscribe('news');
          client.control('join_room', 'lobby');
          client.send({ type: 'large-then-close' });
          const messages = name === '' ? 2 : 3;
          for (let i = 0; i < messages; i++) assert.equal(await lengthOf(client), largeBytes);
          assert.deepEqual(await client.closed, { code: 4000, reason: 'done' });
        }
        assert.ok(engine.stats().sealsOffloaded > 0);
      }));

    it(`what follows is not dropped: the pool is slow, not the consumer (${form})`, () =>
      withEngine({ shards: 1, security: engineKeys, handlers, maxBackpressureBytes: 65_536 }, async (engine) => {
        const client = await connectAs(engine, 'x', form);
        client.send({ type: 'large-then-small' });
        assert.equal(await lengthOf(client), largeBytes);
        for (let i = 0; i < 20; i++) assert.equal(textOf((await client.next()).data), String(i));
        const { messagesDropped, slowConsumersClosed, sealsOffloaded } = engine.stats();
        assert.deepEqual([messagesDropped, slowConsumersClosed], [0, 0]);
        assert.ok(form === 'classic' || sealsOffloaded > 0);
      }));
  }

  it('a subscriber that is given a key of its own gets it, sealed as it was published', () =>
    withEngine({ shards: 1, security: engineKeys, handlers }, async (engine) => {
      const client = await connectSealed(engine, { keys: engineKeys });
      await client.subscribe('news');
      client.send({ type: 'large-then-key' });
      assert.equal(await lengthOf(client), largeBytes);
      client.keys = { ...engineKeys, aesKey: keysOf('changed').aesKey };
      engine.publish('news', { data: 'keyed' });
      assert.equal(textOf((await client.next()).data), '"keyed"');
    }));
});

describe('while a handler is awaited', () => {
  it('what main sends may be longer than maxBackpressureBytes, as at any other time', () =>
    withEngine({ shards: 1, security: engineKeys, handlers, maxBackpressureBytes: 65_536 }, async (engine) => {
      engine.on('connect', (connection) => {
        connection.send({ data: 'l'.repeat(largeBytes - 2) });
      });
      const client = await connectAs(engine, 'slow', 'classic');
      assert.equal(await lengthOf(client), largeBytes);
    }));

  it('a sealed message of maxMessageBytes may wait', () =>
    withEngine(
      { shards: 1, security: engineKeys, handlers, maxMessageBytes: 65_536, maxBackpressureBytes: 65_536 },
      async (engine) => {
        const client = await connectAs(engine, 'slow', 'classic');
        const empty = JSON.stringify({ type: 'subscribe', data: { channel: 'x' }, note: '' });
        const text = JSON.stringify({
          type: 'subscribe',
          data: { channel: 'x' },
          note: 'n'.repeat(65_536 - empty.length),
        });
        client.sendRaw(client.frameOfBytes(Buffer.from(text)));
        await client.sync();
      },
    ));
});
