import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compileFrame, FrameReader, frameErrorFamily, zlibCompressor } from '#dist/frame/index.js';
import { MessageReader, type MessageReaderOptions } from '#dist/frame/message-reader.js';
import { fc } from '../support/properties.ts';
import { pick, type Random, randomBytes, randomOf, splitBytes } from './frame-fixture.ts';

const limits: Omit<MessageReaderOptions, 'role'> = {
  maxFrameBytes: Number.MAX_SAFE_INTEGER,
  maxMessageBytes: 10_000,
  reservedBits: 0,
  compressor: null,
};

/** What a reader makes of these chunks: each message and control frame, and the code of what ended it. */
function readAll(reader: MessageReader, chunks: readonly Buffer[], owned: boolean): string[] {
  const all: string[] = [];
  try {
    for (const chunk of chunks) {
      // A reader may unmask in memory that it owns.
      reader.input.push(owned ? Buffer.from(chunk) : chunk, owned);
      for (let more = true; more; ) {
        const result = reader.next('message');
        if (result === 'message') all.push(`${reader.message.opcode} ${reader.message.payload.toString('latin1')}`);
        else if (result === 'control') all.push(`${reader.frame.opcode} ${reader.frame.payload.toString('latin1')}`);
        else more = false;
      }
    }
    if (reader.isWithin) all.push('within');
  } catch (error) {
    assert.notEqual(frameErrorFamily(error), undefined, String(error));
    all.push((error as { code: string }).code);
  }
  return all;
}

/** A valid stream as a client sends it, and what it says. */
function validStream(random: Random): { bytes: Buffer; says: string[] } {
  const parts: Uint8Array[] = [];
  const says: string[] = [];
  const key = (): { maskKey: number } => ({ maskKey: random(2 ** 32) | 0 });
  const control = (): void => {
    if (random(4) > 0) return;
    const code = pick(random, [9, 10]);
    const payload = randomBytes(random, random(126));
    parts.push(compileFrame({ opcode: code, payload, ...key() }));
    says.push(`${code} ${payload.toString('latin1')}`);
  };
  for (let count = 1 + random(4); count > 0; count--) {
    const isText = random(2) === 0;
    const payload = isText
      ? Buffer.from(Array.from({ length: random(60) }, () => pick(random, ['a', 'é', '€', '😀', '\0'])).join(''))
      : randomBytes(random, pick(random, [0, 1, 50, 125, 126, 200, 1_500]));
    const pieces = splitBytes(random, payload, pick(random, [3, 40, 2_000]));
    if (pieces.length === 0 || random(5) === 0) pieces.push(Buffer.alloc(0));
    pieces.forEach((piece, i) => {
      const fin = i === pieces.length - 1;
      parts.push(compileFrame({ opcode: i > 0 ? 0 : isText ? 1 : 2, fin, payload: piece, ...key() }));
      if (!fin) control();
    });
    says.push(`${isText ? 1 : 2} ${payload.toString('latin1')}`);
    control();
  }
  return { bytes: Buffer.concat(parts), says };
}

describe('any valid stream', () => {
  test('says the same however it is split into chunks', () => {
    const random = randomOf(11);
    for (let round = 0; round < 8_000; round++) {
      const { bytes, says } = validStream(random);
      const whole = Buffer.from(bytes);
      const chunks = splitBytes(random, bytes, pick(random, [1, 2, 5, 20, 300, 5_000]));
      assert.deepEqual(readAll(new MessageReader({ role: 'server', ...limits }), chunks, random(2) === 0), says);
      assert.deepEqual(readAll(new MessageReader({ role: 'server', ...limits }), [whole], false), says);
      assert.deepEqual(whole, bytes, 'memory of others is left alone');
    }
  });

  test('by the law of random examples', () => {
    const frame = fc.record({
      opcode: fc.constantFrom(1, 2, 9, 10),
      payload: fc.string({ maxLength: 125 }),
      maskKey: fc.integer(),
    });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 5 }), fc.array(fc.nat(300)), (frames, cuts) => {
        const bytes = Buffer.concat(frames.map((one) => compileFrame({ ...one, payload: Buffer.from(one.payload) })));
        const at = [...new Set([0, ...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length])].sort(
          (a, b) => a - b,
        );
        const chunks = at.slice(1).map((end, i) => Buffer.from(bytes.subarray(at[i], end)));
        const said = frames.map(({ opcode, payload }) => `${opcode} ${Buffer.from(payload).toString('latin1')}`);
        assert.deepEqual(readAll(new MessageReader({ role: 'server', ...limits }), chunks, true), said);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('any bytes at all', () => {
  test('give frames or one of the errors that are named, the same for every split: 60,000 streams', () => {
    const random = randomOf(12);
    const seen = new Map<string, number>();
    for (let round = 0; round < 60_000; round++) {
      const bytes = random(3) === 0 ? randomBytes(random, random(40)) : mutated(random, validStream(random).bytes);
      const role = pick(random, ['server', 'client'] as const);
      const options = { role, ...limits, reservedBits: pick(random, [0, 0x40, 0x70]) };
      const whole = readAll(new MessageReader(options), [Buffer.from(bytes)], true);
      const split = readAll(new MessageReader(options), splitBytes(random, bytes, pick(random, [1, 7, 100])), false);
      assert.deepEqual(split, whole, bytes.toString('hex'));
      const end = whole.at(-1) ?? '';
      seen.set(end.startsWith('ERR_') ? end : 'fine', (seen.get(end.startsWith('ERR_') ? end : 'fine') ?? 0) + 1);
    }
    // The generator reaches every way to be wrong.
    const wanted = [
      'OPCODE',
      'RESERVED_BITS',
      'LENGTH',
      'CONTROL',
      'MASK',
      'SEQUENCE',
      'UTF8',
      'TOO_LONG',
      'MESSAGE_TOO_LONG',
    ];
    for (const kind of wanted)
      assert.ok((seen.get(`ERR_FRAME_${kind}`) ?? 0) > 10, `${kind}: ${JSON.stringify([...seen])}`);
    assert.ok((seen.get('fine') ?? 0) > 1_000);
  });

  test('cut into frames alone: 60,000 streams', () => {
    const random = randomOf(13);
    for (let round = 0; round < 60_000; round++) {
      const reader = new FrameReader(pick(random, ['server', 'client'] as const), 0x70);
      const bytes = randomBytes(random, random(60));
      let given = 0;
      try {
        for (const chunk of splitBytes(random, bytes, 1 + random(30))) {
          reader.push(chunk, true);
          for (let more = true; more; ) {
            if (reader.remaining === 0) more = reader.nextHeader(false);
            while (more && reader.remaining > 0) {
              more = reader.nextPiece();
              if (more) given += reader.piece.length;
            }
          }
        }
      } catch (error) {
        assert.notEqual(frameErrorFamily(error), undefined, String(error));
      }
      assert.ok(given <= bytes.length);
    }
  });

  test('as compressed messages: 6,000 of them', () => {
    const random = randomOf(14);
    const parameters = {
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
      serverMaxWindowBits: 15,
      clientMaxWindowBits: 15,
    };
    for (let round = 0; round < 6_000; round++) {
      const near = zlibCompressor()({ role: 'server', ...parameters });
      const far = zlibCompressor()({ role: 'client', ...parameters });
      const payload = Buffer.from(far.compress(Buffer.from('compressed '.repeat(random(30))), true) as Uint8Array);
      const broken = random(4) === 0 ? payload : mutated(random, payload);
      const frame = compileFrame({ opcode: 1, rsv: 0x40, payload: broken, maskKey: 0 });
      readAll(
        new MessageReader({ role: 'server', ...limits, compressor: near }),
        splitBytes(random, Buffer.from(frame), 20),
        true,
      );
      near.close();
      far.close();
    }
  });
});

function mutated(random: Random, bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  for (let count = 1 + random(3); count > 0 && copy.length > 0; count--) {
    const at = random(Math.min(copy.length, pick(random, [2, 14, copy.length])));
    copy[at] = pick(random, [random(256), 0xff, 0x7f, (copy[at] ?? 0) ^ (1 << random(8))]);
  }
  return random(6) === 0 ? copy.subarray(0, random(copy.length + 1)) : copy;
}
