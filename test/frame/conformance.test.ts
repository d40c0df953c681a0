import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { closePayload, type FrameToSend, opcode } from '../support/raw-frames.ts';
import { pause, within } from '../support/waiting.ts';
import { type EchoPrograms, echoPrograms } from './echo-peer.ts';
import { hex, randomOf, splitBytes } from './frame-fixture.ts';
import type { RawPeer } from './raw-peer.ts';
import { invalidTexts, validTexts } from './utf8-samples.ts';

/** What a peer sends, and what must come back; then how the connection ends. */
interface Case {
  readonly send: readonly FrameToSend[];
  /** `opcode:payload` of each frame that must come back, in order. Long payloads are given as bytes. */
  readonly back?: readonly (readonly [number, string | Buffer])[];
  /** The code of the Close frame that must come by itself; default: none comes before the peer's own of 1000. */
  readonly fails?: number;
  /** Bytes of each write; default: all at once. */
  readonly chop?: number;
}

const { continuation, text, binary, close, ping, pong } = opcode;
const word = 'The quick brown fox';

function frames(kind: number, parts: readonly (string | Buffer)[]): FrameToSend[] {
  return parts.map((payload, i) => ({ opcode: i === 0 ? kind : continuation, fin: i === parts.length - 1, payload }));
}

async function run(peer: RawPeer, { send, back = [], fails, chop }: Case): Promise<void> {
  const bytes = Buffer.concat(send.map((frame) => peer.bytes(frame)));
  if (chop === undefined) peer.write(bytes);
  else for (let at = 0; at < bytes.length; at += chop) peer.write(bytes.subarray(at, at + chop));
  for (const [kind, payload] of back) {
    const frame = await peer.frame();
    assert.equal(frame.opcode, kind);
    assert.ok(frame.payload.equals(Buffer.from(payload)), `payload of ${frame.payload.length} bytes`);
    assert.deepEqual([frame.fin, frame.rsv], [true, 0]);
  }
  if (fails === undefined) peer.close(1000, 'end of the case');
  const closing = await peer.closing();
  assert.equal(closing.code, fails ?? 1000);
  if (fails === undefined) assert.equal(closing.reason, '');
  assert.equal(peer.frames.length, back.length + 1, 'nothing else came');
  // A client leaves the end of the stream to the server, which the peer is then.
  if (peer.frames[0]?.masked === true) {
    if (fails !== undefined) peer.close(fails);
    peer.duplex.end();
  }
  await within(peer.ended(), 'the end of the stream');
}

const lengths = [0, 1, 124, 125, 126, 127, 128, 65_535, 65_536, 65_537];

function basics(): [string, Case][] {
  const all: [string, Case][] = [];
  for (const kind of [text, binary]) {
    for (const length of lengths) {
      const payload = Buffer.alloc(length, kind === text ? '*' : '\xfe\x01', 'latin1');
      const send = [{ opcode: kind, payload }];
      all.push([`1: a message of ${length} bytes, opcode ${kind}`, { send, back: [[kind, payload]] }]);
      if (length === 65_536) {
        all.push([`1: in chops of 997, opcode ${kind}`, { send, back: [[kind, payload]], chop: 997 }]);
      }
    }
  }
  for (const payload of ['', 'Hello, world!', Buffer.of(0, 255, 254, 253, 252, 251, 0, 255), 'x'.repeat(125)]) {
    const bytes = Buffer.from(payload);
    all.push([`2: a ping of ${bytes.length} bytes`, { send: [{ opcode: ping, payload }], back: [[pong, bytes]] }]);
    all.push([
      `2: in single bytes, ${bytes.length}`,
      { send: [{ opcode: ping, payload }], back: [[pong, bytes]], chop: 1 },
    ]);
  }
  all.push(['2: a ping of 126 bytes', { send: [{ opcode: ping, payload: 'x'.repeat(126) }], fails: 1002 }]);
  all.push(['2: pongs nobody asked for', { send: [{ opcode: pong }, { opcode: pong, payload: 'x' }] }]);
  const mixed = [
    { opcode: pong, payload: 'x' },
    { opcode: ping, payload: 'y' },
  ];
  all.push(['2: a pong, then a ping', { send: mixed, back: [[pong, 'y']] }]);
  const ten = Array.from({ length: 10 }, (_, i) => `payload-${i}`);
  const tenBack = ten.map((payload): [number, string] => [pong, payload]);
  const tenSend = ten.map((payload) => ({ opcode: ping, payload }));
  all.push(
    ['2: ten pings', { send: tenSend, back: tenBack }],
    ['2: ten pings in bytes', { send: tenSend, back: tenBack, chop: 1 }],
  );
  return all;
}

function reserved(): [string, Case][] {
  const all: [string, Case][] = [];
  const hello = { opcode: text, payload: word };
  for (let rsv = 1; rsv < 8; rsv++) {
    for (const wrong of [
      { opcode: text, rsv, payload: word },
      { opcode: binary, rsv },
      { opcode: ping, rsv },
      { opcode: close, rsv },
    ]) {
      all.push([`3: reserved bits ${rsv}, opcode ${wrong.opcode}`, { send: [wrong, { opcode: ping }], fails: 1002 }]);
    }
    const after = [hello, { opcode: text, rsv, payload: word }, { opcode: ping }];
    all.push([`3: reserved bits ${rsv} after a message`, { send: after, back: [[text, word]], fails: 1002 }]);
    all.push([`3: the same in bytes, ${rsv}`, { send: after, back: [[text, word]], fails: 1002, chop: 1 }]);
    const inner = [
      { ...hello, fin: false },
      { opcode: continuation, rsv, payload: word },
    ];
    all.push([`3: reserved bits ${rsv} on a continuation`, { send: inner, fails: 1002 }]);
  }
  for (const code of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
    all.push([`4: opcode ${code}`, { send: [{ opcode: code }], fails: 1002 }]);
    all.push([`4: opcode ${code} with a payload`, { send: [{ opcode: code, payload: 'x' }], fails: 1002 }]);
    const after = [hello, { opcode: code, payload: 'x' }, { opcode: ping }];
    all.push([`4: opcode ${code} after a message`, { send: after, back: [[text, word]], fails: 1002 }]);
    all.push([`4: the same in bytes, ${code}`, { send: after, back: [[text, word]], fails: 1002, chop: 1 }]);
  }
  return all;
}

function fragments(): [string, Case][] {
  const all: [string, Case][] = [];
  const both = (name: string, one: Case): void => {
    all.push([`5: ${name}`, one], [`5: ${name}, in bytes`, { ...one, chop: 1 }]);
  };
  for (const code of [ping, pong]) {
    both(`a fragmented control frame ${code}`, { send: frames(code, ['a', 'b']), fails: 1002 });
  }
  const [first, last] = frames(text, ['fragment1', 'fragment2']);
  const whole: [number, string] = [text, 'fragment1fragment2'];
  assert.ok(first !== undefined && last !== undefined);
  both('two fragments', { send: [first, last], back: [whole] });
  both('with a ping between', { send: [first, { opcode: ping, payload: 'p' }, last], back: [[pong, 'p'], whole] });
  for (const fin of [true, false]) {
    const lone = { opcode: continuation, fin, payload: 'x' };
    both(`a continuation of nothing, fin ${fin}`, { send: [lone, { opcode: text, payload: word }], fails: 1002 });
    both(`one after a message, fin ${fin}`, {
      send: [{ opcode: text, payload: word }, lone],
      back: [[text, word]],
      fails: 1002,
    });
  }
  both('a new message within one', { send: [first, { opcode: text, payload: 'x' }], fails: 1002 });
  both('a new fragmented one within one', { send: [first, { ...first, opcode: binary }], fails: 1002 });
  const five = frames(text, ['f1', 'f2', 'f3', 'f4', 'f5']);
  const [a, b, c, d, e] = five;
  assert.ok(a !== undefined && b !== undefined && c !== undefined && d !== undefined && e !== undefined);
  const p1 = { opcode: ping, payload: 'ping1' };
  const p2 = { opcode: ping, payload: 'ping2' };
  both('five fragments with pings', {
    send: [a, b, p1, c, d, p2, e],
    back: [
      [pong, 'ping1'],
      [pong, 'ping2'],
      [text, 'f1f2f3f4f5'],
    ],
  });
  both('empty fragments', { send: frames(text, ['', '', '']), back: [[text, '']] });
  both('empty ones around one', { send: frames(text, ['', 'middle', '']), back: [[text, 'middle']] });
  all.push([
    '10: a message in fragments of 1300',
    {
      send: frames(text, splitEvenly(Buffer.alloc(65_536, '*'), 1_300)),
      back: [[text, Buffer.alloc(65_536, '*')]],
    },
  ]);
  return all;
}

function splitEvenly(bytes: Buffer, size: number): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) parts.push(bytes.subarray(at, at + size));
  return parts;
}

function texts(): [string, Case][] {
  const all: [string, Case][] = [];
  const random = randomOf(6);
  validTexts.forEach((sample, i) => {
    const bytes = hex(sample);
    all.push([`6: valid text ${i}`, { send: [{ opcode: text, payload: bytes }], back: [[text, bytes]] }]);
    all.push([
      `6: valid text ${i}, in bytes`,
      { send: [{ opcode: text, payload: bytes }], back: [[text, bytes]], chop: 1 },
    ]);
    const parts = splitBytes(random, bytes, 1);
    if (parts.length > 0)
      all.push([`6: valid text ${i}, a frame per byte`, { send: frames(text, parts), back: [[text, bytes]] }]);
  });
  invalidTexts.forEach((sample, i) => {
    const bytes = hex(sample);
    all.push([`6: invalid text ${i}`, { send: [{ opcode: text, payload: bytes }], fails: 1007 }]);
    all.push([
      `6: invalid text ${i}, a frame per byte`,
      { send: frames(text, splitBytes(random, bytes, 1)), fails: 1007 },
    ]);
    all.push([
      `6: invalid text ${i}, as binary`,
      { send: [{ opcode: binary, payload: bytes }], back: [[binary, bytes]] },
    ]);
  });
  return all;
}

function closings(): [string, Case][] {
  const all: [string, Case][] = [];
  const closing = (payload: string | Buffer): FrameToSend => ({ opcode: close, payload });
  const hello = { opcode: text, payload: word };
  const c1000 = closing(closePayload(1000));
  all.push(['7: a message, then Close', { send: [hello], back: [[text, word]] }]);
  all.push(['7: Close twice', { send: [c1000, c1000], fails: 1000 }]);
  all.push(['7: a ping after Close', { send: [c1000, { opcode: ping }], fails: 1000 }]);
  all.push(['7: a message after Close', { send: [c1000, hello], fails: 1000 }]);
  const [first, last] = frames(text, ['fragment1', 'fragment2']);
  assert.ok(first !== undefined && last !== undefined);
  all.push(['7: Close within a message', { send: [first, c1000, last], fails: 1000 }]);
  const large = Buffer.alloc(262_144, 'BAsd7&jh23');
  all.push(['7: a large message, then Close', { send: [{ opcode: text, payload: large }], back: [[text, large]] }]);
  all.push(['7: an empty Close', { send: [closing('')], fails: 1005 }]);
  all.push(['7: a Close of one byte', { send: [closing('a')], fails: 1002 }]);
  all.push(['7: a Close with a code alone', { send: [c1000], fails: 1000 }]);
  all.push(['7: a Close with a reason', { send: [closing(closePayload(1000, 'Hello World!'))], fails: 1000 }]);
  all.push(['7: the longest reason', { send: [closing(closePayload(1000, '*'.repeat(123)))], fails: 1000 }]);
  all.push(['7: a reason too long', { send: [closing(closePayload(1000, '*'.repeat(124)))], fails: 1002 }]);
  const bad = Buffer.concat([closePayload(1000), hex('cebae1bdb9cf83cebcceb5eda080656469746564')]);
  all.push(['7: a reason that is not UTF-8', { send: [closing(bad)], fails: 1007 }]);
  for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]) {
    all.push([`7: code ${code}`, { send: [closing(closePayload(code))], fails: code }]);
  }
  for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535]) {
    all.push([`7: code ${code}`, { send: [closing(closePayload(code, 'bad code'))], fails: 1002 }]);
  }
  all.push(['7: a length that is not in its shortest form', { send: [{ ...hello, lengthBits: 64 }], fails: 1002 }]);
  return all;
}

function sizes(): [string, Case][] {
  const all: [string, Case][] = [];
  for (const kind of [text, binary]) {
    const megabyte = Buffer.alloc(1 << 20, 'payload of a megabyte ');
    all.push([
      `9: 16 MiB, opcode ${kind}`,
      { send: [{ opcode: kind, payload: Buffer.alloc(16 << 20, '*') }], back: [[kind, Buffer.alloc(16 << 20, '*')]] },
    ]);
    for (const size of [64, 4_096, 262_144]) {
      const send = frames(kind, splitEvenly(megabyte, size));
      all.push([`9: 1 MiB in fragments of ${size}, opcode ${kind}`, { send, back: [[kind, megabyte]] }]);
      all.push([
        `9: 1 MiB in chops of ${size}, opcode ${kind}`,
        { send: [{ opcode: kind, payload: megabyte }], back: [[kind, megabyte]], chop: size },
      ]);
    }
    const thousand = Array.from({ length: 1_000 }, (_, i) => ({ opcode: kind, payload: Buffer.alloc(i % 300, '+') }));
    all.push([
      `9: a thousand messages, opcode ${kind}`,
      { send: thousand, back: thousand.map(({ payload }): [number, Buffer] => [kind, payload]) },
    ]);
  }
  return all;
}

const groups: [string, () => [string, Case][]][] = [
  ['framing and pings', basics],
  ['reserved bits and opcodes', reserved],
  ['fragments', fragments],
  ['text', texts],
  ['closing', closings],
  ['sizes', sizes],
];

for (const role of ['server', 'client'] as const) {
  describe(`an echo ${role} by RFC 6455`, () => {
    let programs: EchoPrograms;
    before(async () => {
      programs = await echoPrograms();
    });
    after(() => programs.close());

    for (const [name, cases] of groups) {
      test(`${name}: behaviour and close behaviour`, async () => {
        const all = cases();
        for (const [title, one] of all) {
          const { peer } = await programs.open(role);
          try {
            await run(peer, one);
          } catch (error) {
            assert.fail(`${title}: ${String(error)}`);
          }
        }
      });
    }

    test('text that cannot be is refused before its frame or message is whole (6.4)', async () => {
      const start = hex('cebae1bdb9cf83cebcceb5');
      for (const bad of ['f4908080', 'eda080', 'c0', 'ff']) {
        const fragmented = await programs.open(role);
        fragmented.peer.send({ opcode: text, fin: false, payload: start });
        fragmented.peer.send({ opcode: continuation, fin: false, payload: hex(bad) });
        assert.equal((await fragmented.peer.closing()).code, 1007);
        const chopped = await programs.open(role);
        const bytes = chopped.peer.bytes({
          opcode: text,
          payload: Buffer.concat([start, hex(bad), Buffer.from('edited')]),
        });
        chopped.peer.write(bytes.subarray(0, -6));
        assert.equal((await chopped.peer.closing()).code, 1007);
        // The byte that shows it, and not the one before.
        const early = await programs.open(role);
        const whole = early.peer.bytes({
          opcode: text,
          payload: Buffer.concat([start, hex('f490 8080'), Buffer.from('edited')]),
        });
        const head = whole.length - 6 - 4 - start.length;
        early.peer.write(whole.subarray(0, head + start.length + 1));
        await pause(5);
        assert.equal(early.peer.frames.length, 0);
        early.peer.write(whole.subarray(head + start.length + 1, head + start.length + 2));
        assert.equal((await early.peer.closing()).code, 1007);
      }
    });
  });
}
