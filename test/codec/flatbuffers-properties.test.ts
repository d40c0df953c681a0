import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { flatbuffersCodec } from '#dist/shared/codec/flatbuffers-codec.js';
import { type Envelope, Scratch } from '#dist/shared/codec/index.js';
import { assertLinear } from '../support/linear-time.ts';
import { fc } from '../support/properties.ts';
import { bytesOf, envelopeOf, safeIntegers, saidBy } from './codec-fixture.ts';
import { arrivedOf, builtBytes, toHex, vectors } from './flatbuffers-fixture.ts';

const timestamps = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const names = fc.oneof(fc.string({ unit: 'binary', maxLength: 100 }), fc.string({ maxLength: 20 }), fc.constant(''));
const data = fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.constant(null));
const envelopes = fc.record({
  type: names,
  channel: names,
  data,
  timestamp: timestamps,
  clientId: names,
  id: safeIntegers,
  offset: safeIntegers,
});

function roundTrip(envelope: Envelope): Record<string, unknown> {
  return saidBy(flatbuffersCodec.decode(flatbuffersCodec.encode(envelope)));
}

describe('the FlatBuffers codec', () => {
  test('any envelope comes back from its bytes as it was, but that empty data is null', () => {
    const scratch = new Scratch(16);
    fc.assert(
      fc.property(envelopes, (envelope) => {
        const kept = flatbuffersCodec.encode(envelope);
        assert.deepEqual(saidBy(flatbuffersCodec.decode(kept)), arrivedOf(envelope));
        assert.equal(toHex(flatbuffersCodec.encode(envelope, scratch)), toHex(kept));
      }),
      { numRuns: 10_000 },
    );
  });

  test('every code point of every plane comes back', () => {
    for (let first = 0; first < 0x11_0000; first += 0x400) {
      let text = '';
      for (let point = first; point < first + 0x400; point++) {
        if (point < 0xd800 || point > 0xdfff) text += String.fromCodePoint(point);
      }
      const envelope = envelopeOf({ type: text, channel: text.slice(0, 2), clientId: `\ufeff${text}` });
      assert.deepEqual(roundTrip(envelope), saidBy(envelope));
    }
  });

  test('timestamps are exact at the ends of int64 and around 2^53', () => {
    for (const timestamp of [2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n, -(2n ** 53n) - 1n, 0xffff_ffffn, -1n]) {
      assert.equal(flatbuffersCodec.decode(flatbuffersCodec.encode(envelopeOf({ timestamp }))).timestamp, timestamp);
    }
  });

  test('lone surrogates are written as U+FFFD, in short text and in long', () => {
    for (const text of ['\ud800', 'a\udc00', '\ud800'.repeat(200), `\udc00${'x'.repeat(100)}\ud800`]) {
      const envelope = envelopeOf({ type: text, channel: text, clientId: text });
      const expected = text.replace(/[\ud800-\udfff]/g, '\ufffd');
      assert.deepEqual(
        roundTrip(envelope),
        saidBy(envelopeOf({ type: expected, channel: expected, clientId: expected })),
      );
    }
  });

  test('bytes written without a scratch are the caller’s: no later message changes them, no memory comes along', () => {
    for (const size of [0, 7, 1_000, 65_000, 70_000, 1_000_000]) {
      const envelope = envelopeOf({ type: 'message', data: new Uint8Array(size).fill(7), timestamp: 1n });
      const kept = flatbuffersCodec.encode(envelope);
      const before = toHex(kept);
      assert.equal(before, toHex(builtBytes(envelope)));
      flatbuffersCodec.encode(envelopeOf({ type: 'other', data: new Uint8Array(size).fill(9), timestamp: -1n }));
      flatbuffersCodec.encode(envelopeOf({ type: 'other'.repeat(20) }));
      assert.equal(toHex(kept), before);
      assert.ok(kept.buffer.byteLength <= kept.length + 64, `${kept.buffer.byteLength} for ${kept.length}`);
    }
  });

  test('padding is zero whatever the scratch held before', () => {
    const scratch = new Scratch(256);
    for (const { envelope, bytes } of Object.values(vectors)) {
      scratch.reserve(256).fill(0xff);
      assert.equal(toHex(flatbuffersCodec.encode(envelope, scratch)), toHex(bytes));
    }
  });

  test('messages are read at any byte offset and over shared memory', () => {
    for (const memory of [ArrayBuffer, SharedArrayBuffer]) {
      for (let offset = 0; offset < 9; offset++) {
        for (const { envelope, bytes } of Object.values(vectors)) {
          const view = new Uint8Array(new memory(bytes.length + 16), offset, bytes.length);
          view.set(bytes);
          assert.deepEqual(saidBy(flatbuffersCodec.decode(view)), saidBy(envelope));
          assert.equal(
            toHex(flatbuffersCodec.encode({ ...envelope, data: view })),
            toHex(flatbuffersCodec.encode({ ...envelope, data: bytes })),
          );
        }
      }
    }
  });

  test('the codec works where there is no Buffer, as in a browser', () => {
    const program = `
      delete globalThis.Buffer;
      const { flatbuffersCodec } = await import(${JSON.stringify(import.meta.resolve('#dist/shared/codec/flatbuffers-codec.js'))});
      const text = 'é频😀'.repeat(30);
      const bytes = flatbuffersCodec.encode({ type: text, channel: '\\ud800', data: new Uint8Array([1]), timestamp: -5n, clientId: 'c' });
      const { type, channel, data, timestamp, clientId } = flatbuffersCodec.decode(bytes);
      let code;
      try { flatbuffersCodec.decode(bytes.map((byte) => (byte === 0xf0 ? 0xff : byte))); } catch (error) { code = error.code; }
      console.log(JSON.stringify([type === text, channel, [...data], String(timestamp), clientId, code]));
    `;
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
    assert.deepEqual(JSON.parse(output), [true, '\ufffd', [1], '-5', 'c', 'ERR_MESSAGE_MALFORMED']);
  });

  test('messages of 2 MB take time in proportion to their length', () => {
    for (const unit of ['plain ASCII. ', '频道 and é. ', '\ufffd']) {
      const small = sharedTextOf(unit, 100_000);
      const large = sharedTextOf(unit, 1_600_000);
      assertLinear(
        unit,
        () => again(small),
        () => again(large),
      );
    }
  });
});

/** A message whose four vectors are all the same bytes of text. */
function sharedTextOf(unit: string, units: number): Uint8Array {
  const text = bytesOf(unit.repeat(Math.ceil(units / unit.length)));
  const bytes = new Uint8Array(42 + text.length);
  const view = new DataView(bytes.buffer);
  // The root's offset, a vtable of 14 bytes at 4, a table of 20 at 18, the length of the text at 38.
  view.setUint32(0, 18, true);
  for (const [index, entry] of [14, 20, 4, 8, 12, 0, 16].entries()) view.setUint16(4 + index * 2, entry, true);
  view.setInt32(18, 14, true);
  for (const field of [22, 26, 30, 34]) view.setUint32(field, 38 - field, true);
  view.setUint32(38, text.length, true);
  bytes.set(text, 42);
  return bytes;
}

function again(bytes: Uint8Array): void {
  flatbuffersCodec.encode(flatbuffersCodec.decode(bytes));
}
