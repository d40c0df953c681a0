import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CreateTransport } from '#dist/worker/transport/transport.js';
import { socketDescriptors } from '../support/leaks.ts';
import { opcode } from '../support/raw-frames.ts';
import { handshakeText, openRaw, type RawSocket } from '../support/raw-socket.ts';
import { pause, until } from '../support/waiting.ts';
import { accept, type Peer, type TransportLimits, withTransport } from './transport-fixture.ts';

export function describeEnds(create: CreateTransport, limits: TransportLimits): void {
  describe('ends', () => {
    test('end sends a Close frame after what was sent before, then ends the connection', async () => {
      await withTransport(create, {}, async (fixture) => {
        const { raw, peer } = await fixture.connect();
        peer.open.send(Buffer.from('last'), false, false);
        peer.open.end(3008, 'too slow');
        assert.equal((await raw.nextFrame()).payload.toString(), 'last');
        assert.deepEqual(await raw.closeFrame(), { code: 3008, reason: 'too slow' });
        await raw.ended();
        await until(() => peer.closes.length === 1, 'the close');
        assert.deepEqual(peer.closes, [{ code: 3008, reason: 'too slow', cause: 'closed' }]);
      });
    });

    test('end and what was published before reach a subscriber in that order', async () => {
      await withTransport(create, {}, async (fixture) => {
        const { raw, peer } = await fixture.connect();
        peer.open.subscribe('t');
        for (let i = 0; i < 10; i++) fixture.transport.publish('t', Buffer.from(`${i}`), false, false);
        peer.open.end(1001, '');
        await raw.ended();
        assert.deepEqual(
          raw.frames.map((frame) => (frame.opcode === opcode.text ? frame.payload.toString() : 'close')),
          ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'close'],
        );
      });
    });

    test('terminate ends at once, without a Close frame, as code 1006', async () => {
      await withTransport(create, {}, async (fixture) => {
        const { raw, peer } = await fixture.connect();
        peer.open.terminate();
        await raw.ended();
        await until(() => peer.closes.length === 1, 'the close');
        assert.deepEqual(peer.closes, [{ code: 1006, reason: '', cause: 'lost' }]);
        assert.equal(raw.frames.length, 0);
      });
    });

    test('after the end every method of a socket is harmless, and sends answer closed', async () => {
      await withTransport(create, {}, async (fixture) => {
        const ended = await fixture.connect();
        const cut = await fixture.connect();
        const left = await fixture.connect();
        const sockets = [ended, cut, left].map(({ peer }) => peer.open);
        ended.peer.open.end(1000, '');
        cut.peer.open.terminate();
        left.raw.sendClose(1000);
        await until(() => [ended, cut, left].every(({ peer }) => peer.closes.length === 1), 'all closes');
        for (const socket of sockets) {
          assert.equal(socket.send(Buffer.from('x'), false, false), 'closed');
          assert.equal(socket.bufferedBytes, 0);
          socket.subscribe('t');
          socket.unsubscribe('t');
          socket.end(1000, 'again');
          socket.terminate();
        }
        fixture.transport.publish('t', Buffer.from('x'), false, false);
        await pause(20);
        for (const { peer } of [ended, cut, left]) assert.equal(peer.closes.length, 1);
        assert.deepEqual(fixture.errors, []);
      });
    });

    test('the peer is sent its own close code back, and the connection ends', async () => {
      await withTransport(create, {}, async (fixture) => {
        for (const [code, reason] of [
          [1000, ''],
          [1001, 'tab closed'],
          [4999, 'ä'.repeat(61)],
        ] as const) {
          const { raw, peer } = await fixture.connect();
          raw.sendClose(code, reason);
          assert.equal((await raw.closeFrame()).code, code);
          await raw.ended();
          await until(() => peer.closes.length === 1, 'the close');
          assert.deepEqual(peer.closes, [{ code, reason, cause: 'closed' }]);
        }
      });
    });

    const all = limits.closeCodes === 'all';
    test(`close codes of 1012 to 1014 and 3000 to 3999 ${all ? 'are told' : 'are told as 1006 and a violation'}`, async () => {
      await withTransport(create, {}, async (fixture) => {
        for (const code of [1012, 1014, 3000, 3999]) {
          const { raw, peer } = await fixture.connect();
          raw.sendClose(code);
          await raw.closeFrame();
          await raw.ended();
          await until(() => peer.closes.length === 1, 'the close');
          const expected = all
            ? { code, reason: '', cause: 'closed' }
            : { code: 1006, reason: '', cause: 'protocolError' };
          assert.deepEqual(peer.closes, [expected]);
        }
      });
    });

    test('a Close frame without a code counts as 1005 and is answered', async () => {
      await withTransport(create, {}, async (fixture) => {
        const { raw, peer } = await fixture.connect();
        raw.sendFrame({ opcode: opcode.close });
        await raw.closeFrame();
        await raw.ended();
        await until(() => peer.closes.length === 1, 'the close');
        assert.deepEqual(peer.closes, [{ code: 1005, reason: '', cause: 'closed' }]);
      });
    });

    test('the socket of a connection is told to be gone, once and after the close, when its peer has ended it', async () => {
      await withTransport(create, {}, async (fixture) => {
        const polite = await fixture.connect();
        const cut = await fixture.connect();
        const rude = await fixture.connect();
        const stays = await fixture.connect();
        polite.raw.sendClose(1000);
        cut.peer.open.terminate();
        rude.raw.reset();
        const ended = [polite, cut, rude];
        await until(() => ended.every(({ peer }) => peer.closes.length === 1 && peer.gone === 1), 'the end of three');
        await pause(50);
        assert.deepEqual(
          ended.map(({ peer }) => peer.gone),
          [1, 1, 1],
        );
        assert.deepEqual([stays.peer.gone, fixture.cut], [0, 0]);
      });
    });

    for (const [who, options, close] of [
      ['the server', {}, (_: RawSocket, peer: Peer) => peer.open.end(1001, '')],
      ['the client', {}, (raw: RawSocket) => raw.sendClose(1000)],
      [
        'the client, silence being no reason to end',
        { idleTimeoutSeconds: 0 },
        (raw: RawSocket) => raw.sendClose(1000),
      ],
    ] as const) {
      test(`a peer that does not end its side is cut after the Close frame, not told as gone before (closed by ${who})`, async () => {
        const early: Peer[] = [];
        const hooks = {
          gone: (peer: Peer) => {
            if (peer.closes.length !== 1) early.push(peer);
          },
        };
        await withTransport(create, { ...options, hooks }, async (fixture) => {
          const before = socketDescriptors();
          const ended: { readonly raw: RawSocket; readonly peer: Peer }[] = [];
          for (let i = 0; i < 5; i++) ended.push(await fixture.connect({ allowHalfOpen: true }));
          const stays = await fixture.connect({ allowHalfOpen: true });
          for (const { raw, peer } of ended) close(raw, peer);
          for (const { raw } of ended) await raw.closeFrame();
          await until(() => ended.every(({ peer }) => peer.gone === 1), 'the end of the sockets');
          assert.deepEqual(early, []);
          // On a slow machine the library may be the first to cut some.
          assert.ok(fixture.cut >= 1 && fixture.cut <= 5, `${fixture.cut} were cut`);
          // Of those that were cut only the test's own ends are left.
          await until(() => socketDescriptors() <= before + 5 + 2, 'the descriptors to be back');
          assert.deepEqual([stays.peer.closes.length, stays.peer.gone], [0, 0]);
          stays.raw.sendText('still here');
          await until(() => stays.peer.messages.length === 1, 'the message');
        });
      });
    }

    test('nothing that follows a Close frame is read', async () => {
      await withTransport(create, {}, async (fixture) => {
        const { raw, peer } = await fixture.connect();
        raw.sendClose(1000);
        raw.sendText('too late');
        await raw.ended();
        await until(() => peer.closes.length === 1, 'the close');
        assert.equal(peer.messages.length, 0);
      });
    });

    test('a peer that goes without a Close frame, by FIN or by reset, is lost with code 1006, once', async () => {
      await withTransport(create, {}, async (fixture) => {
        const fin = await fixture.connect();
        const reset = await fixture.connect();
        fin.raw.socket.end();
        reset.raw.reset();
        await until(() => fin.peer.closes.length > 0 && reset.peer.closes.length > 0, 'both closes');
        await pause(20);
        for (const { peer } of [fin, reset]) {
          assert.deepEqual(peer.closes, [{ code: 1006, reason: '', cause: 'lost' }]);
        }
        assert.equal(fixture.abandoned, 0);
      });
    });

    test('a peer that sends a lying close reason does not choose the cause', async () => {
      await withTransport(create, {}, async (fixture) => {
        const { raw, peer } = await fixture.connect();
        raw.sendClose(4006, 'Received too big message');
        await until(() => peer.closes.length === 1, 'the close');
        assert.deepEqual(peer.closes, [{ code: 4006, reason: 'Received too big message', cause: 'closed' }]);
      });
    });

    test('close ends every connection and reports nothing more, also about what is still being decided', async () => {
      let decide: (() => void) | undefined;
      const hooks = {
        upgrade: (request: { readonly query: string }, peer: Peer) =>
          request.query === 'late'
            ? new Promise<ReturnType<typeof accept>>((resolve) => {
                decide = () => resolve(accept(peer));
              })
            : accept(peer),
      };
      await withTransport(create, { hooks }, async (fixture) => {
        const open = await fixture.connect();
        const half = await openRaw(fixture.port);
        half.write('GET /ws HT');
        const late = await openRaw(fixture.port);
        late.write(handshakeText({ target: '/ws?late' }));
        await until(() => decide !== undefined, 'the upgrade');
        const socket = open.peer.open;
        const { events } = fixture;
        fixture.transport.close();
        fixture.transport.close();
        await Promise.all([open.raw.ended(), half.ended(), late.ended()]);
        assert.equal(fixture.events, events);
        assert.equal(socket.send(Buffer.from('x'), false, false), 'closed');
        fixture.transport.publish('t', Buffer.from('x'), false, false);
        decide?.();
        await pause(20);
        assert.deepEqual(fixture.discarded, [fixture.peers[1]]);
        assert.equal(fixture.events, events + 1);
      });
    });

    test('a socket on which nothing moves is cut as lost; one that says anything stays, and nobody is pinged', async () => {
      await withTransport(create, { idleTimeoutSeconds: 8 }, async (fixture) => {
        const half = await openRaw(fixture.port);
        half.write(handshakeText().slice(0, 60));
        const silent = await openRaw(fixture.port);
        const idle = await fixture.connect();
        const alive = await fixture.connect();
        const talking = setInterval(() => alive.raw.sendFrame({ opcode: opcode.pong }), 1_000);
        try {
          await Promise.all([half.ended(120_000), silent.ended(120_000), idle.raw.ended(120_000)]);
        } finally {
          clearInterval(talking);
        }
        await until(() => fixture.abandoned === 2 && idle.peer.closes.length === 1, 'all to be reported');
        assert.deepEqual(idle.peer.closes, [{ code: 1006, reason: '', cause: 'lost' }]);
        assert.equal(alive.peer.closes.length, 0);
        assert.deepEqual([idle.raw.frames, alive.raw.frames], [[], []]);
      });
    });

    test('without that limit an idle connection stays; requests keep theirs, and so do ended sockets', async () => {
      await withTransport(create, { idleTimeoutSeconds: 0 }, async (fixture) => {
        const silent = await openRaw(fixture.port);
        const idle = await fixture.connect();
        const deaf = await fixture.connect({ allowHalfOpen: true });
        const before = socketDescriptors();
        deaf.peer.open.end(3012, 'no pong');
        assert.deepEqual(deaf.peer.closes, [{ code: 3012, reason: 'no pong', cause: 'closed' }]);
        await until(() => socketDescriptors() < before, 'the end of a socket whose peer does not end it', 120_000);
        await silent.ended(120_000);
        await until(() => fixture.abandoned === 1, 'an abandoned request');
        assert.equal(idle.peer.closes.length, 0);
        assert.equal(deaf.peer.closes.length, 1);
      });
    });

    test("ping sends an empty ping; its answer and a peer's own pings are told as signs of life", async () => {
      await withTransport(create, {}, async (fixture) => {
        const { raw, peer } = await fixture.connect();
        peer.open.ping();
        const frame = await raw.nextFrame();
        assert.deepEqual([frame.opcode, frame.payload.length, frame.fin], [opcode.ping, 0, true]);
        raw.sendFrame({ opcode: opcode.pong });
        await until(() => peer.signs === 1, 'the pong');
        raw.sendPing('x');
        await until(() => peer.signs === 2, 'the ping');
        raw.sendText('x');
        await until(() => peer.messages.length === 1, 'the message');
        assert.equal(peer.signs, 2);
        peer.open.terminate();
        peer.open.ping();
        assert.equal(peer.closes.length, 1);
      });
    });

    test('a ping for a peer with unread bytes is left out, and is no dropped message', async () => {
      await withTransport(create, { maxBackpressureBytes: 65_536 }, async (fixture) => {
        const { raw, peer } = await fixture.connect();
        raw.socket.pause();
        while (peer.open.send(Buffer.alloc(16_384), true, false) !== 'dropped');
        const before = peer.open.bufferedBytes;
        await until(() => peer.drops === 1, 'the drop');
        for (let i = 0; i < 100; i++) peer.open.ping();
        await pause(20);
        assert.deepEqual([peer.drops, peer.open.bufferedBytes], [1, before]);
        raw.socket.resume();
        await until(() => peer.open.bufferedBytes === 0, 'the drain');
        peer.open.ping();
        await until(() => raw.frames.at(-1)?.opcode === opcode.ping, 'the ping');
        assert.equal(raw.frames.filter((frame) => frame.opcode === opcode.ping).length, 1);
      });
    });
  });
}
