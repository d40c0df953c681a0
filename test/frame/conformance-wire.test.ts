import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { closePayload, type FrameToSend, opcode } from '../support/raw-frames.ts';
import { within } from '../support/waiting.ts';
import { hex } from './frame-fixture.ts';
import { invalidTexts, validTexts } from './utf8-samples.ts';
import {
  assertCame,
  type Came,
  finish,
  type Programs,
  programs,
  type Subject,
  send,
  subjects,
  type Way,
  type WirePeer,
  ways,
} from './wire-peer.ts';

const { continuation, text, binary, close, ping, pong } = opcode;

/** What is sent; what must come back, in order; which Close frame ends it. */
interface Case {
  readonly title: string;
  readonly send: readonly FrameToSend[];
  readonly back?: readonly Came[];
  /** The code of the program's Close frame; 1005: none in it. Default: this end closes with 1000 when all has come. */
  readonly code?: number;
}

const hello = { opcode: text, payload: 'Hello, world!' };
const helloBack: Came = [text, 'Hello, world!'];
const broken = 1002;

function fragments(kind: number, ...parts: (string | Buffer)[]): FrameToSend[] {
  return parts.map((payload, i) => ({ opcode: i === 0 ? kind : continuation, fin: i === parts.length - 1, payload }));
}

function frameCases(): Case[] {
  const all: Case[] = [];
  for (const kind of [text, binary, ping]) {
    for (const length of [0, 1, 125, 126, 65_535, 65_536]) {
      const payload = Buffer.alloc(length, kind === text ? 'x' : 0xfe);
      const send = [{ opcode: kind, payload }];
      const title = `${length} bytes of opcode ${kind}`;
      if (kind !== ping) all.push({ title, send, back: [[kind, payload]] });
      else all.push(length < 126 ? { title, send, back: [[pong, payload]] } : { title, send, code: broken });
    }
  }
  for (let rsv = 1; rsv < 8; rsv++) {
    for (const kind of [text, binary, close, ping, pong]) {
      all.push({ title: `reserved bits ${rsv} on opcode ${kind}`, send: [{ opcode: kind, rsv }], code: broken });
    }
    const late = [hello, { ...hello, rsv }, { opcode: ping }];
    all.push({ title: `reserved bits ${rsv} behind a message`, send: late, back: [helloBack], code: broken });
    const inner = [
      { ...hello, fin: false },
      { opcode: continuation, rsv },
    ];
    all.push({ title: `reserved bits ${rsv} on a continuation`, send: inner, code: broken });
  }
  for (const kind of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
    for (const payload of ['', 'x']) {
      const wrong = { opcode: kind, payload };
      all.push({ title: `opcode ${kind}`, send: [wrong], code: broken });
      const late = [hello, wrong, { opcode: ping }];
      all.push({ title: `opcode ${kind} behind a message`, send: late, back: [helloBack], code: broken });
    }
  }
  for (const lengthBits of [16, 64] as const) {
    all.push({ title: `a length of ${lengthBits} bits in vain`, send: [{ ...hello, lengthBits }], code: broken });
  }
  return all;
}

function sequenceCases(): Case[] {
  const two: Came = [text, 'ab'];
  const all: Case[] = [];
  const add = (title: string, send: FrameToSend[], back: Came[], code?: number): void => {
    all.push({ title, send, back, ...(code === undefined ? {} : { code }) });
  };
  for (const kind of [ping, pong, close]) add(`fragments of ${kind}`, fragments(kind, '', 'b'), [], broken);
  add('two fragments', fragments(text, 'a', 'b'), [two]);
  add(
    'two messages in fragments',
    [...fragments(text, 'a', 'b'), ...fragments(binary, 'c', 'd')],
    [two, [binary, 'cd']],
  );
  add('empty fragments', fragments(text, '', '', ''), [[text, '']]);
  add('a first and a last fragment that are empty', fragments(binary, '', 'mid', ''), [[binary, 'mid']]);
  const [a, b] = fragments(text, 'a', 'b') as [FrameToSend, FrameToSend];
  add('a ping within', [a, { opcode: ping, payload: 'p' }, b], [[pong, 'p'], two]);
  add('a pong within', [a, { opcode: pong, payload: 'p' }, b], [two]);
  add('a message within', [a, { opcode: text, payload: 'x' }], [], broken);
  add('a fragmented message within', [a, { opcode: binary, fin: false }, b], [], broken);
  for (const fin of [true, false]) {
    const lone = { opcode: continuation, fin, payload: 'x' };
    add(`a continuation of nothing, fin ${fin}`, [lone, hello], [], broken);
    add(`one behind a message, fin ${fin}`, [a, b, lone, hello], [two], broken);
  }
  const many = Array.from({ length: 40 }, (_, i) => ({ opcode: text, payload: `${i}` }));
  const manyBack = many.map(({ payload }): Came => [text, payload]);
  add('messages, then a wrong frame', [...many, { opcode: 3 }, { opcode: ping }], manyBack, broken);
  add('messages, then Close', [...many, { opcode: close, payload: closePayload(1000) }, hello], manyBack, 1000);
  add('Close within a message', [a, { opcode: close, payload: closePayload(1001) }, b], [], 1001);
  add('Close, then all kinds of frames', [{ opcode: close }, { opcode: close }, { opcode: ping }, hello], [], 1005);
  return all;
}

function textCases(): Case[] {
  const all: Case[] = [];
  validTexts.forEach((sample, i) => {
    const payload = hex(sample);
    all.push({ title: `text ${i}`, send: [{ opcode: text, payload }], back: [[text, payload]] });
    const parts = Array.from(payload, (byte) => Buffer.of(byte));
    if (parts.length > 0)
      all.push({ title: `text ${i}, cut`, send: fragments(text, ...parts), back: [[text, payload]] });
  });
  invalidTexts.forEach((sample, i) => {
    const wrong = { opcode: text, payload: hex(sample) };
    all.push({ title: `no text ${i}`, send: [hello, wrong, { opcode: ping }], back: [helloBack], code: 1007 });
    const parts = Array.from(wrong.payload, (byte) => Buffer.of(byte));
    all.push({ title: `no text ${i}, cut`, send: fragments(text, ...parts), code: 1007 });
  });
  return all;
}

function closeCases(): Case[] {
  const all: Case[] = [];
  const add = (title: string, payload: Buffer | string, code: number): void => {
    all.push({ title: `Close: ${title}`, send: [{ opcode: close, payload }], code });
  };
  for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]) {
    add(`${code}`, closePayload(code), code);
    add(`${code} with a reason`, closePayload(code, 'a reason'), code);
  }
  for (const code of [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535]) {
    add(`${code}`, closePayload(code), broken);
    add(`${code} with a reason`, closePayload(code, 'a reason'), broken);
  }
  add('empty', '', 1005);
  add('one byte', 'x', broken);
  add('the longest reason', closePayload(1000, '*'.repeat(123)), 1000);
  add('a longer one', closePayload(1000, '*'.repeat(124)), broken);
  add('a reason that is no text', Buffer.concat([closePayload(1000), hex('eda080')]), 1007);
  return all;
}

async function run(peer: WirePeer, subject: Subject, { send: frames, back = [], code }: Case, way: Way): Promise<void> {
  await send(peer, frames, way);
  if (code === undefined) await peer.until(() => peer.came.length >= back.length, 'the echo');
  await finish(peer, subject, code);
  assertCame(peer, back);
}

const tables = [
  ['frames, reserved bits and opcodes', frameCases],
  ['fragments and their order', sequenceCases],
  ['text', textCases],
  ['Close frames', closeCases],
] as const;
const atATime = 32;

for (const subject of subjects) {
  describe(`an echo program on the wire: ${subject}`, () => {
    let echoes: Programs;
    before(async () => {
      echoes = await programs(null, 1 << 20);
    });
    after(() => echoes.close());

    async function all(work: readonly (() => Promise<void>)[]): Promise<void> {
      for (let at = 0; at < work.length; at += atATime) {
        await within(Promise.all(work.slice(at, at + atATime).map((one) => one())), 'a group of cases', 120_000);
      }
    }

    for (const [name, cases] of tables) {
      test(`${name}: what comes back, which Close, who ends the stream`, async () => {
        const work = cases().flatMap((one) =>
          ways.map((way) => async () => {
            const long = one.send.some(({ payload = '' }) => payload.length > 1_000);
            if (long && way === 'byte by byte') return;
            const { peer } = await echoes.open(subject);
            try {
              await run(peer, subject, one, way);
            } catch (error) {
              assert.fail(`${one.title}, ${way}: ${String(error)}`);
            }
          }),
        );
        await all(work);
      });
    }

    test('a message is refused by the header that makes it too long', async () => {
      for (const [lead, length, code] of [
        [0, (1 << 20) + 1, 1009],
        [1, 1 << 20, 1009],
        [0, 2 ** 52, 1009],
        [0, 2 ** 63, broken],
      ] as const) {
        const { peer } = await echoes.open(subject);
        if (lead > 0) peer.socket.write(peer.bytes({ opcode: binary, fin: false, payload: 'x'.repeat(lead) }));
        const header = Buffer.alloc(subject === 'dial' ? 10 : 14);
        header[0] = 0x80 | (lead > 0 ? continuation : binary);
        header[1] = 127 | (subject === 'dial' ? 0 : 0x80);
        header.writeBigUInt64BE(BigInt(length), 2);
        peer.socket.write(header);
        await finish(peer, subject, code);
      }
    });
  });
}
