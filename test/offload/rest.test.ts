import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Rest } from '#dist/shared/base/rest.js';

/** Fails right after each rest; returns how long the rests were. */
function failAgainAndAgain(rest: Rest, times: number, start: number): { lengths: number[]; now: number } {
  const lengths: number[] = [];
  let now = start;
  for (let i = 0; i < times; i++) {
    rest.begin(now);
    const begun = now;
    while (!rest.isOver(now)) now += 100;
    lengths.push(now - begun);
  }
  return { lengths, now };
}

describe('a rest', () => {
  it('is over before anything failed', () => {
    assert.equal(new Rest().isOver(0), true);
  });

  it('lasts a second, and twice as long each time, up to 30 seconds', () => {
    const { lengths } = failAgainAndAgain(new Rest(), 8, 5_000);
    assert.deepEqual(lengths, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  });

  it('is not made longer by what fails meanwhile', () => {
    const rest = new Rest();
    rest.begin(0);
    for (let now = 0; now < 1_000; now += 10) rest.begin(now);
    assert.equal(rest.isOver(999), false);
    assert.equal(rest.isOver(1_000), true);
    assert.equal(rest.lastMs, 1_000);
  });

  it('is short again once something succeeded after it, but not for what succeeds meanwhile', () => {
    const rest = new Rest();
    const { now } = failAgainAndAgain(rest, 3, 0);
    rest.begin(now);
    rest.succeeded(now + 1);
    assert.equal(rest.lastMs, 8_000);
    rest.succeeded(now + 8_000);
    assert.deepEqual(failAgainAndAgain(rest, 2, now + 9_000).lengths, [1_000, 2_000]);
  });
});
