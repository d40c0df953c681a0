import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Engine, EngineOptions } from '#dist/main/index.js';
import { connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import { handshakeText, openRaw } from '../support/raw-socket.ts';
import { until } from '../support/waiting.ts';
import { aboutMe, deciding, seenAs } from './upgrade-client.ts';

/** Header of the PROXY protocol, version 2, of a TCP connection from `source`. */
function proxyHeader(source: readonly number[]): Buffer {
  const family = source.length === 4 ? 0x11 : 0x21;
  const head = Buffer.from('0d0a0d0a000d0a515549540a21000000', 'hex');
  head[13] = family;
  const target = new Array<number>(source.length).fill(9);
  const addresses = Buffer.from([...source, ...target, 0x12, 0x34, 0x1f, 0x90]);
  head.writeUInt16BE(addresses.length, 14);
  return Buffer.concat([head, addresses]);
}

async function listenedAddress(options: EngineOptions, act: (engine: Engine) => Promise<unknown>): Promise<string> {
  return withEngine(options, async (engine) => {
    const seen: string[] = [];
    engine.on('connect', ({ remoteAddress }) => void seen.push(remoteAddress));
    await act(engine);
    await until(() => seen.length > 0, 'the connection to be told');
    return seen[0] ?? '';
  });
}

describe('an engine behind proxies', () => {
  test('shows handlers, connections and listeners the same address', async () => {
    const headers = { 'X-Forwarded-For': '203.0.113.7' };
    await withEngine({ shards: 1, handlers: deciding, trustProxy: 1 }, async (engine) => {
      const about = await seenAs(engine, 'do=facts', headers);
      assert.deepEqual([about.remoteAddress, about.metadata['remoteAddress']], ['203.0.113.7', '203.0.113.7']);
      assert.equal((await aboutMe(await connect(engine))).remoteAddress, '127.0.0.1');
    });
    const heard = await listenedAddress({ trustProxy: ['127.0.0.0/8'] }, (engine) => connect(engine, { headers }));
    assert.equal(heard, '203.0.113.7');
    const untrusted = await listenedAddress({}, (engine) => connect(engine, { headers }));
    assert.equal(untrusted, '127.0.0.1');
  });

  test('takes the address from the PROXY protocol, if the peer is trusted', async () => {
    const cases: readonly (readonly [NonNullable<EngineOptions['trustProxy']>, readonly number[], string])[] = [
      [1, [203, 0, 113, 7], '203.0.113.7'],
      [true, [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7], '2001:db8::7'],
      [['127.0.0.1'], [203, 0, 113, 7], '203.0.113.7'],
      [['10.0.0.1'], [203, 0, 113, 7], '127.0.0.1'],
      [false, [203, 0, 113, 7], '127.0.0.1'],
    ];
    for (const [trustProxy, source, expected] of cases) {
      const heard = await listenedAddress({ trustProxy }, async (engine) => {
        const raw = await openRaw(engine.port);
        raw.write(Buffer.concat([proxyHeader(source), Buffer.from(handshakeText())]));
        assert.equal((await raw.reply()).status, 101);
      });
      assert.equal(heard, expected, String(trustProxy));
    }
  });

  test('compares a page’s origin with the host and scheme that the proxy was asked for', async () => {
    const attempt = async (
      trustProxy: NonNullable<EngineOptions['trustProxy']>,
      headers: Record<string, string>,
    ): Promise<number> =>
      withEngine({ trustProxy, hosts: ['inner', 'chat.example'] }, async (engine) => {
        const raw = await openRaw(engine.port);
        return (await raw.handshake({ headers: { Host: 'inner:8080', ...headers } })).status;
      });
    const outside = {
      Origin: 'https://chat.example',
      'X-Forwarded-Host': 'chat.example',
      'X-Forwarded-Proto': 'https',
    };
    assert.equal(await attempt(1, outside), 101);
    assert.equal(await attempt(['127.0.0.1'], { ...outside, 'X-Forwarded-Proto': 'wss' }), 101);
    assert.equal(await attempt(1, { ...outside, Origin: 'http://chat.example' }), 403);
    assert.equal(await attempt(1, { ...outside, Origin: 'https://evil.example' }), 403);
    assert.equal(await attempt(1, { Origin: 'http://inner:8080' }), 101);
    assert.equal(await attempt(['10.0.0.1'], outside), 403);
    assert.equal(await attempt(false, outside), 403);
  });
});
