import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { describe, test } from 'node:test';
import { acceptFor, type Dialed, type DialOptions, dial } from '#dist/frame/index.js';
import { frameBytes, opcode } from '../support/raw-frames.ts';
import { pause, until, within } from '../support/waiting.ts';
import { duplexPair } from './duplex-pair.ts';
import { errorOf } from './frame-fixture.ts';
import { withServer } from './servers.ts';

/** Dials a peer that reads the request and answers with what `answer` makes of it. */
async function dialed(
  answer: (request: string, key: string) => string | Buffer,
  options: DialOptions = {},
): Promise<{ result: Promise<Dialed>; request: Promise<string>; far: Duplex }> {
  const [near, far] = duplexPair();
  let request = '';
  const whole = new Promise<string>((resolve) => {
    far.on('data', (bytes: Buffer) => {
      request += bytes.toString('latin1');
      if (!request.endsWith('\r\n\r\n')) return;
      const key = /Sec-WebSocket-Key: (.*)\r\n/.exec(request)?.[1] ?? '';
      far.write(answer(request, key));
      resolve(request);
    });
  });
  const result = dial('ws://example.org/chat?room=1', { connect: () => near, ...options });
  result.catch(() => undefined);
  return { result, request: whole, far };
}

const good = (key: string, more = ''): string =>
  `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptFor(key)}\r\n${more}\r\n`;

describe('dialing', () => {
  test('sends the request of RFC 6455, headers in a fixed order, those of the program last', async () => {
    const { result, request } = await dialed((_, key) => good(key, 'Sec-WebSocket-Protocol: b\r\n'), {
      subprotocols: ['a', 'b'],
      deflate: {},
      extensions: [{ name: 'x-own', parameters: [['p', '1']] }],
      headers: { Authorization: 'Bearer x', 'X-Two': ['1', '2'] },
    });
    const { connection, subprotocol, extensions, deflate } = await result;
    const key = /Sec-WebSocket-Key: (.*)\r\n/.exec(await request)?.[1];
    assert.equal(
      await request,
      'GET /chat?room=1 HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Protocol: a, b\r\n` +
        'Sec-WebSocket-Extensions: permessage-deflate;client_max_window_bits,x-own;p=1\r\n' +
        'Authorization: Bearer x\r\nX-Two: 1\r\nX-Two: 2\r\n\r\n',
    );
    assert.deepEqual([subprotocol, extensions, deflate], ['b', [], null]);
    connection.destroy();
  });

  test('names host and port as the address has them', async () => {
    const hosts: [string, string][] = [
      ['ws://example.org', 'example.org'],
      ['ws://example.org:80/', 'example.org'],
      ['ws://example.org:81/x', 'example.org:81'],
      ['wss://example.org:443/', 'example.org'],
      ['wss://example.org:80/', 'example.org:80'],
      ['ws://[::1]:9000/', '[::1]:9000'],
      ['ws://[fe80::1]/', '[fe80::1]'],
    ];
    for (const [address, host] of hosts) {
      const [near, far] = duplexPair();
      const result = dial(address, { connect: () => near });
      const [bytes] = (await once(far, 'data')) as [Buffer];
      assert.ok(bytes.toString().includes(`\r\nHost: ${host}\r\n`), bytes.toString());
      far.destroy();
      assert.equal((await errorOf(() => result)).code, 'ERR_DIAL_RESPONSE');
    }
    const { request, result } = await dialed((_, key) => good(key), { host: 'other.example' });
    assert.match(await request, /\r\nHost: other\.example\r\n/);
    (await result).connection.destroy();
  });

  test('refuses addresses and options that make no sense, before it opens anything', async () => {
    const connect = (): never => assert.fail('opened');
    for (const address of ['http://x/', 'x', 'ws:', 'ws://x/#f', 'ws://x/#', 'ws://user:secret@x/', '']) {
      assert.equal((await errorOf(() => dial(address, { connect }))).code, 'ERR_DIAL_URL', address);
    }
    const wrong: [DialOptions, string][] = [
      [{ headers: { upgrade: 'x' } }, 'headers.upgrade'],
      [{ headers: { 'X-A': 'a\r\nb' } }, 'headers.X-A'],
      [{ headers: { 'X A': 'a' } }, 'headers.X A'],
      [{ host: 'a\r\nb' }, 'host.Host'],
      [{ subprotocols: ['a', 'a'] }, 'subprotocols'],
      [{ subprotocols: ['a,b'] }, 'subprotocols'],
      [{ timeoutMs: 0 }, 'timeoutMs'],
      [{ deflate: { clientMaxWindowBits: 8 } }, 'deflate.clientMaxWindowBits'],
    ];
    for (const [options, path] of wrong) {
      assert.equal((await errorOf(() => dial('ws://x/', { connect, ...options }))).path, path);
    }
  });

  const accepted: [string, string, DialOptions][] = [
    ['as it should be', '', {}],
    ['a list in Connection', 'Connection: keep-alive\r\n', {}],
    ['no subprotocol of those offered', '', { subprotocols: ['a'] }],
    ['a subprotocol', 'Sec-WebSocket-Protocol: a\r\n', { subprotocols: ['b', 'a'] }],
    ['an extension', 'Sec-WebSocket-Extensions: e;x=1\r\n', { extensions: [{ name: 'e', parameters: [] }] }],
    ['compression', 'Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n', { deflate: {} }],
  ];
  for (const [what, more, options] of accepted) {
    test(`accepts an answer with ${what}`, async () => {
      const { result, far } = await dialed((_, key) => good(key, more), options);
      const { connection } = await result;
      far.write(frameBytes({ opcode: opcode.text, payload: 'hello', masked: false }));
      assert.equal((await connection.readMessage())?.payload.toString(), 'hello');
      connection.destroy();
    });
  }

  const refused: [string, (key: string) => string, string][] = [
    [
      'a list in Connection without upgrade',
      (key) => good(key).replace('Connection: Upgrade', 'Connection: close'),
      'ERR_DIAL_RESPONSE',
    ],
    ['no Upgrade', (key) => good(key).replace('Upgrade: websocket\r\n', ''), 'ERR_DIAL_RESPONSE'],
    ['a wrong Upgrade', (key) => good(key).replace('Upgrade: websocket', 'Upgrade: oops'), 'ERR_DIAL_RESPONSE'],
    ['no accept', () => good('x').replace(/Sec-WebSocket-Accept.*\r\n/, ''), 'ERR_DIAL_ACCEPT'],
    ['a wrong accept', () => good('other'), 'ERR_DIAL_ACCEPT'],
    ['two accepts', (key) => good(key, `Sec-WebSocket-Accept: ${acceptFor(key)}\r\n`), 'ERR_DIAL_ACCEPT'],
    ['a subprotocol nobody offered', (key) => good(key, 'Sec-WebSocket-Protocol: zap\r\n'), 'ERR_DIAL_SUBPROTOCOL'],
    [
      'two subprotocols',
      (key) => good(key, 'Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n'),
      'ERR_DIAL_SUBPROTOCOL',
    ],
    ['an extension nobody offered', (key) => good(key, 'Sec-WebSocket-Extensions: foo\r\n'), 'ERR_DIAL_EXTENSION'],
    [
      'compression twice',
      (key) => good(key, 'Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate\r\n'),
      'ERR_DIAL_EXTENSION',
    ],
    [
      'wrong terms of compression',
      (key) => good(key, 'Sec-WebSocket-Extensions: permessage-deflate; x\r\n'),
      'ERR_DIAL_EXTENSION',
    ],
    ['bad extensions', (key) => good(key, 'Sec-WebSocket-Extensions: =[\r\n'), 'ERR_DIAL_EXTENSION'],
    ['another version of HTTP', (key) => good(key).replace('HTTP/1.1', 'HTTP/2.1'), 'ERR_DIAL_RESPONSE'],
    ['an old version of HTTP', (key) => good(key).replace('HTTP/1.1', 'HTTP/1.0'), 'ERR_DIAL_RESPONSE'],
    ['no HTTP at all', () => 'SSH-2.0\r\n\r\n', 'ERR_DIAL_RESPONSE'],
    ['a malformed header', (key) => good(key, 'no colon\r\n'), 'ERR_DIAL_RESPONSE'],
    ['a head without end', () => 'x'.repeat(20_000), 'ERR_DIAL_RESPONSE'],
    ['another status', () => 'HTTP/1.1 400 Bad Request\r\n\r\n', 'ERR_DIAL_STATUS'],
    ['a status without text', () => 'HTTP/1.1 503\r\n\r\n', 'ERR_DIAL_STATUS'],
    ['the success of another kind', () => 'HTTP/1.1 200 OK\r\n\r\n', 'ERR_DIAL_STATUS'],
  ];
  for (const [what, answer, code] of refused) {
    test(`refuses an answer with ${what} as ${code}`, async () => {
      const { result, far } = await dialed((_, key) => answer(key), { subprotocols: ['a', 'b'], deflate: {} });
      assert.equal((await errorOf(() => result)).code, code);
      await until(() => far.readableEnded || far.destroyed, 'the stream to be given up');
    });
  }

  const interim: [string, string][] = [
    ['100', 'HTTP/1.1 100 Continue\r\n\r\n'],
    ['102', 'HTTP/1.1 102 Processing\r\n\r\n'],
    ['103 with headers', 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nUpgrade: no\r\n\r\n'],
    ['one that nobody knows', 'HTTP/1.1 199\r\n\r\n'],
    ['as many as may be', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(16)],
  ];
  for (const [what, before] of interim) {
    for (const pieces of ['at once', 'byte by byte'] as const) {
      test(`passes over interim answers that come ${pieces}: ${what} (RFC 9110 section 15.2)`, async () => {
        const seen: string[] = [];
        const early = frameBytes({ opcode: opcode.text, payload: 'early', masked: false });
        const { result, far, request } = await dialed(() => '', { onHeader: (name) => void seen.push(name) });
        const key = /Sec-WebSocket-Key: (.*)\r\n/.exec(await request)?.[1] ?? '';
        const bytes = Buffer.concat([Buffer.from(before + good(key, 'X-Own: 1\r\n')), early]);
        if (pieces === 'at once') far.write(bytes);
        else for (const byte of bytes) far.write(Buffer.of(byte));
        const { connection, headers } = await result;
        assert.equal((await connection.readMessage())?.payload.toString(), 'early');
        assert.deepEqual(seen, ['X-Own']);
        assert.equal(headers.length, 4);
        connection.destroy();
      });
    }
  }

  test('passes over interim answers before a refusal, also if the server ends behind it', async () => {
    const { result, far, request } = await dialed(() => '');
    await request;
    far.end('HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n');
    const error = await errorOf(() => result);
    assert.deepEqual([error.code, error.given], ['ERR_DIAL_STATUS', 404]);
  });

  test('bounds interim answers in number and in bytes', async () => {
    const hint = `HTTP/1.1 103 Early Hints\r\nLink: ${'x'.repeat(200)}\r\n\r\n`;
    const tooMuch: [string, DialOptions, RegExp][] = [
      ['HTTP/1.1 100 Continue\r\n\r\n'.repeat(17), {}, /more than 16 interim/],
      [hint.repeat(4), { maxHeadBytes: 500 }, /more than 500 bytes/],
      [hint.repeat(2), { maxHeadBytes: 500 }, /more than 500 bytes/],
    ];
    for (const [before, options, text] of tooMuch) {
      const { result, far } = await dialed((_, key) => before + good(key), options);
      const error = await errorOf(() => result);
      assert.equal(error.code, 'ERR_DIAL_RESPONSE');
      assert.match(error.message, text);
      await until(() => far.readableEnded || far.destroyed, 'the stream to be given up');
    }
    const { result } = await dialed((_, key) => hint + good(key), { maxHeadBytes: 500 });
    (await result).connection.destroy();
  });

  test('shows a refusal with its whole body', async () => {
    const body = 'why not '.repeat(625);
    const seen: unknown[] = [];
    const { result } = await dialed(
      () => `HTTP/1.1 418 I'm a teapot\r\nContent-Length: ${body.length}\r\nX-Why: because\r\n\r\n${body}`,
      {
        onRefusal: async ({ status, reason, headers, stream }) => {
          let text = '';
          for await (const bytes of stream) {
            text += String(bytes);
            if (text.length >= body.length) break;
          }
          seen.push(status, reason, headers[1], text === body);
        },
      },
    );
    const error = await errorOf(() => result);
    assert.deepEqual([error.code, error.given], ['ERR_DIAL_STATUS', 418]);
    assert.deepEqual(seen, [418, "I'm a teapot", ['X-Why', 'because'], true]);
  });

  test('keeps frames that come with the answer, also a part of one', async () => {
    const early = frameBytes({ opcode: opcode.text, payload: 'with the answer', masked: false });
    const { result, far } = await dialed((_, key) =>
      Buffer.concat([Buffer.from(good(key)), early, early.subarray(0, 5)]),
    );
    const { connection } = await result;
    assert.equal((await connection.readMessage())?.payload.toString(), 'with the answer');
    far.write(early.subarray(5));
    assert.equal((await connection.readMessage())?.payload.toString(), 'with the answer');
    connection.destroy();
  });

  test('tells the other headers of the answer', async () => {
    const seen: string[] = [];
    const { result } = await dialed((_, key) => good(key, 'x-some-header: v\r\n'), {
      onHeader: (name, value) => void seen.push(`${name}=${value}`),
    });
    const { connection, headers } = await result;
    assert.deepEqual(seen, ['X-Some-Header=v']);
    assert.ok(headers.some(([name]) => name === 'x-some-header'));
    connection.destroy();
  });

  test('ends by its signal and by its time, and leaves nothing open', async () => {
    const sockets = new Set<Socket>();
    const silent = createServer((socket) => {
      sockets.add(socket);
      socket
        .on('error', () => undefined)
        .on('close', () => sockets.delete(socket))
        .resume();
    });
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    const address = `ws://127.0.0.1:${port}/`;
    const reason = new Error('the user went away');
    await assert.rejects(dial(address, { signal: AbortSignal.abort(reason) }), reason);
    const aborter = new AbortController();
    const dialing = dial(address, { signal: aborter.signal });
    await until(() => sockets.size > 0, 'the connection');
    aborter.abort(reason);
    await assert.rejects(dialing, reason);
    assert.equal((await errorOf(() => dial(address, { timeoutMs: 30 }))).code, 'ERR_DIAL_TIMEOUT');
    // While the stream itself is being made.
    const late = duplexPair()[0];
    const connect = async (): Promise<Duplex> => {
      await pause(40);
      return late;
    };
    assert.equal((await errorOf(() => dial(address, { timeoutMs: 10, connect }))).code, 'ERR_DIAL_TIMEOUT');
    await until(() => late.destroyed, 'the stream that came too late to be destroyed');
    await until(() => sockets.size === 0, 'all sockets to be closed');
    await new Promise((resolve) => silent.close(resolve));
  });

  test('the own server: messages, compression, closing, both entries', async () => {
    for (const entry of ['raw', 'http'] as const) {
      await withServer({ entry, subprotocols: ['echo'], deflate: { thresholdBytes: 0 } }, async ({ port }) => {
        const { connection, subprotocol, deflate } = await dial(`ws://127.0.0.1:${port}/some/path`, {
          subprotocols: ['echo'],
          deflate: { thresholdBytes: 0 },
        });
        assert.equal(subprotocol, 'echo');
        assert.equal(deflate?.serverMaxWindowBits, 15);
        for (const text of ['', 'hello', 'é'.repeat(100_000)]) {
          await connection.writeMessage(text);
          assert.equal((await connection.readMessage())?.payload.toString(), text);
        }
        const info = await within(connection.close(1000, 'done'), 'the end');
        assert.deepEqual(info, { code: 1000, reason: '', clean: true, error: undefined });
      });
    }
  });
});
