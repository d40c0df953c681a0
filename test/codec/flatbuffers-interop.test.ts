import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Builder } from 'flatbuffers';
import { flatbuffersCodec } from '#dist/shared/codec/flatbuffers-codec.js';
import { fc } from '../support/properties.ts';
import { bytesOf, envelopeOf, pick, type Random, randomOf, safeIntegers, saidBy } from './codec-fixture.ts';
import { accessedFrom, arrivedOf, builtBytes, toHex, vectors } from './flatbuffers-fixture.ts';

const { envelope } = vectors.M0;

/** Writes the five fields in the order given; `more` may write further slots before the table ends. */
function writtenBy(builder: Builder, order: readonly number[], slots = 5, more?: () => void): number {
  const type = builder.createString(envelope.type);
  const clientId = builder.createString(envelope.clientId);
  const channel = builder.createString(envelope.channel);
  const data = builder.createByteVector(envelope.data);
  builder.startObject(slots);
  for (const slot of order) {
    if (slot === 3) builder.addFieldInt64(3, envelope.timestamp, 0n);
    else builder.addFieldOffset(slot, [type, channel, data, 0, clientId][slot] as number, 0);
  }
  more?.();
  return builder.endObject();
}

function read(builder: Builder): Record<string, unknown> {
  return saidBy(flatbuffersCodec.decode(builder.asUint8Array()));
}

describe('messages of other FlatBuffers writers are read', () => {
  test('fields and strings in another order', () => {
    for (const order of [
      [4, 3, 2, 1, 0],
      [3, 0, 1, 2, 4],
      [2, 4, 0, 3, 1],
    ]) {
      const builder = new Builder();
      builder.finish(writtenBy(builder, order));
      assert.notEqual(toHex(builder.asUint8Array()), toHex(vectors.M0.bytes));
      assert.deepEqual(read(builder), saidBy(envelope));
    }
  });

  test('extra slots of a later schema are passed over', () => {
    const builder = new Builder();
    builder.finish(
      writtenBy(builder, [0, 1, 2, 3, 4], 11, () => {
        builder.addFieldInt8(7, 7, 0);
        builder.addFieldFloat64(8, 1.5, 0);
        builder.addFieldInt32(10, -1, 0);
      }),
    );
    assert.deepEqual(read(builder), saidBy(envelope));
  });

  test('missing slots, trailing or between, are empty', () => {
    const fields = ['type', 'channel', 'data', 'timestamp', 'clientId'] as const;
    for (let present = 0; present < 32; present++) {
      const builder = new Builder();
      const order = [0, 1, 2, 3, 4].filter((slot) => ((present >> slot) & 1) === 1);
      builder.finish(writtenBy(builder, order));
      const expected = envelopeOf(
        Object.fromEntries(order.map((slot) => [fields[slot], envelope[fields[slot] ?? 'type']])),
      );
      assert.deepEqual(read(builder), saidBy(expected));
    }
  });

  test('a timestamp of zero that is written all the same', () => {
    const builder = new Builder();
    builder.forceDefaults(true);
    const text = builder.createString('ping');
    builder.startObject(5);
    builder.addFieldInt64(3, 0n, 0n);
    builder.addFieldOffset(0, text, 0);
    builder.finish(builder.endObject());
    assert.deepEqual(read(builder), saidBy(envelopeOf({ type: 'ping' })));
  });

  test('a vtable that is shared with another table and lies behind the root', () => {
    const builder = new Builder();
    writtenBy(builder, [0, 1, 2, 3, 4]);
    builder.finish(writtenBy(builder, [0, 1, 2, 3, 4]));
    const bytes = builder.asUint8Array();
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    assert.ok(view.getInt32(view.getUint32(0, true), true) < 0);
    assert.deepEqual(read(builder), saidBy(envelope));
  });

  test('one string for several fields', () => {
    const builder = new Builder();
    const text = builder.createSharedString('same');
    builder.startObject(5);
    for (const slot of [0, 1, 4]) builder.addFieldOffset(slot, builder.createSharedString('same') && text, 0);
    builder.finish(builder.endObject());
    assert.deepEqual(read(builder), saidBy(envelopeOf({ type: 'same', channel: 'same', clientId: 'same' })));
  });

  test('wider alignment, a file identifier, and bytes after the end', () => {
    const builder = new Builder();
    builder.prep(32, 4);
    builder.finish(writtenBy(builder, [0, 1, 2, 3, 4]), 'WSMS');
    assert.deepEqual(read(builder), saidBy(envelope));
    const longer = new Uint8Array([...builder.asUint8Array(), 1, 2, 3]);
    assert.deepEqual(saidBy(flatbuffersCodec.decode(longer)), saidBy(envelope));
  });

  test('parts in any order, with gaps, unaligned, without NUL', () => {
    for (let seed = 0; seed < 10_000; seed++) {
      const { bytes, expected } = packedBy(randomOf(seed));
      assert.deepEqual(saidBy(flatbuffersCodec.decode(bytes)), saidBy(expected), `seed ${seed}: ${toHex(bytes)}`);
      assert.deepEqual(saidBy(accessedFrom(bytes)), saidBy(expected), `seed ${seed}`);
    }
  });
});

describe('what the FlatBuffers codec writes', () => {
  const names = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 100 }),
    fc.string({ maxLength: 20 }),
    // Any UTF-16, lone surrogates too.
    fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 80 }).map((units) => String.fromCharCode(...units)),
    fc.array(fc.integer({ min: 0xd7f0, max: 0xe010 }), { maxLength: 8 }).map((units) => String.fromCharCode(...units)),
  );
  const timestamps = fc.oneof(
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.constantFrom(0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 32n, -(2n ** 31n)),
  );
  const data = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 9 }), fc.constant(null));
  const envelopes = fc.record({
    type: names,
    channel: names,
    data,
    timestamp: timestamps,
    clientId: names,
    id: safeIntegers,
    offset: safeIntegers,
  });

  test('is what the Builder of the package writes, to the byte, for any envelope', () => {
    fc.assert(
      fc.property(envelopes, (any) => {
        assert.equal(toHex(flatbuffersCodec.encode(any)), toHex(builtBytes(any)));
      }),
      { numRuns: 10_000 },
    );
  });

  test('is what the Builder writes for every length of each part, with and without timestamp', () => {
    for (let lengths = 0; lengths < 9 ** 4 * 2; lengths++) {
      const size = (place: number): number => Math.floor(lengths / 9 ** place) % 9;
      const any = envelopeOf({
        type: 't'.repeat(size(0)),
        channel: 'c'.repeat(size(1)),
        data: new Uint8Array(size(2)).fill(0xda),
        clientId: 'i'.repeat(size(3)),
        timestamp: lengths < 9 ** 4 ? 0n : -2n,
      });
      // Buffer.compare: a hex text for each would take most of the time.
      assert.equal(Buffer.compare(flatbuffersCodec.encode(any), builtBytes(any)), 0, toHex(builtBytes(any)));
    }
  });

  test('is read by generated code, for any envelope', () => {
    fc.assert(
      fc.property(envelopes, (any) => {
        assert.deepEqual(saidBy(accessedFrom(flatbuffersCodec.encode(any))), arrivedOf(any));
      }),
      { numRuns: 5_000 },
    );
  });
});

/** A valid message as no known writer lays it out, and what it says. */
function packedBy(random: Random): { bytes: Uint8Array; expected: ReturnType<typeof envelopeOf> } {
  const texts = ['', 'a', 'news', 'é频😀', 'a name that is longer than what is interned, by far'];
  const expected = envelopeOf({});
  const blobs: Uint8Array[] = texts.map(bytesOf);
  // Inline field: [slot, blob that it leads to, or the timestamp].
  const fields: [slot: number, value: number | bigint][] = [];
  for (const slot of [0, 1, 2, 4]) {
    if (random(5) === 0) continue;
    const blob = random(blobs.length);
    fields.push([slot, blob]);
    if (slot === 0) expected.type = texts[blob] as string;
    else if (slot === 1) expected.channel = texts[blob] as string;
    else if (slot === 4) expected.clientId = texts[blob] as string;
    else expected.data = blob === 0 ? null : (blobs[blob] as Uint8Array);
  }
  if (random(3) > 0) {
    expected.timestamp = BigInt.asIntN(64, BigInt(random(2 ** 32)) << BigInt(random(33)));
    fields.push([3, expected.timestamp]);
  }
  for (const [slot, name] of [
    [5, 'id'],
    [6, 'offset'],
  ] as const) {
    if (random(2) === 0) continue;
    expected[name] = random(2 ** 32) * 2 ** random(22);
    fields.push([slot, BigInt(expected[name])]);
  }
  fields.sort(() => random(3) - 1);

  const slots = Math.max(0, ...fields.map(([slot]) => slot + 1)) + random(4);
  const vtable = new DataView(new ArrayBuffer(4 + slots * 2));
  vtable.setUint16(0, vtable.byteLength, true);
  const inline: number[] = [];
  let tableBytes = 4 + random(3);
  for (const [slot, value] of fields) {
    vtable.setUint16(4 + slot * 2, tableBytes, true);
    inline.push(tableBytes);
    tableBytes += (typeof value === 'bigint' ? 8 : 4) + random(3);
  }
  vtable.setUint16(2, tableBytes, true);
  // An unknown slot may say anything that a field of a later schema could.
  for (let slot = 7; slot < slots; slot++) vtable.setUint16(4 + slot * 2, pick(random, [0, 4]), true);

  // Offsets to strings only lead forwards: the table comes before them, the vtable anywhere.
  let at = 4 + random(5);
  const vtableFirst = random(2) === 0;
  const early = at;
  if (vtableFirst) at += vtable.byteLength + random(5);
  const table = at;
  at += tableBytes + random(5);
  const starts = blobs.map(() => 0);
  for (const index of blobs.map((_, index) => index).sort(() => random(3) - 1)) {
    starts[index] = at;
    at += 4 + (blobs[index] as Uint8Array).length + random(3);
  }
  const vtableAt = vtableFirst ? early : at;
  if (!vtableFirst) at += vtable.byteLength;

  const bytes = Uint8Array.from({ length: at }, () => random(256));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, table, true);
  view.setInt32(table, table - vtableAt, true);
  bytes.set(new Uint8Array(vtable.buffer), vtableAt);
  for (const [index, blob] of blobs.entries()) {
    view.setUint32(starts[index] as number, blob.length, true);
    bytes.set(blob, (starts[index] as number) + 4);
  }
  for (const [index, [, value]] of fields.entries()) {
    const place = table + (inline[index] as number);
    if (typeof value === 'bigint') view.setBigInt64(place, value, true);
    else view.setUint32(place, (starts[value] as number) - place, true);
  }
  return { bytes, expected };
}
