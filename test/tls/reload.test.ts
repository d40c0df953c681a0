import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startEngine } from '#dist/main/index.js';
import { createCertificate, PemFolder } from '../support/certificates.ts';
import { socketDescriptors, withEngine } from '../support/leaks.ts';
import { until, within } from '../support/waiting.ts';
import { connectSecurely, first, getSecurely, openTls, second, shownCertificate, trust } from './tls-fixture.ts';

const tls = { cert: first.cert, key: first.key };
const other = { cert: second.cert, key: second.key };

describe('reloadTls', () => {
  it('reads the files again: new connections get what is in them now', async (t) => {
    const folder = new PemFolder(t);
    await withEngine({ tls: folder.putCertificate(first) }, async (engine) => {
      assert.equal(await shownCertificate(engine.port), 'first');
      assert.equal(await engine.reloadTls(), 'unchanged');
      folder.putCertificate(second);
      assert.equal(await engine.reloadTls(), 'reloaded');
      // More than there are shards: each of them has it.
      for (let i = 0; i < 12; i++) assert.equal(await shownCertificate(engine.port), 'second');
      assert.equal((await getSecurely(engine.port, '/readyz')).status, 200);
    });
  });

  it('connections of every certificate hear what is published, sent and drained', () =>
    withEngine({ tls }, async (engine) => {
      const old = await Promise.all(Array.from({ length: 6 }, () => connectSecurely(engine)));
      assert.equal(await engine.reloadTls(other), 'reloaded');
      const young = await Promise.all(Array.from({ length: 6 }, () => connectSecurely(engine)));
      assert.equal(await engine.reloadTls(tls), 'reloaded');
      const youngest = await Promise.all(Array.from({ length: 6 }, () => connectSecurely(engine)));
      const all = [...old, ...young, ...youngest];
      for (const client of all) {
        await client.subscribe('news');
        await client.joinRoom('hall');
      }
      engine.publish('news', { data: 1 });
      engine.publishToRoom('hall', { data: 2 });
      engine.broadcast({ data: 3 });
      old[0]?.send({ type: 'publish', channel: 'news', data: 4 });
      await old[0]?.sync();
      youngest[0]?.send({ type: 'publish', channel: 'news', data: 5 });
      for (const client of all) {
        engine.send(client.id, { data: 'you' });
        await client.next((message) => message.data === 'you');
      }
      for (const client of all) {
        const isNews = (data: unknown): boolean =>
          (client !== old[0] || data !== 4) && (client !== youngest[0] || data !== 5);
        for (const data of [1, 2, 3, 4, 5].filter(isNews)) await client.next((message) => message.data === data);
      }
      assert.equal(engine.disconnect(old[1]?.id ?? '', 4001, 'bye'), 'queued');
      assert.equal((await old[1]?.closed)?.code, 4001);
      await engine.drain({ graceMs: 2_000 });
      for (const client of all.filter((one) => one !== old[1])) assert.equal((await client.closed).code, 1001);
    }));

  it('under traffic loses and reorders nothing, on connections before, between and after', () =>
    withEngine({ tls, maxBackpressureBytes: 16_777_216 }, async (engine) => {
      const clients = [await connectSecurely(engine), await connectSecurely(engine), await connectSecurely(engine)];
      for (const client of clients) await client.subscribe('numbers');
      let next = 0;
      const burst = (): void => {
        for (let i = 0; i < 200; i++) engine.publish('numbers', { data: next++ });
      };
      for (let round = 0; round < 12; round++) {
        burst();
        const reloaded = engine.reloadTls(round % 2 === 0 ? other : tls);
        burst();
        const [, client] = await Promise.all([reloaded, connectSecurely(engine)]);
        clients.push(client);
        await client.sync();
      }
      for (const client of clients.slice(0, 3)) {
        await until(() => client.all.length === next, 'every number');
        assert.deepEqual(
          client.all.map((message) => message.data),
          Array.from({ length: next }, (_, number) => number),
        );
      }
      assert.equal(engine.stats().connections, clients.length);
      await Promise.all(clients.map((client) => client.close()));
      await until(() => engine.stats().connections === 0, 'the end of all');
    }));

  it('keeps what it has if the new one is no good, and says why', async (t) => {
    const folder = new PemFolder(t);
    await withEngine({ tls: folder.putCertificate(first) }, async (engine) => {
      const client = await connectSecurely(engine);
      folder.put('cert.pem', second.cert);
      await assert.rejects(engine.reloadTls(), { code: 'ERR_TLS_INVALID', path: 'tls.keyFile' });
      folder.put('cert.pem', 'half a fi');
      await assert.rejects(engine.reloadTls(), { code: 'ERR_TLS_INVALID', path: 'tls.certFile' });
      await assert.rejects(engine.reloadTls({ cert: first.cert, key: second.key }), {
        code: 'ERR_TLS_INVALID',
        path: 'tls.key',
      });
      const wrong = { ...tls, certFile: 'both' } as unknown as typeof tls;
      await assert.rejects(engine.reloadTls(wrong), { code: 'ERR_OPTION_INVALID', path: 'tls' });
      assert.equal(await shownCertificate(engine.port), 'first');
      await client.sync();
      // Refused texts are not what the next call without options reads.
      folder.putCertificate(second);
      assert.equal(await engine.reloadTls(), 'reloaded');
      assert.equal(await shownCertificate(engine.port), 'second');
    });
  });

  it('ends the resumption of sessions: whoever comes back sees the new certificate', () =>
    withEngine({ tls, shards: 1 }, async (engine) => {
      const begin = await openTls(engine.port);
      // The library gives a ticket with what it writes first.
      begin.resume();
      begin.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
      const session = await within(
        new Promise<Buffer>((resolve) => begin.once('session', resolve)),
        'a ticket of the session',
      );
      begin.destroy();
      const again = await openTls(engine.port, { session });
      assert.equal(again.isSessionReused(), true);
      again.destroy();
      await engine.reloadTls(other);
      const afterwards = await openTls(engine.port, { session });
      assert.equal(afterwards.isSessionReused(), false);
      assert.equal(afterwards.getPeerCertificate().subject.CN, 'second');
      afterwards.destroy();
    }));

  it('asked for many times at once, ends with the last', () =>
    withEngine({ tls }, async (engine) => {
      const asked = [other, tls, other, tls, other].map((one) => engine.reloadTls(one));
      assert.deepEqual(new Set(await Promise.all(asked)), new Set(['reloaded']));
      assert.equal(await shownCertificate(engine.port), 'second');
    }));

  it('without the option tls, with PEM texts and no new ones, with the acceptor shard, or when closed: a clear error', async () => {
    await withEngine({}, (engine) => assert.rejects(engine.reloadTls(), { code: 'ERR_TLS_OFF' }));
    await withEngine({ tls }, (engine) => assert.rejects(engine.reloadTls(), { code: 'ERR_TLS_INVALID', path: 'tls' }));
    await withEngine({ tls, acceptor: 'shard' }, async (engine) => {
      await assert.rejects(engine.reloadTls(other), { code: 'ERR_TLS_RELOAD_UNSUPPORTED' });
      assert.equal(await shownCertificate(engine.port), 'first');
    });
    const engine = await startEngine({ shards: 1, host: '127.0.0.1', port: 0, tls });
    await engine.close();
    await assert.rejects(engine.reloadTls(other), { code: 'ERR_SHUTTING_DOWN' });
  });

  it('a hundred times leaves no socket, connection or client behind', () =>
    withEngine({ tls }, async (engine) => {
      const stays = await connectSecurely(engine);
      await stays.subscribe('c');
      const before = socketDescriptors();
      for (let i = 0; i < 100; i++) {
        assert.equal(await engine.reloadTls(i % 2 === 0 ? other : tls), 'reloaded');
        const guest = await connectSecurely(engine);
        await guest.sync();
        guest.terminate();
      }
      await until(() => engine.stats().connections === 1, 'the guests to be gone');
      await until(() => socketDescriptors() <= before, 'their sockets to be closed');
      engine.publish('c', { data: 'still' });
      assert.equal((await stays.next()).data, 'still');
    }));

  it('a shard that is lost costs its connections only, whatever their certificate', () => {
    const handlers = new URL('../engine/fixtures/recording.handlers.js', import.meta.url);
    return withEngine({ tls, handlers, shards: 3 }, async (engine) => {
      const clients = [];
      for (let i = 0; i < 12; i++) {
        clients.push(await connectSecurely(engine));
        if (i === 5) await engine.reloadTls(other);
      }
      for (const client of clients) await client.sync();
      const victim = clients.find((client) => client.id.startsWith('1-'));
      assert.ok(victim, 'no client in shard 1');
      victim.send({ type: 'crash' });
      assert.equal((await victim.closed).code, 1012);
      for (const client of clients) if (!client.id.startsWith('1-')) await client.sync();
      await engine.reloadTls(tls);
      const newcomer = await connectSecurely(engine, trust);
      await newcomer.sync();
    });
  });

  it('an expired certificate, and one of the future, are refused, at the start and at a reload', async () => {
    const expired = createCertificate('expired', { days: [-10, -1] });
    const early = createCertificate('early', { days: [1, 10] });
    const reasons = [
      [expired, /^tls\.cert: the certificate expired on /],
      [early, /^tls\.cert: the certificate is not valid before /],
    ] as const;
    for (const [{ cert, key }, message] of reasons) {
      const options = { shards: 1, host: '127.0.0.1', port: 0, tls: { cert, key } };
      await assert.rejects(startEngine(options), { code: 'ERR_TLS_INVALID', path: 'tls.cert', message });
    }
    await withEngine({ shards: 1, tls }, async (engine) => {
      for (const [{ cert, key }, message] of reasons) {
        await assert.rejects(engine.reloadTls({ cert, key }), { code: 'ERR_TLS_INVALID', path: 'tls.cert', message });
      }
      await (await connectSecurely(engine, trust)).sync();
    });
  });
});
