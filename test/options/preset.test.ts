import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startEngine } from '#dist/main/index.js';
import type { EngineOptions } from '#dist/main/options/engine-options.js';
import { compileOptions } from '#dist/main/options/options.js';

function moduleOf(text: string): URL {
  return new URL(`data:text/javascript,${encodeURIComponent(text)}`);
}

const open = { preset: 'public', open: true } as const;

describe("preset: 'public'", () => {
  test('bounds what strangers can do, where the defaults trust them', () => {
    const { config } = compileOptions(open);
    assert.equal(config.maxMessageBytes, 65_536);
    assert.equal(config.maxBackpressureBytes, 262_144);
    const plain = compileOptions({}).config.limits;
    assert.deepEqual(config.limits, {
      ...plain,
      messagesPerSecond: 1_000,
      bytesPerSecond: 4_194_304,
      connectionsPerAddress: 256,
      channelsPerConnection: 100,
      roomsPerConnection: 100,
    });
  });

  test('each value can be overridden, also by null; what is written as undefined is not written', () => {
    const limits = { messagesPerSecond: null, roomsPerConnection: 5, connectionsPerAddress: undefined };
    const options = { ...open, maxMessageBytes: 1_024, maxBackpressureBytes: undefined, limits };
    const { config } = compileOptions(options as object);
    assert.equal(config.maxMessageBytes, 1_024);
    assert.equal(config.maxBackpressureBytes, 262_144);
    assert.equal(config.limits.messagesPerSecond, null);
    assert.equal(config.limits.roomsPerConnection, 5);
    assert.equal(config.limits.connectionsPerAddress, 256);
    assert.equal(config.limits.bytesPerSecond, 4_194_304);
  });

  test('what is wrong is said of what the user wrote', () => {
    for (const [options, path] of [
      [{ ...open, limits: 5 }, 'limits'],
      [{ ...open, limits: { messagesPerSecond: 0 } }, 'limits.messagesPerSecond'],
      [{ ...open, maxMessageBytes: '64k' }, 'maxMessageBytes'],
      [{ preset: 'private' }, 'preset'],
      [{ preset: null }, 'preset'],
      [{ ...open, open: 'yes' }, 'open'],
    ] as const) {
      assert.throws(() => compileOptions(options as object), { code: 'ERR_OPTION_INVALID', path });
    }
  });

  test('sealed messages are protected against replay: by default, and nothing less is taken', () => {
    const aesKey = new Uint8Array(32);
    const replay = (given: EngineOptions): unknown => compileOptions(given).config.security?.replayProtection;
    assert.equal(replay({ security: { aesKey } }), 'optional');
    assert.equal(replay({ ...open, security: { aesKey } }), 'required');
    assert.equal(replay({ ...open, security: { aesKey, replayProtection: 'required' } }), 'required');
    for (const replayProtection of ['off', 'optional'] as const) {
      assert.throws(() => compileOptions({ ...open, security: { aesKey, replayProtection } }), {
        code: 'ERR_OPTION_INVALID',
        path: 'security.replayProtection',
        given: replayProtection,
      });
    }
    assert.equal(compileOptions(open).config.security, null);
  });

  test('needs a handler that decides what clients may do, or open: true', async () => {
    assert.throws(() => compileOptions({ preset: 'public' }), { code: 'ERR_OPTION_INVALID', path: 'preset' });
    const start = (handlers: URL, more: EngineOptions = {}) =>
      startEngine({ preset: 'public', shards: 1, port: 0, host: '127.0.0.1', handlers, ...more });
    const deciding = moduleOf('export default { authorize() { return true; } };');
    const silent = moduleOf('export default { connect() {} };');
    await assert.rejects(start(silent), (error: { code?: string; message?: string }) => {
      assert.equal(error.code, 'ERR_HANDLERS_INVALID');
      assert.match(error.message ?? '', /no "authorize"/);
      return true;
    });
    for (const engine of [await start(deciding), await start(silent, { open: true })]) await engine.close();
  });
});
