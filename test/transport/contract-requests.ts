import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CreateTransport, Exchange, TransportRequest } from '#dist/worker/transport/transport.js';
import { frameBytes, opcode } from '../support/raw-frames.ts';
import { acceptOf, handshakeText, openRaw, request, requestText, sampleKey } from '../support/raw-socket.ts';
import { pause, until } from '../support/waiting.ts';
import { accept, type Peer, refuse, type TransportLimits, withTransport } from './transport-fixture.ts';

export function describeRequests(create: CreateTransport, limits: TransportLimits): void {
  describe('requests', () => {
    test('an accepted upgrade is answered with the 101 of RFC 6455 and the chosen subprotocol', async () => {
      const hooks = { upgrade: (_request: unknown, peer: Peer) => accept(peer, 'msgpack') };
      await withTransport(create, { hooks }, async (fixture) => {
        const raw = await openRaw(fixture.port);
        const reply = await raw.handshake({ headers: { 'Sec-WebSocket-Protocol': 'json, msgpack' } });
        assert.equal(reply.status, 101);
        assert.equal(reply.headers.get('upgrade')?.toLowerCase(), 'websocket');
        assert.equal(reply.headers.get('connection')?.toLowerCase(), 'upgrade');
        assert.equal(reply.headers.get('sec-websocket-accept'), acceptOf(sampleKey));
        assert.equal(reply.headers.get('sec-websocket-protocol'), 'msgpack');
        assert.equal(reply.headers.has('sec-websocket-extensions'), false);
      });
    });

    test('without a chosen subprotocol the answer has no such header', async () => {
      await withTransport(create, {}, async (fixture) => {
        const raw = await openRaw(fixture.port);
        const reply = await raw.handshake({ headers: { 'Sec-WebSocket-Protocol': 'json' } });
        assert.equal(reply.status, 101);
        assert.equal(reply.headers.has('sec-websocket-protocol'), false);
      });
    });

    test('a request is reported with method, path, query, joined headers and address, and may be kept', async () => {
      const hooks = { request: () => ({ status: 200, headers: new Map([['X-One', 'two']]), body: 'hello' }) };
      await withTransport(create, { hooks }, async (fixture) => {
        const reply = await request(
          fixture.port,
          requestText('POST', '/some/where?a=b&c', { 'X-Twice': ['one', 'two'], 'Content-Length': '0' }),
        );
        assert.equal(reply.status, 200);
        assert.equal(reply.body, 'hello');
        assert.equal(reply.headers.get('x-one'), 'two');
        assert.equal(reply.headers.get('connection'), 'close');
        await pause(20);
        const [seen] = fixture.requests;
        assert.ok(seen !== undefined);
        assert.equal(seen.method, 'POST');
        assert.equal(seen.path, '/some/where');
        assert.equal(seen.query, 'a=b&c');
        assert.equal(seen.headers.get('x-twice'), 'one, two');
        assert.equal(seen.remoteAddress, '127.0.0.1');
        assert.equal(fixture.abandoned, 0);
      });
    });

    test('a request may be answered later; a rejection is answered with 500, and told', async () => {
      const hooks = {
        request: async ({ path }: { readonly path: string }) => {
          await pause(20);
          if (path === '/fails') throw new Error('no answer');
          return { status: 200, headers: new Map(), body: 'later' };
        },
      };
      await withTransport(create, { hooks }, async (fixture) => {
        const reply = await request(fixture.port, requestText('GET', '/later'));
        assert.deepEqual([reply.status, reply.body], [200, 'later']);
        assert.equal((await request(fixture.port, requestText('GET', '/fails'))).status, 500);
        assert.equal(fixture.errors.length, 1);
        assert.equal(fixture.abandoned, 0);
      });
    });

    test('a client that leaves before a late answer is counted as abandoned, and the answer goes nowhere', async () => {
      let answer: () => void = () => undefined;
      const hooks = {
        request: () =>
          new Promise<{ status: number; headers: Map<string, string>; body: string }>((resolve) => {
            answer = () => resolve({ status: 200, headers: new Map(), body: 'late' });
          }),
      };
      await withTransport(create, { hooks }, async (fixture) => {
        const raw = await openRaw(fixture.port);
        raw.write(requestText('GET', '/late'));
        await until(() => fixture.requests.length === 1, 'the request');
        raw.socket.destroy();
        await until(() => fixture.abandoned === 1, 'the end of the client');
        answer();
        await pause(20);
        assert.deepEqual([fixture.errors.length, fixture.abandoned], [0, 1]);
      });
    });

    test('an answered connection is closed by the server, and nothing more is read from it', async () => {
      await withTransport(create, {}, async (fixture) => {
        const raw = await openRaw(fixture.port);
        raw.write(requestText('GET', '/one'));
        assert.equal((await raw.reply()).status, 404);
        raw.write(requestText('GET', '/two'));
        await raw.ended();
        assert.deepEqual(
          fixture.requests.map((one) => one.path),
          ['/one'],
        );
        assert.equal(fixture.abandoned, 0);
      });
    });

    test('one socket is at most one request: more of them in one packet are not served', async () => {
      await withTransport(create, {}, async (fixture) => {
        for (const second of [requestText('GET', '/two'), handshakeText()]) {
          const raw = await openRaw(fixture.port);
          raw.write(requestText('GET', '/one') + second);
          await raw.ended();
        }
        const upgraded = await openRaw(fixture.port);
        upgraded.write(handshakeText() + requestText('GET', '/two'));
        await until(() => fixture.requests.length === 3, 'the third request');
        upgraded.destroy();
        await pause(20);
        assert.deepEqual(
          fixture.requests.map((one) => one.path),
          ['/one', '/one', '/ws'],
        );
        // Whatever became of the three, they are counted to the end: the next one that ends early is seen.
        const { abandoned } = fixture;
        const silent = await openRaw(fixture.port);
        await pause(20);
        silent.destroy();
        await until(() => fixture.abandoned === abandoned + 1, 'the next abandoned socket');
      });
    });

    test('the peer of a dual-stack port has an IPv6 address in full, and each its own', async (context) => {
      const probe = await openable('::1');
      if (!probe) {
        context.diagnostic('this machine has no IPv6 loopback');
        return;
      }
      await withTransport(create, { host: '::1' }, async (fixture) => {
        await fixture.connect({ host: '::1' });
        assert.equal(fixture.requests[0]?.remoteAddress, '0000:0000:0000:0000:0000:0000:0000:0001');
      });
    });

    test('connections from different addresses are told apart', async () => {
      await withTransport(create, {}, async (fixture) => {
        for (const localAddress of ['127.0.0.3', '127.0.0.9']) await fixture.connect({ localAddress });
        assert.deepEqual(
          fixture.requests.map((one) => one.remoteAddress),
          ['127.0.0.3', '127.0.0.9'],
        );
      });
    });

    for (const late of [false, true]) {
      const when = late ? 'later' : 'at once';
      test(`an upgrade refused ${when} carries status, headers and body, and the connection ends`, async () => {
        const no = refuse(409, 'taken\n', [
          ['X-Why', 'because'],
          ['Retry-After', '3'],
        ]);
        const hooks = { upgrade: () => (late ? pause(20).then(() => no) : no) };
        await withTransport(create, { hooks }, async (fixture) => {
          const raw = await openRaw(fixture.port);
          const reply = await raw.handshake();
          assert.equal(reply.lines[0], 'HTTP/1.1 409 Conflict');
          assert.equal(reply.body, 'taken\n');
          assert.equal(reply.headers.get('x-why'), 'because');
          assert.equal(reply.headers.get('retry-after'), '3');
          assert.equal(reply.headers.get('connection'), 'close');
          await raw.ended();
          await pause(20);
          assert.equal(fixture.peers[0]?.opens, 0);
          assert.equal(fixture.peers[0]?.closes.length, 0);
          assert.equal(fixture.abandoned, 0);
          assert.equal(fixture.discarded.length, 0);
        });
      });

      test(`an upgrade decision that fails ${when} is reported, and the client gets 500`, async () => {
        const hooks = {
          upgrade: () => {
            if (!late) throw new Error('broken');
            return pause(20).then(() => Promise.reject(new Error('broken')));
          },
        };
        await withTransport(create, { hooks }, async (fixture) => {
          const raw = await openRaw(fixture.port);
          const reply = await raw.handshake();
          assert.equal(reply.status, 500);
          assert.equal(reply.body.includes('broken'), false);
          await raw.ended();
          assert.equal(String(fixture.errors[0]), 'Error: broken');
          assert.equal(fixture.peers[0]?.opens, 0);
        });
      });

      const kept = limits.earlyFrames === 'kept';
      test(`frames in the packet of the handshake are ${kept ? 'kept' : 'never half taken'} when it is accepted ${when}`, async () => {
        const hooks = {
          upgrade: (_request: unknown, peer: Peer) => (late ? pause(30).then(() => accept(peer)) : accept(peer)),
        };
        await withTransport(create, { hooks }, async (fixture) => {
          const raw = await openRaw(fixture.port);
          const early = Buffer.concat([
            frameBytes({ opcode: opcode.text, payload: 'first' }),
            frameBytes({ opcode: opcode.text, payload: 'second' }),
          ]);
          const reply = await raw.handshake({ early });
          if (reply.status !== 101) {
            assert.equal(kept, false);
            await raw.ended();
            await until(() => fixture.discarded.length === 1, 'the attachment to be given back');
            assert.equal(fixture.peers[0]?.opens, 0);
            assert.equal(fixture.abandoned, 1);
            return;
          }
          raw.sendText('third');
          const expected = kept ? ['first', 'second', 'third'] : ['third'];
          await until(() => fixture.peers[0]?.messages.length === expected.length, 'the messages');
          assert.deepEqual(
            fixture.peers[0]?.messages.map((message) => message.payload.toString()),
            expected,
          );
        });
      });
    }

    test('a client that leaves before a later decision is discarded: abandoned, and never opened', async () => {
      let decide: (() => void) | undefined;
      const hooks = {
        upgrade: (_request: unknown, peer: Peer) =>
          new Promise<ReturnType<typeof accept>>((resolve) => {
            decide = () => resolve(accept(peer));
          }),
      };
      await withTransport(create, { hooks }, async (fixture) => {
        const raw = await openRaw(fixture.port);
        raw.write(handshakeText());
        await until(() => decide !== undefined, 'the upgrade');
        raw.destroy();
        await until(() => fixture.abandoned === 1, 'the client to be gone');
        decide?.();
        await until(() => fixture.discarded.length === 1, 'the attachment to be given back');
        assert.equal(fixture.discarded[0], fixture.peers[0]);
        assert.equal(fixture.peers[0]?.opens, 0);
        assert.equal(fixture.peers[0]?.closes.length, 0);
        assert.equal(fixture.abandoned, 1);
      });
    });

    test('whoever decides later is told once when the client leaves, and not once it has decided', async () => {
      const gone: string[] = [];
      const waiting = new Map<string, () => void>();
      const hooks = {
        upgrade: (request: TransportRequest, peer: Peer, exchange: Exchange) =>
          new Promise<ReturnType<typeof accept>>((resolve) => {
            exchange.onGone = () => {
              gone.push(request.query);
              throw new Error('on purpose');
            };
            waiting.set(request.query, () => resolve(accept(peer)));
          }),
      };
      await withTransport(create, { hooks }, async (fixture) => {
        const [leaving, staying] = [await openRaw(fixture.port), await openRaw(fixture.port)];
        leaving.write(handshakeText({ target: '/ws?leaving' }));
        staying.write(handshakeText({ target: '/ws?staying' }));
        await until(() => waiting.size === 2, 'both upgrades');
        waiting.get('staying')?.();
        assert.equal((await staying.reply()).status, 101);
        leaving.destroy();
        staying.destroy();
        await until(() => gone.length === 1 && fixture.abandoned === 1, 'the client to be gone');
        await until(() => fixture.peers.some((peer) => peer.closes.length === 1), 'the other one to be closed');
        assert.deepEqual(gone, ['leaving']);
        assert.deepEqual(fixture.errors.map(String), ['Error: on purpose']);
      });
    });

    test('what becomes of the request while it is decided does not change the answer', async () => {
      const hooks = {
        upgrade: async (request: TransportRequest, peer: Peer) => {
          await pause(5);
          (request.headers as Map<string, string>).clear();
          return accept(peer);
        },
      };
      await withTransport(create, { hooks }, async (fixture) => {
        const raw = await openRaw(fixture.port);
        assert.equal((await raw.handshake()).headers.get('sec-websocket-accept'), acceptOf(sampleKey));
      });
    });

    test('500 upgrades that are decided later, 50 at a time, are all opened, and each can be talked to', async () => {
      const hooks = {
        upgrade: async (_request: unknown, peer: Peer) => {
          await pause(1);
          return accept(peer);
        },
        open: (peer: Peer) => void peer.open.send(Buffer.from('welcome'), false, false),
        message: (peer: Peer, payload: Uint8Array) => void peer.open.send(payload, false, false),
      };
      await withTransport(create, { hooks }, async (fixture) => {
        for (let round = 0; round < 10; round++) {
          await Promise.all(
            Array.from({ length: 50 }, async (_, at) => {
              const raw = await openRaw(fixture.port);
              assert.equal((await raw.handshake()).status, 101);
              assert.equal((await raw.nextFrame()).payload.toString(), 'welcome');
              raw.sendText(`message ${at}`);
              assert.equal((await raw.nextFrame()).payload.toString(), `message ${at}`);
              raw.destroy();
            }),
          );
        }
        await until(() => fixture.peers.every((peer) => peer.closes.length === 1), 'all to be closed');
        assert.equal(fixture.peers.length, 500);
        assert.equal(fixture.abandoned, 0);
      });
    });

    test('cookies of several lines are joined as cookies are', async () => {
      await withTransport(create, {}, async (fixture) => {
        await fixture.connect({ headers: { Cookie: ['a=1', 'b=2'] } });
        assert.equal(fixture.requests[0]?.headers.get('cookie'), 'a=1; b=2');
        assert.equal(fixture.requests[0]?.proxiedAddress, '');
      });
    });

    test('a request with WebSocket headers for another path is a request, not an upgrade', async () => {
      await withTransport(create, {}, async (fixture) => {
        const raw = await openRaw(fixture.port);
        assert.equal((await raw.handshake({ target: '/other' })).status, 404);
        assert.equal(fixture.peers.length, 0);
      });
    });

    const start = limits.requestLine === 'in pieces' ? 1 : handshakeText().indexOf('\n') + 1;
    test(`a handshake that is cut anywhere ${start === 1 ? '' : 'after its first line '}is accepted`, async () => {
      await withTransport(create, {}, async (fixture) => {
        const text = handshakeText();
        const trickled = await openRaw(fixture.port);
        trickled.write(text.slice(0, start));
        for (const byte of text.slice(start)) {
          await pause(1);
          trickled.write(byte);
        }
        assert.equal((await trickled.reply()).status, 101);
        for (let cut = start; cut < text.length; cut++) {
          const raw = await openRaw(fixture.port);
          raw.write(text.slice(0, cut));
          await pause(1);
          raw.write(text.slice(cut));
          assert.equal((await raw.reply()).status, 101, `cut after ${cut} bytes`);
          raw.destroy();
        }
        assert.equal(fixture.abandoned, 0);
      });
    });

    test('a socket that ends before its request is complete is abandoned, once', async () => {
      await withTransport(create, {}, async (fixture) => {
        const silent = await openRaw(fixture.port);
        const half = await openRaw(fixture.port);
        half.write(handshakeText().slice(0, 40));
        await pause(20);
        silent.destroy();
        half.reset();
        await until(() => fixture.abandoned === 2, 'both to be abandoned');
        await pause(20);
        assert.equal(fixture.abandoned, 2);
        assert.equal(fixture.requests.length, 0);
      });
    });

    test('what is not HTTP is refused or cut, and counts as abandoned', async () => {
      await withTransport(create, {}, async (fixture) => {
        const raw = await openRaw(fixture.port);
        raw.write('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is no HTTP\r\n\r\n');
        await raw.ended();
        await until(() => fixture.abandoned === 1, 'the socket to be abandoned');
        assert.equal(fixture.requests.length, 0);
      });
    });
  });
}

async function openable(host: string): Promise<boolean> {
  const { createServer } = await import('node:net');
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(0, host, () => server.close(() => resolve(true)));
  });
}
