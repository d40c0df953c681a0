import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import { handshakeText, openRaw } from '../support/raw-socket.ts';
import { pause, until } from '../support/waiting.ts';
import { aboutMe, begun, deciding, seenAs, shake } from './upgrade-client.ts';

const one = { shards: 1, handlers: deciding };

describe('the upgrade handler', () => {
  for (const late of ['', '&late=0', '&late=20']) {
    const when = late === '' ? 'at once' : `after ${late.slice(6)} ms`;

    test(`accepts ${when}: with nothing, with true, with metadata`, async () => {
      await withEngine(one, async (engine) => {
        for (const what of ['', 'true']) {
          const about = await seenAs(engine, `do=${what}${late}`, { 'X-Client-ID': 'me' });
          assert.deepEqual([about.metadata, about.name, about.codec], [{}, 'me', 'json']);
        }
        const { metadata, prototype } = await seenAs(engine, `do=facts&a=1&a=%20${late}`, {
          'X-Custom': 'yes',
          'X-Client-ID': 'me',
          Cookie: 'session="abc"; theme=dark',
          Origin: `http://127.0.0.1:${engine.port}`,
        });
        assert.equal(prototype, true);
        assert.deepEqual(
          { ...metadata, subprotocols: [], query: (metadata['query'] as string[][]).slice(0, 3) },
          {
            method: 'GET',
            path: '/ws',
            query: [
              ['do', 'facts'],
              ['a', '1'],
              ['a', ' '],
            ],
            custom: 'yes',
            cookies: [
              ['session', 'abc'],
              ['theme', 'dark'],
            ],
            remoteAddress: '127.0.0.1',
            origin: `http://127.0.0.1:${engine.port}`,
            subprotocols: [],
            name: 'me',
            aborted: false,
          },
        );
      });
    });

    test(`refuses ${when}: 403 for false, an answer of its own with reject`, async () => {
      await withEngine(one, async (engine) => {
        const no = await shake(engine, `do=false${late}`);
        assert.equal(no.status, 403);
        assert.equal(no.body, 'ERR_HANDSHAKE_REFUSED: not allowed\n');
        const challenge = await shake(engine, `do=challenge${late}`);
        assert.equal(challenge.lines[0], 'HTTP/1.1 401 Unauthorized');
        assert.equal(challenge.headers.get('www-authenticate'), 'Bearer realm="chat"');
        assert.equal(challenge.headers.get('content-type'), 'text/plain; charset=utf-8');
        assert.equal(challenge.headers.get('connection'), 'close');
        assert.equal(challenge.body, 'who are you?\n');
        const teapot = await shake(engine, `do=teapot${late}`);
        assert.deepEqual([teapot.status, teapot.body, teapot.headers.has('content-type')], [418, '', false]);
        const json = await shake(engine, `do=json${late}`);
        assert.deepEqual([json.status, json.headers.get('content-type')], [422, 'application/json']);
        assert.deepEqual(JSON.parse(json.body), { no: 'ü' });
        const { upgradesRejected, handshakesRefused, handlerErrors, connectionsOpened } = engine.stats();
        assert.deepEqual([upgradesRejected, handshakesRefused, handlerErrors, connectionsOpened], [4, 4, 0, 0]);
      });
    });

    test(`answers what fails ${when} with 500 and says nothing of the reason; it is counted and logged`, async () => {
      const lines: string[] = [];
      const write = (_fields: object, text: string): void => void lines.push(text);
      const logger = { debug: write, info: write, warn: write, error: write } as never;
      await withEngine({ ...one, logger }, async (engine) => {
        const kinds = [
          'null',
          'number',
          'string',
          'list',
          'map',
          'function',
          'unknown-key',
          'metadata',
          'metadata-list',
        ];
        kinds.push('name', 'long-name', 'not-offered', 'not-known', 'no-text', 'getter');
        const queries = ['do=throw', 'do=split', ...kinds.map((kind) => `do=wrong&kind=${kind}`)];
        for (const query of queries) {
          const headers = { 'Sec-WebSocket-Protocol': 'json, xml' };
          const reply = await shake(engine, query + late, { headers });
          assert.deepEqual(
            [reply.status, reply.body],
            [500, 'ERR_INTERNAL: the handshake could not be decided\n'],
            query,
          );
          assert.equal(reply.headers.has('set-cookie'), false);
        }
        await until(() => lines.length === queries.length, 'the lines of the log');
        assert.equal(lines[0], 'upgrade handler failed: upgrade throws a secret');
        assert.ok(lines.every((line) => line.startsWith('upgrade handler failed: ')));
        const { handlerErrors, handshakesRefused, upgradesRejected, connectionsOpened } = engine.stats();
        const n = queries.length;
        assert.deepEqual([handlerErrors, handshakesRefused, upgradesRejected, connectionsOpened], [n, n, 0, 0]);
        await (await connect(engine)).sync();
      });
    });
  }

  test('sees every subprotocol that is offered, in the order of the client', async () => {
    await withEngine(one, async (engine) => {
      const client = await connect(engine, { query: 'do=facts', protocols: ['xml', 'msgpack', 'json'] });
      assert.equal(client.protocol, 'json');
      assert.deepEqual((await aboutMe(client)).metadata['subprotocols'], ['xml', 'msgpack', 'json']);
    });
  });

  test('may choose among the offered subprotocols against the order of the server', async () => {
    await withEngine(one, async (engine) => {
      const reply = await shake(engine, 'do=subprotocol&speak=msgpack', {
        headers: { 'Sec-WebSocket-Protocol': 'json, msgpack' },
      });
      assert.deepEqual([reply.status, reply.headers.get('sec-websocket-protocol')], [101, 'msgpack']);
    });
  });

  test('a subprotocol that needs more than the client gave is refused as the engine itself would', async () => {
    const security = { aesKey: new Uint8Array(32) };
    await withEngine({ ...one, security, subprotocols: ['json', 'msgpack'] }, async (engine) => {
      const headers = { 'Sec-WebSocket-Protocol': 'json, msgpack+seal3' };
      const reply = await shake(engine, 'do=subprotocol&speak=msgpack%2Bseal2', { headers });
      assert.equal(reply.status, 400);
      assert.match(reply.body, /^ERR_HANDSHAKE_NONCE: /);
      const nonce = Buffer.alloc(16, 7).toString('base64url');
      const good = await shake(engine, `do=subprotocol&speak=msgpack%2Bseal2&client_nonce=${nonce}`, { headers });
      assert.deepEqual([good.status, good.headers.get('sec-websocket-protocol')], [101, 'msgpack+seal3']);
    });
  });

  test('its name is the name of the connection, in place of what the client claims', async () => {
    await withEngine(one, async (engine) => {
      const names: string[] = [];
      engine.on('connect', ({ name }) => void names.push(name));
      assert.equal((await seenAs(engine, 'do=name&as=ada', { 'X-Client-ID': 'mallory' })).name, 'ada');
      assert.equal((await seenAs(engine, 'do=name&as=', { 'X-Client-ID': 'mallory' })).name, '');
      await until(() => names.length === 2, 'both to be told');
      assert.deepEqual(names, ['ada', '']);
    });
  });

  test('its name is what must be unique, and nobody can take it by claiming it', async () => {
    await withEngine({ handlers: deciding, duplicateName: 'replace' }, async (engine) => {
      const ada = await connect(engine, { query: 'do=name&as=ada' });
      await ada.sync();
      const claims = await connect(engine, { query: 'do=name&as=mallory', headers: { 'X-Client-ID': 'ada' } });
      await claims.sync();
      await ada.sync();
      const again = await connect(engine, { query: 'do=name&as=ada&late=5' });
      await again.sync();
      assert.equal((await ada.closed).code, 3503);
      await claims.sync();
    });
  });

  test('metadata with the names of prototypes is data like any other', async () => {
    await withEngine(one, async (engine) => {
      const client = await connect(engine, { query: 'do=proto' });
      client.send({ type: 'about-me' });
      const { text, data } = await client.next();
      assert.match(text, /"__proto__":\{"admin":true\}/);
      assert.equal((data as { prototype: boolean }).prototype, true);
    });
  });

  test('may answer with anything that has a then', async () => {
    await withEngine(one, async (engine) => void (await (await connect(engine, { query: 'do=thenable' })).sync()));
  });

  test('is not asked about what the engine refuses by itself', async () => {
    await withEngine(one, async (engine) => {
      const foreign = await shake(engine, 'do=throw', { headers: { Origin: 'http://evil.example' } });
      assert.equal(foreign.status, 403);
      assert.equal((await shake(engine, 'do=throw', { method: 'POST' })).status, 405);
      assert.equal((await shake(engine, 'do=throw', { headers: { 'Sec-WebSocket-Key': 'x' } })).status, 400);
      assert.equal(engine.stats().handlerErrors, 0);
    });
  });
});

describe('an upgrade handler that takes its time', () => {
  test('is waited for no longer than limits.handshakeMs: 503, its signal is aborted, its answer ignored', async () => {
    await withEngine({ ...one, limits: { handshakeMs: 50 } }, async (engine) => {
      const hanging = await shake(engine, 'do=hang');
      assert.equal(hanging.status, 503);
      assert.match(hanging.body, /^ERR_HANDSHAKE_TIMEOUT: /);
      assert.equal(hanging.headers.get('retry-after'), '1');
      const deaf = await shake(engine, 'do=deaf');
      assert.equal(deaf.status, 503);
      const client = await connect(engine);
      client.send({ type: 'let-go' });
      assert.deepEqual((await aboutMe(client)).aborted, ['the handshake took too long to decide']);
      await pause(20);
      const { handshakesTimedOut, handshakesRefused, handlerErrors, connectionsOpened } = engine.stats();
      assert.deepEqual([handshakesTimedOut, handshakesRefused, handlerErrors, connectionsOpened], [2, 2, 0, 1]);
    });
  });

  test('hears when its client leaves; the handshake is abandoned, and a late yes harms nobody', async () => {
    await withEngine(one, async (engine) => {
      const client = await connect(engine);
      for (const [round, query] of ['do=hang', 'do=deaf'].entries()) {
        const leaving = await Promise.all(Array.from({ length: 20 }, () => openRaw(engine.port)));
        for (const raw of leaving) raw.write(handshakeText({ target: `/ws?${query}` }));
        await begun(client, 20 * (round + 1));
        for (const [at, raw] of leaving.entries()) at % 2 === 0 ? raw.destroy() : raw.reset();
      }
      await until(() => engine.stats().handshakesAbandoned === 40, 'all to be counted');
      client.send({ type: 'let-go' });
      const { aborted } = await aboutMe(client);
      assert.deepEqual([aborted.length, new Set(aborted)], [20, new Set(['the client has left'])]);
      await client.sync();
      const { handshakesRefused, handlerErrors, connectionsOpened } = engine.stats();
      assert.deepEqual([handshakesRefused, handlerErrors, connectionsOpened], [0, 0, 1]);
    });
  });

  test('has at most limits.pendingHandshakes at a time; more get 503, and room comes back', async () => {
    await withEngine({ ...one, limits: { pendingHandshakes: 3 } }, async (engine) => {
      const first = await connect(engine);
      const waiting = await Promise.all(Array.from({ length: 3 }, () => openRaw(engine.port)));
      for (const raw of waiting) raw.write(handshakeText({ target: '/ws?do=deaf' }));
      await begun(first, 3);
      const reply = await shake(engine, 'do=true');
      assert.equal(reply.status, 503);
      assert.match(reply.body, /^ERR_LIMIT_HANDSHAKES: /);
      assert.equal(reply.headers.get('retry-after'), '1');
      assert.equal(engine.stats().limitHandshakes, 1);
      waiting[0]?.destroy();
      const client = await until(
        () =>
          connect(engine).then(
            (one) => one,
            () => undefined,
          ),
        'room for another one',
      );
      client.send({ type: 'let-go' });
      for (const raw of waiting.slice(1)) assert.equal((await raw.reply()).status, 101);
      await until(() => engine.stats().connections === 4, 'the two that waited, and two more');
    });
  });

  test('has at most limits.pendingHandshakesPerAddress of one address; others are decided, and room comes back', async () => {
    const limits = { pendingHandshakes: 10, pendingHandshakesPerAddress: 2 };
    await withEngine({ ...one, trustProxy: 1, limits }, async (engine) => {
      const first = await connect(engine);
      const from = (address: string) => ({ headers: { 'X-Forwarded-For': address } });
      const waiting = [];
      for (const address of ['192.0.2.1', '192.0.2.1', '192.0.2.2', '2001:db8::1', '2001:db8::2']) {
        const raw = await openRaw(engine.port);
        raw.write(handshakeText({ target: '/ws?do=deaf', ...from(address) }));
        waiting.push(raw);
      }
      await begun(first, 5);
      // The /64 of an IPv6 address counts as one.
      for (const address of ['192.0.2.1', '2001:db8::3']) {
        const reply = await shake(engine, 'do=true', from(address));
        assert.equal(reply.status, 429);
        assert.match(reply.body, /^ERR_LIMIT_HANDSHAKES_PER_ADDRESS: /);
        assert.equal(reply.headers.get('retry-after'), '1');
      }
      assert.equal((await shake(engine, 'do=true', from('192.0.2.2'))).status, 101);
      assert.equal((await shake(engine, 'do=true', from('2001:db8:0:1::1'))).status, 101);
      const { limitHandshakesPerAddress, limitHandshakes, refusals } = engine.stats();
      assert.deepEqual([limitHandshakesPerAddress, limitHandshakes], [2, 0]);
      assert.deepEqual(refusals, { ERR_LIMIT_HANDSHAKES_PER_ADDRESS: 2 });
      waiting[0]?.destroy();
      const again = async (): Promise<boolean> => (await shake(engine, 'do=true', from('192.0.2.1'))).status === 101;
      await until(again, 'room for the address');
      first.send({ type: 'let-go' });
      for (const raw of waiting.slice(1)) assert.equal((await raw.reply()).status, 101);
    });
  });

  test('does not hold a drain up: who waits gets 503', async () => {
    await withEngine(one, async (engine) => {
      const raws = await Promise.all(Array.from({ length: 5 }, () => openRaw(engine.port)));
      for (const raw of raws) raw.write(handshakeText({ target: '/ws?do=hang' }));
      await begun(await connect(engine), 5);
      await engine.drain({ graceMs: 2_000 });
      for (const raw of raws) {
        const reply = await raw.reply();
        assert.equal(reply.status, 503);
        assert.match(reply.body, /^ERR_SHUTTING_DOWN: /);
      }
      assert.equal(engine.stats().handshakesRefused, 5);
    });
  });
});
