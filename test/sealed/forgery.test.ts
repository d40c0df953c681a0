import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WebSocket } from 'ws';
import type { CodecName, Engine } from '#dist/main/index.js';
import { withEngine } from '../support/leaks.ts';
import { connectSealed, type Keys, type SealedClient } from '../support/sealed-client.ts';
import { until } from '../support/waiting.ts';
import { dataBehindFlag, dataBehindHeader, dataBehindMap } from './forged-frames.ts';
import { engineKeys } from './own-keys.ts';

const modes: readonly (readonly [string, Keys])[] = [
  ['AES', { aesKey: engineKeys.aesKey }],
  ['HMAC', { hmacKey: engineKeys.hmacKey }],
  ['AES and HMAC', engineKeys],
  ['HMAC of AES', { ...engineKeys, signThenEncrypt: false }],
];

/** The frame in which a client gets this data in the room `lobby`. */
async function recorded(engine: Engine, client: SealedClient, data: Uint8Array): Promise<Buffer> {
  client.control('join_room', 'lobby');
  await client.sync();
  const before = client.frames.length;
  engine.publishToRoom('lobby', { data });
  await client.next();
  const frame = client.frames[before];
  assert.ok(frame !== undefined);
  return frame;
}

/** Whether somebody without a key who sends this frame on a connection of its own is taken for one with a key. */
async function isBelieved(engine: Engine, keys: Keys, subprotocol: CodecName, frame: Uint8Array): Promise<boolean> {
  const listener = await connectSealed(engine, { codec: subprotocol, keys });
  await listener.subscribe('forged');
  const before = engine.stats();
  const attacker = new WebSocket(`ws://127.0.0.1:${engine.port}/ws`, [subprotocol]);
  try {
    await new Promise((resolve, reject) => attacker.once('open', resolve).once('error', reject));
    attacker.send(frame, { binary: true });
    const failures = ['openFailedDecrypt', 'openFailedSignature', 'openFailedFormat', 'messagesMalformed'] as const;
    return await until(() => {
      if (listener.all.some(({ channel }) => channel === 'forged')) return { believed: true };
      const now = engine.stats();
      return failures.some((name) => now[name] > before[name]) && { believed: false };
    }, 'what becomes of the frame').then(({ believed }) => believed);
  } finally {
    attacker.terminate();
  }
}

/** The frame of version 2 or 3 as one of version 1: what its MAC is over, put behind the MAC. */
function asVersion1(client: SealedClient, frame: Buffer): Buffer {
  const place = Buffer.concat([
    Buffer.of(0x73, client.connectionId.length),
    Buffer.from(client.connectionId),
    client.nonce,
  ]);
  return Buffer.concat([frame.subarray(11, 43), frame.subarray(0, 11), place, frame.subarray(43)]);
}

const hmacOnly = { hmacKey: engineKeys.hmacKey };
/** Header, direction, length, connection id of 12 characters, nonce. */
const aadBytes = (client: SealedClient): number => 11 + 2 + client.connectionId.length + 16;

describe('somebody without a key who has recorded frames, and chose the data in them', () => {
  for (const [name, keys] of modes) {
    it(`is not believed with one of +deflate2: ${name}`, () =>
      withEngine(
        { shards: 1, subprotocols: ['flatbuffers'], security: { ...keys, compress: true } },
        async (engine) => {
          const victim = await connectSealed(engine, { codec: 'flatbuffers', form: 'deflate2', keys });
          const frame = await recorded(engine, victim, dataBehindFlag());
          assert.equal(await isBelieved(engine, keys, 'flatbuffers', frame), false);
        },
      ));
  }

  it('is not believed with one of +seal3, whose MAC and what it is over are put together as version 1', () =>
    withEngine({ shards: 1, subprotocols: ['flatbuffers'], security: { ...hmacOnly, keyId: 1 } }, async (engine) => {
      const victim = await connectSealed(engine, { codec: 'flatbuffers', form: 'seal3', keys: hmacOnly, keyId: 1 });
      const frame = await recorded(engine, victim, dataBehindHeader(aadBytes(victim), 1));
      assert.equal(await isBelieved(engine, hmacOnly, 'flatbuffers', asVersion1(victim, frame)), false);
    }));

  it('finds none of the forms that would let it be, unless an option names them', () =>
    withEngine({ shards: 1, security: { ...engineKeys, compress: true } }, async (engine) => {
      for (const form of ['deflate', 'seal2'] as const) {
        await assert.rejects(connectSealed(engine, { keys: engineKeys, form }), /400/);
      }
      for (const codec of ['protobuf', 'flatbuffers', 'msgpack'] as const) {
        await assert.rejects(connectSealed(engine, { keys: engineKeys, codec }), /400/, 'version 1 has one codec');
      }
      await (await connectSealed(engine, { keys: engineKeys })).sync();
    }));

  it('a client that offers nothing is refused where version 1 is not spoken in JSON', () =>
    withEngine({ shards: 1, subprotocols: ['msgpack', 'json'], security: engineKeys }, async (engine) => {
      const socket = new WebSocket(`ws://127.0.0.1:${engine.port}/ws`);
      await assert.rejects(new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject)), /400/);
    }));

  it('every frame opens in its own subprotocol and direction only', () =>
    withEngine({ shards: 1, security: { ...engineKeys, compress: true, maxFailures: 1_000_000 } }, async (engine) => {
      const places: SealedClient[] = [await connectSealed(engine, { keys: engineKeys })];
      for (const codec of ['json', 'protobuf', 'flatbuffers', 'msgpack'] as const) {
        for (const form of ['deflate2', 'seal3'] as const) {
          places.push(await connectSealed(engine, { codec, form, keys: engineKeys }));
        }
      }
      const frames: { place: SealedClient; isOwn: boolean; frame: Buffer }[] = [];
      for (const place of places) {
        const fromServer = await recorded(engine, place, Buffer.from('"x"'));
        const fromClient = place.frameOf({ type: 'publish', channel: 'forged', data: Buffer.from('"x"') });
        // Version 1 has one key for both directions.
        if (place.form !== 'classic') frames.push({ place, isOwn: false, frame: fromServer });
        frames.push({ place, isOwn: true, frame: fromClient });
      }
      const failed = (): number => {
        const { openFailedDecrypt, openFailedSignature, openFailedFormat, openFailedReplay } = engine.stats();
        return openFailedDecrypt + openFailedSignature + openFailedFormat + openFailedReplay;
      };
      for (const place of places) {
        const foreign = frames.filter((one) => one.place !== place || !one.isOwn);
        const before = failed();
        for (const { frame } of foreign) place.sendRaw(frame);
        await place.sync();
        assert.equal(failed() - before, foreign.length, place.socket.protocol);
      }
    }));
});

describe('the option `security.forgeable` names real risks', () => {
  it('deflate: the flag byte makes another message of a recorded one', () =>
    withEngine(
      { shards: 1, subprotocols: ['flatbuffers'], security: { ...engineKeys, compress: true, forgeable: ['deflate'] } },
      async (engine) => {
        const victim = await connectSealed(engine, { codec: 'flatbuffers', form: 'deflate', keys: engineKeys });
        const frame = await recorded(engine, victim, dataBehindFlag());
        assert.equal(await isBelieved(engine, engineKeys, 'flatbuffers', frame), true);
      },
    ));

  it('seal2: with HMAC alone, a recorded frame is one of version 1', () =>
    withEngine(
      { shards: 1, subprotocols: ['flatbuffers'], security: { ...hmacOnly, keyId: 1, forgeable: ['seal2'] } },
      async (engine) => {
        const victim = await connectSealed(engine, { codec: 'flatbuffers', form: 'seal2', keys: hmacOnly, keyId: 1 });
        const frame = await recorded(engine, victim, dataBehindHeader(aadBytes(victim), 1));
        assert.equal(await isBelieved(engine, hmacOnly, 'flatbuffers', asVersion1(victim, frame)), true);
      },
    ));

  it('codecs: what is recorded in MessagePack is another message in Protobuf', () =>
    withEngine({ shards: 1, security: { ...engineKeys, forgeable: ['codecs'] } }, async (engine) => {
      const victim = await connectSealed(engine, { codec: 'msgpack', keys: engineKeys });
      const frame = await recorded(engine, victim, dataBehindMap());
      assert.equal(await isBelieved(engine, engineKeys, 'protobuf', frame), true);
    }));
});
