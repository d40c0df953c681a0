import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { type ExtensionTerms, handshakeRejection, type UpgradeOptions, upgrade } from '#dist/frame/index.js';
import { frameBytes, opcode } from '../support/raw-frames.ts';
import { handshakeText, openRaw, openWebSocket, type RequestHeaders, sampleKey } from '../support/raw-socket.ts';
import { pause, until, within } from '../support/waiting.ts';
import { duplexPair } from './duplex-pair.ts';
import { errorOf } from './frame-fixture.ts';
import { type Entry, withServer } from './servers.ts';

/** The whole answer to these bytes, as text. */
async function answerTo(port: number, text: string): Promise<string> {
  const raw = await openRaw(port);
  raw.write(text);
  const reply = await raw.reply();
  if (reply.status !== 101) await raw.ended();
  raw.destroy();
  return [...reply.lines, '', reply.body].join('\r\n');
}

const request = (headers: RequestHeaders = {}): string => handshakeText({ headers });

for (const entry of ['raw', 'http'] as const satisfies readonly Entry[]) {
  describe(`a handshake on a ${entry === 'raw' ? 'raw socket' : 'server of node:http'}`, () => {
    test('is answered byte by byte as it should be', async () => {
      const options: UpgradeOptions = {
        subprotocols: ['chat'],
        deflate: { serverNoContextTakeover: true },
        headers: { 'X-Every': ['1', '2'] },
        onBeforeUpgrade: () => ({ 'X-Last': 'yes' }),
      };
      await withServer({ entry, ...options }, async ({ port, outcomes }) => {
        const headers = { 'Sec-WebSocket-Protocol': 'chat', 'Sec-WebSocket-Extensions': 'permessage-deflate' };
        const answer = await answerTo(port, request(headers));
        assert.equal(
          answer,
          'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
            'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n' +
            'Sec-WebSocket-Extensions: permessage-deflate;server_no_context_takeover\r\n' +
            'X-Every: 1\r\nX-Every: 2\r\nX-Last: yes\r\n\r\n',
        );
        await until(() => outcomes.length > 0, 'the outcome');
        const [upgraded] = outcomes;
        assert.ok(upgraded !== undefined && !(upgraded instanceof Error));
        assert.equal(upgraded.subprotocol, 'chat');
        assert.equal(upgraded.host, '127.0.0.1');
        assert.equal(upgraded.target, '/ws');
        assert.equal(upgraded.deflate?.serverNoContextTakeover, true);
        assert.ok(upgraded.headers.some(([name, value]) => name === 'Sec-WebSocket-Key' && value === sampleKey));
      });
    });

    const refused: [string, RequestHeaders, number, string][] = [
      ['Upgrade missing', { Upgrade: null }, 400, 'ERR_HANDSHAKE_UPGRADE'],
      ['Upgrade wrong', { Upgrade: 'oops' }, 400, 'ERR_HANDSHAKE_UPGRADE'],
      ['Upgrade a list', { Upgrade: 'websocket, h2c' }, 400, 'ERR_HANDSHAKE_UPGRADE'],
      ['Upgrade twice', { Upgrade: ['websocket', 'websocket'] }, 400, 'ERR_HANDSHAKE_UPGRADE'],
      ['Connection missing', { Connection: null }, 400, 'ERR_HANDSHAKE_CONNECTION'],
      ['Connection wrong', { Connection: 'keep-alive' }, 400, 'ERR_HANDSHAKE_CONNECTION'],
      ['version missing', { 'Sec-WebSocket-Version': null }, 400, 'ERR_HANDSHAKE_VERSION'],
      ['version empty', { 'Sec-WebSocket-Version': '' }, 400, 'ERR_HANDSHAKE_VERSION'],
      ['version 15', { 'Sec-WebSocket-Version': '15' }, 426, 'ERR_HANDSHAKE_VERSION'],
      ['version 8', { 'Sec-WebSocket-Version': '8' }, 426, 'ERR_HANDSHAKE_VERSION'],
      ['key missing', { 'Sec-WebSocket-Key': null }, 400, 'ERR_HANDSHAKE_KEY'],
      ['key short', { 'Sec-WebSocket-Key': 'abc' }, 400, 'ERR_HANDSHAKE_KEY'],
      ['key no base64', { 'Sec-WebSocket-Key': '!'.repeat(24) }, 400, 'ERR_HANDSHAKE_KEY'],
      ['key twice', { 'Sec-WebSocket-Key': [sampleKey, sampleKey] }, 400, 'ERR_HANDSHAKE_KEY'],
      ['extension bad', { 'Sec-WebSocket-Extensions': '=[' }, 400, 'ERR_HANDSHAKE_MALFORMED'],
      ['subprotocol bad', { 'Sec-WebSocket-Protocol': '=[' }, 400, 'ERR_HANDSHAKE_MALFORMED'],
      ['a body', { 'Content-Length': '5' }, 400, 'ERR_HANDSHAKE_MALFORMED'],
      ['a chunked body', { 'Transfer-Encoding': 'chunked' }, 400, 'ERR_HANDSHAKE_MALFORMED'],
    ];
    for (const [what, headers, status, code] of refused) {
      // Behind node:http a request without these is no upgrade at all.
      if (
        entry === 'http' &&
        (what === 'Upgrade missing' || what.startsWith('Connection') || what === 'Upgrade a list')
      )
        continue;
      test(`with ${what} is refused with ${status}`, async () => {
        await withServer({ entry, headers: { 'X-Every': 'yes' } }, async ({ port, outcomes }) => {
          const answer = await answerTo(port, request(headers));
          assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
          assert.match(answer, /\r\nX-Every: yes\r\n/);
          assert.equal(answer.includes('\r\nSec-WebSocket-Version: 13\r\n'), status === 426);
          const body = answer.slice(answer.indexOf('\r\n\r\n') + 4);
          assert.ok(body.startsWith(`${code}: `), answer);
          assert.ok(answer.includes(`\r\nContent-Length: ${body.length}\r\n`));
          await until(() => outcomes.length > 0, 'the outcome');
          assert.equal((outcomes[0] as { code?: string }).code, code);
        });
      });
    }

    test('takes names and values in any case, and lists', async () => {
      await withServer({ entry }, async ({ port }) => {
        const text = request()
          .replace('Upgrade: websocket', 'uPGRADE:\t WebSocket ')
          .replace('Connection: Upgrade', 'CONNECTION: keep-alive, UPGRADE')
          .replace('Sec-WebSocket-Key', 'sec-websocket-key');
        assert.match(await answerTo(port, text), /^HTTP\/1\.1 101 /);
        const split = request({ Connection: ['keep-alive', 'x, Upgrade'] });
        if (entry === 'raw') assert.match(await answerTo(port, split), /^HTTP\/1\.1 101 /);
      });
    });

    test('keeps bytes that come with the request', async () => {
      await withServer({ entry }, async ({ port }) => {
        const raw = await openRaw(port);
        const early = Buffer.concat([
          frameBytes({ opcode: opcode.text, payload: 'early' }),
          frameBytes({ opcode: opcode.text, payload: 'half of the next' }).subarray(0, 9),
        ]);
        assert.equal((await raw.handshake({ early })).status, 101);
        assert.equal((await raw.nextFrame()).payload.toString(), 'early');
        raw.write(frameBytes({ opcode: opcode.text, payload: 'half of the next' }).subarray(9));
        assert.equal((await raw.nextFrame()).payload.toString(), 'half of the next');
      });
    });

    test('takes the first subprotocol of the client that is accepted, or the best of the server', async () => {
      const chosen = async (options: UpgradeOptions, offer: string | string[]): Promise<string | null> =>
        withServer({ entry, ...options }, async ({ port }) => {
          const raw = await openRaw(port);
          const reply = await raw.handshake({ headers: { 'Sec-WebSocket-Protocol': offer } });
          return reply.status === 101 ? (reply.headers.get('sec-websocket-protocol') ?? null) : `${reply.status}`;
        });
      const subprotocols = ['b', 'c', 'a'];
      assert.equal(await chosen({ subprotocols }, 'a, c'), 'c');
      assert.equal(await chosen({ subprotocols, preference: 'client' }, 'x, a, c'), 'a');
      assert.equal(await chosen({ acceptSubprotocol: (name) => name > 'b' }, ['a, b', 'c, d']), 'c');
      assert.equal(await chosen({ subprotocols }, 'x, A'), null);
      assert.equal(await chosen({ subprotocols, unknownSubprotocol: 'reject' }, 'x'), '400');
    });

    test('hands each extension to the program, and answers with what it settles', async () => {
      const seen: ExtensionTerms[] = [];
      const negotiate = (offer: ExtensionTerms): ExtensionTerms | null => {
        seen.push(offer);
        return offer.name === 'b' || offer.name === 'd' ? offer : null;
      };
      await withServer({ entry, negotiate, deflate: {} }, async ({ port }) => {
        const raw = await openRaw(port);
        const offer = [
          'a;foo=1,b;bar=2',
          'permessage-deflate;server_max_window_bits=8',
          'c,d;baz=3,permessage-deflate',
        ];
        const reply = await raw.handshake({ headers: { 'Sec-WebSocket-Extensions': offer } });
        assert.equal(reply.headers.get('sec-websocket-extensions'), 'b;bar=2,d;baz=3,permessage-deflate');
        assert.deepEqual(
          seen.map(({ name }) => name),
          ['a', 'b', 'c', 'd'],
        );
      });
    });

    test('calls the program in the order of the wire', async () => {
      const calls: string[] = [];
      const options: UpgradeOptions = {
        onRequest: async (target) => {
          await pause(1);
          calls.push(`request ${target}`);
        },
        onHost: (host) => void calls.push(`host ${host}`),
        acceptSubprotocol: (name) => {
          calls.push(`subprotocol ${name}`);
          return false;
        },
        negotiate: ({ name }) => {
          calls.push(`extension ${name}`);
          return null;
        },
        onHeader: (name, value) => void calls.push(`header ${name} ${value}`),
        onBeforeUpgrade: () => {
          calls.push('before upgrade');
          return undefined;
        },
      };
      await withServer({ entry, ...options }, async ({ port }) => {
        const text =
          'GET /path?query HTTP/1.1\r\nx-first: 1\r\nSec-WebSocket-Extensions: e\r\nHost: example\r\n' +
          'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: p\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
          `Sec-WebSocket-Key: ${sampleKey}\r\nORIGIN: http://o\r\n\r\n`;
        assert.match(await answerTo(port, text), /^HTTP\/1\.1 101 /);
        assert.deepEqual(calls, [
          'request /path?query',
          'header X-First 1',
          'extension e',
          'host example',
          'subprotocol p',
          'header Origin http://o',
          'before upgrade',
        ]);
      });
    });

    test('is refused as a hook says, or with 500 and no word of the fault', async () => {
      const hooks: [UpgradeOptions, string][] = [
        [
          { onRequest: () => Promise.reject(handshakeRejection({ status: 404, reason: 'no such thing' })) },
          '404 Not Found',
        ],
        [
          {
            onHost: () => {
              throw handshakeRejection({ status: 301, headers: { Location: '/x' } });
            },
          },
          '301 Moved',
        ],
        [
          {
            onBeforeUpgrade: () => {
              throw new Error('secret of the house');
            },
          },
          '500 Internal',
        ],
        [{ onBeforeUpgrade: () => ({ 'X-Bad': 'a\r\nb' }) }, '500 Internal'],
        [{ negotiate: () => ({ name: 'x', parameters: [['a', '1\r\nInjected: 1']] }) }, '500 Internal'],
      ];
      for (const [options, status] of hooks) {
        let later = false;
        const headers = { 'X-Every': 'yes' };
        await withServer(
          {
            entry,
            headers,
            onHeader: () => {
              later = true;
            },
            ...options,
          },
          async ({ port }) => {
            const answer = await answerTo(
              port,
              `${request().slice(0, -2)}Sec-WebSocket-Extensions: x\r\nX-Later: 1\r\n\r\n`,
            );
            assert.ok(answer.startsWith(`HTTP/1.1 ${status}`), answer);
            assert.ok(!answer.includes('secret'));
            assert.match(answer, /Content-Type: text\/plain; charset=utf-8\r\nX-Every: yes\r\n/);
            if (status.startsWith('301')) assert.match(answer, /\r\nLocation: \/x\r\nContent-Length: /);
            if (status.startsWith('404')) assert.ok(answer.endsWith('\r\n\r\nno such thing'));
            if (status.startsWith('404') || status.startsWith('301'))
              assert.equal(later, false, 'what follows is not read');
          },
        );
      }
    });
  });
}

describe('a handshake on a raw socket', () => {
  test('is refused byte by byte as it should be', async () => {
    await withServer({ headers: { 'X-Every': 'yes' } }, async ({ port }) => {
      const body = 'ERR_HANDSHAKE_VERSION: Sec-WebSocket-Version must be 13\n';
      assert.equal(
        await answerTo(port, request({ 'Sec-WebSocket-Version': '15' })),
        'HTTP/1.1 426 Upgrade Required\r\nContent-Type: text/plain; charset=utf-8\r\nX-Every: yes\r\n' +
          `Sec-WebSocket-Version: 13\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
    });
  });

  test('of another method or version is refused', async () => {
    await withServer({}, async ({ port }) => {
      const first = (line: string): Promise<string> => answerTo(port, request().replace(/^.*\r\n/, `${line}\r\n`));
      assert.match(
        await first('POST /ws HTTP/1.1'),
        /^HTTP\/1\.1 405 [\s\S]*Allow: GET\r\n[\s\S]*ERR_HANDSHAKE_METHOD/,
      );
      assert.match(await first('GET /ws HTTP/1.0'), /^HTTP\/1\.1 505 [\s\S]*ERR_HANDSHAKE_HTTP_VERSION/);
      assert.match(await first('GET /ws HTTP/2.0'), /^HTTP\/1\.1 505 /);
      assert.match(await first('POST /ws HTTP/1.0'), /^HTTP\/1\.1 505 /);
      assert.match(await first('GET /ws HTTP/1.9'), /^HTTP\/1\.1 101 /);
    });
  });

  test('that is no HTTP gets 400', async () => {
    await withServer({}, async ({ port }) => {
      const good = request();
      const bad = [
        'hello\r\n\r\n',
        'GET /ws\r\n\r\n',
        'GET  /ws HTTP/1.1\r\n\r\n',
        'GET /ws HTTP/1.x\r\n\r\n',
        'GET /w\x01s HTTP/1.1\r\n\r\n',
        good.replace('Host:', 'Host'),
        good.replace('Host: ', 'Host : '),
        good.replace('Host:', ' Host:'),
        good.replace('Upgrade: websocket', 'Upgrade: web\x00socket'),
        good.replace('\r\nUpgrade: websocket', '\nUpgrade: websocket'),
        good.replace('\r\nUpgrade:', '\r\nX-Folded: a\r\n b\r\nUpgrade:'),
        '\x16\x03\x01\x02\x00\x01\r\n\r\n',
      ];
      for (const text of bad) {
        const answer = await answerTo(port, text);
        assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n[\s\S]*ERR_HANDSHAKE_MALFORMED/, JSON.stringify(text));
      }
      assert.match(await answerTo(port, request({ Host: null })), /^HTTP\/1\.1 400 [\s\S]*ERR_HANDSHAKE_HOST/);
      assert.match(await answerTo(port, request({ Host: ['a', 'b'] })), /^HTTP\/1\.1 400 [\s\S]*ERR_HANDSHAKE_HOST/);
    });
  });

  test('that ends before its end gets 400 too', async () => {
    await withServer({}, async ({ port, outcomes }) => {
      const raw = await openRaw(port);
      raw.socket.allowHalfOpen = true;
      raw.socket.end('GET /ws HTTP/1.1\r\nHost: x\r\n');
      assert.equal((await raw.reply()).status, 400);
      await until(() => outcomes.length > 0, 'the outcome');
      assert.equal((outcomes[0] as { code?: string }).code, 'ERR_HANDSHAKE_ABORTED');
    });
  });

  test('that is too large gets 431 before it is held', async () => {
    await withServer({ maxHeadBytes: 1_000, maxHeaders: 10 }, async ({ port }) => {
      assert.match(await answerTo(port, request({ 'X-Long': 'x'.repeat(1_000) })), /^HTTP\/1\.1 431 /);
      assert.match(await answerTo(port, 'x'.repeat(1_100)), /^HTTP\/1\.1 431 [\s\S]*ERR_HANDSHAKE_TOO_LARGE/);
      const many = Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`X-${i}`, '1']));
      assert.match(await answerTo(port, request(many)), /^HTTP\/1\.1 431 /);
      assert.match(await answerTo(port, request({ 'X-Long': 'x'.repeat(700) })), /^HTTP\/1\.1 101 /);
    });
  });

  test('that is too large gets 431 behind node:http too, counted line by line', async () => {
    // Each line of the sample, and those of the test, as `name: value`, without the blank line at the end.
    const exact = request({ 'X-Long': 'x'.repeat(700) }).length - 4;
    for (const entry of ['raw', 'http'] as const) {
      const lines = request().split('\r\n').length - 3;
      await withServer({ entry, maxHeadBytes: exact, maxHeaders: lines + 1 }, async ({ port, outcomes }) => {
        assert.match(await answerTo(port, request({ 'X-Long': 'x'.repeat(700) })), /^HTTP\/1\.1 101 /, entry);
        for (const headers of [{ 'X-Long': 'x'.repeat(701) }, { 'X-1': '1', 'X-2': '2' }] as const) {
          const refusal = await answerTo(port, request(headers));
          assert.match(refusal, /^HTTP\/1\.1 431 [\s\S]*ERR_HANDSHAKE_TOO_LARGE/, `${entry} ${refusal}`);
        }
        await until(() => outcomes.length === 3, 'the outcomes');
        for (const error of outcomes.slice(1)) assert.equal(Reflect.get(error, 'code'), 'ERR_HANDSHAKE_TOO_LARGE');
      });
    }
  });

  test('that comes slowly works, with all its headers seen', async () => {
    const seen: string[] = [];
    await withServer({ onHeader: (name) => void seen.push(name) }, async ({ port }) => {
      const raw = await openRaw(port);
      const bytes = Buffer.from(request({ 'X-One': '1', 'X-Two': '2' }));
      for (let at = 0; at < bytes.length; at += 10) {
        raw.write(bytes.subarray(at, at + 10));
        await pause(1);
      }
      assert.equal((await raw.reply()).status, 101);
      assert.deepEqual(seen, ['X-One', 'X-Two']);
    });
  });

  test('that does not come to its end gets 408', async () => {
    await withServer({ handshakeTimeoutMs: 30 }, async ({ port }) => {
      const raw = await openRaw(port);
      raw.write('GET /ws HTTP/1.1\r\n');
      const reply = await raw.reply();
      assert.equal(reply.status, 408);
      assert.match(reply.body, /^ERR_HANDSHAKE_TIMEOUT/);
      await raw.ended();
    });
  });

  test('of hostile bytes is always answered or ended, and nothing breaks', async () => {
    await withServer({}, async ({ port }) => {
      const good = Buffer.from(request());
      for (let i = 0; i < 300; i++) {
        const bytes = Buffer.from(good);
        const at = (i * 7919) % bytes.length;
        bytes[at] = (i * 31) % 256;
        const raw = await openRaw(port);
        raw.socket.end(bytes);
        const reply = await within(raw.reply(), `an answer to ${bytes.toString('latin1')}`).catch(
          (error: Error) => error,
        );
        assert.ok(reply instanceof Error || reply.status >= 101);
        raw.destroy();
      }
    });
  });

  test('on any duplex stream', async () => {
    const [near, far] = duplexPair();
    const upgraded = upgrade(near);
    far.write(request());
    const { connection } = await upgraded;
    far.write(frameBytes({ opcode: opcode.text, payload: 'in memory' }));
    assert.equal((await connection.readMessage())?.payload.toString(), 'in memory');
    connection.destroy();
  });

  test('with options that make no sense is not begun', async () => {
    const wrong: [UpgradeOptions, string][] = [
      [{ subprotocols: ['a b'] }, 'subprotocols'],
      [{ preference: 'x' as 'server' }, 'preference'],
      [{ unknownSubprotocol: 'x' as 'accept' }, 'unknownSubprotocol'],
      [{ maxHeaders: 0 }, 'maxHeaders'],
      [{ handshakeTimeoutMs: -1 }, 'handshakeTimeoutMs'],
      [{ headers: { 'X-Bad': 'a\r\nInjected: 1' } }, 'headers.X-Bad'],
      [{ deflate: { level: 99 } }, 'deflate.level'],
    ];
    for (const [options, path] of wrong) {
      const [near] = duplexPair();
      assert.equal((await errorOf(() => upgrade(near, options))).path, path);
    }
    assert.equal((await errorOf(() => handshakeRejection({ status: 200 }))).code, 'ERR_OPTION_INVALID');
  });

  test('of a client that is gone is no harm', async () => {
    await withServer({ onRequest: () => pause(20) }, async ({ port, outcomes }) => {
      const raw = await openRaw(port);
      raw.write(request());
      await pause(5);
      raw.reset();
      await until(() => outcomes.length > 0, 'the outcome');
      const open = await openWebSocket(port);
      open.sendText('others go on');
      assert.equal((await open.nextFrame()).payload.toString(), 'others go on');
      open.sendClose(1000);
      await open.ended();
      await once(open.socket, 'close');
    });
  });
});
