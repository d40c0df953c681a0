import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  checkAesKey,
  checkHmacKey,
  compilePipeline,
  compileWebPipeline,
  createClientNonce,
  createClientSession,
  createWebClientSession,
  decrypt,
  encrypt,
  runJob,
  ServerSession,
  sign,
  verify,
} from '#dist/shared/security/index.js';
import { aesKey, hmacKey } from './security-fixture.ts';

interface Refusal {
  readonly code: string;
  readonly path: string;
  readonly given: unknown;
  readonly allowed: string;
  readonly message: string;
}

function refusalOf(call: () => unknown): Refusal {
  try {
    call();
  } catch (error) {
    assert.ok(error instanceof Error && error.name === 'EngineError', String(error));
    return error as unknown as Refusal;
  }
  return assert.fail('not refused');
}

const secret = 'correct horse battery staple 123';

describe('keys', () => {
  test('an AES key has 32 bytes and no other number', () => {
    assert.deepEqual(checkAesKey(aesKey), aesKey);
    for (const length of [0, 1, 15, 16, 24, 31, 33, 64]) {
      const { code, path, given, allowed } = refusalOf(() => checkAesKey(new Uint8Array(length), 'security.aesKey'));
      assert.deepEqual([code, path, given], ['ERR_KEY_INVALID', 'security.aesKey', `${length} bytes`]);
      assert.match(allowed, /exactly 32 bytes/);
    }
  });

  test('an HMAC key has at least one byte', () => {
    for (const length of [1, 14, 32, 200]) assert.equal(checkHmacKey(new Uint8Array(length)).length, length);
    const { code, path, given } = refusalOf(() => checkHmacKey(new Uint8Array(0)));
    assert.deepEqual([code, path, given], ['ERR_KEY_INVALID', 'hmacKey', '0 bytes']);
  });

  test('a key is a Uint8Array and nothing else', () => {
    const others = [
      undefined,
      null,
      '',
      'a'.repeat(32),
      32,
      {},
      [1],
      new ArrayBuffer(32),
      new Uint16Array(16),
      aesKey.buffer,
    ];
    for (const key of others) {
      for (const check of [checkAesKey, checkHmacKey]) {
        assert.equal(refusalOf(() => check(key)).code, 'ERR_KEY_INVALID', String(key));
      }
    }
    assert.equal(checkAesKey(Buffer.from(aesKey)).length, 32);
  });

  test('the checked key is a copy: what the program does to its own later changes nothing', () => {
    const mine = aesKey.slice();
    const copy = checkAesKey(mine);
    const pipeline = compilePipeline({ aesKey: mine });
    mine.fill(0);
    assert.deepEqual(copy, aesKey);
    assert.deepEqual(decrypt(pipeline.seal(hmacKey), aesKey), hmacKey);
  });

  test('everything that takes a key checks it', async () => {
    const short = aesKey.slice(1);
    const empty = new Uint8Array(0);
    const clientNonce = createClientNonce();
    const job = { signThenEncrypt: true, flagged: false, source: hmacKey, aad: null } as const;
    const calls: readonly (() => unknown)[] = [
      () => encrypt(hmacKey, short),
      () => decrypt(new Uint8Array(50), short),
      () => sign(hmacKey, empty),
      () => verify(new Uint8Array(50), empty),
      () => compilePipeline({ aesKey: short }),
      () => compilePipeline({ hmacKey: empty }),
      () => createClientSession({ aesKey: short, clientNonce }),
      () => createClientSession({ aesKey, keyId: 256, clientNonce }),
      () => createClientSession({ aesKey, keyId: 0.5, clientNonce }),
      () => createClientSession({ aesKey, clientNonce, previous: { id: 1, aesKey: short, hmacKey: null } }),
      () => createClientSession({ aesKey, clientNonce, previous: { id: 1, aesKey: null, hmacKey: null } }),
      () => createClientSession({ aesKey, clientNonce, previous: { id: 0, aesKey, hmacKey: null } }),
      () => createClientSession({ clientNonce }),
      () => createClientSession({ aesKey, clientNonce }).rotate({ id: 0, aesKey, hmacKey: null }),
      () => createClientSession({ aesKey, clientNonce }).rotate({ id: 1, aesKey: null, hmacKey: empty }),
      () => createClientSession({ aesKey, clientNonce }).rotate(null as never),
      () => new ServerSession('a', clientNonce).hello(-1),
      () => new ServerSession('a', clientNonce).next(256),
      () => runJob({ ...job, op: 'open', keys: { id: 0, aesKey: short, hmacKey: null }, maxBytes: 9 }),
      () => runJob({ ...job, op: 'open', keys: { id: 0, aesKey: null, hmacKey: empty }, maxBytes: 9 }),
    ];
    for (const call of calls) assert.equal(refusalOf(call).code, 'ERR_KEY_INVALID', String(call));
    const rejected = { code: 'ERR_KEY_INVALID' };
    await assert.rejects(compileWebPipeline({ aesKey: short }), rejected);
    await assert.rejects(createWebClientSession({ hmacKey: empty, clientNonce }), rejected);
    const web = await createWebClientSession({ aesKey, clientNonce });
    await assert.rejects(web.rotate({ id: 0, aesKey, hmacKey: null }), rejected);
  });

  test('a key that is there but undefined or null is refused: it would send everything in clear', () => {
    for (const value of [undefined, null]) {
      for (const name of ['aesKey', 'hmacKey']) {
        const { code, path } = refusalOf(() => compilePipeline({ [name]: value }));
        assert.deepEqual([code, path], ['ERR_KEY_INVALID', name]);
      }
    }
  });

  test('no error says anything of a key or a payload', () => {
    const bytes = new TextEncoder().encode(secret);
    const clientNonce = createClientNonce();
    const calls: readonly (() => unknown)[] = [
      () => checkAesKey(secret),
      () => checkHmacKey([secret]),
      () => compilePipeline(secret as never),
      () => compilePipeline({ aesKey: secret as never }),
      () => compilePipeline({ signThenEncrypt: secret as never }),
      () => compilePipeline({ compress: { level: secret as never } }),
      () => createClientSession({ aesKey, clientNonce: secret as never }),
      () => createClientSession({ aesKey, clientNonce, previous: secret as never }),
      () => createClientSession({ aesKey, clientNonce, keyId: secret as never }),
      () => encrypt(secret as never, aesKey),
      () => decrypt(secret as never, aesKey),
      () => decrypt(bytes, aesKey),
      () => verify(bytes, hmacKey),
      () => verify(bytes.subarray(0, 20), hmacKey),
      () => compilePipeline({ flagged: true }).open(bytes),
      () => new ServerSession('a', clientNonce).read(bytes),
    ];
    for (const call of calls) {
      const { message, given, allowed } = refusalOf(call);
      const said = JSON.stringify([message, given, allowed]);
      for (const word of ['correct', 'horse', '99,111', '636f72']) assert.ok(!said.includes(word), said);
    }
  });
});

describe('the configuration of a pipeline', () => {
  test('what is not allowed is refused by its path', () => {
    const wrong: readonly (readonly [config: unknown, path: string])[] = [
      [undefined, 'config'],
      [null, 'config'],
      ['x', 'config'],
      [{ aeskey: aesKey }, 'aeskey'],
      [{ keyId: 1 }, 'keyId'],
      [{ signThenEncrypt: 1 }, 'signThenEncrypt'],
      [{ flagged: 'yes' }, 'flagged'],
      [{ compress: 6 }, 'compress'],
      [{ compress: null }, 'compress'],
      [{ compress: { level: 0 } }, 'compress.level'],
      [{ compress: { level: 10 } }, 'compress.level'],
      [{ compress: { level: '6' } }, 'compress.level'],
      [{ compress: { thresholdBytes: -1 } }, 'compress.thresholdBytes'],
      [{ compress: { thresholdBytes: 1.5 } }, 'compress.thresholdBytes'],
      [{ compress: { treshold: 1 } }, 'compress.treshold'],
      [{ compress: true, flagged: false }, 'flagged'],
      [{ maxOpenBytes: 0 }, 'maxOpenBytes'],
      [{ maxOpenBytes: Number.POSITIVE_INFINITY }, 'maxOpenBytes'],
      [{ maxOpenBytes: 2 ** 31 }, 'maxOpenBytes'],
    ];
    for (const [config, expected] of wrong) {
      const { code, path, message } = refusalOf(() => compilePipeline(config as never));
      assert.deepEqual([code, path], ['ERR_OPTION_INVALID', expected], message);
    }
  });

  test('what may be left out may be left out, and what is allowed is accepted to its bounds', () => {
    for (const config of [
      {},
      { compress: false, flagged: false },
      { compress: {} },
      { compress: { level: 1, thresholdBytes: 0 }, maxOpenBytes: 1, flagged: true },
      { compress: { level: 9, thresholdBytes: 2 ** 30 }, maxOpenBytes: 2 ** 31 - 1024 },
    ]) {
      assert.equal(typeof compilePipeline(config).seal, 'function');
    }
  });

  test('a session names its own fields only', () => {
    const clientNonce = createClientNonce();
    const config = { aesKey, clientNonce, flagged: true };
    assert.equal(refusalOf(() => createClientSession(config)).path, 'flagged');
    for (const nonce of [undefined, new Uint8Array(15), new Uint8Array(17), 'a'.repeat(16)]) {
      const { code, path } = refusalOf(() => createClientSession({ aesKey, clientNonce: nonce as never }));
      assert.deepEqual([code, path], ['ERR_OPTION_INVALID', 'clientNonce']);
    }
  });
});
