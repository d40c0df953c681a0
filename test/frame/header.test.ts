import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  checkHeader,
  type FrameHeader,
  type HeaderRules,
  headerSize,
  readHeader,
  readMaskKey,
  writeHeader,
} from '#dist/frame/index.js';
import { fc } from '../support/properties.ts';
import { hex, hexOf, thrownBy } from './frame-fixture.ts';

function header(fields: Partial<FrameHeader>): FrameHeader {
  return { fin: true, rsv: 0, opcode: 1, masked: false, maskKey: 0, length: 0, ...fields };
}

function written(fields: Partial<FrameHeader>): string {
  const bytes = new Uint8Array(14);
  return hexOf(bytes.subarray(0, writeHeader(bytes, 0, header(fields))));
}

describe('a frame header', () => {
  test('is written bit by bit as RFC 6455 section 5.2 draws it', () => {
    assert.equal(written({}), '8100');
    assert.equal(written({ fin: false, opcode: 2, length: 125 }), '027d');
    assert.equal(written({ rsv: 0x70, opcode: 0, length: 126 }), 'f07e007e');
    assert.equal(written({ opcode: 10, length: 65_535 }), '8a7effff');
    assert.equal(written({ length: 65_536 }), '817f0000000000010000');
    assert.equal(written({ length: 2 ** 40 + 5 }), '817f0000010000000005');
    assert.equal(written({ masked: true, maskKey: readMaskKey(hex('01020304')), length: 1 }), '818101020304');
    assert.equal(written({ masked: true, maskKey: -1, length: 300 }), '81fe012cffffffff');
  });

  test('comes back from its bytes as it was, at any place, and is not there until its last byte is', () => {
    const headers = fc.record({
      fin: fc.boolean(),
      rsv: fc.constantFrom(0, 0x10, 0x20, 0x40, 0x70),
      opcode: fc.nat(15),
      masked: fc.boolean(),
      maskKey: fc.integer(),
      length: fc.oneof(fc.constantFrom(0, 125, 126, 65_535, 65_536, 2 ** 53 - 1), fc.maxSafeNat(), fc.nat(70_000)),
    });
    fc.assert(
      fc.property(headers, fc.nat(9), (fields, at) => {
        const wanted = { ...fields, maskKey: fields.masked ? fields.maskKey : 0 };
        const bytes = new Uint8Array(at + 14);
        const end = writeHeader(bytes, at, fields);
        assert.equal(end - at, headerSize(fields.length, fields.masked));
        assert.deepEqual(readHeader(bytes.subarray(0, end), at), { ...wanted, headerBytes: end - at });
        for (let short = at; short < end; short++) assert.equal(readHeader(bytes.subarray(0, short), at), null);
      }),
      { numRuns: 2_000 },
    );
  });

  test('with a hostile length is refused before anything is made of it', () => {
    assert.equal(thrownBy(() => readHeader(hex('827fffffffffffffffff'))).code, 'ERR_FRAME_LENGTH');
    assert.equal(thrownBy(() => readHeader(hex('897f8000000000000000'))).code, 'ERR_FRAME_LENGTH');
    assert.equal(thrownBy(() => readHeader(hex('827f7fffffffffffffff'))).code, 'ERR_FRAME_TOO_LONG');
    assert.equal(thrownBy(() => readHeader(hex('827f0020000000000000'))).code, 'ERR_FRAME_TOO_LONG');
    assert.equal(readHeader(hex('827f001fffffffffffff'))?.length, Number.MAX_SAFE_INTEGER);
  });

  test('is not written where there is no room, nor with a length that is none', () => {
    assert.equal(thrownBy(() => writeHeader(new Uint8Array(3), 0, header({ length: 126 }))).code, 'ERR_FRAME_LENGTH');
    assert.equal(thrownBy(() => writeHeader(new Uint8Array(14), 0, header({ length: -1 }))).code, 'ERR_FRAME_LENGTH');
    assert.equal(thrownBy(() => writeHeader(new Uint8Array(14), 0, header({ length: 0.5 }))).code, 'ERR_FRAME_LENGTH');
  });
});

describe('checking a header', () => {
  const verdict = (fields: Partial<FrameHeader>, rules: HeaderRules = {}): string | undefined =>
    checkHeader(header(fields), rules)?.code;

  test('refuses what RFC 6455 refuses, by code', () => {
    for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) assert.equal(verdict({ opcode }), 'ERR_FRAME_OPCODE');
    for (const opcode of [0, 1, 2, 8, 9, 10]) assert.equal(verdict({ opcode }), undefined);
    for (const opcode of [8, 9, 10]) {
      assert.equal(verdict({ opcode, length: 125 }), undefined);
      assert.equal(verdict({ opcode, length: 126 }), 'ERR_FRAME_CONTROL');
      assert.equal(verdict({ opcode, fin: false }), 'ERR_FRAME_CONTROL');
    }
    assert.equal(verdict({}, { role: 'server' }), 'ERR_FRAME_MASK');
    assert.equal(verdict({ masked: true }, { role: 'server' }), undefined);
    assert.equal(verdict({ masked: true }, { role: 'client' }), 'ERR_FRAME_MASK');
    assert.equal(verdict({}, { role: 'client' }), undefined);
    assert.equal(verdict({ opcode: 1 }, { fragmented: true }), 'ERR_FRAME_SEQUENCE');
    assert.equal(verdict({ opcode: 2 }, { fragmented: true }), 'ERR_FRAME_SEQUENCE');
    assert.equal(verdict({ opcode: 0 }, { fragmented: true }), undefined);
    assert.equal(verdict({ opcode: 0 }, { fragmented: false }), 'ERR_FRAME_SEQUENCE');
    assert.equal(verdict({ opcode: 9 }, { fragmented: true }), undefined);
  });

  test('without rules about sides and sequence checks neither', () => {
    assert.equal(verdict({ masked: true }), undefined);
    assert.equal(verdict({ opcode: 0 }), undefined);
  });

  test('lets each reserved bit pass only if it was negotiated, and only where a message begins', () => {
    for (const rsv of [0x40, 0x20, 0x10, 0x70]) assert.equal(verdict({ rsv }), 'ERR_FRAME_RESERVED_BITS');
    assert.equal(verdict({ rsv: 0x40 }, { reservedBits: 0x40 }), undefined);
    assert.equal(verdict({ rsv: 0x20 }, { reservedBits: 0x40 }), 'ERR_FRAME_RESERVED_BITS');
    assert.equal(verdict({ rsv: 0x60 }, { reservedBits: 0x40 }), 'ERR_FRAME_RESERVED_BITS');
    const rules = { reservedBits: 0x40, fragmented: true };
    assert.equal(verdict({ rsv: 0x40, opcode: 0 }, rules), 'ERR_FRAME_RESERVED_BITS');
    assert.equal(verdict({ rsv: 0x40, opcode: 9 }, rules), 'ERR_FRAME_RESERVED_BITS');
  });

  test('reports the first fault in a fixed order: opcode, control frame, reserved bits, mask', () => {
    const server: HeaderRules = { role: 'server', fragmented: false };
    assert.equal(verdict({ opcode: 11, length: 200, fin: false, rsv: 0x40 }, server), 'ERR_FRAME_OPCODE');
    assert.equal(verdict({ opcode: 9, fin: false, rsv: 0x40 }, server), 'ERR_FRAME_CONTROL');
    assert.equal(verdict({ opcode: 0, rsv: 0x40 }, server), 'ERR_FRAME_RESERVED_BITS');
    assert.equal(verdict({ opcode: 0 }, server), 'ERR_FRAME_MASK');
  });

  test('refuses a length that is not in its shortest form', () => {
    for (const bytes of ['827e0001', '827e007d', '827f000000000000ffff', '827f0000000000000000']) {
      const read = readHeader(hex(bytes));
      assert.ok(read !== null);
      assert.equal(checkHeader(read)?.code, 'ERR_FRAME_LENGTH', bytes);
    }
    for (const bytes of ['827d', '827e007e', '827effff', '827f0000000000010000', '82fe007e00000000']) {
      const read = readHeader(hex(bytes));
      assert.ok(read !== null);
      assert.equal(checkHeader(read), null, bytes);
    }
  });
});
