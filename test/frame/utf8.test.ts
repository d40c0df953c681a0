import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { describe, test } from 'node:test';
import { Utf8Validator } from '#dist/frame/index.js';
import { fc } from '../support/properties.ts';
import { hex, pick, type Random, randomBytes, randomOf, splitBytes } from './frame-fixture.ts';

const long = 'ab'.repeat(20);

function positionOf(bytes: Uint8Array): number {
  return new Utf8Validator().push(bytes);
}

/** Where each byte by itself would have been refused: the definition of "as early as can be". */
function slowPosition(bytes: Uint8Array): number {
  const validator = new Utf8Validator();
  return bytes.findIndex((_, i) => validator.push(bytes.subarray(i, i + 1)) >= 0);
}

function texts(random: Random): Buffer {
  const parts = ['a', 'é', 'ߠ', '€', '퟿', '\u{e000}', '😀', '\u{10ffff}', long, 'x'.repeat(30)];
  let text = '';
  for (let i = random(12); i >= 0; i--) text += pick(random, parts);
  return Buffer.from(text);
}

describe('checking UTF-8 as it comes', () => {
  test('says where the first byte stands that cannot be', () => {
    assert.equal(positionOf(hex('7ff000')), 2);
    assert.equal(positionOf(hex('cebae1bdb9cf83cebcceb5eda080656469746564')), 12);
    assert.equal(positionOf(hex('f4908080')), 1);
    assert.equal(positionOf(Buffer.concat([Buffer.from(long), hex('c0af')])), long.length);
    assert.equal(positionOf(Buffer.concat([Buffer.from(long), hex('e28041'), Buffer.from(long)])), long.length + 2);
  });

  test('refuses overlong forms, surrogates and what is above U+10FFFF at the first byte that shows it', () => {
    const cases: [string, number][] = [
      ['c080', 0],
      ['c1bf', 0],
      ['e08080', 1],
      ['e09fbf', 1],
      ['eda080', 1],
      ['edbfbf', 1],
      ['f0808080', 1],
      ['f08fbfbf', 1],
      ['f4908080', 1],
      ['f5808080', 0],
      ['ff', 0],
      ['fe', 0],
      ['80', 0],
      ['c3c3', 1],
    ];
    for (const [bytes, at] of cases) assert.equal(positionOf(hex(bytes)), at, bytes);
    for (const fine of ['c280', 'e0a080', 'ed9fbf', 'ee8080', 'f0908080', 'f48fbfbf', '00', '7f']) {
      assert.equal(positionOf(hex(fine)), -1, fine);
    }
  });

  test('split in any way, says the same as at once, and as the platform', () => {
    const random = randomOf(3);
    for (let round = 0; round < 20_000; round++) {
      const bytes = random(3) === 0 ? randomBytes(random, random(12)) : texts(random);
      if (random(2) === 0 && bytes.length > 0) bytes[random(bytes.length)] = random(256);
      const wanted = slowPosition(bytes);
      const validator = new Utf8Validator();
      let at = 0;
      let found = -1;
      for (const piece of splitBytes(random, bytes, pick(random, [1, 3, 30, 500]))) {
        const position = validator.push(piece);
        if (position >= 0) {
          found = at + position;
          break;
        }
        at += piece.length;
      }
      assert.equal(found, wanted, bytes.toString('hex'));
      assert.equal(found < 0 && validator.isComplete, isUtf8(bytes), bytes.toString('hex'));
    }
  });

  test('knows an unfinished character, and forgets it when asked to: the two bytes of Ё', () => {
    const validator = new Utf8Validator();
    assert.equal(validator.push(hex('d0')), -1);
    assert.equal(validator.isComplete, false);
    assert.equal(validator.push(hex('81')), -1);
    assert.equal(validator.isComplete, true);
    validator.push(hex('e282'));
    validator.reset();
    assert.equal(validator.push(Buffer.from('plain')), -1);
    assert.equal(validator.isComplete, true);
  });

  test('accepts every text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        assert.equal(positionOf(Buffer.from(text)), -1);
      }),
    );
  });
});
