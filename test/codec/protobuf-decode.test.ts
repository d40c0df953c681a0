import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { describe, test } from 'node:test';
import { protobufCodec } from '#dist/shared/codec/protobuf-codec.js';
import { assertLinear } from '../support/linear-time.ts';
import { bytesOf, envelopeOf, saidBy } from './codec-fixture.ts';
import { goldenBytes, hex, hexOf, refusalOf } from './protobuf-fixture.ts';

function decodeHex(digits: string): Record<string, unknown> {
  return saidBy(protobufCodec.decode(hex(digits)));
}

function stringField(bytes: Uint8Array): Uint8Array {
  return Uint8Array.of(0x0a, bytes.length, ...bytes);
}

describe('reading Protobuf messages', () => {
  test('fffefdfc is malformed and nothing worse', () => {
    assert.match(refusalOf(hex('fffefdfc')), /: ./);
  });

  test('unknown fields of every wire type are skipped, wherever they are', () => {
    const unknown = ['4001', '410102030405060708', '4203616263', '450a0b0c0d', '430a0161380144', 'f80701', '4a00'];
    for (const field of unknown) {
      const expected = saidBy(envelopeOf({ type: 'a', timestamp: 1n }));
      assert.deepEqual(decodeHex(`${field} 0a0161 ${field} 2001 ${field}`), expected, field);
    }
  });

  test('what looks like a known field inside an unknown group is none of ours', () => {
    assert.deepEqual(decodeHex('43 0a0161 0801 2500000000 3801 44'), saidBy(envelopeOf({})));
  });

  test('fields may come in any order, and the last of several wins, zero values too', () => {
    const expected = saidBy(envelopeOf({ type: 'b', clientId: 'c', timestamp: 2n, data: bytesOf('d') }));
    assert.deepEqual(decodeHex('2a0163 2001 0a0161 1a0161 2002 0a0162 1a0164'), expected);
    const reset = '0a0161 1201611a0161 2001 2a0161 3001 3801 0a00 1200 1a00 2000 2a00 3000 3800';
    assert.deepEqual(decodeHex(reset), saidBy(envelopeOf({})));
  });

  test('a known field with another wire type than its own is malformed', () => {
    const values = ['01', '0102030405060708', '0161', undefined, undefined, '01020304'];
    for (const field of [1, 2, 3, 4, 5, 6, 7]) {
      for (const wireType of [0, 1, 2, 3, 4, 5, 6, 7]) {
        if (wireType === ([4, 6, 7].includes(field) ? 0 : 2)) continue;
        const tag = (field * 8 + wireType).toString(16).padStart(2, '0');
        const value = wireType === 3 ? (field * 8 + 4).toString(16).padStart(2, '0') : (values[wireType] ?? '');
        const refusal = refusalOf(hex(`${tag}${value}`));
        assert.equal(refusal, `message malformed at byte 1: wire type ${wireType} in field ${field}`);
      }
    }
  });

  test('a wrong field is malformed although a right one follows', () => {
    assert.match(refusalOf(hex('0801 0a0161')), /wire type 0 in field 1$/);
  });

  test('field number 0, wire types 6 and 7, and ends of groups that did not begin are malformed', () => {
    for (const digits of ['00', '0201', '0200', '46', '47', '44', '434c', '4302', '430044']) refusalOf(hex(digits));
    assert.deepEqual(decodeHex('4344'), saidBy(envelopeOf({})));
  });

  test('a timestamp is exact over all of int64, also when it is padded', () => {
    const cases: readonly [string, bigint][] = [
      ['01', 1n],
      ['7f', 127n],
      ['8001', 128n],
      ['ffffffff0f', 2n ** 32n - 1n],
      ['8080808010', 2n ** 32n],
      ['ffffffff7f', 2n ** 35n - 1n],
      ['ffffffffffffff0f', 2n ** 53n - 1n],
      ['8180808080808010', 2n ** 53n + 1n],
      ['ffffffffffffffff7f', 2n ** 63n - 1n],
      ['80808080808080808001', -(2n ** 63n)],
      ['ffffffffffffffffff01', -1n],
      ['8100', 1n],
      ['81808080808080808000', 1n],
    ];
    for (const [digits, value] of cases) {
      assert.equal(protobufCodec.decode(hex(`20${digits}`)).timestamp, value);
      assert.equal(protobufCodec.decode(hex(`20${digits}0a0161`)).timestamp, value);
    }
  });

  test('a varint above 64 bits or longer than ten bytes is malformed, in known and unknown fields', () => {
    assert.match(refusalOf(hex('20 ffffffffffffffffff02')), /at byte 10: varint above 64 bits$/);
    assert.match(refusalOf(hex('20 80808080808080808080 00')), /varint above 64 bits$/);
    assert.match(refusalOf(hex('40 80808080808080808080 00')), /at byte 1: varint above 64 bits$/);
    assert.deepEqual(decodeHex('40 ffffffffffffffffff01'), saidBy(envelopeOf({})));
  });

  test('every message cut off inside a field is malformed, and between fields it is a message', () => {
    for (const whole of goldenBytes) {
      let messages = 0;
      for (let length = 0; length < whole.length; length++) {
        const bytes = whole.slice(0, length);
        try {
          protobufCodec.decode(bytes);
          messages++;
        } catch {
          assert.match(refusalOf(bytes), /unexpected end$/);
        }
      }
      const fields = Object.values(saidBy(protobufCodec.decode(whole))).filter((value) => value && value !== 0n);
      assert.equal(messages, fields.length);
    }
  });

  test('a length beyond the end is malformed, whatever it is, and allocates nothing', () => {
    for (const length of ['01', '7f', 'ffff03', 'ffffffff07', 'ffffffff0f', 'ffffffff7f', 'ffffffffffffffffff01']) {
      for (const tag of ['0a', '12', '1a', '2a', '42']) {
        const ending = hex(`${tag}${length}`);
        refusalOf(ending);
        // Bytes behind the message's end are not the message's.
        const memory = new Uint8Array(300).fill(0x61);
        memory.set(ending);
        refusalOf(memory.subarray(0, ending.length));
      }
    }
  });

  test('strings are valid UTF-8 or malformed, in every string field', () => {
    const wrong = [
      '80',
      'bf',
      'c0af',
      'c3',
      'e28280e2',
      'eda080',
      'edbfbf',
      'f0808080',
      'f4908080',
      'ff',
      'fe',
      'efbfbdff',
    ];
    for (const digits of wrong) {
      for (const padding of ['', '61', '61'.repeat(40)]) {
        const bytes = hex(`${padding}${digits}`);
        const field = `${bytes.length.toString(16).padStart(2, '0')}${hexOf(bytes)}`;
        for (const tag of ['0a', '12', '2a']) {
          assert.match(refusalOf(hex(`${tag}${field}`)), /at byte 2: invalid UTF-8$/, digits);
        }
        assert.equal(hexOf(protobufCodec.decode(hex(`1a${field}`)).data ?? hex('')), hexOf(bytes));
      }
    }
  });

  test('strings of three bytes are judged as Node judges them', () => {
    const edges = [0x7f, 0x80, 0xbf, 0xc0];
    for (let first = 0x7f; first < 256; first++) {
      for (let second = 0x7e; second < 0xc2; second++) {
        for (const third of edges) {
          const bytes = Uint8Array.of(first, second, third);
          if (isUtf8(bytes)) assert.deepEqual(bytesOf(protobufCodec.decode(stringField(bytes)).type), bytes);
          else refusalOf(stringField(bytes));
        }
      }
    }
  });

  test('U+FFFD and a byte order mark are characters like others', () => {
    for (const text of ['\ufffd', 'a\ufffdb', '\ufeff', '\ufeffa', `${'x'.repeat(40)}\ufffd`, '\ufffd'.repeat(40)]) {
      assert.equal(protobufCodec.decode(protobufCodec.encode(envelopeOf({ type: text }))).type, text);
    }
  });

  test('data is a view of the message, and nothing is said about it', () => {
    const bytes = hex('0a0161 1a02 7b7d');
    const envelope = protobufCodec.decode(bytes);
    assert.equal(envelope.data?.buffer, bytes.buffer);
    assert.equal(envelope.data?.byteOffset, 5);
    assert.equal(envelope.dataIsJson, undefined);
  });

  test('a message is read where it lies in a larger or a shared memory', () => {
    const whole = protobufCodec.encode(
      envelopeOf({ type: 'é'.repeat(50), channel: 'news', data: bytesOf('x'.repeat(300)), timestamp: -5n }),
    );
    for (let offset = 0; offset < 9; offset++) {
      const shared = new Uint8Array(new SharedArrayBuffer(whole.length + 20), offset, whole.length);
      shared.set(whole);
      assert.deepEqual(saidBy(protobufCodec.decode(shared)), saidBy(protobufCodec.decode(whole)));
      assert.match(refusalOf(shared.subarray(0, whole.length - 1)), /unexpected end$/);
    }
  });

  test('groups nest 100 deep, and a million of them overflow no stack', () => {
    const nested = (depth: number): Uint8Array => hex(`${'43'.repeat(depth)}${'44'.repeat(depth)}`);
    assert.deepEqual(saidBy(protobufCodec.decode(nested(100))), saidBy(envelopeOf({})));
    assert.match(refusalOf(nested(102)), /max depth exceeded$/);
    assert.match(refusalOf(nested(1_000_000)), /max depth exceeded$/);
    assert.match(refusalOf(new Uint8Array(1_000_000).fill(0x43)), /max depth exceeded$/);
  });

  test('a refused message leaves nothing behind for the next one', () => {
    refusalOf(hex('0a0161 120162 1a0163 2001 2a0164 08'));
    assert.deepEqual(decodeHex(''), saidBy(envelopeOf({})));
  });

  test('messages of 2 MB take time in proportion to their length', () => {
    const shapes: readonly string[] = [
      '0a00',
      '0a0161',
      '1a0161',
      '0a03efbfbd',
      '2001',
      '3001',
      '4001',
      '43303144',
      '420161',
    ];
    for (const shape of shapes) {
      const small = hex(shape.repeat(20_000));
      const large = hex(shape.repeat(320_000));
      assertLinear(
        shape,
        () => protobufCodec.decode(small),
        () => protobufCodec.decode(large),
      );
    }
  });
});
