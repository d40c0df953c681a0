import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RetryPause } from '#dist/shared/base/retry-pause.js';

/** Fails right after each pause. Returns the lengths of the pauses. */
function failAgainAndAgain(pause: RetryPause, times: number, start: number): { lengths: number[]; now: number } {
  const lengths: number[] = [];
  let now = start;
  for (let i = 0; i < times; i++) {
    pause.begin(now);
    const begun = now;
    while (!pause.isOver(now)) now += 100;
    lengths.push(now - begun);
  }
  return { lengths, now };
}

describe('a pause before the next try', () => {
  it('is over before anything failed', () => {
    assert.equal(new RetryPause().isOver(0), true);
  });

  it('lasts a second, and twice as long each time, up to 30 seconds', () => {
    const { lengths } = failAgainAndAgain(new RetryPause(), 8, 5_000);
    assert.deepEqual(lengths, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  });

  it('is not made longer by what fails meanwhile', () => {
    const pause = new RetryPause();
    pause.begin(0);
    for (let now = 0; now < 1_000; now += 10) pause.begin(now);
    assert.equal(pause.isOver(999), false);
    assert.equal(pause.isOver(1_000), true);
    assert.equal(pause.lastMs, 1_000);
  });

  it('is short again once something succeeded after it, but not for what succeeds meanwhile', () => {
    const pause = new RetryPause();
    const { now } = failAgainAndAgain(pause, 3, 0);
    pause.begin(now);
    pause.succeeded(now + 1);
    assert.equal(pause.lastMs, 8_000);
    pause.succeeded(now + 8_000);
    assert.deepEqual(failAgainAndAgain(pause, 2, now + 9_000).lengths, [1_000, 2_000]);
  });
});
