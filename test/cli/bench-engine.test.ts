import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import type { EngineOptions } from '#dist/main/index.js';
import { createCertificate, PemFolder } from '../support/certificates.ts';
import { withEngine } from '../support/leaks.ts';
import { heldUp } from '../support/steady-machine.ts';
import { goodBench, runBench, short } from './bench-run.ts';

const limits = { timeout: 240_000, skip: heldUp };
const codecs = ['json', 'protobuf', 'flatbuffers', 'msgpack'] as const;
const aesKey = randomBytes(32);
const hmacKey = randomBytes(24);

const handlers = new URL('./fixtures/bench.handlers.js', import.meta.url);

function withServer(use: (url: string) => Promise<void>, options: EngineOptions = {}): Promise<void> {
  return withEngine({ shards: 2, handlers, ...options }, ({ port }) => use(`ws://127.0.0.1:${port}/ws`));
}

/** An echo and a fan-out of this subprotocol, and what is the same in both. */
async function both(t: TestContext, url: string, ...args: readonly string[]): Promise<void> {
  const echo = await goodBench(t, url, ...short, '-c', '4', '-p', '3', ...args);
  assert.ok(echo.received > 0);
  assert.equal(echo.received, echo.sent);
  assert.equal(echo.latency_us?.count, echo.received);
  const fanout = await goodBench(t, url, ...short, '--mode', 'fanout', '-c', '6', '-p', '2', ...args);
  assert.equal(fanout.fanout?.completeness_pct, 100);
  assert.equal(fanout.received, fanout.fanout.publishes * 6);
  assert.ok(fanout.fanout.publishes > 0);
}

for (const codec of codecs) {
  test(`echo and fan-out with ${codec}: every answer and every delivery is counted`, limits, async (t) => {
    await withServer((url) => both(t, url, '--subprotocol', codec));
  });
}

test('sealed with keys from flags and from the environment, in every form', limits, async (t) => {
  const security = { aesKey, hmacKey, compress: true } as const;
  process.env['SHARDWIRE_AES_KEY'] = aesKey.toString('base64');
  process.env['SHARDWIRE_HMAC_KEY'] = hmacKey.toString('hex');
  t.after(() => {
    delete process.env['SHARDWIRE_AES_KEY'];
    delete process.env['SHARDWIRE_HMAC_KEY'];
  });
  await withServer(
    async (url) => {
      await both(t, url, '--seal');
      await both(t, url, '--subprotocol', 'msgpack+deflate2', '--size', '4000');
      const keys = ['--aes-key', aesKey.toString('hex'), '--hmac-key', hmacKey.toString('base64url')];
      await both(t, url, '--subprotocol', 'protobuf+seal3', ...keys);
      const wrong = await runBench(
        t,
        url,
        ...short,
        '--subprotocol',
        'json',
        '--timeout',
        '1',
        '--aes-key',
        '11'.repeat(32),
      );
      assert.equal(wrong.code, 1);
      assert.equal(wrong.result.received, 0);
      assert.match(wrong.stderr, /nothing was measured/);
    },
    { security },
  );
});

test('wss: a certificate of nobody is refused, and taken with --insecure', limits, async (t) => {
  const files = new PemFolder(t).putCertificate(createCertificate('bench'));
  await withEngine({ shards: 1, tls: files }, async ({ port }) => {
    const url = `wss://localhost:${port}/ws`;
    const args = [...short, '--subprotocol', 'json', '-c', '2'];
    const { code, result } = await runBench(t, url, ...args);
    assert.equal(code, 1);
    assert.deepEqual(result.errors.kinds, { 'ERR_DIAL_CONNECT DEPTH_ZERO_SELF_SIGNED_CERT': 2 });
    assert.ok((await goodBench(t, url, ...args, '--insecure')).received > 0);
  });
});

test('--type asks the handlers; a type that nobody answers is told from an answer', limits, async (t) => {
  await withServer(async (url) => {
    const args = [...short, '--subprotocol', 'json', '-c', '2'];
    const asked = await goodBench(t, url, ...args, '--type', 'ask', '--message', '{"n":"{stamp}"}');
    assert.ok(asked.received > 0);
    const plain = await goodBench(t, url, ...args, '--type', 'ask', '--message', 'no JSON');
    assert.ok(plain.received > 0);
    const unasked = await runBench(t, url, ...args, '--type', 'dance', '--timeout', '1');
    assert.equal(unasked.code, 1);
    assert.match(unasked.stderr, /nothing was measured: nothing came back/);
    assert.deepEqual([unasked.result.sent, unasked.result.unanswered], [2, 2]);
  });
});

test('what the server refuses is counted by its code', limits, async (t) => {
  await withServer(async (url) => {
    const args = ['--subprotocol', 'msgpack', '--mode', 'fanout', '--channel', 'closed', '--timeout', '0.2'];
    const { code, result } = await runBench(t, url, ...short, '-c', '3', ...args);
    assert.equal(code, 1);
    assert.equal(result.rate_per_s, null);
    assert.ok((result.errors.kinds['ERR_FORBIDDEN'] ?? 0) >= 3);
    const raw = await runBench(t, url, ...short, '-c', '1', '--timeout', '0.1');
    assert.match(raw.stderr, /are no echoes, or were late: does the server want a --subprotocol\?/);
  });
});

test('connect opens and closes, idle stays, and both leave nothing behind', limits, async (t) => {
  await withServer(async (url) => {
    const connect = await goodBench(t, url, ...short, '--mode', 'connect', '-c', '3', '--subprotocol', 'json');
    assert.ok(connect.received > 0);
    assert.equal(connect.received, connect.sent);
    assert.equal(connect.latency_us?.count, connect.handshake_us?.count);
    const paced = await goodBench(t, url, ...short, '--mode', 'connect', '--rate', '50');
    assert.equal(paced.sent + paced.rate_missed, 15);
    const idle = await goodBench(t, url, ...short, '--mode', 'idle', '-c', '40', '-w', '2');
    assert.deepEqual(idle.connections, { asked: 40, opened: 40, lost: 0 });
    assert.equal(idle.rate_per_s, null);
    assert.equal(idle.handshake_us?.count, 40);
  });
});

test('publishers and subscribers in several threads: each message once, at everybody', limits, async (t) => {
  await withServer(async (url) => {
    const args = ['--mode', 'fanout', '-c', '7', '--publishers', '3', '-w', '3', '-p', '4', '--subprotocol', 'json'];
    const result = await goodBench(t, url, ...short, ...args);
    assert.equal(result.threads, 3);
    assert.equal(result.client.utilization.length, 3);
    assert.equal(result.fanout?.expected, result.fanout ? result.fanout.publishes * 7 : -1);
    assert.equal(result.received, result.fanout?.expected);
    assert.deepEqual([result.fanout?.duplicates, result.fanout?.out_of_order], [0, 0]);
    const paced = await goodBench(
      t,
      url,
      ...short,
      ...args.filter((arg) => arg !== '-p' && arg !== '4'),
      '--rate',
      '100',
    );
    assert.equal(paced.sent + paced.rate_missed, 30);
  });
});
