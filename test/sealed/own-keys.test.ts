import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Engine } from '#dist/main/index.js';
import { connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import { connectSealed, type Keys, openWith, type SealedClient } from '../support/sealed-client.ts';
import { within } from '../support/waiting.ts';
import { engineKeys, keysOf } from './own-keys.ts';

const handlers = new URL('./fixtures/own-keys.handlers.js', import.meta.url);
const textOf = (data: Uint8Array | null): string => Buffer.from(data ?? []).toString();

function connectAs(
  engine: Engine,
  name: string,
  keys: Keys,
  form: 'classic' | 'seal3' = 'classic',
): Promise<SealedClient> {
  return connectSealed(engine, { keys, form, headers: { 'X-Client-ID': name } });
}

describe('keys of a connection', () => {
  for (const form of ['classic', 'seal3'] as const) {
    it(`are in force before its first message, which did not wait for them (${form})`, () =>
      withEngine({ handlers, security: engineKeys }, async (engine) => {
        const own = connectAs(engine, 'own-ada', keysOf('own-ada'), form);
        const client = await own;
        // At once, while `connect` still sleeps.
        client.send({ type: 'direct', data: Buffer.from('"first"') });
        assert.equal(textOf((await client.next()).data), '"first"');
        assert.equal(engine.stats().openFailedDecrypt, 0);
      }));

    it(`stand in for the engine’s on every way out, and nobody else’s keys fit (${form})`, () =>
      withEngine({ handlers, security: engineKeys }, async (engine) => {
        const own = await connectAs(engine, 'own-ada', keysOf('own-ada'), form);
        const half = await connectAs(engine, 'aes-bob', { ...engineKeys, aesKey: keysOf('aes-bob').aesKey }, form);
        const hub = await connectSealed(engine, { keys: engineKeys });
        const all = [own, half, hub];
        for (const client of all) {
          for (const channel of ['news', 'raw']) client.control('subscribe', channel);
          for (const room of ['lobby', 'raw-room']) client.control('join_room', room);
          await client.sync();
          client.frames.length = 0;
        }
        engine.publish('news', { data: 1 });
        engine.publishRaw('news', Buffer.from('2'));
        engine.publishToRoom('lobby', { data: 3 });
        engine.broadcast({ data: 4 });
        engine.broadcastRaw(Buffer.from('5'));
        for (const client of all) {
          for (const wanted of ['1', '2', '3', '4', '5']) assert.equal(textOf((await client.next()).data), wanted);
        }
        hub.send({ type: 'raw', data: Buffer.from('6') });
        hub.send({ type: 'room-raw', data: Buffer.from('7') });
        own.send({ type: 'publish', channel: 'news', data: Buffer.from('8') });
        for (const client of all) {
          const got = [
            textOf((await client.next()).data),
            textOf((await client.next()).data),
            textOf((await client.next()).data),
          ];
          assert.deepEqual(got.sort(), ['6', '7', '8']);
          assert.deepEqual(client.faults, []);
        }
        if (form === 'classic') for (const frame of own.frames) assert.throws(() => openWith(engineKeys, frame));
      }));
  }

  it('`security: {}`: only those that got keys are sealed for, others are served as ever, and nothing leaks meanwhile', () =>
    withEngine({ handlers, security: {} }, async (engine) => {
      const plain = await connect(engine);
      await plain.subscribe('news');
      const opening = connectAs(engine, 'own-ada', keysOf('own-ada'));
      const own = await opening;
      // Its `connect` sleeps: what goes to everyone now must not go to it in clear.
      engine.broadcast({ data: 'early' });
      await own.subscribe('news');
      engine.publish('news', { data: 'both' });
      // On a busy machine it may have had its keys already when that went out: then it came sealed, as everything must.
      let heard = textOf((await own.next()).data);
      if (heard === '"early"') heard = textOf((await own.next()).data);
      assert.equal(heard, '"both"');
      assert.equal((await plain.next((message) => message.type === 'message')).data, 'both');
      assert.deepEqual(own.faults, []);
    }));

  it('what main sends while `connect` still looks for the keys waits for them', () =>
    withEngine({ handlers, security: {} }, async (engine) => {
      engine.on('connect', (connection) => {
        for (let i = 0; i < 3; i++) connection.send({ data: i });
      });
      const own = await connectAs(engine, 'own-ada', keysOf('own-ada'));
      for (let i = 0; i < 3; i++) assert.equal(textOf((await own.next()).data), String(i));
      assert.deepEqual(own.faults, []);
    }));

  it('may come and go while it lasts', () =>
    withEngine({ handlers, security: engineKeys }, async (engine) => {
      const client = await connectAs(engine, 'late-ada', engineKeys);
      await client.subscribe('news');
      client.send({ type: 'key-now' });
      client.keys = { ...engineKeys, aesKey: keysOf('late-ada').aesKey };
      assert.equal((await client.next()).type, 'keyed');
      engine.publish('news', { data: 1 });
      assert.equal(textOf((await client.next()).data), '1');
      client.send({ type: 'key-off' });
      client.keys = engineKeys;
      assert.equal((await client.next()).type, 'unkeyed');
      engine.publish('news', { data: 2 });
      assert.equal(textOf((await client.next()).data), '2');
      client.send({ type: 'bad-key' });
      assert.equal(textOf((await client.next()).data), '{"code":"ERR_KEY_INVALID"}');
    }));

  it('are refused with ERR_SECURITY_OFF by an engine without the option', () =>
    withEngine({ handlers }, async (engine) => {
      const client = await connect(engine, { headers: { 'X-Client-ID': 'late-ada' } });
      client.send({ type: 'bad-key' });
      assert.deepEqual((await client.next()).data, { code: 'ERR_SECURITY_OFF' });
    }));

  it('a seal3 connection that loses its last key is closed: nothing goes either way in clear', () =>
    withEngine({ handlers, security: {} }, async (engine) => {
      const client = await connectAs(engine, 'own-ada', keysOf('own-ada'), 'seal3');
      await client.subscribe('news');
      client.frames.length = 0;
      client.send({ type: 'key-off' });
      client.keys = {};
      client.send({ type: 'publish', channel: 'news', data: Buffer.from('"in clear"') });
      assert.equal((await within(client.closed, 'the end')).code, 1011);
      assert.deepEqual(client.frames, []);
    }));

  it('a seal3 connection that has no key at all is closed', () =>
    withEngine({ handlers, security: {} }, async (engine) => {
      await assert.rejects(connectSealed(engine, { form: 'seal3' }));
    }));
});
