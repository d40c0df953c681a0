import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { type EngineOptions, startEngine } from '#dist/main/index.js';
import { createCertificate, encryptedKey, PemFolder } from '../support/certificates.ts';
import { assertNothingLeft, openResources } from '../support/leaks.ts';
import { first, second } from './tls-fixture.ts';

const passphrase = 'open sesame';

/** All that an error tells, to whatever depth somebody logs it. */
function everythingOf(error: unknown): string {
  const { message, given, allowed, stack } = error as Record<string, unknown>;
  return [message, given, allowed, stack, inspect(error, { depth: 9, showHidden: true })].map(String).join('\n');
}

/** No start, nothing left, and no line of a key nor the passphrase in the error. */
async function assertRefused(tls: unknown, expected: { code: string; path: string; message?: RegExp }): Promise<void> {
  const before = openResources();
  const options = { shards: 2, host: '127.0.0.1', port: 0, tls } as EngineOptions;
  await assert.rejects(startEngine(options), (error) => {
    assert.ok(error instanceof Error);
    const { code, path } = error as Error & { code?: string; path?: string };
    assert.deepEqual({ code, path }, { code: expected.code, path: expected.path }, error.message);
    if (expected.message !== undefined) assert.match(error.message, expected.message);
    const all = everythingOf(error);
    assert.ok(!all.includes(passphrase), 'the passphrase is told');
    for (const line of `${first.key}${encryptedKey(first, passphrase)}`.split('\n')) {
      if (line.length > 20 && !line.startsWith('-----')) assert.ok(!all.includes(line), 'the key is told');
    }
    assert.ok(!all.includes(Buffer.from(first.key).toString('hex').slice(60, 80)), 'bytes of the key are told');
    return true;
  });
  await assertNothingLeft(before);
}

const { cert, key } = first;

/** PEM without its last line of base64. */
function torn(pem: string): string {
  return pem.replace(/[^\n]+\n-----END/, '-----END');
}

describe('a start with a wrong certificate fails and leaves nothing behind:', () => {
  it('files that cannot be read', async (t) => {
    const folder = new PemFolder(t);
    const { certFile, keyFile } = folder.putCertificate(first);
    const code = 'ERR_TLS_INVALID';
    const nowhere = folder.path('nowhere.pem');
    await assertRefused(
      { certFile: nowhere, keyFile },
      { code, path: 'tls.certFile', message: /nowhere\.pem.*ENOENT/ },
    );
    await assertRefused({ certFile, keyFile: nowhere }, { code, path: 'tls.keyFile', message: /ENOENT/ });
    await assertRefused({ certFile, keyFile, caFile: nowhere }, { code, path: 'tls.caFile', message: /ENOENT/ });
    await assertRefused({ certFile: folder.path('.'), keyFile }, { code, path: 'tls.certFile', message: /no file/ });
    await assertRefused({ certFile, keyFile: '/dev/zero' }, { code, path: 'tls.keyFile', message: /no file/ });
    const huge = folder.put('huge.pem', new Uint8Array(1_048_577));
    await assertRefused({ certFile: huge, keyFile }, { code, path: 'tls.certFile', message: /1 MiB/ });
  });

  const invalid: readonly (readonly [string, unknown, string, RegExp])[] = [
    ['a key of another certificate', { cert, key: second.key }, 'tls.key', /does not fit/],
    ['something else as certificate', { cert: key, key }, 'tls.cert', /no certificate/],
    ['something else as key', { cert, key: cert }, 'tls.key', /no private key/],
    ['an empty file', { cert: '\n', key }, 'tls.cert', /no certificate/],
    ['half a certificate', { cert: torn(cert), key }, 'tls.cert', /certificate 1/],
    [
      'half a chain',
      { cert: `${cert}${cert.slice(0, 300)}\n-----END CERTIFICATE-----\n`, key },
      'tls.cert',
      /certificate 2/,
    ],
    ['half a key', { cert, key: torn(key) }, 'tls.key', /no private key/],
    [
      'an encrypted key without passphrase',
      { cert, key: encryptedKey(first, passphrase) },
      'tls.passphrase',
      /no passphrase/,
    ],
    [
      'a wrong passphrase',
      { cert, key: encryptedKey(first, 'another'), passphrase },
      'tls.passphrase',
      /cannot be decrypted/,
    ],
    ['authorities that are none', { cert, key, ca: key }, 'tls.ca', /no certificate/],
  ];
  for (const [what, tls, path, message] of invalid) {
    it(what, () => assertRefused(tls, { code: 'ERR_TLS_INVALID', path, message }));
  }

  it('a key that the library cannot use', async () => {
    const odd = createCertificate('odd', { curve: 'secp256k1' });
    const expected = { code: 'ERR_TLS_INVALID', path: 'tls.key', message: /secp256k1; allowed: rsa/ };
    await assertRefused({ cert: odd.cert, key: odd.key }, expected);
  });

  it('an RSA key of less than 2,048 bits', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1_024 });
    const short = privateKey.export({ type: 'pkcs8', format: 'pem' });
    const expected = {
      code: 'ERR_TLS_INVALID',
      path: 'tls.key',
      message: /an RSA key of 1024 bits; allowed: at least 2048/,
    };
    await assertRefused({ cert, key: short }, expected);
  });

  const misplaced: readonly (readonly [string, unknown, string])[] = [
    ['nothing', {}, 'tls'],
    ['true', true, 'tls'],
    ['a certificate without a key', { cert }, 'tls'],
    ['a file and a text', { certFile: 'cert.pem', key }, 'tls'],
    ['both forms', { cert, key, certFile: 'cert.pem', keyFile: 'key.pem' }, 'tls'],
    ['texts with a file of authorities', { cert, key, caFile: 'ca.pem' }, 'tls'],
    ['a text where a file name goes', { certFile: 'cert.pem', keyFile: key }, 'tls.keyFile'],
    ['bytes where a file name goes', { certFile: 'cert.pem', keyFile: Buffer.from(key) }, 'tls.keyFile'],
    ['a URL of another kind', { certFile: new URL('https://example.com/'), keyFile: 'key.pem' }, 'tls.certFile'],
    ['a key of a wrong type', { cert, key: { key } }, 'tls.key'],
    ['a passphrase of a wrong type', { cert, key, passphrase: [passphrase] }, 'tls.passphrase'],
    ['a version that is too old', { cert, key, minVersion: 'TLSv1.1' }, 'tls.minVersion'],
    ['an unknown name', { cert, key, passPhrase: passphrase }, 'tls.passPhrase'],
  ];
  for (const [what, tls, path] of misplaced) {
    it(`options: ${what}`, () => assertRefused(tls, { code: 'ERR_OPTION_INVALID', path }));
  }
});
