import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type CodecName, codecByName } from '#dist/shared/codec/index.js';
import { connect } from '../support/client.ts';
import { DeflatePeer, deflateMessage } from '../support/deflate-peer.ts';
import { withEngine } from '../support/leaks.ts';
import { opcode, type RawFrame } from '../support/raw-frames.ts';
import { openRaw, type RawSocket } from '../support/raw-socket.ts';
import { until } from '../support/waiting.ts';
import type { InflatingReport } from './fixtures/inflating.ts';
import { clientsApart } from './shard-pairs.ts';

const usualOffer = 'permessage-deflate; client_max_window_bits';
const levels: readonly number[] = [1, 6, 9];

interface DeflatingClient {
  readonly raw: RawSocket;
  readonly deflate: DeflatePeer;
}

/** A raw client with which compression was agreed on. */
async function openDeflating(port: number, codec: CodecName = 'json', offer = usualOffer): Promise<DeflatingClient> {
  const raw = await openRaw(port);
  const { headers } = await raw.handshake({
    headers: { 'Sec-WebSocket-Extensions': offer, 'Sec-WebSocket-Protocol': codec },
  });
  return { raw, deflate: new DeflatePeer(headers.get('sec-websocket-extensions') ?? 'nothing') };
}

function sendDeflated({ raw, deflate }: DeflatingClient, text: string): void {
  raw.sendFrame({ opcode: opcode.text, payload: deflate.deflate(text), rsv: 4 });
}

/** Subscribes and waits until it is so; gives the connection's id. */
async function subscribeDeflating({ raw, deflate }: DeflatingClient, channel: string): Promise<string> {
  raw.sendJson({ type: 'subscribe', data: { channel } });
  raw.sendJson({ type: 'publish', channel, data: 'first' });
  return JSON.parse(deflate.inflate(await raw.nextFrame()).toString()).client_id;
}

/** Text that deflates to about a third. */
function prose(length: number, seed = 0): string {
  let text = '';
  for (let i = seed; text.length < length; i++) text += `order ${(i * 7_919) % 100_003} filled at ${(i * 31) % 997} `;
  return text.slice(0, length);
}

/** A JSON message of exactly so many bytes that publishes on `c`. */
function publishOf(bytes: number): string {
  const around = JSON.stringify({ type: 'publish', channel: 'c', data: '' }).length;
  return JSON.stringify({ type: 'publish', channel: 'c', data: 'x'.repeat(bytes - around) });
}

describe('compression', () => {
  for (const level of levels) {
    for (const library of ['ws', 'shardwire'] as const) {
      it(`level ${level}: a client of ${library} and the engine understand each other over many messages`, () =>
        withEngine({ compression: { level, thresholdBytes: 64 } }, async (engine) => {
          const clients = await clientsApart(engine, { library, deflate: { thresholdBytes: 0 } });
          for (const client of clients) {
            assert.equal(client.socket.extensions, 'permessage-deflate');
            await client.subscribe('c');
          }
          // What is like what came before shows whether both sides remember, or forget, the same.
          const said = Array.from({ length: 200 }, (_, i) => prose(i % 10 === 0 ? 30_000 : 20 + i * 5, i % 5));
          for (const [at, data] of said.entries()) clients[0].send({ type: 'publish', channel: 'c', data: [at, data] });
          for (const client of clients) {
            await until(() => client.all.length === said.length, 'all messages');
            assert.deepEqual(
              client.all.map((message) => message.data),
              said.map((data, at) => [at, data]),
            );
          }
          assert.equal((await clients[0].close()).code, 1000);
        }));
    }

    it(`level ${level}: exactly the payloads of thresholdBytes and more are compressed, however they are sent`, () =>
      withEngine({ compression: { level, thresholdBytes: 500 } }, async (engine) => {
        const client = await openDeflating(engine.port);
        const id = await subscribeDeflating(client, 'c');
        for (let length = 300; length < 500; length++) {
          const data = prose(length);
          if (length % 2 === 0) engine.publish('c', { data });
          else engine.send(id, { data });
          const frame = await client.raw.nextFrame();
          const payload = client.deflate.inflate(frame);
          assert.equal(JSON.parse(payload.toString()).data, data);
          assert.equal(frame.rsv, payload.length >= 500 ? 4 : 0, `${payload.length} bytes`);
        }
        const seen = new Set(client.raw.frames.map((frame) => frame.rsv));
        assert.deepEqual([...seen].sort(), [0, 4]);
      }));
  }

  it('with a threshold of 0 everything is compressed that is not empty', () =>
    withEngine({ compression: { thresholdBytes: 0 } }, async (engine) => {
      const client = await openDeflating(engine.port);
      const id = await subscribeDeflating(client, 'c');
      engine.send(id, { data: 1 });
      const frame = await client.raw.nextFrame();
      assert.equal(frame.rsv, 4);
      assert.equal(JSON.parse(client.deflate.inflate(frame).toString()).data, 1);
    }));

  it('a client that offers nothing is served without compression, beside those that have it, in every codec', () =>
    withEngine({ shards: 2, compression: true }, async (engine) => {
      const data = prose(4_000);
      const names: readonly CodecName[] = ['json', 'msgpack', 'protobuf', 'flatbuffers'];
      const deflating = await Promise.all(names.map((name) => openDeflating(engine.port, name)));
      const plain = await Promise.all([1, 2, 3, 4].map(() => connect(engine)));
      const reads = (name: CodecName, frame: RawFrame, { deflate }: DeflatingClient): string => {
        const envelope = codecByName(name)?.decode(deflate.inflate(frame));
        return Buffer.from(envelope?.data ?? []).toString();
      };
      await until(() => engine.stats().connections === 8, 'all connections');
      assert.equal(engine.broadcast({ data }), 'queued');
      for (const [at, client] of deflating.entries()) {
        const name = names[at] ?? 'json';
        const frame = await client.raw.nextFrame();
        assert.equal(frame.rsv, 4);
        assert.ok(frame.payload.length < 2_500, `${frame.payload.length} bytes for ${name}`);
        assert.equal(reads(name, frame, client), JSON.stringify(data));
      }
      for (const client of plain) {
        assert.equal(client.socket.extensions, '');
        assert.equal((await client.next()).data, data);
      }
      // Counted as what they are to clients, not as what was written.
      assert.ok(engine.stats().bytesOut > 8 * 4_000);
    }));

  it('a compressed frame without an agreement is a protocol error, counted, and hurts nobody else', () =>
    withEngine({ shards: 1, compression: true }, async (engine) => {
      const bystander = await openDeflating(engine.port);
      const raw = await openRaw(engine.port);
      await raw.handshake();
      raw.sendFrame({ opcode: opcode.text, payload: deflateMessage(publishOf(200)), rsv: 4 });
      await raw.ended();
      await until(() => engine.stats().protocolErrors === 1, 'the count');
      assert.equal(engine.stats().messagesIn, 0);
      await subscribeDeflating(bystander, 'c');
    }));

  for (const level of levels) {
    it(`level ${level}: what is inflated counts against maxMessageBytes: at it fine, above it 1009`, () =>
      withEngine({ shards: 1, compression: { level } }, async (engine) => {
        const listened: number[] = [];
        engine.on('message', (_connection, message) => void listened.push(message.data.length));
        const bystander = await connect(engine);
        const client = await openDeflating(engine.port);
        sendDeflated(client, publishOf(524_288));
        await until(() => listened.length === 1, 'the largest message');
        sendDeflated(client, publishOf(524_289));
        assert.equal((await client.raw.closeFrame()).code, 1009);
        const fragmented = await openDeflating(engine.port);
        const payload = fragmented.deflate.deflate(publishOf(1_500_000));
        fragmented.raw.sendFrame({ opcode: opcode.text, payload: payload.subarray(0, 9), rsv: 4, fin: false });
        fragmented.raw.sendFrame({ opcode: opcode.continuation, payload: payload.subarray(9) });
        assert.equal((await fragmented.raw.closeFrame()).code, 1009);
        await until(() => engine.stats().messagesTooLarge === 2, 'both to be counted');
        await bystander.sync();
        assert.equal(listened.filter((length) => length > 1_000).length, 1);
      }));

    it(`level ${level}: data that cannot be inflated ends its connection, is counted, and the engine lives`, () =>
      withEngine({ shards: 1, compression: { level } }, async (engine) => {
        const bystander = await openDeflating(engine.port);
        const id = await subscribeDeflating(bystander, 'c');
        for (const hex of ['ffffffff', '0123456789abcdef0123', '4b04000000']) {
          const { raw } = await openDeflating(engine.port);
          raw.sendFrame({ opcode: opcode.text, payload: Buffer.from(hex, 'hex'), rsv: 4 });
          raw.sendText(publishOf(100));
          await raw.ended();
        }
        const { messagesIn } = engine.stats();
        // The socket library does not tell it from what is too large.
        await until(() => engine.stats().messagesTooLarge + engine.stats().protocolErrors === 3, 'the counts');
        assert.equal(engine.send(id, { data: prose(3_000) }), 'queued');
        const frame = await bystander.raw.nextFrame();
        assert.equal(JSON.parse(bystander.deflate.inflate(frame).toString()).data, prose(3_000));
        assert.equal(engine.stats().messagesIn, messagesIn);
      }));
  }

  it('a client that does not read is closed once its bound is reached, while a compressing one gets everything', () =>
    withEngine({ shards: 1, compression: true, maxBackpressureBytes: 262_144 }, async (engine) => {
      const reader = await connect(engine, { deflate: {} });
      await reader.subscribe('stream');
      const sleeper = await connect(engine, { deflate: {} });
      await sleeper.subscribe('stream');
      sleeper.socket.pause();
      // Compressed it is still large: what counts against the bound is what is written.
      const data = randomBytes(30_000).toString('base64');
      let sent = 0;
      while (engine.stats().slowConsumersClosed === 0 && sent < 5_000) {
        engine.publish('stream', { data: [sent, data] });
        sent += 1;
        if (sent % 4 === 0) await until(() => reader.all.length === sent, 'the reader');
      }
      assert.equal(engine.stats().slowConsumersClosed, 1);
      await until(() => reader.all.length === sent, 'everything at the reader');
      assert.deepEqual(
        reader.all.map((message) => (message.data as unknown[])[0]),
        Array.from({ length: sent }, (_, i) => i),
      );
    }));

  it('draining delivers what was published, compressed, before 1001', () =>
    withEngine({ compression: true }, async (engine) => {
      const clients = await clientsApart(engine, { deflate: {} });
      for (const client of clients) await client.subscribe('last words');
      for (let i = 0; i < 500; i++) assert.equal(engine.publish('last words', { data: [i, prose(3_000)] }), 'queued');
      await engine.drain({ graceMs: 10_000 });
      for (const client of clients) {
        assert.equal((await client.closed).code, 1001);
        assert.deepEqual(
          client.all.map((message) => (message.data as unknown[])[0]),
          Array.from({ length: 500 }, (_, i) => i),
        );
      }
    }));
});

async function report(child: ChildProcess): Promise<InflatingReport> {
  child.send('report');
  const [answer] = await once(child, 'message');
  return answer as InflatingReport;
}

/** A message that is 64 MiB of zeros once inflated, and 64 KiB before; in so many frames. */
async function sendBomb(port: number, bomb: Buffer, frames: number): Promise<void> {
  const { raw } = await openDeflating(port);
  const step = Math.ceil(bomb.length / frames);
  for (let at = 0; at < bomb.length; at += step) {
    raw.sendFrame({
      opcode: at === 0 ? opcode.binary : opcode.continuation,
      rsv: at === 0 ? 4 : 0,
      fin: at + step >= bomb.length,
      payload: bomb.subarray(at, at + step),
    });
  }
  await raw.ended();
  // Cut by the library while it inflates: there is no Close frame.
  assert.equal(raw.frames.length, 0);
  raw.destroy();
}

describe('a message that inflates to a thousand times its size', () => {
  for (const level of levels) {
    it(`level ${level}: is cut off, counted and never seen, costs no memory, and others go on`, async () => {
      const file = fileURLToPath(new URL('./fixtures/inflating.js', import.meta.url));
      const child = fork(file, [String(level)]);
      try {
        const { port } = await report(child);
        const bystander = await openDeflating(port);
        await subscribeDeflating(bystander, 'c');
        const bomb = deflateMessage(Buffer.alloc(67_108_864));
        assert.ok(bomb.length < 100_000);
        const before = await report(child);
        for (let i = 0; i < 24; i++) await sendBomb(port, bomb, 1 + (i % 4));
        // The last client sees its end a moment before the shard counts it.
        const after = await until(async () => {
          const now = await report(child);
          return now.messagesTooLarge >= 24 && now;
        }, 'all to be counted');
        assert.equal(after.messagesTooLarge, 24);
        assert.deepEqual([after.messagesIn, after.listened], [before.messagesIn, before.listened]);
        const growth = after.peakBytes - before.peakBytes;
        assert.ok(growth < 32 * 1_048_576, `the peak grew by ${growth} bytes`);
        sendDeflated(bystander, JSON.stringify({ type: 'publish', channel: 'c', data: 'still here' }));
        const frame = await bystander.raw.nextFrame();
        assert.equal(JSON.parse(bystander.deflate.inflate(frame).toString()).data, 'still here');
        bystander.raw.destroy();
        child.disconnect();
        const [code] = await once(child, 'exit');
        assert.equal(code, 0);
      } finally {
        child.kill('SIGKILL');
      }
    });
  }
});
