import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import { opcode } from '../support/raw-frames.ts';
import { openWebSocket } from '../support/raw-socket.ts';
import { pause, until } from '../support/waiting.ts';

const hello = '{"type":"hello"}';
const one = { shards: 1, replies: 'off' } as const;

describe('what one connection may send in a second', () => {
  it('more messages are answered with 3504, and nothing after that is looked at', () =>
    withEngine({ ...one, limits: { messagesPerSecond: 20 } }, async (engine) => {
      const steady = await connect(engine);
      const flooding = await openWebSocket(engine.port);
      for (let i = 0; i < 400; i++) flooding.sendText(hello);
      assert.deepEqual(await flooding.closeFrame(), { code: 3504, reason: 'too many messages' });
      await flooding.ended();
      await until(() => engine.stats().connections === 1, 'its end');
      const { messagesUnknownType, rateLimited } = engine.stats();
      assert.ok(messagesUnknownType >= 20 && messagesUnknownType < 400, `${messagesUnknownType} were handled`);
      assert.equal(rateLimited, 1);
      // Others have a budget of their own.
      await steady.sync();
    }));

  it("exactly one second's worth passes at once", () =>
    withEngine({ ...one, limits: { messagesPerSecond: 1_000 } }, async (engine) => {
      const raw = await openWebSocket(engine.port);
      for (let i = 0; i < 1_000; i++) raw.sendText(hello);
      await until(() => engine.stats().messagesUnknownType === 1_000, 'all messages');
      raw.sendPing('still here');
      assert.equal((await raw.nextFrame()).opcode, opcode.pong);
      assert.equal(engine.stats().rateLimited, 0);
    }));

  it('more bytes are answered with 3504, whatever the messages are like', () =>
    withEngine({ ...one, maxMessageBytes: 16_384, limits: { bytesPerSecond: 65_536 } }, async (engine) => {
      const raw = await openWebSocket(engine.port);
      const text = JSON.stringify({ type: 'hello', data: 'x'.repeat(8_000) });
      for (let i = 0; i < 100; i++) raw.sendText(text);
      assert.deepEqual(await raw.closeFrame(), { code: 3504, reason: 'too many bytes' });
      const { messagesUnknownType, rateLimited } = engine.stats();
      assert.ok(messagesUnknownType >= 8 && messagesUnknownType < 100, `${messagesUnknownType} were handled`);
      assert.equal(rateLimited, 1);
    }));

  it('counts what cannot be decoded or opened too, before anybody tries', () =>
    withEngine(
      {
        ...one,
        limits: { messagesPerSecond: 20, malformedMessages: 1_000_000 },
        security: { aesKey: randomBytes(32), maxFailures: 1_000_000 },
      },
      async (engine) => {
        const raw = await openWebSocket(engine.port);
        for (let i = 0; i < 400; i++) raw.sendBinary(randomBytes(64));
        assert.deepEqual(await raw.closeFrame(), { code: 3504, reason: 'too many messages' });
        await raw.ended();
        const { openFailedDecrypt, openFailedFormat, rateLimited } = engine.stats();
        const failed = openFailedDecrypt + openFailedFormat;
        assert.ok(failed >= 20 && failed < 400, `${failed} were tried`);
        assert.equal(rateLimited, 1);
      },
    ));

  it('counts messages that wait for a handler when they come', () =>
    withEngine(
      {
        ...one,
        limits: { messagesPerSecond: 20 },
        handlers: new URL('../engine/fixtures/recording.handlers.js', import.meta.url),
      },
      async (engine) => {
        // Its `connect` is awaited meanwhile.
        const raw = await openWebSocket(engine.port, { target: '/ws?client_id=slow' });
        for (let i = 0; i < 400; i++) raw.sendText(hello);
        assert.deepEqual(await raw.closeFrame(), { code: 3504, reason: 'too many messages' });
      },
    ));

  it('a client that keeps below it is never closed', () =>
    withEngine({ ...one, limits: { messagesPerSecond: 100, bytesPerSecond: 10_000 } }, async (engine) => {
      const raw = await openWebSocket(engine.port);
      for (let i = 0; i < 100; i++) {
        raw.sendText(hello);
        await pause(20);
      }
      await until(() => engine.stats().messagesUnknownType === 100, 'all messages');
      assert.deepEqual([engine.stats().rateLimited, raw.isEnded], [0, false]);
    }));

  it('without a limit a flood is read', () =>
    withEngine(one, async (engine) => {
      const raw = await openWebSocket(engine.port);
      for (let i = 0; i < 20_000; i++) raw.sendText(hello);
      await until(() => engine.stats().messagesUnknownType === 20_000, 'all messages');
      assert.equal(engine.stats().rateLimited, 0);
    }));
});
