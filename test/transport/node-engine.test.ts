import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chooseTransport } from '#dist/worker/transport/choose-transport.js';
import { clientPerShard } from '../engine/shard-pairs.ts';
import { connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import { openRaw, requestText } from '../support/raw-socket.ts';
import { until } from '../support/waiting.ts';
import { connectSecurely, first, getSecurely } from '../tls/tls-fixture.ts';

describe('an engine with the transport of our own', () => {
  for (const acceptor of ['auto', 'shard'] as const) {
    it(`says so, and its shards hear each other with the acceptor '${acceptor}'`, () =>
      withEngine({ transport: 'node', acceptor, shards: 2 }, async (engine) => {
        assert.deepEqual(engine.stats().transport, { name: 'node', reason: 'the option transport says so' });
        const [one, two] = await clientPerShard(engine);
        assert.ok(one !== undefined && two !== undefined);
        for (const client of [one, two]) await client.subscribe('news');
        one.send({ type: 'publish', channel: 'news', data: 'from a client' });
        for (const client of [one, two]) assert.equal((await client.next()).data, 'from a client');
        engine.publish('news', { data: 'from main' });
        for (const client of [one, two]) assert.equal((await client.next()).data, 'from main');
        await one.close(3_456, 'a code of the application’s');
        await until(() => engine.stats().connections === 1, 'the end');
        assert.deepEqual(engine.stats().closes, { '3xxx': 1 });
      }));
  }

  it('serves TLS, pages, and health checks of HTTP/1.0', async () => {
    await withEngine({ transport: 'node', tls: { cert: first.cert, key: first.key } }, async (engine) => {
      const client = await connectSecurely(engine);
      await client.subscribe('news');
      engine.publish('news', { data: 'é'.repeat(100_000) });
      assert.equal((await client.next()).data, 'é'.repeat(100_000));
      assert.equal((await getSecurely(engine.port, '/healthz')).status, 200);
    });
    await withEngine({ transport: 'node', host: '127.0.0.1' }, async (engine) => {
      const raw = await openRaw(engine.port);
      raw.write(requestText('GET', '/healthz').replace('HTTP/1.1', 'HTTP/1.0'));
      assert.equal((await raw.reply()).status, 200);
    });
  });

  it('compresses for those who ask for it', () =>
    withEngine({ transport: 'node', compression: true }, async (engine) => {
      const client = await connect(engine, { deflate: {} });
      await client.subscribe('news');
      for (const length of [10, 5_000, 50_000]) {
        engine.publish('news', { data: 'words '.repeat(length) });
        assert.equal((await client.next()).data, 'words '.repeat(length));
      }
    }));
});

describe('the choice of a transport', () => {
  it('is the one that is asked for, with the reason', async () => {
    assert.equal((await chooseTransport('node')).name, 'node');
    const { name, reason } = await chooseTransport('auto');
    assert.match(reason, name === 'uws' ? /can be loaded$/ : /^uWebSockets.js cannot be loaded by Node v/);
    if (name === 'uws') assert.equal((await chooseTransport('uws')).name, 'uws');
    else await assert.rejects(chooseTransport('uws'), { code: 'ERR_TRANSPORT_UNAVAILABLE', path: 'transport' });
  });
});
