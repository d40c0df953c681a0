import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { flatbuffersCodec } from '#dist/shared/codec/flatbuffers-codec.js';
import { jsonControl, Scratch } from '#dist/shared/codec/index.js';
import { envelopeOf, saidBy } from './codec-fixture.ts';
import { accessedFrom, builtBytes, fromHex, refusalOf, toHex, vectors } from './flatbuffers-fixture.ts';

describe('FlatBuffers golden vectors', () => {
  for (const [name, { envelope, bytes }] of Object.entries(vectors)) {
    test(`${name} is written to the byte`, () => {
      assert.equal(toHex(flatbuffersCodec.encode(envelope)), toHex(bytes));
      assert.equal(toHex(flatbuffersCodec.encode(envelope, new Scratch())), toHex(bytes));
      assert.equal(toHex(builtBytes(envelope)), toHex(bytes));
    });

    test(`${name} is read to the bit`, () => {
      assert.deepEqual(saidBy(flatbuffersCodec.decode(bytes)), saidBy(envelope));
      assert.deepEqual(saidBy(accessedFrom(bytes)), saidBy(envelope));
    });
  }

  test('nobody looked whether the data is JSON, and the data is a view of the message', () => {
    const { bytes } = vectors.M0;
    const envelope = flatbuffersCodec.decode(bytes);
    assert.equal(envelope.dataIsJson, undefined);
    assert.ok(envelope.data);
    assert.equal(envelope.data.buffer, bytes.buffer);
  });

  test('null data and empty data are the same bytes and are read as null', () => {
    const nothing = flatbuffersCodec.encode(envelopeOf({ type: 'ping', data: null }));
    const empty = flatbuffersCodec.encode(envelopeOf({ type: 'ping', data: new Uint8Array(0) }));
    assert.equal(toHex(empty), toHex(nothing));
    assert.equal(flatbuffersCodec.decode(empty).data, null);
  });
});

describe('the FlatBuffers codec', () => {
  test('is index 2, goes in binary frames, and reads control data as JSON', () => {
    const { name, index, binary, control } = flatbuffersCodec;
    assert.deepEqual({ name, index, binary }, { name: 'flatbuffers', index: 2, binary: true });
    assert.equal(control, jsonControl);
    assert.equal(control.decodeChannel(flatbuffersCodec.decode(vectors.M2.bytes).data), 'news');
  });

  test('its slots are those of the schema that clients generate code from', () => {
    const schema = readFileSync(new URL('../../../src/shared/codec/flatbuffers/envelope.fbs', import.meta.url), 'utf8');
    const words = schema
      .replace(/\/\/.*/g, '')
      .replace(/\s+/g, ' ')
      .trim();
    assert.equal(
      words,
      'table WsMessage { type:string; channel:string; data:[ubyte]; timestamp:long; client_id:string; ' +
        'id:ulong; offset:ulong; } root_type WsMessage;',
    );
  });
});

describe('bytes that kill a reader without bounds checks are malformed', () => {
  const killers: Record<string, Uint8Array> = {
    'a root offset to the end': fromHex('04000000'),
    'the largest root offset': fromHex('ffffff7f'),
    'eight bytes with a root at eight': fromHex('0800000000000000'),
    '64 bytes of ff': new Uint8Array(64).fill(0xff),
    'a root offset of zero': new Uint8Array(64),
    nothing: new Uint8Array(0),
    'one byte': fromHex('04'),
    'two bytes': fromHex('0400'),
    'three bytes': fromHex('040000'),
  };
  for (const [name, bytes] of Object.entries(killers)) {
    test(name, () => {
      refusalOf(bytes);
    });
  }
});
