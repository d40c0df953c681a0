import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Engine } from '#dist/main/engine.js';
import type { EngineOptions, TlsOptions } from '#dist/main/index.js';
import { compileOptions } from '#dist/main/options/options.js';
import { TlsKeeper, type TlsReloadVerdict } from '#dist/main/tls/tls-keeper.js';
import { loadTls } from '#dist/main/tls/tls-material.js';
import type { TlsMaterial } from '#dist/shared/config/tls.js';
import type { TransportEvents } from '#dist/worker/transport/transport.js';
import { UwsTransport } from '#dist/worker/transport/uws/uws-transport.js';
import { clientsApart } from '../engine/shard-pairs.ts';
import type { Certificate } from '../support/certificates.ts';
import { terminateClients } from '../support/client.ts';
import { assertNothingLeft, openResources, withEngine } from '../support/leaks.ts';
import { pause } from '../support/waiting.ts';
import { first, second, shownCertificate, trust } from './tls-fixture.ts';

function compiled({ cert, key }: Certificate, more: EngineOptions = {}) {
  const options = compileOptions({ shards: 2, host: '127.0.0.1', port: 0, tls: { cert, key }, ...more });
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
      alive: nothing,
      gone: nothing,
      cut: nothing,
      error: nothing,
      starved: nothing,
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

/** Hands on a certificate that no shard can use. */
class FaultyKeeper extends TlsKeeper {
  override async reload(
    _options: TlsOptions | undefined,
    apply: (material: TlsMaterial) => Promise<void>,
  ): Promise<TlsReloadVerdict> {
    await apply({ ...this.material, passphrase: 'not this one' });
    return 'reloaded';
  }
}

describe('a reload while a shard does not answer', () => {
  const handlers = new URL('../engine/fixtures/blocking.handlers.js', import.meta.url);
  const blockMs = 8_000;

  it('rejects with ERR_SHARD_STALLED, and the shard takes the certificate once it goes on', () =>
    withEngine({ tls: { cert: first.cert, key: first.key }, handlers }, async (engine) => {
      const [blocked, free] = await clientsApart(engine, { tls: trust });
      blocked.send({ type: 'block', data: blockMs });
      // It is at it by then.
      await pause(100);
      const other = { cert: second.cert, key: second.key };
      await assert.rejects(engine.reloadTls(other), { code: 'ERR_SHARD_STALLED' });
      await Promise.all([blocked.sync(), free.sync()]);
      for (let i = 0; i < 12; i++) assert.equal(await shownCertificate(engine.port), 'second');
      assert.equal(await engine.reloadTls(other), 'unchanged');
      assert.equal(await engine.reloadTls({ cert: first.cert, key: first.key }), 'reloaded');
    }));

  it('with one that the others cannot use ends with the former one everywhere', async () => {
    const before = openResources();
    const { options, source } = compiled(first, { handlers });
    const loaded = await loadTls(source);
    const engine = new Engine(options, {}, new FaultyKeeper(source, loaded, options.logger));
    await engine.start();
    const [blocked, free] = await clientsApart(engine, { tls: trust });
    await assert.rejects(engine.reloadTls(), { code: 'ERR_TLS_INVALID', path: 'tls' });
    assert.equal(await shownCertificate(engine.port), 'first');
    blocked.send({ type: 'block', data: blockMs });
    await pause(100);
    await assert.rejects(engine.reloadTls(), { code: 'ERR_TLS_INVALID', path: 'tls' });
    await Promise.all([blocked.sync(), free.sync()]);
    for (let i = 0; i < 12; i++) assert.equal(await shownCertificate(engine.port), 'first');
    await engine.close();
    terminateClients();
    await assertNothingLeft(before);
  });

  it('and the end of the engine both come to their ends', () =>
    withEngine({ tls: { cert: first.cert, key: first.key } }, async (engine) => {
      const reloads = [second, first, second].map(({ cert, key }) => engine.reloadTls({ cert, key }));
      const settled = Promise.allSettled(reloads);
      await engine.close();
      for (const reload of await settled) {
        if (reload.status === 'rejected') assert.equal(reload.reason.code, 'ERR_SHUTTING_DOWN');
      }
    }));
});
