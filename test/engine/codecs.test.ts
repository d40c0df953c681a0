import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type CodecName, type Engine, startEngine } from '#dist/main/index.js';
import { type CodecClient, connectCodec } from '../support/codec-client.ts';
import { withEngine } from '../support/leaks.ts';
import { openRaw } from '../support/raw-socket.ts';
import { until } from '../support/waiting.ts';

const names: readonly CodecName[] = ['json', 'protobuf', 'flatbuffers', 'msgpack'];
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (data: Uint8Array | null): string | null => (data === null ? null : Buffer.from(data).toString('utf8'));

/** A subscriber of each codec on each shard, so that every pair is met within a shard and across. */
async function audience(engine: Engine, channel: string): Promise<readonly CodecClient[]> {
  const clients: CodecClient[] = [];
  for (const name of names) {
    const shards = new Set<string>();
    while (shards.size < engine.shards) {
      const client = await connectCodec(engine, name);
      client.control('subscribe', `whoami-${name}`);
      client.send({ type: 'publish', channel: `whoami-${name}`, data: bytes('0') });
      const shard = (await client.next()).clientId.slice(0, 1);
      client.control('unsubscribe', `whoami-${name}`);
      if (shards.has(shard)) client.socket.terminate();
      else {
        shards.add(shard);
        client.control('subscribe', channel);
        clients.push(client);
      }
    }
  }
  const wanted = clients.length;
  await until(() => {
    engine.publish(channel, { type: 'probe' });
    return clients.every((client) => client.all.some((message) => message.type === 'probe'));
  }, `${wanted} subscriptions`);
  // Whatever probes are still on their way are passed over: the order of one publisher is kept.
  engine.publish(channel, { type: 'probed' });
  for (const client of clients) while ((await client.next()).type !== 'probed');
  return clients;
}

describe('clients of four codecs on one channel', () => {
  it('all 16 pairs of publisher and subscriber deliver equal envelopes, within a shard and across', () =>
    withEngine({}, async (engine) => {
      const clients = await audience(engine, 'all');
      const payloads = ['{"a":[1,2, 3]}', '"é 频道 😀 \\u2028"', 'null', '12345678901234567890', '[]'];
      for (const publisher of clients) {
        for (const payload of payloads) {
          const timestamp = 1_700_000_000_123_456_789n + BigInt(payload.length);
          publisher.send({ type: 'publish', channel: 'all', data: bytes(payload), timestamp, clientId: 'forged' });
          let sender = '';
          for (const subscriber of clients) {
            const what = `${publisher.codec.name} to ${subscriber.codec.name}: ${payload}`;
            const message = await subscriber.next();
            assert.equal(message.type, 'message', what);
            assert.equal(message.channel, 'all', what);
            assert.equal(message.timestamp, timestamp, what);
            // `null` as JSON and nothing at all are one thing to JSON.
            assert.equal(textOf(message.data) ?? 'null', payload, what);
            sender ||= message.clientId;
            assert.equal(message.clientId, sender, what);
          }
          assert.match(sender, /^[01]-[0-9a-f]+-/);
        }
      }
      for (const client of clients) assert.deepEqual([...client.kinds], [client.codec.binary]);
    }));

  it('bytes that are not JSON pass unchanged between all codecs', () =>
    withEngine({}, async (engine) => {
      const clients = await audience(engine, 'bytes');
      const payload = Uint8Array.from({ length: 4096 }, (_, i) => i & 255);
      for (const publisher of clients) {
        publisher.send({ type: 'publish', channel: 'bytes', data: payload });
        for (const subscriber of clients) {
          const message = await subscriber.next();
          assert.deepEqual(
            Buffer.from(message.data ?? []),
            Buffer.from(payload),
            `${publisher.codec.name} to ${subscriber.codec.name}`,
          );
          assert.notEqual(message.timestamp, 0n, 'stamped for every codec');
        }
      }
    }));

  it('rooms, errors, raw publishes and direct messages speak every codec', () =>
    withEngine({}, async (engine) => {
      const clients = await audience(engine, 'raw');
      assert.equal(engine.publishRaw('raw', Uint8Array.of(0, 159, 146, 150)), 'queued');
      for (const client of clients) assert.deepEqual([...((await client.next()).data ?? [])], [0, 159, 146, 150]);
      assert.equal(engine.broadcastRaw(bytes('[true]')), 'queued');
      for (const client of clients) assert.equal(textOf((await client.next()).data), '[true]');
      for (const client of clients) client.control('join_room', 'lobby');
      await until(
        () => engine.stats().rooms === 2 && engine.publishToRoom('lobby', { data: 'in?' }) === 'queued',
        'rooms',
      );
      await until(
        () => clients.every((client) => client.all.some((message) => message.type === 'room')),
        'all members',
      );
      for (const client of clients) while (textOf((await client.next()).data) !== '"in?"');
      for (const speaker of clients) {
        speaker.say('lobby', '{"hi":1}');
        for (const client of clients) {
          let message = await client.next();
          while (textOf(message.data) === '"in?"') message = await client.next();
          assert.deepEqual([message.type, message.channel, textOf(message.data)], ['room', 'lobby', '{"hi":1}']);
        }
      }
      for (const client of clients) {
        client.send({ type: 'broadcast', data: bytes('1') });
        const refusal = await client.next();
        assert.equal(refusal.type, 'error');
        const expected = { code: 'ERR_FORBIDDEN', message: 'not allowed', for: 'broadcast' };
        assert.deepEqual(JSON.parse(textOf(refusal.data) ?? ''), expected);
      }
    }));

  it('bytes that can kill a reader without bounds checks are refused, and the connection stays', () =>
    withEngine({}, async (engine) => {
      for (const name of names) {
        const client = await connectCodec(engine, name);
        for (const hex of ['04000000', 'ffffff7f', '0800000000000000', 'ff'.repeat(64), 'fffefdfc', '', 'c1']) {
          client.socket.send(Buffer.from(hex, 'hex'));
        }
        client.control('subscribe', `after-${name}`);
        client.send({ type: 'publish', channel: `after-${name}`, data: bytes('1') });
        await until(() => client.all.some((message) => message.type === 'message'), `${name} to go on`);
        client.socket.terminate();
      }
    }));
});

describe('the choice of a codec', () => {
  const offered: readonly (readonly [readonly CodecName[] | undefined, string, string])[] = [
    [undefined, 'msgpack, json', 'json'],
    [undefined, 'msgpack, flatbuffers, protobuf', 'protobuf'],
    [undefined, 'chat, msgpack', 'msgpack'],
    [['msgpack', 'flatbuffers'], 'flatbuffers, msgpack', 'msgpack'],
    [['flatbuffers'], 'json, flatbuffers', 'flatbuffers'],
  ];
  for (const [subprotocols, offer, chosen] of offered) {
    const how = subprotocols === undefined ? 'by default' : `with subprotocols ${subprotocols.join(', ')}`;
    it(`of "${offer}" the server chooses ${chosen} ${how}, and echoes that alone`, () =>
      withEngine(subprotocols === undefined ? {} : { subprotocols }, async (engine) => {
        const raw = await openRaw(engine.port);
        const reply = await raw.handshake({ headers: { 'Sec-WebSocket-Protocol': offer } });
        assert.equal(reply.status, 101);
        assert.equal(reply.headers.get('sec-websocket-protocol'), chosen);
      }));
  }

  it('offered but none known is refused with 400, also what subprotocols leaves out; none offered is JSON', () =>
    withEngine({ subprotocols: ['msgpack'] }, async (engine) => {
      for (const offer of ['xml', 'json', 'JSON', 'msgpack2']) {
        const reply = await (await openRaw(engine.port)).handshake({ headers: { 'Sec-WebSocket-Protocol': offer } });
        assert.equal(reply.status, 400, offer);
        assert.match(reply.body, /^ERR_HANDSHAKE_SUBPROTOCOL: .*known are: msgpack/);
      }
      const silent = await (await openRaw(engine.port)).handshake();
      assert.deepEqual([silent.status, silent.headers.get('sec-websocket-protocol')], [101, undefined]);
    }));

  it('names of codecs that do not exist are refused at start', async () => {
    for (const subprotocols of [['xml'], [], ['json', 'json'], 'json']) {
      const start = startEngine({ port: 0, subprotocols: subprotocols as never });
      await assert.rejects(start, { code: 'ERR_OPTION_INVALID', path: /^subprotocols/ });
    }
  });
});

describe('the work of a publish', () => {
  it('a message is encoded once per codec that has subscribers in a shard, and not for others', () =>
    withEngine({ replies: 'off' }, async (engine) => {
      const clients: CodecClient[] = [];
      for (let i = 0; i < 100; i++) {
        clients.push(...(await Promise.all(names.map((name) => connectCodec(engine, name)))));
      }
      assert.equal(clients.length, 400);
      const count = async (channel: string, members: readonly CodecClient[]): Promise<number> => {
        for (const member of members) member.control('subscribe', channel);
        const before = members.map((member) => member.all.length);
        await until(() => engine.stats().messagesIn === sent, 'the subscriptions');
        const { encodes } = engine.stats();
        for (let i = 0; i < 10; i++) engine.publish(channel, { data: i });
        await until(() => members.every((member, i) => member.all.length === (before[i] ?? 0) + 10), 'all messages');
        return (engine.stats().encodes - encodes) / 10;
      };
      let sent = 0;
      const ofCodec = (...wanted: readonly CodecName[]): CodecClient[] =>
        clients.filter((client) => wanted.includes(client.codec.name));

      sent += 400;
      assert.equal(await count('everyone', clients), 8, 'four codecs on two shards');
      sent += 200;
      assert.equal(await count('two codecs', ofCodec('json', 'msgpack')), 4, 'two codecs on two shards');
      sent += 1;
      assert.equal(await count('one client', ofCodec('protobuf').slice(0, 1)), 1, 'one codec on one shard');
      const { encodes } = engine.stats();
      assert.equal(engine.publish('nobody', { data: 1 }), 'queued');
      engine.publish('one client', { data: 1 });
      await until(() => engine.stats().encodes > encodes, 'the last message');
      assert.equal(engine.stats().encodes, encodes + 1, 'nothing is encoded for nobody');
    }));
});
