import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { deflateRawSync } from 'node:zlib';
import type { CreateTransport } from '#dist/worker/transport/transport.js';
import { deflateMessage } from '../support/deflate-peer.ts';
import { type FrameToSend, frameBytes, opcode } from '../support/raw-frames.ts';
import type { RawSocket } from '../support/raw-socket.ts';
import { until } from '../support/waiting.ts';
import { connectDeflating, levels, prose, usualOffer } from './deflate-fixture.ts';
import { type Peer, type TransportLimits, withTransport } from './transport-fixture.ts';

/** Sends `payload` in frames that end at the given places; only the first has RSV1. */
function sendPieces(raw: RawSocket, payload: Buffer, ...ends: readonly number[]): void {
  let from = 0;
  for (const [at, end] of [...ends, payload.length].entries()) {
    const isFirst = at === 0;
    raw.sendFrame({
      opcode: isFirst ? opcode.text : opcode.continuation,
      rsv: isFirst ? 4 : 0,
      fin: at === ends.length,
      payload: payload.subarray(from, end),
    });
    from = end;
  }
}

function received(peer: Peer): string[] {
  return peer.messages.map((message) => message.payload.toString());
}

/** Zeros, deflated to a thousandth. */
function bomb(bytes: number): Buffer {
  return deflateMessage(Buffer.alloc(bytes));
}

export function describeDeflateMessages(create: CreateTransport, limits: TransportLimits): void {
  describe('compressed messages', () => {
    for (const level of levels) {
      test(`level ${level}: compressed and plain messages may alternate, each as its RSV1 says`, async () => {
        await withTransport(create, { compression: { level } }, async (fixture) => {
          const { raw, peer, deflate } = await connectDeflating(fixture);
          const expected: string[] = [];
          for (let i = 0; i < 60; i++) {
            const text = prose(20 + i * 97, i % 4);
            expected.push(text);
            if (i % 3 === 0) raw.sendText(text);
            else raw.sendFrame({ opcode: opcode.text, payload: deflate.deflate(text), rsv: 4 });
          }
          await until(() => peer.messages.length === 60, 'all messages');
          assert.deepEqual(received(peer), expected);
        });
      });

      test(`level ${level}: fragments of a compressed message are one, wherever they are cut`, async () => {
        await withTransport(create, { compression: { level } }, async (fixture) => {
          const { raw, peer, deflate } = await connectDeflating(fixture);
          const text = `grüß ${prose(400)} 😀`;
          const expected: string[] = [];
          const first = deflate.deflate(text);
          sendPieces(raw, first, ...Array.from({ length: first.length - 1 }, (_, i) => i + 1));
          expected.push(text);
          sendPieces(raw, deflate.deflate(text), 0);
          expected.push(text);
          const last = deflate.deflate(text);
          sendPieces(raw, last, last.length);
          expected.push(text);
          raw.sendFrame({ opcode: opcode.text, payload: text.slice(0, 3), fin: false });
          raw.sendFrame({ opcode: opcode.continuation, payload: text.slice(3) });
          expected.push(text);
          await until(() => peer.messages.length === expected.length, 'all messages');
          assert.deepEqual(received(peer), expected);
        });
      });

      test(`level ${level}: control frames may stand between the fragments, and are plain`, async () => {
        await withTransport(create, { compression: { level } }, async (fixture) => {
          const { raw, peer, deflate } = await connectDeflating(fixture);
          const payload = deflate.deflate(prose(900));
          raw.sendFrame({ opcode: opcode.text, payload: payload.subarray(0, 10), rsv: 4, fin: false });
          raw.sendPing('between');
          raw.sendFrame({ opcode: opcode.continuation, payload: payload.subarray(10) });
          const pong = await raw.nextFrame();
          assert.deepEqual([pong.opcode, pong.rsv, pong.payload.toString()], [opcode.pong, 0, 'between']);
          await until(() => peer.messages.length === 1, 'the message');
          assert.deepEqual(received(peer), [prose(900)]);
        });
      });

      test(`level ${level}: an empty message may be compressed in every way there is`, async () => {
        await withTransport(create, { compression: { level } }, async (fixture) => {
          const { raw, peer, deflate } = await connectDeflating(fixture);
          // The one byte of RFC 7692 section 7.2.3.6, and an empty block more.
          raw.sendFrame({ opcode: opcode.text, payload: Buffer.of(0x00), rsv: 4 });
          raw.sendFrame({ opcode: opcode.binary, payload: deflateMessage(''), rsv: 4 });
          raw.sendFrame({ opcode: opcode.text, payload: Buffer.from('000000ffff00', 'hex'), rsv: 4 });
          raw.sendFrame({ opcode: opcode.text, payload: deflate.deflate('after'), rsv: 4 });
          await until(() => peer.messages.length === 4, 'all messages');
          assert.deepEqual(received(peer), ['', '', '', 'after']);
          assert.equal(peer.messages[1]?.binary, true);
        });
      });

      test(`level ${level}: the examples of RFC 7692 section 7.2.3 are read`, async () => {
        await withTransport(create, { compression: { level } }, async (fixture) => {
          const { raw, peer } = await connectDeflating(fixture);
          const hello = ['f248cdc9c90700', '000500faff48656c6c6f00', 'f248050000 00ffffcac9c90700'];
          for (const hex of hello) {
            raw.sendFrame({ opcode: opcode.text, payload: Buffer.from(hex.replaceAll(' ', ''), 'hex'), rsv: 4 });
          }
          await until(() => peer.messages.length === 3 || peer.closes.length > 0, 'all messages');
          assert.deepEqual(received(peer), ['Hello', 'Hello', 'Hello']);
          // Its last block says that it is the last.
          raw.sendFrame({ opcode: opcode.text, payload: Buffer.from('f348cdc9c9070000', 'hex'), rsv: 4 });
          const ended = limits.finalBlocks === 'refused';
          await until(() => peer.messages.length === 4 || peer.closes.length === 1, 'the message or the end');
          assert.deepEqual([peer.closes.length, peer.messages.length], ended ? [1, 3] : [0, 4]);
        });
      });

      test(`level ${level}: data that cannot be inflated ends the connection, and nobody else's`, async () => {
        await withTransport(create, { compression: { level } }, async (fixture) => {
          const bystander = await connectDeflating(fixture);
          const good = deflateMessage(prose(2_000));
          const broken: readonly (readonly FrameToSend[])[] = [
            [{ opcode: opcode.text, payload: Buffer.from('ffffffff', 'hex') }],
            [{ opcode: opcode.binary, payload: Buffer.from('0123456789abcdef0123', 'hex') }],
            // Refers to what was never sent.
            [{ opcode: opcode.text, payload: Buffer.from('4b04000000', 'hex') }],
            [{ opcode: opcode.text, payload: Buffer.concat([deflateRawSync('Hello'), Buffer.from('garbage')]) }],
            [
              { opcode: opcode.text, payload: good.subarray(0, 20), fin: false },
              { opcode: opcode.continuation, payload: Buffer.alloc(20, 0xff) },
            ],
          ];
          for (const [number, frames] of broken.entries()) {
            const { raw, peer } = await connectDeflating(fixture);
            for (const [at, frame] of frames.entries()) raw.sendFrame({ ...frame, rsv: at === 0 ? 4 : 0 });
            raw.sendText('after');
            await raw.ended();
            await until(() => peer.closes.length === 1, 'the close');
            assert.deepEqual(peer.closes, [{ code: 1006, reason: '', cause: limits.brokenDeflate }]);
            assert.equal(peer.messages.length, 0);
            const text = prose(700, number);
            bystander.raw.sendFrame({ opcode: opcode.text, payload: bystander.deflate.deflate(text), rsv: 4 });
            await until(() => bystander.peer.messages.at(-1)?.payload.toString() === text, 'the bystander');
          }
          assert.equal(bystander.peer.messages.length, broken.length);
        });
      });

      test(`level ${level}: noise in place of deflate data harms nobody else`, async () => {
        await withTransport(create, { compression: { level }, hardMessageBytes: 100_000 }, async (fixture) => {
          const bystander = await connectDeflating(fixture);
          for (let i = 0; i < 150; i++) {
            const { raw } = await connectDeflating(fixture);
            const good = deflateMessage(prose(3_000, i));
            // Every other one is right at first.
            const payload =
              i % 2 === 0 ? randomBytes(1 + i) : Buffer.concat([good.subarray(0, i * 4), randomBytes(60)]);
            raw.sendFrame({ opcode: opcode.binary, payload, rsv: 4 });
            raw.sendFrame({ opcode: opcode.binary, payload: good, rsv: 4 });
            raw.socket.end();
          }
          const text = prose(700);
          bystander.raw.sendFrame({ opcode: opcode.text, payload: bystander.deflate.deflate(text), rsv: 4 });
          await until(() => bystander.peer.messages.length === 1, 'the bystander');
          assert.deepEqual(received(bystander.peer), [text]);
          await until(() => fixture.peers.slice(1).every((peer) => peer.closes.length === 1), 'all closes');
          assert.deepEqual(fixture.errors, []);
        });
      });

      test(`level ${level}: the hard bound holds for what is inflated, whole or in fragments`, async () => {
        const bound = 100_000;
        await withTransport(create, { compression: { level }, hardMessageBytes: bound }, async (fixture) => {
          const good = await connectDeflating(fixture);
          good.raw.sendFrame({ opcode: opcode.binary, payload: good.deflate.deflate(Buffer.alloc(bound)), rsv: 4 });
          await until(() => good.peer.messages.length === 1, 'the largest message');
          assert.equal(good.peer.messages[0]?.payload.length, bound);
          for (const bytes of [bound + 1, bound + 20_000, 67_108_864]) {
            for (const pieces of [1, 3]) {
              const { raw, peer } = await connectDeflating(fixture);
              const payload = bomb(bytes);
              assert.ok(payload.length < bound);
              const ends = Array.from({ length: pieces - 1 }, (_, i) => 20 * (i + 1));
              sendPieces(raw, payload, ...ends);
              await raw.ended();
              await until(() => peer.closes.length === 1, 'the close');
              assert.deepEqual(peer.closes, [{ code: 1006, reason: '', cause: 'tooBig' }]);
              assert.equal(peer.messages.length, 0);
            }
          }
          assert.equal(good.peer.closes.length, 0);
        });
      });

      test(`level ${level}: the hard bound holds for compressed bytes too`, async () => {
        await withTransport(create, { compression: { level }, hardMessageBytes: 10_000 }, async (fixture) => {
          const { raw, peer } = await connectDeflating(fixture);
          sendPieces(raw, deflateMessage(randomBytes(12_000)), 6_000);
          await until(() => peer.closes.length === 1, 'the close');
          assert.equal(peer.closes[0]?.cause, 'tooBig');
          assert.equal(peer.messages.length, 0);
        });
      });

      test(`level ${level}: text must be UTF-8 once it is inflated, binary need not`, async () => {
        await withTransport(create, { compression: { level } }, async (fixture) => {
          const { raw, peer, deflate } = await connectDeflating(fixture);
          const bytes = Buffer.from('c0affffe', 'hex');
          raw.sendFrame({ opcode: opcode.binary, payload: deflate.deflate(bytes), rsv: 4 });
          await until(() => peer.messages.length === 1, 'the binary message');
          assert.deepEqual(peer.messages[0]?.payload, bytes);
          raw.sendFrame({ opcode: opcode.text, payload: deflate.deflate(bytes), rsv: 4 });
          await until(() => peer.closes.length === 1, 'the close');
          assert.equal(peer.closes[0]?.cause, 'protocolError');
          assert.equal(peer.messages.length, 1);
        });
      });
    }

    const deflated = deflateMessage(prose(500));
    const violations: readonly (readonly [string, readonly FrameToSend[]])[] = [
      [
        'RSV1 on a continuation of a compressed message',
        [
          { opcode: opcode.text, payload: deflated.subarray(0, 9), rsv: 4, fin: false },
          { opcode: opcode.continuation, payload: deflated.subarray(9), rsv: 4 },
        ],
      ],
      [
        'RSV1 on a continuation of a plain message',
        [
          { opcode: opcode.text, payload: 'plain ', fin: false },
          { opcode: opcode.continuation, payload: 'text', rsv: 4 },
        ],
      ],
      [
        'RSV1 on a ping',
        [
          { opcode: opcode.ping, payload: 'x', rsv: 4 },
          { opcode: opcode.text, payload: 'plain text' },
        ],
      ],
      [
        'RSV1 on a pong before a compressed message',
        [
          { opcode: opcode.pong, payload: 'x', rsv: 4 },
          { opcode: opcode.text, payload: deflated, rsv: 4 },
        ],
      ],
      ['RSV1 and RSV2', [{ opcode: opcode.text, payload: deflated, rsv: 6 }]],
      ['RSV3', [{ opcode: opcode.text, payload: deflated, rsv: 1 }]],
    ];
    for (const [what, frames] of violations) {
      test(`${what} ends the connection before any message is taken from it`, async () => {
        for (const level of levels) {
          await withTransport(create, { compression: { level } }, async (fixture) => {
            const { raw, peer } = await connectDeflating(fixture);
            raw.write(Buffer.concat(frames.map((frame) => frameBytes(frame))));
            await raw.ended();
            await until(() => peer.closes.length === 1, 'the close');
            assert.equal(peer.closes[0]?.code, 1006);
            assert.match(peer.closes[0]?.cause ?? '', /^(protocolError|tooBig)$/);
            assert.equal(peer.messages.length, 0);
          });
        }
      });
    }

    test('many connections inflate and deflate at the same time, each by itself', async () => {
      const hooks = { message: (peer: Peer, payload: Uint8Array) => void peer.open.send(payload, false, true) };
      await withTransport(create, { hooks, compression: { level: 9 } }, async (fixture) => {
        const offers = [usualOffer, 'permessage-deflate; server_no_context_takeover', 'permessage-deflate'];
        await Promise.all(
          Array.from({ length: 60 }, async (_, number) => {
            const { raw, deflate } = await connectDeflating(fixture, offers[number % 3]);
            for (let i = 0; i < 10; i++) {
              const text = prose(1_500, number * 10 + (i % 3));
              raw.sendFrame({ opcode: opcode.text, payload: deflate.deflate(text), rsv: 4 });
              assert.equal(deflate.inflate(await raw.nextFrame()).toString(), text);
            }
          }),
        );
      });
    });
  });
}
