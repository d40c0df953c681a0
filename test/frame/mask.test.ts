import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { applyMask, randomMaskKey, readMaskKey } from '#dist/frame/index.js';
import { fc } from '../support/properties.ts';
import { hex, randomBytes, randomOf } from './frame-fixture.ts';

/** As RFC 6455 section 5.3 says it. */
function plainMask(payload: Uint8Array, key: Uint8Array, offset: number): Uint8Array {
  return payload.map((byte, i) => byte ^ (key[(i + offset) % 4] ?? 0));
}

describe('masking', () => {
  test('agrees with the definition at all offsets, alignments and lengths', () => {
    const random = randomOf(1);
    for (let length = 0; length < 150; length++) {
      for (let place = 0; place < 8; place++) {
        for (let offset = 0; offset < 5; offset++) {
          const memory = randomBytes(random, length + 16);
          const before = Buffer.from(memory);
          const key = randomBytes(random, 4);
          const payload = memory.subarray(place, place + length);
          const wanted = plainMask(payload, key, offset);
          applyMask(payload, readMaskKey(key), offset);
          assert.deepEqual(Buffer.from(payload), Buffer.from(wanted));
          assert.deepEqual(memory.subarray(0, place), before.subarray(0, place), 'nothing before it changes');
          assert.deepEqual(memory.subarray(place + length), before.subarray(place + length), 'nor behind it');
        }
      }
    }
  });

  test('works in memory whose length is no multiple of a word', () => {
    for (let size = 48; size < 56; size++) {
      const bytes = new Uint8Array(new ArrayBuffer(size)).fill(7);
      const key = hex('a1b2c3d4');
      const wanted = plainMask(bytes, key, 0);
      applyMask(bytes, readMaskKey(key));
      assert.deepEqual(bytes, wanted);
    }
  });

  test('is its own inverse at every offset', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), fc.integer(), fc.nat(), (payload, key, offset) => {
        const bytes = payload.slice();
        applyMask(bytes, key, offset);
        applyMask(bytes, key, offset);
        assert.deepEqual(bytes, payload);
      }),
      { numRuns: 3_000 },
    );
  });

  test('in pieces equals one pass', () => {
    const random = randomOf(2);
    for (let chop = 2; chop <= 1_024; chop += chop < 16 ? 1 : 61) {
      const whole = randomBytes(random, 4_099);
      const pieces = Buffer.from(whole);
      const key = random(2 ** 32) | 0;
      applyMask(whole, key);
      for (let at = 0; at < pieces.length; at += chop) applyMask(pieces.subarray(at, at + chop), key, at);
      assert.deepEqual(pieces, whole);
    }
  });

  test('uses keys that do not repeat', () => {
    const keys = new Set<number>();
    for (let i = 0; i < 10_000; i++) keys.add(randomMaskKey());
    // 10,000 of 2^32: about 0.01 repetitions are to be expected.
    assert.ok(keys.size >= 9_998);
  });
});
