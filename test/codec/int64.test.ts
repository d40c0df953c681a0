import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  int64Characters,
  readInt64,
  readSafeInteger,
  safeIntegerCharacters,
  writeInt64,
  writeSafeInteger,
} from '#dist/shared/codec/int64.js';
import { fc } from '../support/properties.ts';

function written(value: bigint): string {
  const target = new Uint8Array(2 + int64Characters).fill(0x21);
  const end = writeInt64(target, 1, value);
  const text = Buffer.from(target).toString('latin1');
  assert.equal(text.slice(0, 1) + text.slice(end), '!'.repeat(text.length - end + 1), 'nothing else is touched');
  return text.slice(1, end);
}

function assertExact(value: bigint): void {
  const text = String(value);
  assert.equal(written(value), text);
  const bytes = Buffer.from(`[${text}]`);
  assert.equal(readInt64(bytes, 1, bytes.length - 1), value);
}

describe('int64 in decimal', () => {
  it('is exact around every power of two and of ten', () => {
    const edges = [
      ...Array.from({ length: 63 }, (_, power) => 2n ** BigInt(power)),
      ...Array.from({ length: 19 }, (_, power) => 10n ** BigInt(power)),
    ];
    for (const edge of edges) {
      for (let digit = 1n; digit <= 9n; digit++) {
        for (const value of [edge * digit - 1n, edge * digit, edge * digit + 1n]) {
          if (BigInt.asIntN(64, value) === value) assertExact(value);
          if (BigInt.asIntN(64, -value) === -value) assertExact(-value);
        }
      }
    }
    assertExact(2n ** 63n - 1n);
    assertExact(-(2n ** 63n));
  });

  it('is exact for any number of any length', () => {
    const anyLength = fc
      .tuple(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.integer({ min: 0, max: 62 }))
      .map(([value, bits]) => value >> BigInt(bits));
    fc.assert(fc.property(anyLength, assertExact), { numRuns: 20_000 });
  });

  it('wraps what does not fit', () => {
    for (const value of [2n ** 63n, 2n ** 64n + 5n, -(2n ** 63n) - 1n, 10n ** 30n]) {
      assert.equal(written(value), String(BigInt.asIntN(64, value)));
    }
  });
});

function assertExactNumber(value: number): void {
  const text = String(value);
  const target = new Uint8Array(2 + safeIntegerCharacters).fill(0x21);
  const end = writeSafeInteger(target, 1, value);
  assert.equal(Buffer.from(target).toString('latin1'), `!${text}`.padEnd(target.length, '!'));
  assert.equal(end, 1 + text.length);
  const bytes = Buffer.from(`[${text}]`);
  assert.equal(readSafeInteger(bytes, 1, bytes.length - 1), value);
}

describe('safe integers in decimal', () => {
  it('are exact around every power of two and of ten, and around every billion near the end', () => {
    const edges = [
      ...Array.from({ length: 53 }, (_, power) => 2 ** power),
      ...Array.from({ length: 16 }, (_, power) => 10 ** power),
      ...Array.from({ length: 2_000 }, (_, index) => (9_007_199 - index) * 1e9),
    ];
    for (const edge of edges) for (const more of [-1, 0, 1]) assertExactNumber(edge + more);
    assertExactNumber(Number.MAX_SAFE_INTEGER);
  });

  it('are exact for any number of any length', () => {
    const anyLength = fc
      .tuple(fc.maxSafeNat(), fc.integer({ min: 0, max: 52 }))
      .map(([value, bits]) => Math.floor(value / 2 ** bits));
    fc.assert(fc.property(anyLength, assertExactNumber), { numRuns: 20_000 });
  });

  it('are not what is above them, signed, or written with a point or an exponent', () => {
    for (const text of [
      '9007199254740992',
      '9007199254740993',
      '9999999999999999',
      '10000000000000000',
      '-1',
      '-0',
      '1.0',
      '1e3',
    ]) {
      assert.equal(readSafeInteger(Buffer.from(text), 0, text.length), -1, text);
    }
  });
});
