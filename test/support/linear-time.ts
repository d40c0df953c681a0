import assert from 'node:assert/strict';

const runs = 5;
const rounds = 40;
const longestMs = 120_000;

/**
 * Asserts that `large`, which has 16 times the input of `small`, takes time in proportion to it: 16 times as long, where
 * the square would be 256 times. The best of some runs counts on both sides, and on a machine that others keep busy there
 * may be many rounds before there is a good one.
 */
export function assertLinear(what: string, small: () => void, large: () => void): void {
  let smallMs = Infinity;
  let largeMs = Infinity;
  const end = performance.now() + longestMs;
  for (let round = 0; round < rounds && performance.now() < end; round++) {
    for (let run = 0; run < runs; run++) {
      smallMs = Math.min(smallMs, timeOf(small));
      largeMs = Math.min(largeMs, timeOf(large));
    }
    if (largeMs < smallMs * 64 + 5) return;
  }
  assert.fail(`${what}: ${smallMs} ms, and ${largeMs} ms for 16 times as much`);
}

function timeOf(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}
