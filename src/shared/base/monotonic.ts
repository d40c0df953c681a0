const msPerSecond = 1_000;
const nanosPerMs = 1_000_000;

/**
 * Milliseconds of the system's monotonic clock. It is the same in every thread and is never set. `Date.now()` can be
 * set from outside, and `performance.now()` starts at 0 in each thread.
 */
export function monotonicMs(): number {
  const [seconds, nanos] = process.hrtime();
  return seconds * msPerSecond + nanos / nanosPerMs;
}
