import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CodecName, Engine } from '#dist/main/index.js';
import { withEngine } from '../support/leaks.ts';
import { connectSealed, type Keys, type SealedClient, type SubprotocolForm } from '../support/sealed-client.ts';
import { until } from '../support/waiting.ts';
import { engineKeys } from './own-keys.ts';

const codecNames: readonly CodecName[] = ['json', 'protobuf', 'flatbuffers', 'msgpack'];
const modes: readonly (readonly [string, Keys])[] = [
  ['AES and HMAC, signed then encrypted', { ...engineKeys, signThenEncrypt: true }],
  ['AES and HMAC, encrypted then signed', { ...engineKeys, signThenEncrypt: false }],
  ['AES alone', { aesKey: engineKeys.aesKey }],
  ['HMAC alone', { hmacKey: engineKeys.hmacKey }],
];
const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
const textOf = (data: Uint8Array | null): string => Buffer.from(data ?? []).toString();

/** A client per codec, all subscribed to one channel and in one room. */
async function connectAll(engine: Engine, keys: Keys, form: SubprotocolForm): Promise<readonly SealedClient[]> {
  const clients: SealedClient[] = [];
  for (const codec of codecNames) {
    const client = await connectSealed(engine, { codec, keys, form });
    client.control('subscribe', 'news');
    client.control('join_room', 'lobby');
    await client.sync();
    clients.push(client);
  }
  return clients;
}

async function talk(engine: Engine, clients: readonly SealedClient[]): Promise<void> {
  for (const sender of clients) {
    const payload = JSON.stringify({ from: sender.codec.name, text: 'é 频道'.repeat(10) });
    sender.send({ type: 'publish', channel: 'news', data: Buffer.from(payload), timestamp: 5n });
    for (const receiver of clients) {
      const message = await receiver.next();
      assert.equal(message.type, 'message');
      assert.equal(message.channel, 'news');
      assert.equal(message.timestamp, 5n);
      assert.equal(textOf(message.data), payload, `${sender.codec.name} to ${receiver.codec.name}`);
    }
  }
  // Every way out is sealed.
  engine.publishRaw('news', json('raw'));
  engine.publishToRoom('lobby', { data: 'room' });
  engine.broadcast({ data: 'all' });
  engine.broadcastRaw(json('raw to all'));
  for (const receiver of clients) {
    const got = [];
    for (let i = 0; i < 4; i++) got.push(textOf((await receiver.next()).data));
    assert.deepEqual(got, ['"raw"', '"room"', '"all"', '"raw to all"']);
  }
  const [first] = clients;
  const id = (await first?.sync()) ?? '';
  assert.equal(engine.send(id, { data: 'direct' }), 'queued');
  assert.equal(textOf((await first?.next())?.data ?? null), '"direct"');
  for (const client of clients) {
    assert.deepEqual(client.faults, []);
    // A sealed message goes in a binary frame, JSON too.
    assert.deepEqual([...client.kinds], [true]);
  }
}

describe('a client that has only node:crypto and the documented layout', () => {
  for (const [name, keys] of modes) {
    for (const form of ['classic', 'deflate2', 'seal3'] as const) {
      it(`talks in every codec: ${name}, ${form}`, () =>
        withEngine({ security: { ...keys, compress: form !== 'classic', forgeable: ['codecs'] } }, async (engine) => {
          const clients = await connectAll(engine, keys, form);
          for (const client of clients) {
            const wanted = form === 'classic' ? client.codec.name : `${client.codec.name}+${form}`;
            assert.equal(client.socket.protocol, wanted);
          }
          await talk(engine, clients);
          const { openFailedDecrypt, openFailedSignature, openFailedFormat, openFailedReplay } = engine.stats();
          assert.deepEqual([openFailedDecrypt, openFailedSignature, openFailedFormat, openFailedReplay], [0, 0, 0, 0]);
        }));
    }
  }

  it('clients of all forms share a channel, each in its own form', () =>
    withEngine({ security: { ...engineKeys, compress: { thresholdBytes: 100 } } }, async (engine) => {
      const clients = await Promise.all(
        (['classic', 'deflate2', 'seal3'] as const).map((form) => connectSealed(engine, { keys: engineKeys, form })),
      );
      for (const client of clients) await client.subscribe('mixed');
      const long = 'compressible '.repeat(50);
      for (const client of clients) {
        client.flags.length = 0;
        client.frames.length = 0;
      }
      engine.publish('mixed', { data: long });
      engine.publish('mixed', { data: 'short' });
      for (const client of clients) {
        assert.equal(textOf((await client.next()).data), JSON.stringify(long));
        assert.equal(textOf((await client.next()).data), '"short"');
      }
      const [classic, deflate, seal3] = clients;
      assert.ok((classic?.frames[0]?.length ?? 0) > long.length, 'a classic client gets nothing deflated');
      assert.deepEqual(deflate?.flags, [1, 0]);
      assert.deepEqual(seal3?.flags, [1, 0]);
      assert.ok((deflate?.frames[0]?.length ?? 0) < long.length / 2);
      // What clients deflate is understood too.
      seal3?.send({ type: 'publish', channel: 'mixed', data: json(long) }, true);
      deflate?.send({ type: 'publish', channel: 'mixed', data: json(long) }, true);
      for (const client of clients)
        for (let i = 0; i < 2; i++) assert.equal(textOf((await client.next()).data), json(long).toString());
    }));

  it('a client that asks for what the engine does not offer gets what it knows, or a refusal', () =>
    withEngine({ security: { ...engineKeys, replayProtection: 'off' } }, async (engine) => {
      await assert.rejects(connectSealed(engine, { keys: engineKeys, form: 'deflate2' }), /400/);
      await assert.rejects(connectSealed(engine, { keys: engineKeys, form: 'seal3' }), /400/);
      const client = await connectSealed(engine, { keys: engineKeys });
      await client.sync();
    }));

  it('replayProtection required: nothing else is served', () =>
    withEngine({ security: { ...engineKeys, replayProtection: 'required' } }, async (engine) => {
      await assert.rejects(connectSealed(engine, { keys: engineKeys }), /400/);
      await assert.rejects(connectSealed(engine, { keys: engineKeys, form: 'seal3', nonce: Buffer.alloc(15) }), /400/);
      const client = await connectSealed(engine, { keys: engineKeys, form: 'seal3' });
      await client.sync();
      const { handshakesRefused } = engine.stats();
      assert.equal(handshakesRefused, 2);
    }));
});

describe('hub-wide sealing', () => {
  it('happens once per codec, shard and publish, whatever the number of subscribers', () =>
    withEngine({ shards: 2, security: { ...engineKeys, forgeable: ['codecs'] } }, async (engine) => {
      const clients: SealedClient[] = [];
      const pairs = new Set<string>();
      // At least one of both codecs on both shards, at least 20 in all.
      while (clients.length < 20 || pairs.size < 4) {
        const codec: CodecName = clients.length % 2 === 0 ? 'json' : 'msgpack';
        const client = await connectSealed(engine, { codec, keys: engineKeys });
        pairs.add(`${(await client.sync()).slice(0, 1)} ${codec}`);
        await client.subscribe('once');
        clients.push(client);
      }
      const before = engine.stats();
      const publishes = 25;
      for (let i = 0; i < publishes; i++) engine.publish('once', { data: { i } });
      for (const client of clients) {
        for (let i = 0; i < publishes; i++) assert.deepEqual(JSON.parse(textOf((await client.next()).data)), { i });
      }
      const after = await until(() => {
        const now = engine.stats();
        return now.messagesOut - before.messagesOut === publishes * clients.length && now;
      }, 'the counters');
      assert.equal(after.seals - before.seals, publishes * 2 * 2);
      assert.equal(after.encodes - before.encodes, publishes * 2 * 2);
      for (const [shard, values] of after.shards.entries()) {
        assert.equal(values.seals - (before.shards[shard]?.seals ?? 0), publishes * 2, `shard ${shard}`);
      }
    }));
});

describe('permessage-deflate', () => {
  it('is not negotiated where every message is sealed, and not used for those that are where some are', async () => {
    const { WebSocket } = await import('ws');
    const extensionsOf = (port: number): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, ['json'], { perMessageDeflate: true });
        socket.once('open', () => {
          resolve(socket.extensions);
          socket.terminate();
        });
        socket.once('error', reject);
      });
    await withEngine({ compression: true, security: engineKeys }, async (engine) => {
      assert.equal(await extensionsOf(engine.port), '');
    });
    await withEngine({ compression: true, security: {} }, async (engine) => {
      assert.match(await extensionsOf(engine.port), /^permessage-deflate/);
    });
  });
});
