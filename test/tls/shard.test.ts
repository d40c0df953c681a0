import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Engine } from '#dist/main/engine.js';
import { compileOptions } from '#dist/main/options.js';
import { TlsKeeper } from '#dist/main/tls-keeper.js';
import { loadTls } from '#dist/main/tls-material.js';
import type { TransportEvents } from '#dist/worker/transport/transport.js';
import { UwsTransport } from '#dist/worker/transport/uws-transport.js';
import type { Certificate } from '../support/certificates.ts';
import { assertNothingLeft, openResources } from '../support/leaks.ts';
import { first, second, shownCertificate } from './tls-fixture.ts';

function compiled({ cert, key }: Certificate) {
  const options = compileOptions({ shards: 2, host: '127.0.0.1', port: 0, tls: { cert, key } });
  assert.ok(options.tls !== null);
  return { options, source: options.tls };
}

describe('a certificate that passes every check and that the socket library refuses', () => {
  it('fails the start with ERR_TLS_INVALID, and leaves nothing behind', async () => {
    const before = openResources();
    const { options, source } = compiled(first);
    const loaded = await loadTls(source);
    const material = { ...loaded.material, passphrase: 'not this one' };
    const engine = new Engine(options, {}, new TlsKeeper(source, { ...loaded, material }, options.logger));
    await assert.rejects(engine.start(), {
      code: 'ERR_TLS_INVALID',
      path: 'tls',
      message: /cannot use this certificate/,
    });
    await assertNothingLeft(before);
  });

  it('is not taken by a transport that has another one', async () => {
    const before = openResources();
    const [good, bad] = await Promise.all([first, second].map((one) => loadTls(compiled(one).source)));
    assert.ok(good !== undefined && bad !== undefined);
    const nothing = (): void => undefined;
    const answer = { status: 404, headers: new Map<string, string>(), body: '' };
    const events: TransportEvents<null> = {
      upgrade: () => ({ accept: false, answer }),
      request: () => answer,
      open: nothing,
      message: nothing,
      drain: nothing,
      dropped: nothing,
      close: nothing,
      abandoned: nothing,
      discarded: nothing,
      error: nothing,
    };
    const transport = new UwsTransport<null>(
      {
        path: '/ws',
        hardMessageBytes: 1_024,
        maxBackpressureBytes: 1_024,
        idleTimeoutSeconds: 60,
        compression: null,
        tls: good.material,
      },
      events,
    );
    const port = await transport.listen('127.0.0.1', 0, []);
    for (const change of [{ passphrase: 'wrong' }, { key: '' }, { cert: '' }, { ca: 'none' }]) {
      assert.throws(() => transport.renewTls({ ...bad.material, ...change }), { code: 'ERR_TLS_INVALID', path: 'tls' });
      assert.equal(await shownCertificate(port), 'first');
    }
    transport.close();
    await assertNothingLeft(before);
  });
});
