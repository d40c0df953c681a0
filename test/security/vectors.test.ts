import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import {
  compilePipeline,
  compileWebPipeline,
  decrypt,
  encrypt,
  type PipelineConfig,
  runJob,
  sign,
  verify,
} from '#dist/shared/security/index.js';
import { aesKey, bytesOf, bytesOfHex, hexOf, hmacKey, keySetOf } from './security-fixture.ts';

/** AES key 00…1f, nonce 00…0b, HMAC key `my-hmac-secret`, plaintext `sensitive data`. */
const plaintext = bytesOf('sensitive data');
const nonce = Uint8Array.from({ length: 12 }, (_, index) => index);
const vectors: Readonly<Record<string, { config: PipelineConfig; hex: string }>> = {
  Encrypt: {
    config: { aesKey },
    hex: '000102030405060708090a0b3467b868ac91ab6de861f3eac5881c7138d8bc74a18d52e7412c2d525798',
  },
  Sign: {
    config: { hmacKey },
    hex: 'f8b6b89fda2b183de3c788b79e5ee09c2ce8cb620b5614c10aa18e1d082c2a9673656e7369746976652064617461',
  },
  StE: {
    config: { aesKey, hmacKey },
    hex:
      '000102030405060708090a0bbfb46e841fceda266e861f3c2fb798f1af3e4c56fb2d4bbd32c66b9815452a24' +
      '7275c08fc6b57bee11841b8cfce6bb5a4539377551685d3f07302182f562',
  },
  EtS: {
    config: { aesKey, hmacKey, signThenEncrypt: false },
    hex:
      '80bf9ba075530dbef704b4102548e60b51229c8ab0f6e68ec9f5c36f82bdcf9a' +
      '000102030405060708090a0b3467b868ac91ab6de861f3eac5881c7138d8bc74a18d52e7412c2d525798',
  },
};

describe('sealed messages in the vectors', () => {
  // Nonces come from this one call. Here it gives the vectors' nonce again and again, so that whole seals can be compared.
  const original = globalThis.crypto.getRandomValues;
  before(() => {
    globalThis.crypto.getRandomValues = <T>(target: T): T => {
      assert.ok(target instanceof Uint8Array && target.length % nonce.length === 0);
      for (let at = 0; at < target.length; at += nonce.length) target.set(nonce, at);
      return target;
    };
  });
  after(() => {
    globalThis.crypto.getRandomValues = original;
  });

  for (const [name, { config, hex }] of Object.entries(vectors)) {
    test(`${name} is written to the byte, in Node, by a job and by Web Crypto`, async () => {
      assert.equal(hexOf(compilePipeline(config).seal(plaintext)), hex);
      assert.equal(hexOf(await (await compileWebPipeline(config)).seal(plaintext)), hex);
      const signThenEncrypt = config.signThenEncrypt ?? true;
      const keys = keySetOf(0, config);
      const job = { op: 'seal', source: plaintext, keys, signThenEncrypt, flagged: false, deflateLevel: 0 } as const;
      assert.equal(hexOf(runJob({ ...job, prefix: null, aad: null })), hex);
    });

    test(`${name} is read, in Node, by a job and by Web Crypto`, async () => {
      const sealed = bytesOfHex(hex);
      assert.deepEqual(compilePipeline(config).open(sealed), plaintext);
      assert.deepEqual(await (await compileWebPipeline(config)).open(sealed), plaintext);
      const signThenEncrypt = config.signThenEncrypt ?? true;
      const keys = keySetOf(0, config);
      const job = { op: 'open', source: sealed, keys, signThenEncrypt, flagged: false, maxBytes: 1000 } as const;
      assert.deepEqual(runJob({ ...job, aad: null }), plaintext);
    });
  }

  test('the single steps write and read the same', () => {
    const [encrypted, signed] = [vectors['Encrypt']?.hex ?? '', vectors['Sign']?.hex ?? ''];
    assert.equal(hexOf(encrypt(plaintext, aesKey)), encrypted);
    assert.equal(hexOf(sign(plaintext, hmacKey)), signed);
    assert.deepEqual(decrypt(bytesOfHex(encrypted), aesKey), plaintext);
    assert.deepEqual(verify(bytesOfHex(signed), hmacKey), plaintext);
  });

  test('long messages, which go through the cipher in pieces, are one message to the byte', () => {
    const long = Uint8Array.from({ length: 200_001 }, (_, index) => index % 251);
    const digest = createHash('sha256').update(encrypt(long, aesKey)).digest('hex');
    // Made with the package cryptography of Python.
    assert.equal(digest, 'fffc44bca17ed8ddab98c5b030285e5ead8c14be81c00287e755ac0553812c50');
  });
});
