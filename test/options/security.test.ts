import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import type { EngineOptions } from '#dist/main/options/engine-options.js';
import { optionWarnings } from '#dist/main/options/option-warnings.js';
import { compileOptions } from '#dist/main/options/options.js';

const aesKey = new Uint8Array(32).fill(0xab);
const hmacKey = new Uint8Array(5).fill(0xcd);

function refusal(options: EngineOptions): { code: string; path: string; given: unknown; message: string } {
  try {
    compileOptions(options);
  } catch (error) {
    return error as ReturnType<typeof refusal>;
  }
  throw new Error('it was taken');
}

describe('options security and offload', () => {
  it('keys are checked at the start, and a wrong one is not shown', () => {
    for (const length of [0, 15, 16, 24, 31, 33]) {
      const error = refusal({ security: { aesKey: new Uint8Array(length).fill(0xab) } });
      assert.equal(error.code, 'ERR_OPTION_INVALID');
      assert.equal(error.path, 'security.aesKey');
      assert.equal(error.given, `${length} bytes`);
      assert.match(error.message, /exactly 32 bytes/);
      assert.ok(!inspect(error).includes('171'), 'bytes of the key are shown');
    }
    assert.equal(refusal({ security: { hmacKey: new Uint8Array(0) } }).path, 'security.hmacKey');
    const text = refusal({ security: { aesKey: 'a secret of exactly 32 characters' as never } });
    assert.equal(text.path, 'security.aesKey');
    assert.ok(!inspect(text).includes('a secret'), 'the key is shown');
  });

  it('signs and then encrypts unless told otherwise; nothing is compressed by itself', () => {
    const { config } = compileOptions({ security: { aesKey } });
    assert.deepEqual(config.security, {
      signThenEncrypt: true,
      compress: null,
      replayProtection: 'optional',
      maxFailures: 3,
      isKeyed: true,
      forgeable: [],
    });
    const compressing = compileOptions({ security: { aesKey, compress: { level: 9 } } }).config.security;
    assert.deepEqual(compressing?.compress, { level: 9, thresholdBytes: 1_024 });
    assert.equal(compileOptions({}).config.security, null);
  });

  it('options that carry a risk, or that have no effect, cause a warning in the log', () => {
    const warned = (options: EngineOptions): string => optionWarnings(compileOptions(options)).join('; ');
    assert.equal(warned({ security: { aesKey } }), '');
    assert.equal(warned({ security: {}, compression: true }), '');
    assert.match(warned({ security: { aesKey }, compression: true }), /^option "compression" has no effect/);
    assert.match(warned({ security: { hmacKey, forgeable: ['seal2'] } }), /^option "security.forgeable" \(seal2\)/);
  });

  it('keys are copied, and are no part of the configuration', () => {
    const given = Uint8Array.from(aesKey);
    const { config, keys } = compileOptions({ security: { aesKey: given, hmacKey, keyId: 7 } });
    given.fill(0);
    assert.deepEqual(keys.current.aesKey, aesKey);
    assert.deepEqual(keys.current.hmacKey, hmacKey);
    assert.equal(keys.current.id, 7);
    assert.ok(!inspect(config, { depth: 9 }).includes('171'));
  });

  it('wrong values are refused by path', () => {
    const wrong: readonly (readonly [EngineOptions, string])[] = [
      [{ security: { keyId: 256 } }, 'security.keyId'],
      [{ security: { maxFailures: 0 } }, 'security.maxFailures'],
      [{ security: { compress: { level: 10 } } }, 'security.compress.level'],
      [{ security: { replayProtection: 'on' as never } }, 'security.replayProtection'],
      [{ security: { aesKye: aesKey } as never }, 'security.aesKye'],
      [{ offload: { threads: -1 } }, 'offload.threads'],
      [{ offload: { maxQueue: 0 } }, 'offload.maxQueue'],
      [{ offload: { thresholdBytes: { seal: -1 } } }, 'offload.thresholdBytes.seal'],
      [{ offload: true as never }, 'offload'],
    ];
    for (const [options, path] of wrong) {
      const error = refusal(options);
      assert.equal(error.code, 'ERR_OPTION_INVALID', path);
      assert.equal(error.path, path);
    }
  });

  it('offload false has no threads; by default there is at least one', () => {
    assert.equal(compileOptions({ offload: false }).config.offload.threads, 0);
    assert.ok(compileOptions({ shards: 200 }).config.offload.threads === 1);
    assert.equal(compileOptions({ offload: { threads: 5 } }).config.offload.threads, 5);
  });
});
