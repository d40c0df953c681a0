import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Envelope, Scratch } from '#dist/shared/codec/index.js';
import { protobufCodec } from '#dist/shared/codec/protobuf-codec.js';
import { fc } from '../support/properties.ts';
import { bytesOf, envelopeOf, malformedText, randomOf, safeIntegers, saidBy, textOf } from './codec-fixture.ts';
import { hexOf, junkOf, reflectedBytes, reflectedEnvelope } from './protobuf-fixture.ts';

const extremes = [0n, 1n, -1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)];

// Lengths around the edges of the writer's ways: 64 units, and one byte more in the varint at 128 and 16384.
const lengths = [1, 31, 32, 33, 63, 64, 65, 127, 128, 129, 5461, 5462, 16383, 16384];
const repeated = fc
  .tuple(fc.constantFrom('a', 'é', '频', '😀'), fc.constantFrom(...lengths))
  .map(([text, length]) => wellFormed(text.repeat(length).slice(0, length)));
// "binary" is by code point: every plane is as likely as it is large.
const names = fc.oneof(
  { weight: 4, arbitrary: fc.string({ maxLength: 24 }) },
  { weight: 4, arbitrary: fc.string({ unit: 'binary', maxLength: 80 }) },
  { weight: 1, arbitrary: repeated },
);
const anyData = fc.oneof(
  fc.constant(null),
  fc.uint8Array({ maxLength: 200 }),
  fc.constantFrom(...lengths).map((length) => new Uint8Array(length).fill(length)),
);
const timestamps = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(...extremes),
  fc
    .tuple(fc.nat(63), fc.constantFrom(-1n, 0n, 1n))
    .map(([bit, more]) => BigInt.asIntN(64, (1n << BigInt(bit)) + more)),
);
const envelopes: fc.Arbitrary<Envelope> = fc.record({
  type: names,
  channel: names,
  data: anyData,
  timestamp: timestamps,
  clientId: names,
  id: safeIntegers,
  offset: safeIntegers,
});

/** With U+FFFD for lone surrogates. */
function wellFormed(text: string): string {
  return textOf(bytesOf(text));
}

/** As `saidBy`, with empty data as null: the wire does not tell them apart. */
function expectedOf(envelope: Envelope): Record<string, unknown> {
  return saidBy(envelope.data?.length === 0 ? { ...envelope, data: null } : envelope);
}

describe('the Protobuf codec', () => {
  test('any envelope comes back from its bytes as it was, of all planes and all of int64', () => {
    const scratch = new Scratch(16);
    fc.assert(
      fc.property(envelopes, (envelope) => {
        const kept = protobufCodec.encode(envelope);
        assert.deepEqual(saidBy(protobufCodec.decode(kept)), expectedOf(envelope));
        assert.equal(hexOf(protobufCodec.encode(envelope, scratch)), hexOf(kept));
      }),
      { numRuns: 5_000 },
    );
  });

  test('any envelope is written to the byte as protobufjs writes it by reflection', () => {
    fc.assert(
      fc.property(envelopes, (envelope) => {
        assert.equal(hexOf(protobufCodec.encode(envelope)), hexOf(reflectedBytes(envelope)));
      }),
      { numRuns: 10_000 },
    );
  });

  test('any envelope is understood by protobufjs, and protobufjs by us', () => {
    fc.assert(
      fc.property(envelopes, (envelope) => {
        assert.deepEqual(saidBy(reflectedEnvelope(protobufCodec.encode(envelope))), expectedOf(envelope));
        assert.deepEqual(saidBy(protobufCodec.decode(reflectedBytes(envelope))), expectedOf(envelope));
      }),
      { numRuns: 3_000 },
    );
  });

  test('a string with lone surrogates is written with U+FFFD in their place, short or long', () => {
    const texts = ['\ud800', '\udfff', 'a\ud83d', '\ude00\ud83d', '\ud83d\ud83d\ude00', `${'x'.repeat(63)}\ud800`];
    for (const text of [...texts, '\udc00'.repeat(100), `${'é'.repeat(200)}\ud800`]) {
      const envelope = envelopeOf({ type: text, channel: text, clientId: text, data: bytesOf('d'), timestamp: 1n });
      const replaced = wellFormed(text);
      const expected = { ...envelope, type: replaced, channel: replaced, clientId: replaced };
      assert.deepEqual(saidBy(protobufCodec.decode(protobufCodec.encode(envelope))), saidBy(expected));
      assert.equal(hexOf(protobufCodec.encode(envelope)), hexOf(reflectedBytes(expected)));
    }
  });

  test('null data and empty data are both omitted', () => {
    assert.equal(protobufCodec.encode(envelopeOf({ data: new Uint8Array(0) })).length, 0);
    assert.equal(protobufCodec.encode(envelopeOf({ data: null })).length, 0);
  });

  test('what is kept stays as it was when more is encoded, and a scratch is written in place', () => {
    const kept = protobufCodec.encode(envelopeOf({ type: 'kept' }));
    const before = hexOf(kept);
    const scratch = new Scratch(4096);
    const view = protobufCodec.encode(envelopeOf({ type: 'view' }), scratch);
    protobufCodec.encode(envelopeOf({ type: 'other', data: new Uint8Array(100) }));
    assert.equal(hexOf(kept), before);
    assert.equal(view.buffer, scratch.reserve(1).buffer);
  });

  test('large data goes out whole, from shared memory too', () => {
    for (const length of [65_535, 65_536, 2_097_151, 2_097_152]) {
      const data = new Uint8Array(new SharedArrayBuffer(length));
      for (let i = 0; i < length; i++) data[i] = i * 7;
      const back = protobufCodec.decode(protobufCodec.encode(envelopeOf({ type: 't', data })));
      assert.ok(back.data !== null && Buffer.compare(back.data, data) === 0);
    }
  });

  test('any bytes give an envelope or ERR_MESSAGE_MALFORMED, and what we read protobufjs reads alike', () => {
    const random = randomOf(8);
    let read = 0;
    for (let i = 0; i < 100_000; i++) {
      const bytes = junkOf(random);
      let envelope: Envelope;
      try {
        envelope = protobufCodec.decode(bytes);
      } catch (error) {
        malformedText(error);
        continue;
      }
      read++;
      assert.deepEqual(saidBy(envelope), saidBy(reflectedEnvelope(bytes)), hexOf(bytes));
    }
    assert.ok(read > 20_000 && read < 80_000, `${read} read`);
  });
});
