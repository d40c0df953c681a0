import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inflateRawSync } from 'node:zlib';
import { compilePipeline, decrypt, encrypt, type PipelineConfig, sign, verify } from '#dist/shared/security/index.js';
import {
  aesKey,
  bytesOf,
  hexOf,
  hmacKey,
  keyedModes,
  otherAesKey,
  otherHmacKey,
  outcomeOf,
  pipelines,
} from './security-fixture.ts';

const text = bytesOf('sensitive data');
const pattern = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => (index * 7) & 255);

describe('a pipeline', () => {
  for (const [name, config] of pipelines) {
    test(`${name}: what was sealed is opened, whatever its length`, () => {
      const pipeline = compilePipeline(config);
      assert.equal(pipeline.isIdentity, false);
      for (const length of [0, 1, 15, 16, 17, 1023, 1024, 65_535, 65_536, 65_537, 300_000]) {
        const payload = pattern(length);
        const before = payload.slice();
        assert.deepEqual(pipeline.open(pipeline.seal(payload)), payload, `${length} bytes`);
        assert.deepEqual(payload, before);
      }
    });
  }

  test('AES adds 28 bytes, HMAC 32, the flag one', () => {
    const added = (config: PipelineConfig): number => compilePipeline(config).seal(text).length - text.length;
    assert.equal(added({ aesKey }), 28);
    assert.equal(added({ hmacKey }), 32);
    assert.equal(added({ aesKey, hmacKey }), 60);
    assert.equal(added({ aesKey, hmacKey, signThenEncrypt: false }), 60);
    assert.equal(added({ aesKey, hmacKey, flagged: true }), 61);
  });

  test('signing comes first unless the program says otherwise', () => {
    const [first, last] = [compilePipeline({ aesKey, hmacKey }), { aesKey, hmacKey, signThenEncrypt: false }];
    assert.deepEqual(verify(decrypt(first.seal(text), aesKey), hmacKey), text);
    assert.deepEqual(decrypt(verify(compilePipeline(last).seal(text), hmacKey), aesKey), text);
    assert.deepEqual(first.open(encrypt(sign(text, hmacKey), aesKey)), text);
    assert.deepEqual(compilePipeline(last).open(sign(encrypt(text, aesKey), hmacKey)), text);
  });

  test('without keys and flag it is the identity', () => {
    const pipeline = compilePipeline({});
    assert.equal(pipeline.isIdentity, true);
    assert.equal(pipeline.seal(text), text);
    assert.equal(pipeline.open(text), text);
  });

  test('no two seals have a nonce in common, beyond the block that nonces come from', () => {
    const pipeline = compilePipeline({ aesKey });
    const nonces = new Set<string>();
    for (let i = 0; i < 5000; i++) nonces.add(hexOf(pipeline.seal(text).subarray(0, 12)));
    for (let i = 0; i < 5000; i++) nonces.add(hexOf(encrypt(text, aesKey).subarray(0, 12)));
    assert.equal(nonces.size, 10_000);
  });

  test('a result has memory of its own: later seals do not change it', () => {
    for (const [name, config] of pipelines) {
      const pipeline = compilePipeline(config);
      const sealed = pipeline.seal(text);
      const before = hexOf(sealed);
      pipeline.seal(pattern(100));
      assert.equal(hexOf(sealed), before, name);
      assert.equal(sealed.byteLength, sealed.buffer.byteLength, name);
    }
  });

  test('bytes in shared memory are sealed and opened, to memory that is not shared', () => {
    const shared = (bytes: Uint8Array): Uint8Array => {
      const view = new Uint8Array(new SharedArrayBuffer(bytes.length + 10)).subarray(5, 5 + bytes.length);
      view.set(bytes);
      return view;
    };
    for (const [name, config] of pipelines) {
      const pipeline = compilePipeline(config);
      for (const payload of [text, pattern(5000)]) {
        const sealed = pipeline.seal(shared(payload));
        const opened = pipeline.open(shared(sealed));
        assert.deepEqual(opened, payload, name);
        assert.ok(sealed.buffer instanceof ArrayBuffer && opened.buffer instanceof ArrayBuffer, name);
      }
    }
  });
});

describe('opening with what is wrong', () => {
  const expected: Readonly<Record<string, readonly [aes: string, hmac: string, short: string]>> = {
    'sign then encrypt': ['ERR_SEAL_DECRYPT', 'ERR_SEAL_SIGNATURE', 'ERR_SEAL_TOO_SHORT'],
    'encrypt then sign': ['ERR_SEAL_DECRYPT', 'ERR_SEAL_SIGNATURE', 'ERR_SEAL_TOO_SHORT'],
    'AES only': ['ERR_SEAL_DECRYPT', '', 'ERR_SEAL_TOO_SHORT'],
    'HMAC only': ['', 'ERR_SEAL_SIGNATURE', 'ERR_SEAL_TOO_SHORT'],
  };

  for (const [name, config] of Object.entries(keyedModes)) {
    test(`${name}: another key, and too few bytes`, () => {
      const [aes, hmac, short] = expected[name] ?? [];
      const sealed = compilePipeline(config).seal(text);
      const openedWith = (other: PipelineConfig): string =>
        outcomeOf(() => compilePipeline({ ...config, ...other }).open(sealed));
      if (config.aesKey) assert.equal(openedWith({ aesKey: otherAesKey }), aes);
      if (config.hmacKey) assert.equal(openedWith({ hmacKey: otherHmacKey }), hmac);
      for (const length of [0, 1, 11, 12, 27]) {
        assert.equal(
          outcomeOf(() => compilePipeline(config).open(sealed.subarray(0, length))),
          short,
        );
      }
    });
  }

  test('what was sealed in one mode is in no other mode the payload: refused, or an outer layer is off at most', () => {
    const kindOf = (name: string): string => name.replace('compressed', 'flagged');
    for (const [name, config] of pipelines) {
      const sealed = compilePipeline(config).seal(text);
      for (const [otherName, other] of pipelines) {
        let opened: Uint8Array | undefined;
        outcomeOf(() => {
          opened = compilePipeline(other).open(sealed);
        });
        const isPayload = opened !== undefined && hexOf(opened) === hexOf(text);
        assert.equal(isPayload, kindOf(name) === kindOf(otherName), `${name}, ${otherName}`);
      }
    }
  });

  test('the texts say how many bytes are missing', () => {
    assert.throws(() => decrypt(new Uint8Array(5), aesKey), { message: /at least 28 bytes, got 5/ });
    assert.throws(() => verify(new Uint8Array(31), hmacKey), { message: /at least 32 bytes, got 31/ });
  });

  test('what is no Uint8Array is refused with a code', () => {
    for (const value of [
      undefined,
      null,
      'text',
      5,
      {},
      [1, 2],
      new ArrayBuffer(50),
      new DataView(new ArrayBuffer(50)),
    ]) {
      for (const [, config] of pipelines) {
        const pipeline = compilePipeline(config);
        assert.equal(
          outcomeOf(() => pipeline.open(value as never)),
          'ERR_SEAL_FORMAT',
        );
        assert.throws(() => pipeline.seal(value as never), { code: 'ERR_MESSAGE_INVALID', path: 'plaintext' });
      }
    }
  });

  test("more than Node's crypto takes at once is refused before any of it is read", () => {
    // Never touched, so the system gives no memory for it.
    const huge = new Uint8Array(2 ** 31 - 1023);
    for (const [, config] of pipelines) {
      const pipeline = compilePipeline(config);
      assert.equal(
        outcomeOf(() => pipeline.open(huge)),
        'ERR_SEAL_TOO_LARGE',
      );
      assert.throws(() => pipeline.seal(huge), { code: 'ERR_SEAL_TOO_LARGE' });
    }
  });
});

describe('the flag', () => {
  const compressible = bytesOf('{"a":1},'.repeat(1000));

  test('is 0 before a payload as it is, and 1 before a deflated one', () => {
    const open = (sealed: Uint8Array): Uint8Array => decrypt(sealed, aesKey);
    const plain = open(compilePipeline({ aesKey, flagged: true }).seal(compressible));
    assert.equal(plain[0], 0);
    assert.deepEqual(plain.subarray(1), compressible);
    const deflated = open(compilePipeline({ aesKey, compress: true }).seal(compressible));
    assert.equal(deflated[0], 1);
    assert.ok(deflated.length < compressible.length / 10);
    assert.deepEqual(new Uint8Array(inflateRawSync(deflated.subarray(1))), compressible);
  });

  test('both are read, whatever the reader itself would write', () => {
    const readers = [
      { aesKey, flagged: true },
      { aesKey, compress: true },
    ].map(compilePipeline);
    for (const config of [
      { aesKey, flagged: true },
      { aesKey, compress: true },
    ]) {
      const sealed = compilePipeline(config).seal(compressible);
      for (const reader of readers) assert.deepEqual(reader.open(sealed), compressible);
    }
  });

  test('payloads below the threshold, and those that deflating does not make smaller, stay as they are', () => {
    const flagOf = (config: PipelineConfig, payload: Uint8Array): number | undefined =>
      compilePipeline(config).seal(payload)[0];
    const zeros = (length: number): Uint8Array => new Uint8Array(length);
    assert.equal(flagOf({ compress: true }, zeros(1023)), 0);
    assert.equal(flagOf({ compress: true }, zeros(1024)), 1);
    assert.equal(flagOf({ compress: { thresholdBytes: 50 } }, zeros(49)), 0);
    assert.equal(flagOf({ compress: { thresholdBytes: 50 } }, zeros(50)), 1);
    const noise = globalThis.crypto.getRandomValues(new Uint8Array(5000));
    assert.equal(flagOf({ compress: { thresholdBytes: 0 } }, noise), 0);
    assert.equal(flagOf({ compress: { thresholdBytes: 0 } }, zeros(0)), 0);
    assert.equal(flagOf({ compress: { thresholdBytes: 0 } }, zeros(2)), 0);
  });

  test('the level counts', () => {
    const words = bytesOf(Array.from({ length: 4000 }, (_, index) => (index * index) % 977).join(' '));
    const lengthAt = (level: number): number => compilePipeline({ compress: { level } }).seal(words).length;
    assert.ok(lengthAt(9) < lengthAt(1));
    assert.ok(lengthAt(1) < words.length);
  });

  test('other flags, and no flag, are ERR_SEAL_FORMAT', () => {
    const pipeline = compilePipeline({ aesKey, flagged: true });
    assert.equal(
      outcomeOf(() => pipeline.open(encrypt(new Uint8Array(0), aesKey))),
      'ERR_SEAL_FORMAT',
    );
    for (let value = 2; value < 256; value++) {
      const sealed = encrypt(Uint8Array.of(value, 1, 2, 3), aesKey);
      assert.equal(
        outcomeOf(() => pipeline.open(sealed)),
        'ERR_SEAL_FORMAT',
      );
    }
  });

  test('without keys a flagged pipeline is no identity: it writes and reads the flag', () => {
    const pipeline = compilePipeline({ flagged: true });
    assert.equal(pipeline.isIdentity, false);
    assert.deepEqual(pipeline.seal(text), Uint8Array.of(0, ...text));
    assert.deepEqual(pipeline.open(Uint8Array.of(0, ...text)), text);
  });
});
