import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FromShard } from '#dist/shared/bus/ipc.js';
import { Counters } from '#dist/shared/memory/counters.js';
import { createEngineMemory } from '#dist/shared/memory/engine-memory.js';
import { refusalNames } from '#dist/shared/memory/refusals.js';
import { Vitals } from '#dist/shared/memory/vitals.js';
import { ShardLog } from '#dist/worker/handlers/shard-log.js';
import { refusal } from '#dist/worker/handshake/check-handshake.js';
import { Refusals, shownText } from '#dist/worker/handshake/refusals.js';
import type { TransportRequest } from '#dist/worker/transport/transport.js';
import { readPage, sumOf } from '../metrics/page.ts';
import { withEngine } from '../support/leaks.ts';
import { fc } from '../support/properties.ts';
import { openRaw, type RequestOptions } from '../support/raw-socket.ts';
import { until } from '../support/waiting.ts';
import { captureLog, pinoLevel } from './captured-log.ts';

const request: TransportRequest = {
  method: 'GET',
  path: '/ws',
  query: '',
  headers: new Map([['host', 'localhost']]),
  remoteAddress: '127.0.0.1',
  proxiedAddress: '',
  clientCertificate: null,
};

/** Refusals of one shard, and the log lines that it has posted. */
function fixture(): { refusals: Refusals; vitals: Vitals; lines: () => Extract<FromShard, { kind: 'log' }>[] } {
  const posted: FromShard[] = [];
  const memory = createEngineMemory(1, 65_536);
  const vitals = new Vitals(memory, 1);
  const refusals = new Refusals(new Counters(memory, 1), vitals, new ShardLog(0, (message) => posted.push(message)));
  return { refusals, vitals, lines: () => posted.filter((one) => typeof one === 'object' && one.kind === 'log') };
}

describe('a refused handshake in the log', () => {
  it('has its code, who it was, and what would have been allowed, at info', async () => {
    const log = captureLog('info');
    await withEngine({ shards: 1, origins: ['https://good.example'], logger: log.logger }, async (engine) => {
      const refuse = async (options: RequestOptions): Promise<void> => {
        const raw = await openRaw(engine.port);
        assert.notEqual((await raw.handshake(options)).status, 101);
        await raw.ended();
      };
      await refuse({ headers: { Origin: 'http://evil.example' } });
      await refuse({ headers: { Host: 'evil.example' } });
      await refuse({ headers: { 'Sec-WebSocket-Protocol': 'soap' } });
      await refuse({ target: '/other' });
      await until(() => log.lines().length === 4, 'the lines');
      const [byOrigin, byHost, bySubprotocol, byPath] = log.lines();
      const common = { shard: 0, address: '127.0.0.1' };
      const expected = [
        [
          byOrigin,
          { code: 'ERR_HANDSHAKE_ORIGIN', status: 403, origin: 'http://evil.example', allowed: 'https://good.example' },
        ],
        [byHost, { code: 'ERR_HANDSHAKE_HOST_UNKNOWN', status: 421, host: 'evil.example' }],
        [bySubprotocol, { code: 'ERR_HANDSHAKE_SUBPROTOCOL', status: 400 }],
        [byPath, { code: 'ERR_HANDSHAKE_PATH', status: 404 }],
      ] as const;
      for (const [line, fields] of expected) {
        assert.deepEqual([line?.msg, line?.level], ['a handshake was refused', pinoLevel.info]);
        for (const [name, value] of Object.entries({ ...common, ...fields })) assert.equal(line?.[name], value, name);
      }
      assert.match(String(bySubprotocol?.['reason']), /known are: json/);
      assert.match(String(byHost?.['allowed']), /localhost/);
      const { refusals, handshakesRefused } = engine.stats();
      assert.equal(handshakesRefused, 4);
      assert.deepEqual(refusals, {
        ERR_HANDSHAKE_ORIGIN: 1,
        ERR_HANDSHAKE_HOST_UNKNOWN: 1,
        ERR_HANDSHAKE_SUBPROTOCOL: 1,
        ERR_HANDSHAKE_PATH: 1,
      });
      const page = readPage(await engine.metrics());
      assert.equal(sumOf(page, 'shardwire_handshakes_refused_total'), 4);
      assert.equal(sumOf(page, 'shardwire_handshakes_refused_total', { shard: '0', code: 'ERR_HANDSHAKE_ORIGIN' }), 1);
    });
  });

  it('text of a client can forge no line and no field, and is cut', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
        const shown = shownText(text);
        assert.match(shown, /^(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\u[0-9a-f]{4})*…?$/);
        assert.ok(shown.length <= 128 * 6 + 1);
      }),
    );
    assert.equal(shownText('https://ok.example:8080'), 'https://ok.example:8080');
    assert.equal(shownText('a\r\n"level":60\x1b[2J'), 'a\\u000d\\u000a\\u0022level\\u0022:60\\u001b[2J');
    assert.equal(shownText('x'.repeat(129)), `${'x'.repeat(128)}…`);
  });

  it('a flood of them is a few lines, and then how many were left out; none is uncounted', () => {
    const { refusals, vitals, lines } = fixture();
    const answer = refusal('ERR_HANDSHAKE_ORIGIN', 'this Origin is not allowed');
    for (let i = 0; i < 500; i++) refusals.countAndLog(answer, request, '192.0.2.1');
    const written = lines().length;
    assert.ok(written >= 1 && written < 50, `${written} lines`);
    refusals.close();
    const last = lines().at(-1);
    assert.equal(last?.text, 'refused handshakes were left out of the log');
    assert.equal(last?.fields['omitted'], 500 - written);
    assert.deepEqual(vitals.read().refusals, { ERR_HANDSHAKE_ORIGIN: 500 });
  });

  it('codes that nobody knows share one place, and the own answers of a handler another', () => {
    const { refusals, vitals } = fixture();
    for (let i = 0; i < 100; i++) refusals.count({ status: 400, headers: new Map(), body: '', code: `ERR_${i}` });
    refusals.count({ status: 401, headers: new Map(), body: '' });
    assert.deepEqual(vitals.read().refusals, { other: 100, reject: 1 });
    assert.equal(new Set(refusalNames).size, refusalNames.length);
  });
});
