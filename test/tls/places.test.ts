import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { TlsMaterial } from '#dist/shared/config/tls.js';
import { type TlsPlace, tlsPlaces, withTlsFiles } from '#dist/worker/transport/uws/tls-files.js';

const material: TlsMaterial = {
  cert: 'a certificate',
  key: 'a key',
  passphrase: 'a passphrase',
  ca: 'an authority',
  minVersion: 'TLSv1.2',
  fingerprint: 'a fingerprint',
};

function full(name: string): TlsPlace {
  return {
    name,
    put() {
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    },
  };
}

function read({ cert, key, ca }: { cert: string; key: string; ca: string | null }): string[] {
  return [cert, key, ...(ca === null ? [] : [ca])].map((path) => readFileSync(path, 'utf8'));
}

describe('where certificates and keys are lent to the socket library', () => {
  for (const place of tlsPlaces()) {
    // Not everywhere is there a /dev/shm, or a folder of the session.
    const skip = place.name.startsWith('/') && !existsSync(place.name) ? 'there is none here' : false;
    it(`${place.name}: they can be read there, by us alone, and are gone afterwards`, { skip }, () => {
      let paths: string[] = [];
      const texts = withTlsFiles(
        material,
        (files) => {
          paths = [files.cert, files.key, files.ca ?? ''];
          if (place.name !== 'memory') {
            assert.equal(statSync(join(files.key, '..')).mode & 0o777, 0o700);
            assert.equal(statSync(files.key).mode & 0o777, 0o600);
          }
          return read(files);
        },
        [place],
      );
      assert.deepEqual(texts, ['a certificate', 'a key', 'an authority']);
      for (const path of paths) assert.equal(existsSync(path), false, path);
    });
  }

  it('on Linux begins in memory, so that no file system need have room', () => {
    assert.equal(tlsPlaces()[0]?.name === 'memory', process.platform === 'linux');
  });

  it('goes on to the next place when one is full or not there', () => {
    const parent = mkdtempSync(join(tmpdir(), 'places-'));
    const runtime = process.env['XDG_RUNTIME_DIR'];
    process.env['XDG_RUNTIME_DIR'] = parent;
    try {
      const real = tlsPlaces().filter((place) => place.name === parent);
      process.env['XDG_RUNTIME_DIR'] = '/nowhere/at/all';
      const missing = tlsPlaces().filter((place) => place.name === '/nowhere/at/all');
      assert.deepEqual([real.length, missing.length], [1, 1]);
      const texts = withTlsFiles({ ...material, ca: null }, read, [full('/dev/shm'), ...missing, ...real]);
      assert.deepEqual(texts, ['a certificate', 'a key']);
      assert.deepEqual(readdirSync(parent), []);
    } finally {
      if (runtime === undefined) delete process.env['XDG_RUNTIME_DIR'];
      else process.env['XDG_RUNTIME_DIR'] = runtime;
      rmSync(parent, { recursive: true, force: true });
    }
  });

  it('names every place that was tried, and why it was none, where all fail', () => {
    const text = /no place for any: tried \/dev\/shm \(ENOSPC\), \/tmp \(ENOSPC\)/;
    assert.throws(() => withTlsFiles(material, read, [full('/dev/shm'), full('/tmp')]), text);
  });

  it('leaves nothing behind when the library does not like what it reads', () => {
    const ours = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith('shardwire-tls-'));
    const before = ours();
    for (const place of tlsPlaces().filter((one) => one.name === tmpdir())) {
      const fail = (): never => {
        throw new Error('not liked');
      };
      assert.throws(() => withTlsFiles(material, fail, [place]), /not liked/);
    }
    // Others may be at it in this moment; what is older is not from here.
    const left = ours().filter((name) => !before.includes(name) && existsSync(join(tmpdir(), name)));
    assert.deepEqual(left, []);
  });
});
