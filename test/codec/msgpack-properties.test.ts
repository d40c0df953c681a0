import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { describe, test } from 'node:test';
import { decode, Encoder, ExtData, encode } from '@msgpack/msgpack';
import { Packr } from 'msgpackr';
import { type Envelope, Scratch } from '#dist/shared/codec/index.js';
import { msgpackCodec } from '#dist/shared/codec/msgpack-codec.js';
import { assertLinear } from '../support/linear-time.ts';
import { fc } from '../support/properties.ts';
import {
  bytesOf,
  envelopeOf,
  malformedText,
  pick,
  type Random,
  randomOf,
  safeIntegers,
  saidBy,
} from './codec-fixture.ts';
import { bytesOfHex, hexOf } from './msgpack-fixture.ts';

const int64Min = -(2n ** 63n);
const int64Max = 2n ** 63n - 1n;
const timestamps = fc.oneof(
  fc.bigInt({ min: int64Min, max: int64Max }),
  fc.constantFrom(int64Min, int64Max, 0n, -1n, 1n, 127n, -32n, 2n ** 32n, 1700000000123456789n),
);
const names = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ maxLength: 40 }),
  fc.constantFrom('', 'é'.repeat(15), 'é'.repeat(16), 'é'.repeat(127), 'é'.repeat(128), '频'.repeat(21_846), '\ufffd'),
);
const anyData = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.constant(null), fc.constant(new Uint8Array(0)));
const envelopes: fc.Arbitrary<Envelope> = fc.record({
  type: names,
  channel: names,
  data: anyData,
  timestamp: timestamps,
  clientId: names,
  id: safeIntegers,
  offset: safeIntegers,
});

const packr = new Packr({ useRecords: false, int64AsType: 'bigint', variableMapSize: true });
const library = new Encoder({ useBigInt64: true });

/** The object that other writers write for an envelope. */
function objectOf({ type, channel, data, timestamp, clientId, id, offset }: Envelope): Record<string, unknown> {
  const object: Record<string, unknown> = { type, channel, data, timestamp, client_id: clientId };
  if (id > 0) object['id'] = integerOf(id);
  if (offset > 0) object['offset'] = integerOf(offset);
  return object;
}

/** What both libraries write as an integer: of Numbers above 32 bits they make floats. */
function integerOf(value: number): number | bigint {
  return value < 2 ** 32 ? value : BigInt(value);
}

/** The same as an array, which has a value for each name before the last one that says something. */
function valuesOf(envelope: Envelope): unknown[] {
  const { id, offset } = envelope;
  const five = Object.values(objectOf({ ...envelope, id: 0, offset: 0 }));
  if (offset > 0) return [...five, integerOf(id), integerOf(offset)];
  return id > 0 ? [...five, integerOf(id)] : five;
}

/** What another reader made of our bytes, in the form of `saidBy`. */
function saidByObject(value: unknown): Record<string, unknown> {
  assert.ok(typeof value === 'object' && value !== null);
  const [type, channel, data, timestamp, clientId, ...more] = Object.keys(value);
  assert.deepEqual([type, channel, data, timestamp, clientId], ['type', 'channel', 'data', 'timestamp', 'client_id']);
  assert.ok(['', 'id', 'offset', 'id,offset'].includes(more.join()), more.join());
  const { client_id: sender, id = 0, offset = 0, ...rest } = value as Envelope & { client_id: string };
  const numbers = { id: Number(id), offset: Number(offset) };
  return saidBy({ ...rest, timestamp: BigInt(rest.timestamp), clientId: sender, ...numbers });
}

describe('the MessagePack codec', () => {
  test('any envelope comes back from its bytes as it was', () => {
    const scratch = new Scratch(1);
    fc.assert(
      fc.property(envelopes, (envelope) => {
        const kept = msgpackCodec.encode(envelope);
        assert.deepEqual(saidBy(msgpackCodec.decode(kept)), saidBy(envelope));
        assert.deepEqual(Buffer.from(msgpackCodec.encode(envelope, scratch)), Buffer.from(kept));
      }),
      { numRuns: 5_000 },
    );
  });

  test('@msgpack/msgpack and msgpackr read what we write', () => {
    fc.assert(
      fc.property(envelopes, (envelope) => {
        const bytes = msgpackCodec.encode(envelope);
        assert.deepEqual(saidByObject(decode(bytes, { useBigInt64: true })), saidBy(envelope));
        assert.deepEqual(saidByObject(packr.unpack(bytes)), saidBy(envelope));
      }),
      { numRuns: 2_000 },
    );
  });

  test('we write what @msgpack/msgpack writes, but for the head of the timestamp', () => {
    fc.assert(
      fc.property(envelopes, (envelope) => {
        // The library writes any negative BigInt as d3, cut to 64 bits: so it writes a positive one as we do.
        const { timestamp } = envelope;
        const negative = timestamp >= 0n ? timestamp - 2n ** 64n : timestamp;
        assert.equal(
          hexOf(msgpackCodec.encode(envelope)),
          hexOf(library.encode({ ...objectOf(envelope), timestamp: negative })),
        );
      }),
      { numRuns: 2_000 },
    );
  });

  test('what @msgpack/msgpack and msgpackr write is read', () => {
    fc.assert(
      fc.property(envelopes, fc.boolean(), (envelope, isArray) => {
        const object = objectOf(envelope);
        const written = isArray ? valuesOf(envelope) : object;
        assert.deepEqual(saidBy(msgpackCodec.decode(encode(written, { useBigInt64: true }))), saidBy(envelope));
        assert.deepEqual(saidBy(msgpackCodec.decode(packr.pack(written))), saidBy(envelope));
        assert.deepEqual(saidBy(msgpackCodec.decode(new Packr({ useRecords: false }).pack(object))), saidBy(envelope));
      }),
      { numRuns: 1_000 },
    );
  });

  test('a Number as timestamp is read as long as writers write it as an integer', () => {
    for (const timestamp of [0, 5, -5, 200, -200, 70_000, 2 ** 31, 2 ** 33, 1_700_000_000_123, -(2 ** 40)]) {
      const bytes = encode({ type: 't', timestamp });
      assert.equal(msgpackCodec.decode(bytes).timestamp, BigInt(timestamp));
    }
    for (const timestamp of [1.5, 1.7e18]) {
      assert.throws(() => msgpackCodec.decode(encode({ type: 't', timestamp })), { code: 'ERR_MESSAGE_MALFORMED' });
    }
  });

  test('unknown values of any shape are passed over', () => {
    const scalars = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.uint8Array(),
      fc.double(),
      fc.integer(),
      fc.bigInt({ min: int64Min, max: 2n ** 64n - 1n }),
      fc.constantFrom(null, true, false),
      fc.uint8Array({ maxLength: 300 }).map((bytes) => new ExtData(5, bytes)),
    );
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 6 },
        scalars,
        fc.array(tie('tree'), { maxLength: 20 }),
        fc.dictionary(fc.string(), tie('tree'), { maxKeys: 20 }),
      ),
    }));
    fc.assert(
      fc.property(envelopes, tree, fc.nat(5), (envelope, value, place) => {
        const entries = Object.entries(objectOf(envelope));
        entries.splice(place, 0, ['unknown', value]);
        const bytes = library.encode(Object.fromEntries(entries));
        assert.deepEqual(saidBy(msgpackCodec.decode(bytes)), saidBy(envelope));
      }),
      { numRuns: 2_000, examples: [[envelopeOf({}), { __proto__: null, type: 'x' }, 0]] },
    );
  });

  test('data and text of every class of length come back, written with the shortest head', () => {
    const scratch = new Scratch();
    for (const length of [0, 1, 31, 32, 63, 64, 65, 255, 256, 65_535, 65_536, 100_000]) {
      const data = new Uint8Array(length).fill(length & 255);
      const text = 'x'.repeat(length);
      const envelope = envelopeOf({ type: text, channel: text, data, timestamp: int64Min, clientId: text });
      for (const bytes of [msgpackCodec.encode(envelope), msgpackCodec.encode(envelope, scratch)]) {
        assert.deepEqual(saidBy(msgpackCodec.decode(bytes)), saidBy(envelope), String(length));
        assert.equal(hexOf(bytes), hexOf(library.encode(objectOf(envelope))));
      }
    }
  });

  test('lone surrogates go out as U+FFFD, and encode never throws', () => {
    for (const text of [
      '\ud800',
      '\udc00',
      'a\ud800b',
      '\udc00\ud800',
      `${'x'.repeat(70)}\ud83d`,
      '\ud800'.repeat(40),
    ]) {
      const bytes = msgpackCodec.encode(envelopeOf({ type: text, channel: text, clientId: text }));
      const { type, channel, clientId } = msgpackCodec.decode(bytes);
      for (const read of [type, channel, clientId]) assert.equal(read, Buffer.from(text).toString());
    }
    assert.equal(msgpackCodec.decode(msgpackCodec.encode(envelopeOf({ timestamp: 2n ** 63n }))).timestamp, int64Min);
  });

  test('a result without a scratch stays as it is; one in a scratch is of its memory', () => {
    const scratch = new Scratch(4096);
    const first = msgpackCodec.encode(envelopeOf({ type: 'first' }));
    const before = hexOf(first);
    const a = msgpackCodec.encode(envelopeOf({ type: 'a' }), scratch);
    const b = msgpackCodec.encode(envelopeOf({ type: 'b' }), scratch);
    msgpackCodec.encode(envelopeOf({ type: 'second' }));
    assert.equal(hexOf(first), before);
    assert.equal(a.buffer, b.buffer);
    assert.equal(first.byteLength, first.buffer.byteLength);
  });

  test('a golden message with any one byte changed is read or refused, and nothing else', () => {
    const golden = msgpackCodec.encode(
      envelopeOf({
        type: 'message',
        channel: 'news',
        data: bytesOf('{"a":1}'),
        timestamp: 1700000000123456789n,
        clientId: 'client-1',
      }),
    );
    let read = 0;
    for (let at = 0; at < golden.length; at++) {
      for (let byte = 0; byte < 256; byte++) {
        const changed = golden.slice();
        changed[at] = byte;
        if (isRead(changed)) read++;
      }
    }
    assert.ok(read > 5_000 && read < golden.length * 256, `${read} read`);
  });

  test('any bytes give an envelope or ERR_MESSAGE_MALFORMED, and nothing else', () => {
    const random = randomOf(3);
    const runs = 60_000;
    let read = 0;
    for (let i = 0; i < runs; i++) if (isRead(junkOf(random))) read++;
    assert.ok(read > runs / 10 && read < (runs * 9) / 10, `${read} read`);
  });

  test('text is read exactly if it is UTF-8', () => {
    const random = randomOf(5);
    const parts = ['a', 'é', '频', '😀', '\ufffd', '\ufeff'].map(bytesOf);
    const broken = ['ff', '80', 'c3', 'e9a2', 'eda080', 'c0af', 'f09f98'].map(bytesOfHex);
    for (let i = 0; i < 20_000; i++) {
      const pieces = Array.from({ length: 1 + random(20) }, () => pick(random, random(25) === 0 ? broken : parts));
      const text = Buffer.concat(pieces);
      const bytes = Buffer.concat([bytesOfHex('81a474797065c5'), Uint8Array.of(0, text.length), text]);
      if (isUtf8(text)) assert.equal(msgpackCodec.decode(bytes).type, text.toString());
      else assert.throws(() => msgpackCodec.decode(bytes), { code: 'ERR_MESSAGE_MALFORMED' });
    }
  });

  test('messages of megabytes take time in proportion to their length', () => {
    const shapes: readonly ((units: number) => Uint8Array)[] = [
      (units) => encode({ unknown: new Array(units).fill([[], {}, 'x']) }),
      (units) => encode({ type: '频道 and é. '.repeat(units) }),
      (units) => encode({ type: '\ufffd'.repeat(units) }),
      (units) => encode(Object.fromEntries(Array.from({ length: units }, (_, i) => [`key${i}`, null]))),
      (units) => encode({ data: new Uint8Array(units * 10) }),
    ];
    for (const [index, shape] of shapes.entries()) {
      const small = shape(10_000);
      const large = shape(160_000);
      assertLinear(
        `shape ${index}`,
        () => again(small),
        () => again(large),
      );
    }
  });
});

function again(bytes: Uint8Array): void {
  msgpackCodec.encode(msgpackCodec.decode(bytes));
}

/** Whether it is read, to an envelope of the declared types that comes back from its bytes; asserts the refusal if not. */
function isRead(bytes: Uint8Array): boolean {
  let envelope: Envelope;
  try {
    envelope = msgpackCodec.decode(bytes);
  } catch (error) {
    malformedText(error);
    return false;
  }
  const { type, channel, data, timestamp, clientId, id, offset } = envelope;
  for (const name of [type, channel, clientId]) assert.equal(Buffer.from(name).toString(), name);
  for (const number of [id, offset]) assert.ok(Number.isSafeInteger(number) && number >= 0);
  assert.ok(typeof timestamp === 'bigint' && timestamp >= int64Min && timestamp <= int64Max);
  assert.ok(data === null || data.length <= bytes.length);
  assert.deepEqual(saidBy(msgpackCodec.decode(msgpackCodec.encode(envelope))), saidBy(envelope));
  return true;
}

/** Heads of all types, so that they meet more often than by chance. */
const telling = bytesOfHex('80818590959fa0a1a4bfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d8d9dadbdcdddedfe0ff0001');

/** Noise, heads in a map of one unknown key, and messages with a few bytes wrong. */
function junkOf(random: Random): Uint8Array {
  const kind = random(10);
  if (kind === 0) return Uint8Array.from({ length: random(60) }, () => random(256));
  if (kind === 1) {
    const heads = Array.from({ length: 1 + random(30) }, () => telling[random(telling.length)] as number);
    return Uint8Array.of(0x81, 0xa1, 0x78, ...heads, ...new Uint8Array(random(40)));
  }
  const value = pick(random, [
    null,
    [1, [2, 'x']],
    { a: 1n, b: new Uint8Array(3) },
    'text',
    1.5,
    new ExtData(1, bytesOf('e')),
  ]);
  const object: Record<string, unknown> = {
    type: pick(random, ['message', '', 'é频😀', 'x'.repeat(40), null]),
    channel: pick(random, ['news', new Uint8Array(2), null]),
    data: pick(random, [null, new Uint8Array(random(20)), 'text', 'x'.repeat(300)]),
    timestamp: pick(random, [0, 5, -1, 2n ** 40n, int64Max, int64Min, null]),
    client_id: pick(random, ['client-1', '']),
  };
  if (random(3) === 0) object['id'] = pick(random, [0, 7, 2n ** 53n - 1n, 2n ** 53n, -1, 1.5, null]);
  if (random(3) === 0) object['offset'] = pick(random, [0, 300, 70_000, 2n ** 40n]);
  if (random(3) === 0) object['unknown'] = value;
  const bytes = library.encode(random(8) === 0 ? Object.values(object) : object);
  for (let left = random(4); left > 0; left--) {
    bytes[random(bytes.length)] = random(2) === 0 ? random(256) : (telling[random(telling.length)] as number);
  }
  return random(10) === 0 ? bytes.subarray(0, random(bytes.length)) : bytes;
}
