import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, it } from 'node:test';
import type { EngineOptions } from '#dist/main/index.js';
import { createCertificate, encryptedKey, PemFolder } from '../support/certificates.ts';
import { connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import { until } from '../support/waiting.ts';
import { connectSecurely, first, getSecurely, openTls, trust } from './tls-fixture.ts';

const tls = { cert: first.cert, key: first.key };

function materialFolders(): string[] {
  const folders = [tmpdir(), '/dev/shm'].flatMap((folder) => {
    try {
      return readdirSync(folder);
    } catch {
      return [];
    }
  });
  return folders.filter((name) => name.startsWith('shardwire-tls-'));
}

for (const acceptor of ['auto', 'shard'] as const) {
  describe(`over TLS, with the acceptor '${acceptor}'`, () => {
    const options: EngineOptions = { tls, acceptor };

    it('clients of all shards hear each other and main, and are told the end', () =>
      withEngine(options, async (engine) => {
        const clients = await Promise.all(Array.from({ length: 16 }, () => connectSecurely(engine)));
        for (const client of clients) await client.subscribe('news');
        const shards = new Set(clients.map((client) => client.id.split('-')[0]));
        assert.equal(shards.size, 2, 'all clients are in one shard');
        assert.equal(engine.publish('news', { data: 'from main' }), 'queued');
        for (const client of clients) assert.equal((await client.next()).data, 'from main');
        clients[0]?.send({ type: 'publish', channel: 'news', data: 'from a client' });
        for (const client of clients.slice(1)) assert.equal((await client.next()).data, 'from a client');
        assert.equal(engine.send(clients[3]?.id ?? '', { data: 'direct' }), 'queued');
        assert.equal((await clients[3]?.next((message) => message.data === 'direct'))?.data, 'direct');
        const closed = engine.close();
        for (const client of clients) assert.equal((await client.closed).code, 1001);
        await closed;
      }));

    it('pages and health are served', () =>
      withEngine({ ...options, pages: { '/': { body: '<p>hello</p>' } } }, async (engine) => {
        assert.deepEqual(await getSecurely(engine.port, '/readyz'), { status: 200, body: 'ready\n' });
        assert.deepEqual(await getSecurely(engine.port, '/'), { status: 200, body: '<p>hello</p>' });
        assert.equal((await getSecurely(engine.port, '/ws')).status, 400);
        assert.equal((await getSecurely(engine.port, '/nothing')).status, 404);
      }));
  });
}

describe('over TLS', () => {
  it('a message of 1 MB reaches a slow reader whole, between small ones and in order', () =>
    withEngine({ tls, maxMessageBytes: 2_097_152, maxBackpressureBytes: 33_554_432 }, async (engine) => {
      const [slow, quick] = [await connectSecurely(engine), await connectSecurely(engine)];
      const large = Buffer.alloc(1_048_576, 'shardwire ').toString();
      for (const client of [slow, quick]) await client.subscribe('mixed');
      slow.socket.pause();
      for (let i = 0; i < 20; i++) engine.publish('mixed', { data: [i, i % 2 === 0 ? large : 'small'] });
      for (let i = 0; i < 20; i++) await quick.next();
      slow.socket.resume();
      for (let i = 0; i < 20; i++) {
        const { data } = await slow.next();
        assert.deepEqual(data, [i, i % 2 === 0 ? large : 'small']);
      }
      // And the other way round.
      slow.send({ type: 'publish', channel: 'mixed', data: large });
      assert.equal((await quick.next()).data, large);
      assert.equal(engine.stats().messagesDropped, 0);
    }));

  it('one who never reads is closed for its backlog, and the others go on', () =>
    withEngine({ tls, maxBackpressureBytes: 262_144 }, async (engine) => {
      const [stuck, good] = [await connectSecurely(engine), await connectSecurely(engine)];
      for (const client of [stuck, good]) await client.subscribe('flood');
      stuck.socket.pause();
      const data = 'x'.repeat(60_000);
      let sent = 0;
      await until(async () => {
        engine.publish('flood', { data });
        sent += 1;
        await good.next();
        return engine.stats().slowConsumersClosed === 1;
      }, 'the end of the slow consumer');
      assert.equal(good.all.length, sent);
      stuck.socket.resume();
      await stuck.closed;
    }));

  it('the certificate of the option is shown, from files, PEM texts or bytes, also with an encrypted key', async (t) => {
    const folder = new PemFolder(t);
    const authority = createCertificate('authority', { isAuthority: true });
    const issued = createCertificate('issued', { issuer: authority, curve: 'P-384' });
    const keyFile = folder.put('key.pem', encryptedKey(issued, 'пароль 1'));
    const certFile = folder.put('cert.pem', `a comment\n${issued.cert}\n${authority.cert}`);
    const forms = [
      { certFile, keyFile, passphrase: 'пароль 1' },
      { certFile: new URL(`file://${certFile}`), keyFile: new URL(`file://${keyFile}`), passphrase: 'пароль 1' },
      { cert: issued.cert, key: issued.key },
      { cert: Buffer.from(issued.cert), key: Buffer.from(encryptedKey(issued, 'p')), passphrase: 'p' },
    ];
    for (const form of forms) {
      await withEngine({ shards: 1, tls: form }, async (engine) => {
        const socket = await openTls(engine.port, { ca: authority.cert });
        assert.equal(socket.getPeerCertificate().subject.CN, 'issued');
        socket.destroy();
        await assert.rejects(connectSecurely(engine), /unable to (verify|get)|self.signed/i);
      });
    }
    assert.deepEqual(materialFolders(), [], 'files of certificates are left behind');
  });

  it("TLS 1.2 is the least by default, TLS 1.3 with minVersion 'TLSv1.3'", async () => {
    await withEngine({ tls }, async (engine) => {
      for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
        const socket = await openTls(engine.port, { minVersion: version, maxVersion: version });
        assert.equal(socket.getProtocol(), version);
        if (version === 'TLSv1.2') assert.match(socket.getCipher().name, /^ECDHE-.*(GCM|POLY1305)/);
        socket.destroy();
      }
      const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
      await assert.rejects(openTls(engine.port, old), /alert|protocol/i);
      const weak = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA:AES128-SHA' } as const;
      await assert.rejects(openTls(engine.port, weak), /alert|cipher/i);
    });
    await withEngine({ tls: { ...tls, minVersion: 'TLSv1.3' } }, async (engine) => {
      await assert.rejects(openTls(engine.port, { maxVersion: 'TLSv1.2' }), /alert/i);
      const client = await connectSecurely(engine, { maxVersion: 'TLSv1.3' });
      await client.sync();
    });
  });

  it('same-origin means https: a page that came without TLS is another origin', () =>
    withEngine({ tls }, async (engine) => {
      const from = (origin: string) => connect(engine, { tls: trust, headers: { origin } });
      await (await from(`https://127.0.0.1:${engine.port}`)).sync();
      await assert.rejects(from(`http://127.0.0.1:${engine.port}`), /403/);
      await assert.rejects(from('https://example.com'), /403/);
    }));

  it('permessage-deflate works as without', () =>
    withEngine({ tls, compression: { level: 6, thresholdBytes: 0 } }, async (engine) => {
      const client = await connect(engine, { tls: trust, deflate: {} });
      assert.match(client.socket.extensions, /permessage-deflate/);
      await client.subscribe('c');
      engine.publish('c', { data: 'again '.repeat(10_000) });
      assert.equal((await client.next()).data, 'again '.repeat(10_000));
    }));
});
