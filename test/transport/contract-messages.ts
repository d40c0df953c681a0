import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CreateTransport } from '#dist/worker/transport/transport.js';
import { frameBytes, opcode } from '../support/raw-frames.ts';
import { openRaw } from '../support/raw-socket.ts';
import { until } from '../support/waiting.ts';
import { type Peer, type TransportLimits, withTransport } from './transport-fixture.ts';

export function describeMessages(create: CreateTransport, limits: TransportLimits): void {
  describe('messages', () => {
    test('open, every message and close come once, in order, with their bytes and kind', async () => {
      const order: string[] = [];
      const hooks = {
        open: () => void order.push('open'),
        message: (_peer: Peer, payload: Uint8Array) => void order.push(`message ${payload.length}`),
        close: () => void order.push('close'),
      };
      await withTransport(create, { hooks }, async (fixture) => {
        const { raw, peer } = await fixture.connect();
        const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * 7) & 255));
        raw.sendText('grüß 😀');
        raw.sendBinary(bytes);
        raw.sendText('');
        raw.sendBinary(bytes.subarray(0, 300));
        raw.sendClose(1000, 'done');
        await until(() => peer.closes.length === 1, 'the close');
        assert.deepEqual(order, ['open', 'message 11', 'message 70000', 'message 0', 'message 300', 'close']);
        assert.deepEqual(
          peer.messages.map((message) => message.binary),
          [false, true, false, true],
        );
        assert.equal(peer.messages[0]?.payload.toString(), 'grüß 😀');
        assert.deepEqual(peer.messages[1]?.payload, bytes);
        assert.deepEqual(peer.closes, [{ code: 1000, reason: 'done', cause: 'closed' }]);
        assert.equal(peer.opens, 1);
      });
    });

    test('all three length forms and many frames in one packet are read', async () => {
      await withTransport(create, {}, async (fixture) => {
        const { raw, peer } = await fixture.connect();
        const lengths = [0, 1, 125, 126, 127, 65_535, 65_536, 100_000];
        raw.write(
          Buffer.concat(lengths.map((length) => frameBytes({ opcode: opcode.binary, payload: 'x'.repeat(length) }))),
        );
        await until(() => peer.messages.length === lengths.length, 'all messages');
        assert.deepEqual(
          peer.messages.map((message) => message.payload.length),
          lengths,
        );
      });
    });

    test('a peer that is paused is not read until it is resumed, and nothing of it is lost', async () => {
      const hooks = {
        message: (peer: Peer) => {
          if (peer.messages[0]?.payload.toString() === 'early' && peer.messages.length === 3) peer.open.pause();
        },
      };
      await withTransport(create, { hooks }, async (fixture) => {
        const { raw, peer } = await fixture.connect();
        raw.write(
          Buffer.concat(Array.from({ length: 5 }, () => frameBytes({ opcode: opcode.text, payload: 'early' }))),
        );
        // One read brought them.
        await until(() => peer.messages.length === 5, 'what was read already');
        raw.sendText('late');
        const other = await fixture.connect();
        for (let i = 0; i < 20; i++) {
          other.raw.sendText('other');
          await until(() => other.peer.messages.length > i, 'the messages of another peer');
        }
        assert.equal(peer.messages.length, 5);
        peer.open.resume();
        await until(() => peer.messages.length === 6, 'the rest');
        raw.sendClose(1000, 'done');
        await until(() => peer.closes.length === 1, 'the close');
        peer.open.pause();
        peer.open.resume();
      });
    });

    test('a frame that comes in pieces is one message', async () => {
      await withTransport(create, {}, async (fixture) => {
        const { raw, peer } = await fixture.connect();
        const bytes = frameBytes({ opcode: opcode.text, payload: 'abc'.repeat(100) });
        for (let at = 0; at < bytes.length; at += 7) {
          raw.write(bytes.subarray(at, at + 7));
          await new Promise((resolve) => setImmediate(resolve));
        }
        await until(() => peer.messages.length === 1, 'the message');
        assert.equal(peer.messages[0]?.payload.toString(), 'abc'.repeat(100));
      });
    });

    test('fragments are one message, also with a ping between them and a character split over them', async () => {
      await withTransport(create, {}, async (fixture) => {
        const { raw, peer } = await fixture.connect();
        const text = Buffer.from('eins 😀 zwei');
        raw.sendFrame({ opcode: opcode.text, payload: text.subarray(0, 7), fin: false });
        raw.sendPing('between');
        raw.sendFrame({ opcode: opcode.continuation, payload: text.subarray(7, 8), fin: false });
        raw.sendFrame({ opcode: opcode.continuation, payload: '', fin: false });
        raw.sendFrame({ opcode: opcode.continuation, payload: text.subarray(8) });
        const pong = await raw.nextFrame();
        assert.equal(pong.opcode, opcode.pong);
        assert.equal(pong.payload.toString(), 'between');
        await until(() => peer.messages.length === 1, 'the message');
        assert.equal(peer.messages[0]?.payload.toString(), 'eins 😀 zwei');
        assert.equal(peer.messages[0]?.binary, false);
      });
    });

    test('a ping is answered with its own payload, a pong with nothing', async () => {
      await withTransport(create, {}, async (fixture) => {
        const { raw, peer } = await fixture.connect();
        raw.sendFrame({ opcode: opcode.pong, payload: 'nobody asked' });
        raw.sendPing('');
        raw.sendPing('x'.repeat(125));
        assert.deepEqual((await raw.nextFrame()).payload.toString(), '');
        const second = await raw.nextFrame();
        assert.equal(second.opcode, opcode.pong);
        assert.equal(second.masked, false);
        assert.equal(second.payload.toString(), 'x'.repeat(125));
        assert.equal(raw.frames.length, 2);
        assert.equal(peer.messages.length, 0);
      });
    });

    test('a handler that throws is reported, and the connection goes on', async () => {
      const hooks = {
        open: () => {
          throw new Error('in open');
        },
        message: () => {
          throw new Error('in message');
        },
        close: () => {
          throw new Error('in close');
        },
      };
      await withTransport(create, { hooks }, async (fixture) => {
        const { raw, peer } = await fixture.connect();
        raw.sendText('one');
        raw.sendText('two');
        raw.sendPing('alive');
        assert.equal((await raw.nextFrame()).payload.toString(), 'alive');
        assert.equal(peer.messages.length, 2);
        raw.sendClose(1000);
        await until(() => peer.closes.length === 1, 'the close');
        assert.deepEqual(fixture.errors.map(String), [
          'Error: in open',
          'Error: in message',
          'Error: in message',
          'Error: in close',
        ]);
      });
    });

    test('a message of exactly the hard bound is read, one byte more ends with the cause tooBig', async () => {
      await withTransport(create, { hardMessageBytes: 10_000 }, async (fixture) => {
        const good = await fixture.connect();
        good.raw.sendBinary(Buffer.alloc(10_000, 1));
        await until(() => good.peer.messages.length === 1, 'the largest message');
        const bad = await fixture.connect();
        bad.raw.sendBinary(Buffer.alloc(10_001, 1));
        await bad.raw.ended();
        await until(() => bad.peer.closes.length === 1, 'the close');
        assert.deepEqual(bad.peer.closes, [{ code: 1006, reason: '', cause: 'tooBig' }]);
        assert.equal(bad.peer.messages.length, 0);
        assert.equal(good.peer.closes.length, 0);
      });
    });

    test('fragments count together against the hard bound', async () => {
      await withTransport(create, { hardMessageBytes: 10_000 }, async (fixture) => {
        const { raw, peer } = await fixture.connect();
        raw.sendFrame({ opcode: opcode.binary, payload: Buffer.alloc(6_000), fin: false });
        raw.sendFrame({ opcode: opcode.continuation, payload: Buffer.alloc(6_000) });
        await until(() => peer.closes.length === 1, 'the close');
        assert.equal(peer.closes[0]?.cause, 'tooBig');
        assert.equal(peer.messages.length, 0);
      });
    });

    test('a length of 2^62 allocates nothing and ends the connection', async () => {
      await withTransport(create, {}, async (fixture) => {
        const { raw, peer } = await fixture.connect();
        raw.write(Buffer.from('82ff4000000000000000aabbccdd00', 'hex'));
        await until(() => peer.closes.length === 1, 'the close');
        assert.equal(peer.closes[0]?.cause, 'tooBig');
      });
    });

    const violations: readonly (readonly [string, readonly Buffer[]])[] = [
      ['a reserved opcode', [frameBytes({ opcode: 3, payload: 'x' })]],
      ['a reserved control opcode', [frameBytes({ opcode: 11, payload: 'x' })]],
      ['RSV1 without an extension', [frameBytes({ opcode: opcode.text, payload: 'x', rsv: 4 })]],
      ['RSV2', [frameBytes({ opcode: opcode.text, payload: 'x', rsv: 2 })]],
      ['RSV3', [frameBytes({ opcode: opcode.binary, payload: 'x', rsv: 1 })]],
      ['a fragmented ping', [frameBytes({ opcode: opcode.ping, payload: 'x', fin: false })]],
      ['a ping of 126 bytes', [frameBytes({ opcode: opcode.ping, payload: 'x'.repeat(126) })]],
      ['a continuation of nothing', [frameBytes({ opcode: opcode.continuation, payload: 'x' })]],
      [
        'a new message inside a fragmented one',
        [
          frameBytes({ opcode: opcode.text, payload: 'x', fin: false }),
          frameBytes({ opcode: opcode.text, payload: 'y' }),
        ],
      ],
      ['text that is not UTF-8', [frameBytes({ opcode: opcode.text, payload: Buffer.from('c0af', 'hex') })]],
      ['text that ends inside a character', [frameBytes({ opcode: opcode.text, payload: Buffer.from('e282', 'hex') })]],
    ];
    for (const [what, frames] of violations) {
      test(`${what} ends the connection with the cause protocolError`, async () => {
        await withTransport(create, {}, async (fixture) => {
          const { raw, peer } = await fixture.connect();
          for (const bytes of frames) raw.write(bytes);
          await raw.ended();
          await until(() => peer.closes.length === 1, 'the close');
          assert.deepEqual(peer.closes, [{ code: 1006, reason: '', cause: 'protocolError' }]);
          assert.equal(peer.messages.length, 0);
          assert.equal(fixture.abandoned, 0);
        });
      });
    }

    const taken = limits.longLengths === 'taken';
    test(`a length that is written longer than need be is ${taken ? 'read all the same' : 'a violation'}`, async () => {
      await withTransport(create, {}, async (fixture) => {
        for (const lengthBits of [16, 64] as const) {
          const { raw, peer } = await fixture.connect();
          raw.sendFrame({ opcode: opcode.text, payload: 'long', lengthBits });
          await until(() => peer.messages.length + peer.closes.length === 1, 'the message or the end');
          assert.equal(peer.messages[0]?.payload.toString(), taken ? 'long' : undefined);
        }
      });
    });

    test('an unmasked frame is never taken for what it says', async () => {
      await withTransport(create, {}, async (fixture) => {
        for (const payload of ['x', 'hello, hello', 'z'.repeat(500)]) {
          const { raw, peer } = await fixture.connect();
          raw.sendFrame({ opcode: opcode.text, payload, masked: false });
          raw.socket.end();
          await until(() => peer.closes.length === 1, 'the close');
          assert.ok(peer.messages.every((message) => message.payload.toString() !== payload));
        }
      });
    });

    test('bytes that are not UTF-8 are fine in binary messages', async () => {
      await withTransport(create, {}, async (fixture) => {
        const { raw, peer } = await fixture.connect();
        raw.sendBinary(Buffer.from('c0affffe', 'hex'));
        await until(() => peer.messages.length === 1, 'the message');
        assert.equal(peer.messages[0]?.payload.toString('hex'), 'c0affffe');
      });
    });

    test('a connection may be ended, cut or written to from inside its own events', async () => {
      const hooks = {
        message: (peer: Peer, payload: Uint8Array) => {
          const word = Buffer.from(payload).toString();
          if (word === 'end') peer.open.end(4001, 'asked');
          if (word === 'cut') peer.open.terminate();
          peer.open.send(payload, false, false);
        },
        close: (peer: Peer) => {
          assert.equal(peer.open.send(Buffer.from('too late'), false, false), 'closed');
        },
      };
      await withTransport(create, { hooks }, async (fixture) => {
        const one = await fixture.connect();
        one.raw.write(
          Buffer.concat(['a', 'end', 'b'].map((word) => frameBytes({ opcode: opcode.text, payload: word }))),
        );
        assert.equal((await one.raw.nextFrame()).payload.toString(), 'a');
        assert.deepEqual(await one.raw.closeFrame(), { code: 4001, reason: 'asked' });
        const two = await fixture.connect();
        two.raw.write(Buffer.concat(['cut', 'b'].map((word) => frameBytes({ opcode: opcode.text, payload: word }))));
        await two.raw.ended();
        await until(() => two.peer.closes.length === 1 && one.peer.closes.length === 1, 'both closes');
        assert.deepEqual(
          one.peer.messages.map((message) => message.payload.toString()),
          ['a', 'end'],
        );
        assert.equal(two.peer.messages.length, 1);
        assert.deepEqual(fixture.errors, []);
      });
    });

    test('many connections at once are each served by themselves', async () => {
      const hooks = {
        message: (peer: Peer, payload: Uint8Array) => void peer.open.send(payload, true, false),
      };
      await withTransport(create, { hooks }, async (fixture) => {
        const raws = await Promise.all(Array.from({ length: 100 }, () => openRaw(fixture.port)));
        await Promise.all(
          raws.map(async (raw, number) => {
            assert.equal((await raw.handshake()).status, 101);
            raw.sendBinary(Buffer.from(`${number}`));
            assert.equal((await raw.nextFrame()).payload.toString(), `${number}`);
          }),
        );
      });
    });
  });
}
