import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Engine } from '#dist/main/index.js';
import { connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import {
  acceptOf,
  freshKey,
  type HttpReply,
  handshakeText,
  openRaw,
  openWebSocket,
  type RequestOptions,
} from '../support/raw-socket.ts';
import { pause, until } from '../support/waiting.ts';

/** The reply to a handshake; a refused one must end the connection. */
async function shake(engine: Engine, options: RequestOptions): Promise<HttpReply> {
  const raw = await openRaw(engine.port);
  const reply = await raw.handshake(options);
  if (reply.status !== 101) {
    assert.equal(reply.headers.get('connection'), 'close');
    await raw.ended();
  }
  raw.destroy();
  return reply;
}

const key = 'Sec-WebSocket-Key';
const version = 'Sec-WebSocket-Version';
const protocol = 'Sec-WebSocket-Protocol';

describe('a handshake with a running engine', () => {
  test('is answered with the accept value of its key, and the connection then works', async () => {
    await withEngine({}, async (engine) => {
      const raw = await openRaw(engine.port);
      const mine = freshKey();
      const reply = await raw.handshake({ headers: { [key]: mine } });
      assert.equal(reply.lines[0], 'HTTP/1.1 101 Switching Protocols');
      assert.equal(reply.headers.get('sec-websocket-accept'), acceptOf(mine));
      assert.equal(reply.headers.has('sec-websocket-protocol'), false);
      raw.sendJson({ type: 'subscribe', data: { channel: 'news' } });
      raw.sendJson({ type: 'publish', channel: 'news', data: [1, 2] });
      const message = await raw.nextJson();
      assert.deepEqual([message.type, message.channel, message.data], ['message', 'news', [1, 2]]);
    });
  });

  test('what is wrong with it is said with a status, an error code and the headers that go with it', async () => {
    const cases: readonly (readonly [string, RequestOptions, number, string, (readonly [string, string])?])[] = [
      ['no key', { headers: { [key]: null } }, 400, 'ERR_HANDSHAKE_KEY'],
      ['an empty key', { headers: { [key]: '' } }, 400, 'ERR_HANDSHAKE_KEY'],
      ['24 characters that are no base64', { headers: { [key]: '!'.repeat(24) } }, 400, 'ERR_HANDSHAKE_KEY'],
      ['base64 of 15 bytes', { headers: { [key]: Buffer.alloc(15).toString('base64') } }, 400, 'ERR_HANDSHAKE_KEY'],
      [
        'base64 of 18 bytes, as long as a key',
        { headers: { [key]: Buffer.alloc(18).toString('base64') } },
        400,
        'ERR_HANDSHAKE_KEY',
      ],
      ['two keys', { headers: { [key]: [freshKey(), freshKey()] } }, 400, 'ERR_HANDSHAKE_KEY'],
      ['two keys, one of them good', { headers: { [key]: ['short', freshKey()] } }, 400, 'ERR_HANDSHAKE_KEY'],
      ['no version', { headers: { [version]: null } }, 400, 'ERR_HANDSHAKE_VERSION', [version, '13']],
      ['version 8', { headers: { [version]: '8' } }, 426, 'ERR_HANDSHAKE_VERSION', [version, '13']],
      ['POST', { method: 'POST' }, 405, 'ERR_HANDSHAKE_METHOD', ['Allow', 'GET']],
      ['PUT', { method: 'PUT' }, 405, 'ERR_HANDSHAKE_METHOD', ['Allow', 'GET']],
      ['another path', { target: '/ws2' }, 404, 'ERR_HANDSHAKE_PATH'],
      ['a longer path', { target: '/ws/' }, 404, 'ERR_HANDSHAKE_PATH'],
      ['another case of the path', { target: '/WS' }, 404, 'ERR_HANDSHAKE_PATH'],
      ['no Upgrade', { headers: { Upgrade: null } }, 400, 'ERR_HANDSHAKE_UPGRADE'],
      ['an Upgrade to h2c', { headers: { Upgrade: 'h2c' } }, 400, 'ERR_HANDSHAKE_UPGRADE'],
      ['no Connection', { headers: { Connection: null } }, 400, 'ERR_HANDSHAKE_CONNECTION'],
      ['Connection without Upgrade', { headers: { Connection: 'keep-alive' } }, 400, 'ERR_HANDSHAKE_CONNECTION'],
      ['a body', { headers: { 'Content-Length': '5' } }, 400, 'ERR_HANDSHAKE_MALFORMED'],
      ['a body in chunks', { headers: { 'Transfer-Encoding': 'chunked' } }, 400, 'ERR_HANDSHAKE_MALFORMED'],
      ['a foreign Origin', { headers: { Origin: 'http://evil.example' } }, 403, 'ERR_HANDSHAKE_ORIGIN'],
      ['an unknown subprotocol', { headers: { [protocol]: 'xml' } }, 400, 'ERR_HANDSHAKE_SUBPROTOCOL'],
      ['an id of 129 characters', { headers: { 'X-Client-ID': 'x'.repeat(129) } }, 400, 'ERR_NAME_INVALID'],
      ['an id in the header that is not ASCII', { headers: { 'X-Client-ID': 'J\xc3\xb6rg' } }, 400, 'ERR_NAME_INVALID'],
      ['an id in the query that is no UTF-8', { target: '/ws?client_id=J%F6rg' }, 400, 'ERR_NAME_INVALID'],
      ['the same in the query', { target: `/ws?client_id=${'x'.repeat(129)}` }, 400, 'ERR_NAME_INVALID'],
    ];
    await withEngine({}, async (engine) => {
      for (const [what, options, status, code, header] of cases) {
        const reply = await shake(engine, options);
        assert.equal(reply.status, status, what);
        assert.ok(reply.body.startsWith(`${code}: `), `${what}: ${reply.body}`);
        if (header !== undefined) assert.equal(reply.headers.get(header[0].toLowerCase()), header[1], what);
      }
      const stats = engine.stats();
      assert.equal(stats.connectionsOpened, 0);
      assert.equal(stats.handshakesAbandoned, 0);
      assert.equal(stats.handshakesRefused, cases.length);
      (await openWebSocket(engine.port)).destroy();
    });
  });

  test('header names in any case, and Connection as a list, are fine', async () => {
    await withEngine({}, async (engine) => {
      const headers = {
        Connection: null,
        Upgrade: null,
        [key]: null,
        cOnNeCtIoN: 'keep-alive, Upgrade',
        UPGRADE: 'WebSocket',
        'sec-websocket-KEY': freshKey(),
      };
      assert.equal((await shake(engine, { headers })).status, 101);
      assert.equal((await shake(engine, { headers: { Connection: ['keep-alive', 'Upgrade'] } })).status, 101);
    });
  });

  test('a page of the same origin may connect, also behind a default port or an IPv6 host', async () => {
    await withEngine({ hosts: ['example.com'] }, async (engine) => {
      for (const [origin, host] of [
        [`http://127.0.0.1:${engine.port}`, `127.0.0.1:${engine.port}`],
        ['https://example.com', 'example.com:443'],
        ['http://[::1]:8080', '[::1]:8080'],
      ] as const) {
        assert.equal((await shake(engine, { headers: { Host: host, Origin: origin } })).status, 101);
      }
    });
  });

  test('the option "origins" opens the engine to all, or to those on a list', async () => {
    const headers = { Origin: 'https://App.example' };
    await withEngine({ origins: '*' }, async (engine) => {
      assert.equal((await shake(engine, { headers })).status, 101);
    });
    await withEngine({ origins: ['https://app.example'] }, async (engine) => {
      assert.equal((await shake(engine, { headers })).status, 101);
      assert.equal((await shake(engine, { headers: { Origin: 'https://other.example' } })).status, 403);
    });
  });

  test('exactly one of the offered subprotocols is echoed', async () => {
    await withEngine({}, async (engine) => {
      const reply = await shake(engine, { headers: { [protocol]: 'xml, json' } });
      assert.equal(reply.status, 101);
      assert.equal(reply.headers.get('sec-websocket-protocol'), 'json');
      const twice = await shake(engine, { headers: { [protocol]: ['xml', 'json'] } });
      assert.equal(twice.headers.get('sec-websocket-protocol'), 'json');
    });
  });

  test("with unknownSubprotocol 'json' an unknown offer is accepted without an echo", async () => {
    await withEngine({ unknownSubprotocol: 'json' }, async (engine) => {
      const reply = await shake(engine, { headers: { [protocol]: 'xml' } });
      assert.equal(reply.status, 101);
      assert.equal(reply.headers.has('sec-websocket-protocol'), false);
    });
  });

  test('the client id is told to the engine, from the header or the query', async () => {
    await withEngine({}, async (engine) => {
      const names: string[] = [];
      engine.on('connect', (connection) => void names.push(connection.name));
      await connect(engine, { headers: { 'X-Client-ID': 'from header' }, query: 'client_id=not-this' });
      await connect(engine, { query: 'a=1&client_id=from%20query' });
      await connect(engine);
      await until(() => names.length === 3, 'three connections');
      assert.deepEqual(names.sort(), ['', 'from header', 'from query']);
    });
  });

  test('no compression is agreed on, whatever the client offers', async () => {
    await withEngine({}, async (engine) => {
      const offer = 'permessage-deflate; client_max_window_bits; server_max_window_bits=10';
      const reply = await shake(engine, { headers: { 'Sec-WebSocket-Extensions': offer } });
      assert.equal(reply.status, 101);
      assert.equal(reply.headers.has('sec-websocket-extensions'), false);
    });
  });

  test('one that trickles in line by line is accepted', async () => {
    await withEngine({}, async (engine) => {
      const raw = await openRaw(engine.port);
      for (const line of handshakeText().split(/(?<=\n)/)) {
        raw.write(line);
        await pause(5);
      }
      assert.equal((await raw.reply()).status, 101);
    });
  });

  test('what is no HTTP ends without harm, and so does a handshake of 64 KiB of headers', async () => {
    await withEngine({}, async (engine) => {
      const garbage = [
        Buffer.from('160301020001000', 'hex'),
        Buffer.alloc(4_096, 0xff),
        Buffer.from('\r\n'.repeat(2_000)),
        Buffer.from('SSH-2.0-OpenSSH_9.0\r\n'),
        Buffer.from('GET /ws HTTP/2.0\r\nHost: x\r\n\r\n'),
        Buffer.from('GET  /ws  HTTP/1.1\r\n\r\n'),
        Buffer.from(handshakeText({ headers: { 'X-Large': 'x'.repeat(65_536) } })),
      ];
      for (const bytes of garbage) {
        const raw = await openRaw(engine.port);
        raw.write(bytes);
        raw.socket.end();
        await raw.ended();
        assert.doesNotMatch(raw.unread.toString('latin1'), /^HTTP\/1\.1 (101|2)/);
      }
      assert.equal(engine.stats().connectionsOpened, 0);
      await (await connect(engine)).sync();
    });
  });

  test('100 half-open ones do not keep others from talking, and are counted when they end', async () => {
    await withEngine({}, async (engine) => {
      const half = await Promise.all(Array.from({ length: 100 }, () => openRaw(engine.port)));
      for (const [at, raw] of half.entries()) raw.write(handshakeText().slice(0, at % 3 === 0 ? 0 : 20 + at));
      const one = await connect(engine);
      const two = await connect(engine);
      await two.subscribe('news');
      for (let number = 0; number < 50; number++) {
        one.send({ type: 'publish', channel: 'news', data: number });
        assert.equal((await two.next()).data, number);
      }
      assert.equal(engine.stats().handshakesAbandoned, 0);
      for (const [at, raw] of half.entries()) {
        if (at % 2 === 0) raw.destroy();
        else raw.reset();
      }
      await until(() => engine.stats().handshakesAbandoned === 100, 'all to be counted');
      await one.sync();
      assert.equal(engine.stats().connections, 2);
    });
  });
});
