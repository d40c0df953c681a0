import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { frameBytes, opcode } from '../support/raw-frames.ts';
import { loadgen, measure, parsed, skip } from './loadgen-fixture.ts';
import { serveRaw } from './raw-server.ts';

const { continuation, text, binary, ping } = opcode;

/** A message of this size in three fragments, the second of them empty, with a ping inside. */
function inFragments(size: number, pingPayload: string): Buffer {
  const first = Math.ceil(size / 2);
  return Buffer.concat([
    frameBytes({ opcode: text, payload: 'a'.repeat(first), fin: false, masked: false }),
    frameBytes({ opcode: ping, payload: pingPayload, masked: false }),
    frameBytes({ opcode: continuation, fin: false, masked: false }),
    frameBytes({ opcode: continuation, payload: 'b'.repeat(size - first), masked: false }),
  ]);
}

/** Each byte in a turn of its own, and so in a packet of its own. */
function trickle(socket: Socket, bytes: Buffer): void {
  let at = 0;
  const next = (): void => {
    if (at === bytes.length || socket.destroyed) return;
    socket.write(bytes.subarray(at, ++at));
    setImmediate(next);
  };
  next();
}

test('frames: fragments, with pings between them, may be cut anywhere', { skip }, async (t) => {
  for (const size of [10, 600, 140_000]) {
    const pongs: string[] = [];
    let cut = 0;
    const whole = inFragments(size, 'middle');
    // Around every header: it is there that a parser errs.
    const cuts = Array.from({ length: whole.length }, (_, at) => at).filter((at) => at < 24 || at > whole.length - 12);
    const middle = whole.indexOf('middle');
    for (let at = middle - 6; at < middle + 24; at++) cuts.push(Math.max(0, Math.min(at, whole.length)));
    const port = await serveRaw(t, {
      received: (socket, frame) => {
        if (frame.opcode === opcode.pong) {
          pongs.push(frame.payload.toString());
          return;
        }
        const at = cuts[cut++ % cuts.length] ?? 0;
        socket.write(whole.subarray(0, at));
        // On its own in the client's next read, unless the client is slow, and then for another cut.
        setTimeout(() => socket.write(whole.subarray(at)), 1);
      },
    });
    const result = await measure(port, `--connections 4 --duration-ms 150 --expect-bytes ${size}`);
    assert.ok(result.received > 0);
    assert.deepEqual([result.unexpected, result.completeness_pct], [0, 100], `${size} bytes`);
    assert.equal(pongs.length, result.received);
    assert.ok(pongs.every((payload) => payload === 'middle'));
  }
});

test('frames: every byte on its own, the handshake included', { skip }, async (t) => {
  const port = await serveRaw(t, {
    write: trickle,
    received: (socket, frame) => {
      if (frame.opcode === text) trickle(socket, inFragments(20, 'p'));
    },
  });
  const result = await measure(port, '--connections 1 --duration-ms 100 --expect-bytes 20');
  assert.ok(result.received > 0);
  assert.deepEqual([result.unexpected, result.completeness_pct], [0, 100]);
});

test('frames: many messages in one read are all counted', { skip }, async (t) => {
  const port = await serveRaw(t, {
    received: (() => {
      let waiting = 0;
      return (socket) => {
        if (++waiting < 500) return;
        waiting = 0;
        socket.write(
          Buffer.alloc(64 * 500 + 2 * 500, frameBytes({ opcode: binary, payload: Buffer.alloc(64, 7), masked: false })),
        );
      };
    })(),
  });
  const result = await measure(port, '--connections 1 --pipeline 500 --duration-ms 100 --expect-bytes 64');
  assert.ok(result.received >= 500);
  assert.deepEqual([result.received % 500, result.unexpected, result.completeness_pct], [0, 0, 100]);
});

test('frames: what a server must not send is an error of the protocol', { skip }, async (t) => {
  const message = { opcode: text, payload: 'x', masked: false } as const;
  const faults: readonly (readonly [Buffer, RegExp])[] = [
    [frameBytes({ ...message, masked: true }), /masked/],
    [frameBytes({ ...message, rsv: 4 }), /reserved bits/],
    [frameBytes({ ...message, opcode: 3 }), /unknown opcode/],
    [frameBytes({ ...message, opcode: 11 }), /unknown control opcode/],
    [frameBytes({ ...message, opcode: continuation }), /continuation of nothing/],
    [frameBytes({ ...message, opcode: ping, fin: false }), /fragmented control frame/],
    [frameBytes({ ...message, opcode: ping, payload: 'x'.repeat(126) }), /more than 125 bytes/],
    [frameBytes({ ...message, lengthBits: 16 }), /shortest form/],
    [frameBytes({ ...message, lengthBits: 64 }), /shortest form/],
    [Buffer.from('827fffffffffffffffff', 'hex'), /more than 63 bits/],
    [Buffer.concat([frameBytes({ ...message, fin: false }), frameBytes(message)]), /inside a fragmented one/],
  ];
  for (const [bytes, line] of faults) {
    const port = await serveRaw(t, { received: (socket) => socket.write(bytes) });
    const finished = await loadgen(port, '--connections 1 --duration-ms 5000');
    assert.equal(finished.code, 1);
    assert.match(finished.stderr, /^loadgen: the server broke the protocol: [^\n]+\n$/);
    assert.match(finished.stderr, line);
    const { errors, received, elapsed_s } = parsed(finished);
    assert.deepEqual([errors.protocol, errors.closed, received], [1, 0, 0]);
    assert.ok(elapsed_s < 5, 'with no connection left there is nothing to wait for');
  }
});
