import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { AskPort } from '#dist/shared/bus/ask-port.js';
import type { FromShard } from '#dist/shared/bus/ipc.js';
import { type MainQuestions, type ShardQuestions, shardQuestionRules } from '#dist/shared/bus/questions.js';
import { EngineError } from '#dist/shared/errors/index.js';
import { MetricsProxy } from '#dist/worker/handshake/metrics-proxy.js';
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

/** A shard's port to main, whose other end is in the test's hands. */
function portToMain(post: (message: FromShard) => void): AskPort<ShardQuestions, MainQuestions> {
  const unasked = (): never => assert.fail('nothing is asked here');
  return new AskPort<ShardQuestions, MainQuestions>({
    other: 'main',
    lateCode: 'ERR_OVERLOADED',
    rules: shardQuestionRules,
    replies: {
      ping: unasked,
      listen: unasked,
      'stop-listening': unasked,
      'forget-app': unasked,
      'reload-tls': unasked,
      settle: unasked,
    },
    post,
  });
}

describe('a shard’s proxy for metrics', () => {
  it('asks main once for all who come meanwhile, and takes no answer but that to its question', async () => {
    const posted: FromShard[] = [];
    const asks = portToMain((message) => posted.push(message));
    const proxy = new MetricsProxy(asks);
    const settle = (id: number, answer: string): void => {
      asks.onAnswer({ kind: 'answer', id, about: 'metrics', outcome: { ok: true, answer } });
    };
    const question = { kind: 'question', about: 'metrics', question: null };
    const answers = [proxy.answer(get), proxy.answer(get), proxy.answer(get)];
    assert.deepEqual(posted, [{ ...question, id: 1 }]);
    settle(0, 'of an earlier question');
    settle(1, 'the page');
    settle(1, 'the page again');
    for (const answer of await Promise.all(answers)) assert.deepEqual([answer.status, answer.body], [200, 'the page']);
    const next = proxy.answer(get);
    assert.deepEqual(posted.slice(1), [{ ...question, id: 2 }]);
    settle(1, 'late');
    const outcome = { ok: false, code: 'ERR_INTERNAL', text: 'the page could not be written' } as const;
    asks.onAnswer({ kind: 'answer', id: 2, about: 'metrics', outcome });
    assert.equal((await next).status, 503);
  });

  it('answers 503 to those who wait when the shard ends', async () => {
    const asks = portToMain(() => undefined);
    const waiting = new MetricsProxy(asks).answer(get);
    asks.end(new EngineError('ERR_SHUTTING_DOWN', 'this shard has ended'));
    asks.end(new EngineError('ERR_SHUTTING_DOWN', 'this shard has ended'));
    assert.equal((await waiting).status, 503);
  });
});
