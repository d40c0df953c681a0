import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { describe, test } from 'node:test';
import { isJson, maxJsonDepth } from '#dist/shared/codec/index.js';
import { bytesOf, isParsed, jsonTextOf, mutated, randomOf, refusalOf } from './codec-fixture.ts';

/** What the scanner should say: JSON.parse's word where the bytes are UTF-8, and no where they are not. */
function shouldPass(bytes: Uint8Array): boolean {
  return isUtf8(bytes) && isParsed(Buffer.from(bytes).toString());
}

function assertAgrees(bytes: Uint8Array): void {
  if (isJson(bytes) !== shouldPass(bytes)) {
    assert.fail(`isJson says ${isJson(bytes)} of ${JSON.stringify(Buffer.from(bytes).toString('latin1'))}`);
  }
}

describe('the JSON scanner', () => {
  test('takes every generated document', () => {
    const random = randomOf(1);
    for (let i = 0; i < 20_000; i++) {
      const text = jsonTextOf(random, 4);
      assert.ok(isJson(bytesOf(text)), text);
    }
  });

  test('agrees with JSON.parse on 60,000 mutated documents and refuses what is not UTF-8', () => {
    const random = randomOf(2);
    let valid = 0;
    let utf8 = 0;
    for (let i = 0; i < 60_000 || utf8 < 50_000; i++) {
      const bytes = mutated(random, bytesOf(jsonTextOf(random, 3)));
      assertAgrees(bytes);
      if (isUtf8(bytes)) utf8++;
      if (isJson(bytes)) valid++;
    }
    // A generator that never, or always, breaks its documents would prove nothing.
    assert.ok(valid > 5_000 && valid < 40_000, `${valid} valid`);
  });

  test('agrees with JSON.parse on every number of up to six characters', () => {
    const characters = '019-+.eE';
    const grow = (text: string, left: number): void => {
      if (text !== '') assertAgrees(bytesOf(text));
      if (left > 0) for (const character of characters) grow(text + character, left - 1);
    };
    grow('', 6);
  });

  test('agrees with JSON.parse on every text of up to five tokens', () => {
    const tokens = ['{', '}', '[', ']', ',', ':', '"a"', '1', 'null', ' '];
    const grow = (text: string, left: number): void => {
      assertAgrees(bytesOf(text));
      if (left > 0) for (const token of tokens) grow(text + token, left - 1);
    };
    grow('', 5);
  });

  test('refuses all invalid UTF-8 in strings, and nothing else: one and two bytes', () => {
    for (let first = 0; first < 256; first++) {
      assertAgrees(Uint8Array.of(0x22, first, 0x22));
      for (let second = 0; second < 256; second++) assertAgrees(Uint8Array.of(0x22, first, second, 0x22));
    }
  });

  test('refuses overlong forms, surrogates and what is above U+10FFFF: three and four bytes', () => {
    const edges = [0x22, 0x7f, 0x80, 0xbf, 0xc0];
    for (let first = 0xc0; first < 256; first++) {
      for (let second = 0x70; second < 256; second++) {
        for (const third of edges) {
          assertAgrees(Uint8Array.of(0x22, first, second, third, 0x22));
          for (const fourth of edges) assertAgrees(Uint8Array.of(0x22, first, second, third, fourth, 0x22));
        }
      }
    }
  });

  test('refuses UTF-8 that ends early, also at the end of the bytes', () => {
    for (const character of ['é', '频', '😀']) {
      const whole = bytesOf(`"${character}`);
      for (let length = 2; length < whole.length; length++) {
        assert.equal(isJson(whole.subarray(0, length)), false);
        assert.equal(isJson(Uint8Array.of(...whole.subarray(0, length), 0x22)), false);
      }
    }
  });

  test('finds every special byte in a long string, wherever it is and however the bytes are aligned', () => {
    const length = 150;
    const memory = new Uint8Array(length + 8);
    for (let offset = 0; offset < 4; offset++) {
      const bytes = memory.subarray(offset, offset + length);
      for (let at = 1; at < length - 1; at++) {
        for (const special of [0, 0x1f, 0x20, 0x21, 0x22, 0x23, 0x5b, 0x5c, 0x5d, 0x7e, 0x7f, 0x80, 0xa0, 0xc3, 0xff]) {
          bytes.fill(0x61);
          bytes[0] = 0x22;
          bytes[length - 1] = 0x22;
          bytes[at] = special;
          assertAgrees(bytes);
        }
      }
    }
  });

  test('takes whitespace around a value and only the four kinds of it', () => {
    for (let byte = 0; byte < 256; byte++) {
      assertAgrees(Uint8Array.of(byte, 0x31));
      assertAgrees(Uint8Array.of(0x31, byte));
      assertAgrees(Uint8Array.of(0x5b, byte, 0x5d));
    }
    assert.equal(isJson(bytesOf('')), false);
    assert.equal(isJson(bytesOf(' ')), false);
  });

  test('values nest 512 deep and no deeper, in data as elsewhere', () => {
    assert.equal(maxJsonDepth, 512);
    const nested = (depth: number): string => `${'[{"a":'.repeat(depth / 2)}1${'}]'.repeat(depth / 2)}`;
    assert.equal(isJson(bytesOf(nested(512))), true);
    assert.equal(isJson(bytesOf(`[${nested(512)}]`)), false);
    assert.equal(isJson(bytesOf(`${'['.repeat(512)}${']'.repeat(512)}`)), true);
    assert.equal(isJson(bytesOf(`${'['.repeat(513)}${']'.repeat(513)}`)), false);
    assert.match(refusalOf(bytesOf(`{"data":[${nested(512)}]}`)), /nested deeper than 512$/);
  });

  test('a million opening brackets do not overflow the stack', () => {
    for (const opening of ['[', '{"a":', '[{"a":']) {
      const bytes = bytesOf(opening.repeat(1_000_000));
      assert.equal(isJson(bytes), false);
      refusalOf(bytes);
      refusalOf(bytesOf(`{"data":${opening.repeat(1_000_000)}`));
    }
  });
});
