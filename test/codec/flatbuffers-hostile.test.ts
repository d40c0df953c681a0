import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { describe, test } from 'node:test';
import { flatbuffersCodec } from '#dist/shared/codec/flatbuffers-codec.js';
import { bytesOf, envelopeOf, mutated, pick, type Random, randomOf, saidBy, textOf } from './codec-fixture.ts';
import { builtBytes, isRead, paddingOf, refusalOf, vectors } from './flatbuffers-fixture.ts';

const golden = Object.values(vectors).map(({ bytes }) => bytes);

/** Offsets and lengths at which arithmetic goes wrong. */
const tellingWords = [
  0, 1, 2, 3, 4, 5, 7, 8, 24, 0x7f, 0x80, 0xff, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ff00, 0xffff_fff0,
  0xffff_fff8, 0xffff_fffc, 0xffff_fffe, 0xffff_ffff,
];

function withWord(bytes: Uint8Array, at: number, word: number): Uint8Array {
  const copy = bytes.slice();
  new DataView(copy.buffer).setUint32(at, word, true);
  return copy;
}

function withHalf(bytes: Uint8Array, at: number, half: number): Uint8Array {
  const copy = bytes.slice();
  new DataView(copy.buffer).setUint16(at, half, true);
  return copy;
}

describe('hostile FlatBuffers messages', () => {
  for (const [name, { envelope, bytes }] of Object.entries(vectors)) {
    test(`${name} cut anywhere is malformed, unless only padding is missing`, () => {
      const needed = bytes.length - paddingOf[name as keyof typeof paddingOf];
      for (let length = 0; length < bytes.length; length++) {
        const cut = bytes.slice(0, length);
        if (length < needed) refusalOf(cut);
        else assert.deepEqual(saidBy(flatbuffersCodec.decode(cut)), saidBy(envelope));
        isRead(cut);
      }
    });

    test(`${name} with any one byte changed to any other is an envelope or malformed`, () => {
      let read = 0;
      for (let at = 0; at < bytes.length; at++) {
        for (let byte = 0; byte < 256; byte++) {
          const changed = bytes.slice();
          changed[at] = byte;
          if (isRead(changed)) read++;
        }
      }
      assert.ok(read > bytes.length * 32 && read < bytes.length * 224, `${read} read`);
    });

    test(`${name} with any word or half word changed to a telling one is an envelope or malformed`, () => {
      for (let at = 0; at + 4 <= bytes.length; at++) {
        for (const word of tellingWords) isRead(withWord(bytes, at, word));
        for (let near = -9; near < 10; near++) isRead(withWord(bytes, at, (bytes.length - at + near) >>> 0));
      }
      for (let at = 0; at + 2 <= bytes.length; at++) {
        for (let half = 0; half < bytes.length + 2; half++) isRead(withHalf(bytes, at, half));
        for (const half of [0x7fff, 0x8000, 0xfffe, 0xffff]) isRead(withHalf(bytes, at, half));
      }
    });
  }

  test('each number that leads somewhere is checked, and the refusal says which', () => {
    const { bytes } = vectors.M0;
    const refused = (changed: Uint8Array): string => refusalOf(changed).replace('message malformed at ', '');
    for (const word of [0, 3, bytes.length - 3, bytes.length, 0x8000_0018, 0xffff_ffff]) {
      assert.equal(refused(withWord(bytes, 0, word)), 'byte 0: root table outside the message');
    }
    // The vtable is at 10, the table at 24.
    for (const word of [21, 24, 0x7fff_ffff, 0x8000_0000, (24 - bytes.length + 3) >>> 0]) {
      assert.equal(refused(withWord(bytes, 24, word)), 'byte 24: vtable outside the message');
    }
    for (const half of [0, 2, 13, bytes.length - 8, 0xffff, 0xfffe]) {
      assert.equal(refused(withHalf(bytes, 10, half)), 'byte 10: bad vtable size');
    }
    for (const half of [0, 3, bytes.length - 23, 0xffff]) {
      assert.equal(refused(withHalf(bytes, 12, half)), 'byte 12: bad table size');
    }
    for (const at of [14, 16, 18, 22]) {
      for (const half of [1, 3, 25, 28, 0xffff]) {
        assert.equal(refused(withHalf(bytes, at, half)), `byte ${at}: field outside its table`);
      }
    }
    assert.equal(refused(withHalf(bytes, 20, 21)), 'byte 20: field outside its table');
    for (const at of [28, 40, 44, 48]) {
      for (const word of [0, 1, 3, bytes.length - at - 3, 0x7fff_ffff, 0x8000_0000, 0xffff_fffc, 0xffff_ffff]) {
        assert.equal(refused(withWord(bytes, at, word)), `byte ${at}: offset outside the message`);
      }
    }
    for (const at of [52, 68, 80, 92]) {
      for (const word of [bytes.length - at - 3, 0x7fff_ffff, 0x8000_0000, 0xffff_fffc, 0xffff_ffff]) {
        assert.equal(refused(withWord(bytes, at, word)), `byte ${at}: length outside the message`);
      }
    }
  });

  test('any bytes give an envelope or ERR_MESSAGE_MALFORMED, and nothing else', () => {
    const random = randomOf(2);
    let read = 0;
    for (let i = 0; i < 100_000; i++) {
      if (isRead(junkOf(random))) read++;
    }
    assert.ok(read > 5_000 && read < 95_000, `${read} read`);
  });

  test('text that is not UTF-8 is malformed in each of the three names, in short text and in long', () => {
    const random = randomOf(3);
    const leads = [
      0x00, 0x41, 0x7f, 0x80, 0xbf, 0xc0, 0xc1, 0xc2, 0xe0, 0xe1, 0xed, 0xee, 0xef, 0xf0, 0xf3, 0xf4, 0xf5, 0xff,
    ];
    let valid = 0;
    for (let i = 0; i < 30_000; i++) {
      const text = Uint8Array.from({ length: 1 + random(5) }, () =>
        random(2) === 0 ? pick(random, leads) : random(256),
      );
      const before =
        random(4) === 0 ? bytesOf(pick(random, ['é', '\ufffd', 'x'.repeat(70), '😀'.repeat(20)])) : bytesOf('');
      const whole = new Uint8Array([...before, ...text]);
      const place = pick(random, ['type', 'channel', 'clientId'] as const);
      const marker = '~'.repeat(whole.length);
      const bytes = builtBytes(envelopeOf({ [place]: marker }));
      bytes.set(whole, Buffer.from(bytes).indexOf(marker));
      if (isUtf8(whole)) {
        valid++;
        assert.equal(flatbuffersCodec.decode(bytes)[place], textOf(whole));
      } else {
        assert.match(refusalOf(bytes), /invalid UTF-8$/);
      }
    }
    assert.ok(valid > 3_000 && valid < 27_000, `${valid} valid`);
  });

  test('after a refusal the next message is read as if nothing had been', () => {
    for (const { envelope, bytes } of Object.values(vectors)) {
      refusalOf(bytes.slice(0, bytes.length - 8));
      assert.deepEqual(saidBy(flatbuffersCodec.decode(bytes)), saidBy(envelope));
    }
  });
});

/** Bytes between a message and noise: whole messages with a few changes, messages put together, noise. */
function junkOf(random: Random): Uint8Array {
  const base = pick(random, golden);
  switch (random(8)) {
    case 0:
      return Uint8Array.from({ length: random(80) }, () => random(256));
    case 1:
      // Small numbers look like offsets and sizes.
      return Uint8Array.from({ length: random(120) }, () => (random(3) === 0 ? 4 * random(12) : 0));
    case 2:
      return mutated(random, base);
    case 3:
      return mutated(random, mutated(random, base));
    case 4: {
      const other = pick(random, golden);
      return new Uint8Array([...base.slice(0, random(base.length)), ...other.slice(random(other.length))]);
    }
    default: {
      let bytes = base;
      for (let left = 1 + random(4); left > 0; left--) {
        const at = random(bytes.length - 4);
        bytes =
          random(2) === 0
            ? withWord(bytes, at, pick(random, [pick(random, tellingWords), random(bytes.length + 4)]))
            : withHalf(bytes, at, random(bytes.length + 4));
      }
      return bytes;
    }
  }
}
