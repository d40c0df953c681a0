import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Builder } from 'flatbuffers';
import { type Codec, type CodecName, codecByName, codecs, type Envelope, Scratch } from '#dist/shared/codec/index.js';
import { fc } from '../support/properties.ts';
import { bytesOf, decodeText, envelopeOf, malformedText, safeIntegers, saidBy } from './codec-fixture.ts';
import { builtBytes } from './flatbuffers-fixture.ts';
import { bin, bytesOfHex, hexOf, mapOf, str } from './msgpack-fixture.ts';

const largest = Number.MAX_SAFE_INTEGER;
const fields = ['id', 'offset'] as const;
type Field = (typeof fields)[number];

/** Messages with both fields, and their bytes; JSON as text, the others in hexadecimal. */
const vectors: Readonly<Record<string, { readonly fields: Partial<Envelope> } & Readonly<Record<CodecName, string>>>> =
  {
    M7: {
      fields: { type: 'reply', data: bytesOf('{"a":1}'), id: 7 },
      json: '{"type":"reply","id":7,"data":{"a":1}}',
      protobuf: '0a057265706c791a077b2261223a317d3007',
      flatbuffers:
        '1400000010001c0018001400100000000c00040010000000070000000000000010000000140000001c0000002000000000000000' +
        '00000000070000007b2261223a317d000000000000000000050000007265706c79000000',
      msgpack:
        '86a474797065a57265706c79a76368616e6e656ca0a464617461c4077b2261223a317da974696d657374616d70d30000000000000000' +
        'a9636c69656e745f6964a0a2696407',
    },
    M8: {
      fields: {
        type: 'message',
        channel: 'news',
        data: bytesOf('{"a":1}'),
        timestamp: 1700000000123456789n,
        clientId: 'client-1',
        offset: 42,
      },
      json:
        '{"type":"message","channel":"news","offset":42,"data":{"a":1},"timestamp":1700000000123456789,' +
        '"client_id":"client-1"}',
      protobuf: '0a076d65737361676512046e6577731a077b2261223a317d20959a97ece39fe7cb172a08636c69656e742d31382a',
      flatbuffers:
        '1c00000000000000000012002800240020001c001400100000000400120000002a00000000000000000000001800000015cd853dfe9c' +
        '97171c000000240000002c00000008000000636c69656e742d3100000000070000007b2261223a317d00040000006e65777300000000' +
        '070000006d65737361676500',
      msgpack:
        '86a474797065a76d657373616765a76368616e6e656ca46e657773a464617461c4077b2261223a317da974696d657374616d70' +
        'd317979cfe3d85cd15a9636c69656e745f6964a8636c69656e742d31a66f66667365742a',
    },
    M9: {
      fields: { type: 'message', channel: 'c', timestamp: -1n, id: largest, offset: 2 ** 32 },
      json: '{"type":"message","id":9007199254740991,"channel":"c","offset":4294967296,"data":null,"timestamp":-1}',
      protobuf: '0a076d65737361676512016320ffffffffffffffffff0130ffffffffffffff0f388080808010',
      flatbuffers:
        '1c0000000000000000001200340030002c0028001c0018000c000400120000000000000001000000ffffffffffff1f00000000001c00' +
        '0000ffffffffffffffff000000001400000014000000180000000000000000000000000000000100000063000000070000006d657373' +
        '61676500',
      msgpack:
        '87a474797065a76d657373616765a76368616e6e656ca163a464617461c0a974696d657374616d70d3ffffffffffffffff' +
        'a9636c69656e745f6964a0a26964cf001fffffffffffffa66f6666736574cf0000000100000000',
    },
  };

function vectorBytes(codec: Codec, name: string): Uint8Array {
  const written = vectors[name]?.[codec.name] ?? '';
  return codec.name === 'json' ? bytesOf(written) : bytesOfHex(written);
}

/** What a codec reads, or the text of its refusal, which may be no other error. */
function outcomeOf(codec: Codec, bytes: Uint8Array): Envelope | string {
  try {
    return codec.decode(bytes);
  } catch (error) {
    return malformedText(error);
  }
}

function codecOf(name: string): Codec {
  const codec = codecByName(name);
  assert.ok(codec !== undefined, name);
  return codec;
}

/** The bytes of a message of the type `t` with values of one field, each as the codec has them on the wire. */
const messageOf: Readonly<Record<CodecName, (field: Field, ...values: readonly string[]) => Uint8Array>> = {
  json: (field, ...values) => bytesOf(`{"type":"t"${values.map((value) => `,"${field}":${value}`).join('')}}`),
  protobuf: (field, ...values) =>
    bytesOfHex(
      `0a0174${values.map((value) => (field === 'id' ? value : value.replace(/^3(.)/, (_, low) => tagOfOffset(low)))).join('')}`,
    ),
  msgpack: (field, ...values) =>
    bytesOfHex(mapOf(['type', str('t')], ...values.map((value): [string, string] => [field, value]))),
  flatbuffers: (field, value = '') => {
    const builder = new Builder();
    builder.forceDefaults(true);
    const type = builder.createString('t');
    builder.startObject(7);
    builder.addFieldOffset(0, type, 0);
    builder.addFieldInt64(field === 'id' ? 5 : 6, Buffer.from(value, 'hex').readBigInt64LE(), 0n);
    builder.finish(builder.endObject());
    return builder.asUint8Array();
  },
};

/** The tag of field 7 with the wire type of a tag of field 6, whose lower digit is given. */
function tagOfOffset(low: string): string {
  return (0x38 | Number.parseInt(low, 16)).toString(16);
}

/** A value in the forms of the codecs. Where one is missing, the codec cannot write such a value. */
type Forms = Partial<Readonly<Record<CodecName, string | readonly string[]>>>;

const right: readonly (readonly [number, Forms])[] = [
  [0, { json: '0', protobuf: '3000', flatbuffers: '0000000000000000', msgpack: '00' }],
  [1, { json: '1', protobuf: '3001', flatbuffers: '0100000000000000', msgpack: '01' }],
  [127, { json: '127', protobuf: '307f', flatbuffers: '7f00000000000000', msgpack: ['7f', 'cc7f', 'd07f'] }],
  [128, { json: '128', protobuf: '308001', flatbuffers: '8000000000000000', msgpack: ['cc80', 'cd0080', 'd10080'] }],
  [
    2 ** 32 - 1,
    { json: '4294967295', protobuf: '30ffffffff0f', flatbuffers: 'ffffffff00000000', msgpack: 'ceffffffff' },
  ],
  [
    2 ** 32,
    {
      json: '4294967296',
      protobuf: '308080808010',
      flatbuffers: '0000000001000000',
      msgpack: ['cf0000000100000000', 'd30000000100000000'],
    },
  ],
  [
    largest,
    {
      json: '9007199254740991',
      protobuf: ['30ffffffffffffff0f', '30ffffffffffffff8f8000'],
      flatbuffers: 'ffffffffffff1f00',
      msgpack: ['cf001fffffffffffff', 'd3001fffffffffffff'],
    },
  ],
];

const wrong: Readonly<Record<string, Forms>> = {
  '2^53': {
    json: '9007199254740992',
    protobuf: '308080808080808010',
    flatbuffers: '0000000000002000',
    msgpack: ['cf0020000000000000', 'd30020000000000000'],
  },
  '2^53 + 1, which a double rounds to 2^53': {
    json: '9007199254740993',
    protobuf: '308180808080808010',
    flatbuffers: '0100000000002000',
    msgpack: 'cf0020000000000001',
  },
  '2^63': {
    json: '9223372036854775808',
    protobuf: '3080808080808080808001',
    flatbuffers: '0000000000000080',
    msgpack: 'cf8000000000000000',
  },
  '2^64 - 1': {
    json: '18446744073709551615',
    protobuf: '30ffffffffffffffffff01',
    flatbuffers: 'ffffffffffffffff',
    msgpack: 'cfffffffffffffffff',
  },
  '2^64 and more': {
    json: ['18446744073709551616', '1'.padEnd(400, '0')],
    protobuf: ['30ffffffffffffffffff02', '308080808080808080808001'],
  },
  '-1': {
    json: '-1',
    protobuf: '30ffffffffffffffffff01',
    flatbuffers: 'ffffffffffffffff',
    msgpack: ['ff', 'd0ff', 'd1ffff', 'd2ffffffff', 'd3ffffffffffffffff'],
  },
  'the least int64': {
    json: '-9223372036854775808',
    protobuf: '3080808080808080808001',
    flatbuffers: '0000000000000080',
    msgpack: 'd38000000000000000',
  },
  'a negative zero': { json: '-0', msgpack: ['ca80000000', 'cb8000000000000000'] },
  'a float that is whole': {
    json: ['1.0', '1e0', '1e3', '10E-1'],
    protobuf: ['31000000000000f03f', '350000803f'],
    flatbuffers: '000000000000f03f',
    msgpack: ['ca3f800000', 'cb3ff0000000000000'],
  },
  'another float': {
    json: ['1.5', '0.1', '1e400'],
    protobuf: ['31000000000000f83f', '350000c03f'],
    flatbuffers: '000000000000f83f',
    msgpack: ['ca3fc00000', 'cb3ff8000000000000', 'cb7ff8000000000000'],
  },
  'a text': { json: ['"7"', '""', '"abc"'], protobuf: ['320137', '3200'], msgpack: [str('7'), str(''), bin('7')] },
  null: { json: 'null', msgpack: 'c0' },
  'another type': {
    json: ['true', 'false', '[1]', '{}', '[]'],
    protobuf: '3334',
    msgpack: ['c2', 'c3', '9101', '80', 'd40001'],
  },
};

function* formsOf(forms: Forms): Generator<[Codec, string]> {
  for (const codec of codecs) {
    const values = forms[codec.name] ?? [];
    for (const value of typeof values === 'string' ? [values] : values) yield [codec, value];
  }
}

describe('golden vectors of messages with an id or an offset', () => {
  for (const [name, vector] of Object.entries(vectors)) {
    for (const codec of codecs) {
      const bytes = vectorBytes(codec, name);

      test(`${name} is written to the byte and read to the bit: ${codec.name}`, () => {
        const envelope = envelopeOf(vector.fields);
        assert.equal(hexOf(codec.encode(envelope)), hexOf(bytes));
        assert.equal(hexOf(codec.encode(envelope, new Scratch(1))), hexOf(bytes));
        assert.deepEqual(saidBy(codec.decode(bytes)), saidBy(envelope));
      });

      test(`${name} cut off anywhere does not become another number: ${codec.name}`, () => {
        const { id, offset } = codec.decode(bytes);
        for (let length = 0; length < bytes.length; length++) {
          const outcome = outcomeOf(codec, bytes.subarray(0, length));
          if (typeof outcome === 'string') continue;
          assert.ok(codec.name === 'protobuf' || codec.name === 'flatbuffers', `read at ${length}`);
          assert.ok(outcome.id === id || outcome.id === 0, `id ${outcome.id} at ${length}`);
          assert.ok(outcome.offset === offset || outcome.offset === 0, `offset ${outcome.offset} at ${length}`);
        }
      });
    }
  }

  for (const codec of codecs) {
    test(`with any one byte changed it is malformed or has numbers in the range: ${codec.name}`, () => {
      const bytes = vectorBytes(codec, 'M9');
      let read = 0;
      for (let at = 0; at < bytes.length; at++) {
        for (let byte = at & 3; byte < 256; byte += 4) {
          const changed = bytes.slice();
          changed[at] = byte;
          const outcome = outcomeOf(codec, changed);
          if (typeof outcome === 'string') continue;
          read++;
          for (const field of fields) assert.ok(Number.isSafeInteger(outcome[field]) && outcome[field] >= 0);
        }
      }
      assert.ok(read > bytes.length * 2 && read < bytes.length * 62, `${read} read`);
    });
  }

  test('the FlatBuffers library writes the same bytes', () => {
    for (const [name, vector] of Object.entries(vectors)) {
      assert.equal(hexOf(builtBytes(envelopeOf(vector.fields))), vector.flatbuffers, name);
    }
  });
});

describe('one verdict of all codecs', () => {
  for (const [value, forms] of right) {
    test(`${value} is ${value === 0 ? 'the same as nothing' : 'a number'}`, () => {
      for (const [codec, written] of formsOf(forms)) {
        for (const field of fields) {
          const envelope = codec.decode(messageOf[codec.name](field, written));
          assert.deepEqual(
            saidBy(envelope),
            saidBy(envelopeOf({ type: 't', [field]: value })),
            `${codec.name} ${written}`,
          );
        }
      }
    });
  }

  for (const [what, forms] of Object.entries(wrong)) {
    test(`${what} is malformed`, () => {
      for (const [codec, written] of formsOf(forms)) {
        for (const field of fields) {
          const outcome = outcomeOf(codec, messageOf[codec.name](field, written));
          assert.ok(typeof outcome === 'string', `${codec.name} read ${written} as ${field}`);
        }
      }
    });
  }

  test('the last of several counts, a 0 too, and a wrong one is malformed before and behind a right one', () => {
    const forms = {
      json: ['1', '2', '0', '1.5'],
      protobuf: ['3001', '3002', '3000', '320131'],
      msgpack: ['01', '02', '00', 'c0'],
    } as const;
    for (const [name, [one, two, zero, bad]] of Object.entries(forms)) {
      const codec = codecOf(name);
      for (const field of fields) {
        const outcome = (...values: string[]): Envelope | string =>
          outcomeOf(codec, messageOf[codec.name](field, ...values));
        const number = (...values: string[]): unknown => {
          const envelope = outcome(...values);
          return typeof envelope === 'string' ? envelope : envelope[field];
        };
        assert.equal(number(one, two), 2, name);
        assert.equal(number(two, one), 1, name);
        assert.equal(number(one, zero), 0, name);
        assert.equal(typeof outcome(bad, one), 'string', name);
        assert.equal(typeof outcome(one, bad), 'string', name);
      }
    }
  });

  test('the refusal says which value it is, where it is, and what it should be', () => {
    const texts: readonly (readonly [CodecName, Field, string, string])[] = [
      ['json', 'id', '"7"', 'byte 17: "id" is not an integer'],
      ['json', 'id', 'null', 'byte 17: "id" is not an integer'],
      ['json', 'offset', '-1', 'byte 21: "offset" is not an integer from 0 to 2^53 - 1'],
      ['json', 'offset', '1.0', 'byte 21: "offset" is not an integer from 0 to 2^53 - 1'],
      ['protobuf', 'id', '308080808080808010', 'byte 4: number not from 0 to 2^53 - 1'],
      ['protobuf', 'offset', '320137', 'byte 4: wire type 2 in field 7'],
      ['msgpack', 'id', 'c0', 'byte 11: "id" is not an integer'],
      ['msgpack', 'id', 'cb3ff0000000000000', 'byte 11: "id" is not an integer'],
      ['msgpack', 'offset', 'ff', 'byte 15: "offset" is not an integer from 0 to 2^53 - 1'],
      ['flatbuffers', 'offset', '0000000000002000', 'byte 32: "offset" is not an integer from 0 to 2^53 - 1'],
    ];
    for (const [name, field, value, text] of texts) {
      assert.equal(outcomeOf(codecOf(name), messageOf[name](field, value)), `message malformed at ${text}`);
    }
  });
});

describe('id and offset in each codec', () => {
  const texts = fc.oneof(fc.string({ maxLength: 9 }), fc.constant(''), fc.constant('x'.repeat(300)));
  const envelopes: fc.Arbitrary<Envelope> = fc.record({
    type: texts,
    channel: texts,
    data: fc.constantFrom(null, bytesOf('1'), bytesOf('{"a":[]}'), bytesOf('"four"')),
    timestamp: fc.constantFrom(0n, 1n, -1n, 1700000000123456789n),
    clientId: texts,
    id: safeIntegers,
    offset: safeIntegers,
  });

  for (const codec of codecs) {
    test(`any two of them come back as they were, and say nothing else: ${codec.name}`, () => {
      const scratch = new Scratch(16);
      fc.assert(
        fc.property(envelopes, (envelope) => {
          const kept = codec.encode(envelope);
          assert.deepEqual(saidBy(codec.decode(kept)), saidBy(envelope));
          assert.equal(hexOf(codec.encode(envelope, scratch)), hexOf(kept));
        }),
        { numRuns: 1_000 },
      );
    });

    test(`an envelope without them, as older programs make it, is the same bytes as with 0: ${codec.name}`, () => {
      for (const timestamp of [0n, 5n]) {
        const older = { type: 'message', channel: 'c', data: bytesOf('1'), timestamp, clientId: 'c' };
        assert.equal(hexOf(codec.encode(older)), hexOf(codec.encode(envelopeOf(older))));
        assert.equal(hexOf(codec.encode({ ...older, id: undefined, offset: undefined })), hexOf(codec.encode(older)));
      }
    });

    test(`encode does not throw for numbers of the wrong kind, and ends: ${codec.name}`, () => {
      for (const number of [-1, Number.NaN, 1.5, Number.POSITIVE_INFINITY, 2 ** 53, 2 ** 70, -(2 ** 70)]) {
        const bytes = codec.encode(envelopeOf({ type: 't', id: number, offset: number }));
        assert.ok(bytes.length < 200);
        if (!(number > 0)) assert.equal(hexOf(bytes), hexOf(codec.encode(envelopeOf({ type: 't' }))));
      }
    });
  }

  test('FlatBuffers are what the Builder writes, for every length of each text and every form of the head', () => {
    for (let lengths = 0; lengths < 4 ** 4 * 8; lengths++) {
      const size = (place: number): number => Math.floor(lengths / 4 ** place) % 4;
      const forms = Math.floor(lengths / 4 ** 4);
      const envelope = envelopeOf({
        type: 't'.repeat(size(0)),
        channel: 'c'.repeat(size(1)),
        data: new Uint8Array(size(2)).fill(0xda),
        clientId: 'i'.repeat(size(3)),
        timestamp: (forms & 1) === 0 ? 0n : -2n,
        id: (forms & 2) === 0 ? 0 : largest,
        offset: (forms & 4) === 0 ? 0 : 0x0102_0304_0506,
      });
      const scratch = new Scratch(256);
      scratch.reserve(256).fill(0xff);
      const built = hexOf(builtBytes(envelope));
      assert.equal(hexOf(codecOf('flatbuffers').encode(envelope, scratch)), built);
    }
  });

  test('JSON keys are found in any place, in any case and with escapes, as all keys are', () => {
    const expected = saidBy(envelopeOf({ type: 'a', channel: 'b', id: 7, offset: 8, clientId: 'c' }));
    for (const text of [
      '{"type":"a","id":7,"channel":"b","offset":8,"client_id":"c"}',
      '{"id":7,"offset":8,"type":"a","channel":"b","client_id":"c"}',
      '{"client_id":"c","offset":8,"channel":"b","id":7,"type":"a"}',
      '{ "ID" : 7 , "Offset":8,"type":"a","other":{"id":"x"},"channel":"b","client_id":"c"}',
      '{"type":"a","channel":"b","client_id":"c","\\u0069d":7,"o\\u0066fset":8}',
    ]) {
      assert.deepEqual(saidBy(decodeText(text)), expected, text);
    }
    // A key is matched whole, and the keys inside data are the data's own.
    const others = '{"type":"t","i":"x","idd":"x","offse":"x","offsets":"x","data":{"id":"x","offset":null}}';
    assert.equal(decodeText(others).id, 0);
    assert.equal(decodeText(others).offset, 0);
  });

  test('an array in MessagePack has five values, or `id` as a sixth, or `offset` as a seventh too', () => {
    const codec = codecOf('msgpack');
    const five = `${str('a')}c0c0c0c0`;
    assert.deepEqual(saidBy(codec.decode(bytesOfHex(`95${five}`))), saidBy(envelopeOf({ type: 'a' })));
    assert.deepEqual(saidBy(codec.decode(bytesOfHex(`96${five}07`))), saidBy(envelopeOf({ type: 'a', id: 7 })));
    assert.deepEqual(
      saidBy(codec.decode(bytesOfHex(`dc0007${five}07cd0100`))),
      saidBy(envelopeOf({ type: 'a', id: 7, offset: 256 })),
    );
    assert.deepEqual(saidBy(codec.decode(bytesOfHex(`97${five}0008`))), saidBy(envelopeOf({ type: 'a', offset: 8 })));
    for (const hex of [`97${five}c008`, `97${five}07c0`, `96${five}c0`, `96${five}`, `97${five}07`]) {
      assert.equal(typeof outcomeOf(codec, bytesOfHex(hex)), 'string', hex);
    }
  });
});
