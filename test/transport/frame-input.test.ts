import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EngineError } from '#dist/shared/errors/index.js';
import { FrameInput, type FrameSink } from '#dist/worker/transport/node/frame-input.js';
import { fc } from '../support/properties.ts';
import { type FrameToSend, frameBytes, opcode } from '../support/raw-frames.ts';

/** Writes down what it is told. */
class Said implements FrameSink {
  readonly lines: string[] = [];
  isOver = false;

  received(payload: Uint8Array, binary: boolean): void {
    this.lines.push(`${binary ? 'binary' : 'text'} ${Buffer.from(payload).toString('hex')}`);
  }

  pinged(payload: Uint8Array): void {
    this.lines.push(`ping ${Buffer.from(payload).toString('hex')}`);
  }

  ponged(): void {
    this.lines.push('pong');
  }

  closed(payload: Uint8Array): void {
    this.lines.push(`close ${Buffer.from(payload).toString('hex')}`);
    this.isOver = true;
  }

  inflate(payload: Uint8Array): Uint8Array {
    return Buffer.concat([Buffer.from('inflated:'), payload]);
  }

  violated(error: EngineError): void {
    this.lines.push(error.code);
    this.isOver = true;
  }
}

function readIn(pieces: readonly Buffer[], compresses = false): string[] {
  const said = new Said();
  const input = new FrameInput(said, 100_000, compresses);
  for (const piece of pieces) {
    // At an odd place of a larger memory, as a read may lie.
    const memory = Buffer.alloc(piece.length + 16, 0xee);
    memory.set(piece, 5);
    input.read(memory, 5, 5 + piece.length);
    assert.ok(
      memory.subarray(0, 5).every((byte) => byte === 0xee),
      'nothing before it is touched',
    );
    assert.ok(
      memory.subarray(5 + piece.length).every((byte) => byte === 0xee),
      'nothing behind it is touched',
    );
  }
  return said.lines;
}

const text = fc.string({ unit: 'grapheme', maxLength: 300 });
const control: fc.Arbitrary<FrameToSend> = fc.record({
  opcode: fc.constantFrom(opcode.ping, opcode.pong),
  payload: fc.string({ maxLength: 30 }),
});

/** The frames of one message in so many fragments, with control frames between them. */
const message: fc.Arbitrary<FrameToSend[]> = fc
  .tuple(text, fc.boolean(), fc.array(fc.nat(400), { maxLength: 4 }), fc.array(control, { maxLength: 2 }))
  .map(([words, binary, cuts, between]) => {
    const bytes = Buffer.from(words);
    const places = [...new Set(cuts.map((cut) => Math.min(cut, bytes.length)))].sort((a, b) => a - b);
    const ends = [...places, bytes.length];
    return ends.flatMap((end, at): FrameToSend[] => [
      {
        opcode: at > 0 ? opcode.continuation : binary ? opcode.binary : opcode.text,
        payload: bytes.subarray(at === 0 ? 0 : ends[at - 1], end),
        fin: at === ends.length - 1,
      },
      ...(at === 0 ? between : []),
    ]);
  });

function cutAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((start, at) => bytes.subarray(start, places[at] ?? bytes.length));
}

describe('frames as they arrive', () => {
  it('say the same however they are cut into reads', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 5 }), fc.array(fc.nat(5_000), { maxLength: 12 }), (messages, cuts) => {
        const bytes = Buffer.concat(messages.flat().map((frame) => frameBytes(frame)));
        assert.deepEqual(readIn(cutAt(bytes, cuts)), readIn([bytes]));
      }),
      { numRuns: 400 },
    );
  });

  it('say what was sent, byte by byte too', () => {
    const frames = [
      frameBytes({ opcode: opcode.text, payload: 'é'.repeat(100), fin: false }),
      frameBytes({ opcode: opcode.ping, payload: 'p' }),
      frameBytes({ opcode: opcode.continuation, payload: 'end' }),
      frameBytes({ opcode: opcode.binary, payload: 'x'.repeat(70_000) }),
      frameBytes({ opcode: opcode.close, payload: Buffer.from([3, 232]) }),
      frameBytes({ opcode: opcode.text, payload: 'nobody reads this' }),
    ];
    const expected = [
      'ping 70',
      `text ${Buffer.from(`${'é'.repeat(100)}end`).toString('hex')}`,
      `binary ${'78'.repeat(70_000)}`,
      'close 03e8',
    ];
    const bytes = Buffer.concat(frames);
    assert.deepEqual(readIn([bytes]), expected);
    assert.deepEqual(readIn(Array.from(bytes, (byte) => Buffer.of(byte))), expected);
  });

  it('that are wrong end with their error, after what was right before them', () => {
    const good = frameBytes({ opcode: opcode.text, payload: 'good' });
    const cases: readonly (readonly [string, Buffer])[] = [
      ['ERR_FRAME_MASK', frameBytes({ opcode: opcode.text, payload: 'x', masked: false })],
      ['ERR_FRAME_LENGTH', frameBytes({ opcode: opcode.text, payload: 'x', lengthBits: 16 })],
      ['ERR_FRAME_RESERVED_BITS', frameBytes({ opcode: opcode.text, payload: 'x', rsv: 4 })],
      ['ERR_FRAME_SEQUENCE', frameBytes({ opcode: opcode.continuation, payload: 'x' })],
      ['ERR_FRAME_OPCODE', frameBytes({ opcode: 3, payload: 'x' })],
      ['ERR_FRAME_CONTROL', frameBytes({ opcode: opcode.ping, payload: 'x', fin: false })],
      ['ERR_FRAME_MESSAGE_TOO_LONG', frameBytes({ opcode: opcode.binary, payload: Buffer.alloc(100_001) })],
      ['ERR_FRAME_TOO_LONG', Buffer.from('82ff4000000000000000aabbccdd00', 'hex')],
      ['ERR_FRAME_UTF8', frameBytes({ opcode: opcode.text, payload: Buffer.from('c0af', 'hex') })],
    ];
    for (const [code, bytes] of cases) {
      const expected = [`text ${Buffer.from('good').toString('hex')}`, code];
      assert.deepEqual(readIn([Buffer.concat([good, bytes, good])]), expected);
      assert.deepEqual(readIn(Array.from(Buffer.concat([good, bytes]), (byte) => Buffer.of(byte))), expected);
    }
  });

  it('of text are refused at the first byte that no text can have', () => {
    const begun = frameBytes({ opcode: opcode.text, payload: Buffer.from('68656cc0af68656c', 'hex') });
    // The header has six bytes, and the fourth of the payload is wrong.
    assert.deepEqual(readIn([begun.subarray(0, 9)]), []);
    assert.deepEqual(readIn([begun.subarray(0, 9), begun.subarray(9, 10)]), ['ERR_FRAME_UTF8']);
  });

  it('are inflated if their first one says so, and only where that was agreed on', () => {
    const frames = [
      frameBytes({ opcode: opcode.text, payload: 'a', rsv: 4, fin: false }),
      frameBytes({ opcode: opcode.continuation, payload: 'b' }),
      frameBytes({ opcode: opcode.text, payload: 'c' }),
    ];
    const hex = (words: string): string => `text ${Buffer.from(words).toString('hex')}`;
    assert.deepEqual(readIn([Buffer.concat(frames)], true), [hex('inflated:ab'), hex('c')]);
  });
});
