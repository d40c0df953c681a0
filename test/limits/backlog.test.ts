import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Backlog } from '#dist/worker/connection/backlog.js';

describe('messages that wait', () => {
  it('come out as they went in, in order, whatever is pushed and taken in between', () => {
    const backlog = new Backlog();
    const expected: number[][] = [];
    let seed = 1;
    for (let round = 0; round < 20_000; round++) {
      seed = (seed * 48_271) % 2_147_483_647;
      if (seed % 3 > 0) {
        const message = new Array<number>(seed % 977 === 0 ? 70_000 : seed % 40).fill(seed % 251);
        backlog.push(Uint8Array.from(message));
        expected.push(message);
      } else {
        const taken = backlog.shift();
        assert.deepEqual(taken === undefined ? undefined : [...taken], expected.shift());
      }
      assert.equal(backlog.length, expected.length);
    }
    for (const message of expected) assert.deepEqual([...(backlog.shift() ?? [])], message);
    assert.equal(backlog.shift(), undefined);
  });

  it('a message that was taken is not written over by those that come later', () => {
    const backlog = new Backlog();
    backlog.push(Uint8Array.of(1, 2, 3));
    const taken = backlog.shift();
    for (let i = 0; i < 1_000; i++) backlog.push(Uint8Array.of(9, 9, 9));
    assert.deepEqual([...(taken ?? [])], [1, 2, 3]);
  });
});
