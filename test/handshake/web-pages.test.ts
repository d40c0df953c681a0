import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import { handshakeText, openRaw, request, requestText } from '../support/raw-socket.ts';

describe('requests that are no handshake', () => {
  test('health is answered to GET and HEAD, and to nothing else', async () => {
    await withEngine({}, async (engine) => {
      for (const [path, body] of [
        ['/healthz', 'ok\n'],
        ['/readyz', 'ready\n'],
      ] as const) {
        const get = await request(engine.port, requestText('GET', path));
        assert.deepEqual([get.status, get.body, get.headers.get('cache-control')], [200, body, 'no-store']);
        const head = await request(engine.port, requestText('HEAD', path));
        assert.deepEqual([head.status, head.body], [200, '']);
        const post = await request(engine.port, requestText('POST', path));
        assert.deepEqual([post.status, post.headers.get('allow')], [405, 'GET, HEAD']);
      }
      assert.equal((await request(engine.port, requestText('GET', '/healthz?why'))).status, 200);
    });
  });

  test('health paths can be moved, or taken away', async () => {
    await withEngine({ health: { live: '/up', ready: '/ok' } }, async (engine) => {
      assert.equal((await request(engine.port, requestText('GET', '/up'))).body, 'ok\n');
      assert.equal((await request(engine.port, requestText('GET', '/ok'))).body, 'ready\n');
      assert.equal((await request(engine.port, requestText('GET', '/healthz'))).status, 404);
    });
    await withEngine({ health: false }, async (engine) => {
      assert.equal((await request(engine.port, requestText('GET', '/healthz'))).status, 404);
    });
  });

  test('while it drains an engine is alive and not ready, and takes no handshake: 503', async () => {
    await withEngine({ shards: 1 }, async (engine) => {
      const sockets = await Promise.all(Array.from({ length: 3 }, () => openRaw(engine.port)));
      const [live, ready, late] = sockets;
      assert.ok(live !== undefined && ready !== undefined && late !== undefined);
      // Somebody to say goodbye to, and all sockets adopted: in the order of their coming.
      await (await connect(engine)).sync();
      const drained = engine.drain({ graceMs: 2_000 });
      live.write(requestText('GET', '/healthz'));
      ready.write(requestText('GET', '/readyz'));
      late.write(handshakeText());
      assert.equal((await live.reply()).status, 200);
      const notReady = await ready.reply();
      assert.deepEqual([notReady.status, notReady.body], [503, 'draining\n']);
      const refused = await late.reply();
      assert.equal(refused.status, 503);
      assert.match(refused.body, /^ERR_SHUTTING_DOWN: /);
      assert.equal(refused.headers.get('retry-after'), '1');
      await drained;
    });
  });

  test('pages are served with their type, to GET and HEAD, next to the WebSockets', async () => {
    const pages = {
      '/': { body: '<h1>grüß</h1>' },
      '/app.js': { body: 'export {};', contentType: 'text/javascript' },
      '/ws': { body: 'a page where the WebSockets are' },
    };
    await withEngine({ pages }, async (engine) => {
      const root = await request(engine.port, requestText('GET', '/'));
      assert.deepEqual([root.status, root.body], [200, '<h1>grüß</h1>']);
      assert.equal(root.headers.get('content-type'), 'text/html; charset=utf-8');
      assert.equal(root.headers.get('x-content-type-options'), 'nosniff');
      const script = await request(engine.port, requestText('GET', '/app.js?v=1'));
      assert.equal(script.headers.get('content-type'), 'text/javascript');
      assert.equal((await request(engine.port, requestText('HEAD', '/'))).body, '');
      assert.equal((await request(engine.port, requestText('DELETE', '/'))).status, 405);
      for (const path of ['/nothing', '/__proto__', '/constructor', '/toString']) {
        assert.equal((await request(engine.port, requestText('GET', path))).status, 404);
      }
      assert.equal((await request(engine.port, requestText('GET', '/ws'))).status, 200);
      await (await connect(engine)).sync();
    });
  });

  test('a page of 4 MiB arrives whole', async () => {
    const body = 'line of text\n'.repeat(330_000);
    await withEngine({ pages: { '/large': { body } } }, async (engine) => {
      const reply = await request(engine.port, requestText('GET', '/large'));
      assert.equal(reply.body, body);
    });
  });
});
