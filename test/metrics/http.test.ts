import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { FromShard } from '#dist/shared/bus/ipc.js';
import { MetricsDesk } from '#dist/worker/handshake/metrics-proxy.js';
import type { TransportRequest } from '#dist/worker/transport/transport.js';
import { serve } from '../cli/command.ts';
import { withEngine } from '../support/leaks.ts';
import { destroyRawSockets, openRaw, request, requestText } from '../support/raw-socket.ts';
import { within } from '../support/waiting.ts';
import { readPage, sumOf } from './page.ts';

const get: TransportRequest = {
  method: 'GET',
  path: '/metrics',
  query: '',
  headers: new Map(),
  remoteAddress: '',
  proxiedAddress: '',
  clientCertificate: null,
};

describe('metrics over HTTP', () => {
  it('are served by every shard, to GET and HEAD only, and with the type of the format', () =>
    withEngine({ shards: 2, metrics: {} }, async (engine) => {
      for (let i = 0; i < 12; i++) {
        const reply = await request(engine.port, requestText('GET', '/metrics?x=y'));
        assert.equal(reply.status, 200);
        assert.equal(reply.headers.get('content-type'), engine.metricsContentType);
        assert.equal(reply.headers.get('cache-control'), 'no-store');
        assert.equal(sumOf(readPage(reply.body), 'shardwire_http_requests_total'), i + 1);
      }
      const head = await request(engine.port, requestText('HEAD', '/metrics'));
      assert.deepEqual([head.status, head.body], [200, '']);
      const post = await request(engine.port, requestText('POST', '/metrics', { 'Content-Length': '0' }));
      assert.deepEqual([post.status, post.headers.get('allow')], [405, 'GET, HEAD']);
      assert.equal(engine.stats().handshakesRefused, 1);
      for (const shard of engine.stats().shards) assert.ok(shard.httpRequests > 0, 'both shards were asked');
    }));

  it('are for nobody unless asked for, and at the path that was asked for', async () => {
    await withEngine({ shards: 1 }, async (engine) => {
      assert.equal((await request(engine.port, requestText('GET', '/metrics'))).status, 404);
    });
    await withEngine({ shards: 1, metrics: { path: '/internal/m' } }, async (engine) => {
      assert.equal((await request(engine.port, requestText('GET', '/metrics'))).status, 404);
      assert.equal((await request(engine.port, requestText('GET', '/internal/m'))).status, 200);
    });
  });

  it('a crowd of scrapes, some of which leave, is answered and leaves nothing behind', () =>
    withEngine({ shards: 2, metrics: {} }, async (engine) => {
      const leaving = Array.from({ length: 20 }, async () => {
        const raw = await openRaw(engine.port);
        raw.write(requestText('GET', '/metrics'));
        raw.socket.destroy();
      });
      const replies = await Promise.all(
        Array.from({ length: 40 }, () => request(engine.port, requestText('GET', '/metrics'))),
      );
      await Promise.all(leaving);
      for (const reply of replies) assert.ok(readPage(reply.body).samples.length > 0);
      assert.equal(engine.stats().handlerErrors, 0);
    }));

  it('main that is blocked makes a scrape fail with 503, and the next one after it succeed', async () => {
    const file = fileURLToPath(new URL('./fixtures/blocked-main.js', import.meta.url));
    const child = spawn(process.execPath, [file], { stdio: ['pipe', 'pipe', 'inherit'] });
    const ended = once(child, 'close');
    const said = async (): Promise<string> => String((await within(once(child.stdout, 'data'), 'the fixture'))[0]);
    try {
      const port = Number(await said());
      // Accepted and with its shard, before main does nothing more.
      const raw = await openRaw(port);
      assert.equal((await said()).trim(), 'blocked');
      raw.write(requestText('GET', '/metrics'));
      const reply = await raw.reply();
      assert.deepEqual([reply.status, reply.headers.get('retry-after')], [503, '1']);
      assert.match(reply.body, /^ERR_OVERLOADED: /);
      assert.equal((await request(port, requestText('GET', '/metrics'))).status, 200);
      child.stdin.end();
      assert.deepEqual(await within(ended, 'the end of the fixture'), [0, null]);
    } finally {
      child.kill('SIGKILL');
      destroyRawSockets();
      await ended;
    }
  });

  it('`shardwire serve --metrics` serves them, and tells where', async (t) => {
    const { command, authority } = await serve(t, '--shards', '1', '--metrics');
    const [, url = ''] = await command.printed(/metrics {4}(http:\S+)\n/);
    assert.equal(url, `http://${authority}/metrics`);
    assert.equal(sumOf(readPage(await (await fetch(url)).text()), 'shardwire_ready'), 1);
    const plain = await serve(t, '--shards', '1');
    assert.equal((await fetch(`http://${plain.authority}/metrics`)).status, 404);
  });
});

describe('a shard’s desk for metrics', () => {
  it('asks main once for all who come meanwhile, and takes no answer but that to its question', async () => {
    const posted: FromShard[] = [];
    const desk = new MetricsDesk((message) => posted.push(message));
    const answers = [desk.answer(get), desk.answer(get), desk.answer(get)];
    assert.deepEqual(posted, [{ kind: 'metrics', request: 1 }]);
    desk.settle(0, 'of an earlier question');
    desk.settle(1, 'the page');
    desk.settle(1, 'the page again');
    for (const answer of await Promise.all(answers)) assert.deepEqual([answer.status, answer.body], [200, 'the page']);
    const next = desk.answer(get);
    assert.deepEqual(posted.slice(1), [{ kind: 'metrics', request: 2 }]);
    desk.settle(1, 'late');
    desk.settle(2, null);
    assert.equal((await next).status, 503);
  });

  it('answers 503 to those who wait when the shard ends', async () => {
    const desk = new MetricsDesk(() => undefined);
    const waiting = desk.answer(get);
    desk.close();
    desk.close();
    assert.equal((await waiting).status, 503);
  });
});
