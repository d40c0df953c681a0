import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ConnectionOptions } from 'node:tls';
import { createCertificate } from '../support/certificates.ts';
import { withEngine } from '../support/leaks.ts';
import { until } from '../support/waiting.ts';
import { connectSecurely, first, getSecurely } from './tls-fixture.ts';

const authority = createCertificate('authority', { isAuthority: true });
const known = createCertificate('known', { issuer: authority });
const stranger = createCertificate('stranger');
const lapsed = createCertificate('lapsed', { issuer: authority, days: [-10, -1] });
const tls = { cert: first.cert, key: first.key, ca: authority.cert };

const versions: readonly ConnectionOptions[] = [{ maxVersion: 'TLSv1.2' }, { minVersion: 'TLSv1.3' }];

describe('with authorities for clients', () => {
  for (const version of versions) {
    it(`one that they have signed is served (${JSON.stringify(version)})`, () =>
      withEngine({ tls }, async (engine) => {
        const show = { ...version, cert: known.cert, key: known.key };
        await (await connectSecurely(engine, show)).sync();
        assert.equal((await getSecurely(engine.port, '/healthz', show)).status, 200);
      }));

    it(`one without a certificate is refused whatever it asks for (${JSON.stringify(version)})`, () =>
      withEngine({ tls, pages: { '/': { body: 'secret' } } }, async (engine) => {
        await assert.rejects(connectSecurely(engine, version), /403/);
        for (const path of ['/', '/healthz', '/ws', '/nothing']) {
          const { status, body } = await getSecurely(engine.port, path, version);
          assert.equal(status, 403);
          assert.match(body, /^ERR_HANDSHAKE_CERTIFICATE: /);
        }
        assert.equal(engine.stats().handshakesRefused, 5);
      }));

    it(`another one's certificate, or an expired one, ends the handshake of TLS (${JSON.stringify(version)})`, () =>
      withEngine({ tls }, async (engine) => {
        for (const { cert, key } of [stranger, lapsed]) {
          await assert.rejects(connectSecurely(engine, { ...version, cert, key }), /alert|hang up|ECONNRESET/i);
        }
        await until(() => engine.stats().handshakesAbandoned === 2, 'both to be counted');
      }));
  }

  it('a reload can ask for other ones', () =>
    withEngine({ tls }, async (engine) => {
      const show = { cert: known.cert, key: known.key };
      const client = await connectSecurely(engine, show);
      const { cert, key } = first;
      const other = createCertificate('other', { isAuthority: true });
      assert.equal(await engine.reloadTls({ cert, key, ca: other.cert }), 'reloaded');
      await assert.rejects(connectSecurely(engine, show), /alert|hang up|ECONNRESET/i);
      assert.equal(await engine.reloadTls({ cert, key }), 'reloaded');
      await (await connectSecurely(engine)).sync();
      await client.sync();
    }));
});
