import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CodecName, Engine } from '#dist/main/index.js';
import { type CodecClient, connectCodec } from '../support/codec-client.ts';
import { withEngine } from '../support/leaks.ts';
import { until } from '../support/waiting.ts';

const names: readonly CodecName[] = ['json', 'protobuf', 'flatbuffers', 'msgpack'];
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (data: Uint8Array | null): string => Buffer.from(data ?? []).toString('utf8');

/** One client of each codec, subscribed to a channel and in a room. */
async function members(engine: Engine): Promise<readonly CodecClient[]> {
  const clients = await Promise.all(names.map((name) => connectCodec(engine, name)));
  for (const client of clients) {
    client.control('subscribe', 'news');
    client.control('join_room', 'lobby');
    client.send({ type: 'publish', channel: 'news', data: bytes('"here"') });
  }
  await until(
    () => clients.every(({ all }) => all.some(({ clientId }) => clientId !== '')),
    'every client to hear of one',
  );
  return clients;
}

describe('messages with an id and an offset', () => {
  it('are published as others are, and nobody else sees these numbers', () =>
    withEngine({}, async (engine) => {
      const clients = await members(engine);
      for (const [index, sender] of clients.entries()) {
        const data = bytes(String(index));
        sender.send({ type: 'publish', channel: 'news', data, id: 7, offset: 42 });
        sender.say('lobby', String(index));
        for (const subscriber of clients) {
          const from = `${sender.codec.name} to ${subscriber.codec.name}`;
          await until(
            () => subscriber.all.filter(({ data: got }) => textOf(got) === String(index)).length === 2,
            `two messages from ${from}`,
          );
          for (const { id, offset } of subscriber.all) assert.deepEqual([id, offset], [0, 0], from);
        }
      }
    }));

  it('are answered as they were before: without an id', () =>
    withEngine({ replies: 'all' }, async (engine) => {
      for (const name of names) {
        const client = await connectCodec(engine, name);
        client.send({ type: 'nonsense', id: 7 });
        const error = await client.next();
        assert.equal(JSON.parse(textOf(error.data)).code, 'ERR_TYPE_UNKNOWN');
        client.send({ type: 'publish', channel: 'news', data: bytes('1'), id: 8, offset: 9 });
        const ok = await client.next();
        assert.deepEqual(JSON.parse(textOf(ok.data)), { for: 'publish', target: 'news' });
        for (const { id, offset } of [error, ok]) assert.deepEqual([id, offset], [0, 0]);
      }
    }));

  it('that are no such numbers are malformed, and the connection stays', () =>
    withEngine({}, async (engine) => {
      const wrong: Readonly<Record<CodecName, readonly string[]>> = {
        json: ['{"id":"abc"}', '{"ID":null}', '{"id":1.0}', '{"offset":-1}', '{"id":9007199254740992}'].map((text) =>
          Buffer.from(text).toString('hex'),
        ),
        protobuf: ['320137', '39000000000000f03f', '30ffffffffffffffffff01', '388080808080808010'],
        flatbuffers: [
          // A root table with the slot of `id` alone, which says 2^53, and one with that of `offset`, which says 2^64 - 1.
          '1400000010000c00000000000000000000000400100000000000000000002000',
          '1c00000000000000000012000c00000000000000000000000000040012000000ffffffffffffffff',
        ],
        msgpack: ['81a26964a137', '81a26964c0', '81a66f6666736574ff', '81a26964cb3ff0000000000000'],
      };
      for (const name of names) {
        const client = await connectCodec(engine, name);
        for (const hex of wrong[name]) {
          client.socket.send(Buffer.from(hex, 'hex'), { binary: client.codec.binary });
          const { type, data } = await client.next();
          assert.deepEqual([type, JSON.parse(textOf(data)).code], ['error', 'ERR_MESSAGE_MALFORMED'], `${name} ${hex}`);
        }
        client.control('subscribe', `after-${name}`);
        client.send({ type: 'publish', channel: `after-${name}`, data: bytes('1') });
        assert.equal((await client.next()).type, 'message');
      }
      assert.equal(engine.stats().connections, names.length);
    }));

  it('are none of the server program’s: what it publishes has neither', () =>
    withEngine({ shards: 1 }, async (engine) => {
      const clients = await members(engine);
      engine.publish('news', { data: 'all' });
      for (const client of clients) {
        await until(() => client.all.some(({ data }) => textOf(data) === '"all"'), client.codec.name);
        for (const { id, offset } of client.all) assert.deepEqual([id, offset], [0, 0]);
      }
    }));
});
