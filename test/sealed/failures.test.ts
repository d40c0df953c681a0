import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { withEngine } from '../support/leaks.ts';
import { connectSealed, sealWith } from '../support/sealed-client.ts';
import { until } from '../support/waiting.ts';
import { engineKeys } from './own-keys.ts';

const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

function flipped(frame: Buffer, bit: number): Buffer {
  const copy = Buffer.from(frame);
  copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
  return copy;
}

describe('frames that cannot be opened', () => {
  it('are counted by kind, answered with nothing, and end the connection with 3502 at the third', async () => {
    const lines: string[] = [];
    const write = (...parts: unknown[]): void => {
      lines.push(JSON.stringify(parts));
    };
    const logger = { debug: write, info: write, warn: write, error: write } as never;
    await withEngine({ shards: 1, security: engineKeys, logger }, async (engine) => {
      const client = await connectSealed(engine, { keys: engineKeys });
      await client.sync();
      const before = client.frames.length;
      const frame = client.frameOf({ type: 'publish', channel: 'x', data: json('secret payload') });
      client.sendRaw(flipped(frame, 8 * 20));
      // Decrypts, and then the signature is wrong.
      client.sendRaw(sealWith({ ...engineKeys, hmacKey: randomBytes(32) }, json({ type: 'x' })));
      await client.sync();
      client.frames.splice(before);
      client.sendRaw(Buffer.from('short'));
      assert.deepEqual(await client.closed, { code: 3502, reason: 'too many frames that could not be opened' });
      assert.equal(client.frames.length, before, 'nothing was answered');
      const stats = engine.stats();
      assert.equal(stats.openFailedDecrypt, 1);
      assert.equal(stats.openFailedSignature, 1);
      assert.equal(stats.openFailedFormat, 1);
      assert.equal(stats.openFailuresClosed, 1);
      assert.equal(stats.messagesMalformed, 0);
    });
    const log = lines.join('\n');
    assert.match(log, /could not be opened/);
    assert.ok(!log.includes('secret payload'));
    for (const key of Object.values(engineKeys)) assert.ok(!log.includes(Buffer.from(key).toString('hex')));
  });

  it('do not count as received', () =>
    withEngine({ shards: 1, security: { ...engineKeys, maxFailures: 100 } }, async (engine) => {
      const client = await connectSealed(engine, { keys: engineKeys });
      // `sync` sends three messages; the last may come after it resolves.
      const received = (count: number): Promise<true> =>
        until(() => engine.stats().messagesIn >= count, `${count} messages`);
      await client.sync();
      await received(3);
      for (let i = 0; i < 10; i++) client.sendRaw(randomBytes(200));
      await client.sync();
      await received(6);
      const { messagesIn, openFailedDecrypt } = engine.stats();
      assert.deepEqual({ messagesIn, openFailedDecrypt }, { messagesIn: 6, openFailedDecrypt: 10 });
    }));

  it('any single bit that is changed is noticed, in every form', () =>
    withEngine(
      { shards: 1, subprotocols: ['msgpack'], security: { ...engineKeys, compress: true, maxFailures: 1_000_000 } },
      async (engine) => {
        for (const form of ['classic', 'deflate2', 'seal3'] as const) {
          const client = await connectSealed(engine, { keys: engineKeys, form, codec: 'msgpack' });
          await client.sync();
          const before = engine.stats();
          // Subscribes: were one of them taken for good, the channel would exist.
          const frame = client.frameOf({ type: 'subscribe', data: json({ channel: 'tampered' }) });
          const bits = frame.length * 8;
          for (let bit = 0; bit < bits; bit++) client.sendRaw(flipped(frame, bit));
          for (let length = 0; length < frame.length; length++) client.sendRaw(frame.subarray(0, length));
          await client.sync();
          const after = engine.stats();
          const kinds = ['openFailedDecrypt', 'openFailedSignature', 'openFailedFormat', 'openFailedReplay'] as const;
          const failures = kinds.reduce((sum, kind) => sum + after[kind] - before[kind], 0);
          assert.equal(failures, bits + frame.length, form);
          assert.equal(after.channels, 0, form);
          assert.equal(after.messagesMalformed, 0, form);
          client.socket.terminate();
        }
      },
    ));

  it('a payload that inflates beyond maxMessageBytes ends the connection with 1009', () =>
    withEngine({ shards: 1, maxMessageBytes: 65_536, security: { ...engineKeys, compress: true } }, async (engine) => {
      for (const form of ['deflate2', 'seal3'] as const) {
        const client = await connectSealed(engine, { keys: engineKeys, form });
        await client.sync();
        client.sendRaw(client.frameOfBytes(Buffer.alloc(32 * 1024 * 1024), true));
        assert.equal((await client.closed).code, 1009);
      }
      assert.equal(engine.stats().messagesTooLarge, 2);
    }));

  it('a sealed message of exactly maxMessageBytes is fine, one byte more is not', () =>
    withEngine({ shards: 1, maxMessageBytes: 65_536, security: { ...engineKeys, compress: true } }, async (engine) => {
      for (const form of ['classic', 'deflate2', 'seal3'] as const) {
        const client = await connectSealed(engine, { keys: engineKeys, form });
        await client.sync();
        const text = (bytes: number): Buffer => {
          const empty = JSON.stringify({ type: 'publish', channel: 'x', data: '' });
          return Buffer.from(JSON.stringify({ type: 'publish', channel: 'x', data: 'a'.repeat(bytes - empty.length) }));
        };
        client.sendRaw(client.frameOfBytes(text(65_536)));
        await client.sync();
        client.sendRaw(client.frameOfBytes(text(65_537)));
        assert.equal((await client.closed).code, 1009, form);
      }
    }));
});

describe('replays', () => {
  it('of a client’s frame, to the same connection, another, or back to its sender, are refused and counted', () =>
    withEngine({ shards: 1, security: { ...engineKeys, maxFailures: 100 } }, async (engine) => {
      const one = await connectSealed(engine, { keys: engineKeys, form: 'seal3' });
      const two = await connectSealed(engine, { keys: engineKeys, form: 'seal3' });
      const watcher = await connectSealed(engine, { keys: engineKeys });
      await watcher.subscribe('money');
      await one.subscribe('money');
      const frame = one.frameOf({ type: 'publish', channel: 'money', data: json('pay') });
      one.sendRaw(frame);
      await watcher.next();
      const received = one.frames.at(-1) ?? Buffer.alloc(0);
      one.sendRaw(frame);
      two.sendRaw(frame);
      // What the server said is no message of a client.
      one.sendRaw(received);
      two.sendRaw(received);
      await one.sync();
      await two.sync();
      engine.publish('money', { data: 'end' });
      assert.equal(Buffer.from((await watcher.next()).data ?? []).toString(), '"end"');
      const stats = engine.stats();
      assert.ok(stats.openFailedReplay >= 1);
      assert.equal(stats.openFailedReplay + stats.openFailedDecrypt, 4);
    }));

  it('of the server’s frames do not open in another connection', () =>
    withEngine({ shards: 1, security: engineKeys }, async (engine) => {
      const one = await connectSealed(engine, { keys: engineKeys, form: 'seal3' });
      const two = await connectSealed(engine, { keys: engineKeys, form: 'seal3' });
      await one.subscribe('news');
      engine.publish('news', { data: 1 });
      await one.next();
      const frame = one.frames.at(-1) ?? Buffer.alloc(0);
      two.socket.emit('message', frame, true);
      assert.equal(two.faults.length, 1);
      one.socket.emit('message', frame, true);
      assert.equal(one.faults.length, 1);
      assert.match(String(one.faults[0]), /counter/);
    }));
});
