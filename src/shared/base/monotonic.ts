const msPerSecond = 1_000;
const nanosPerMs = 1_000_000;

/**
 * Milliseconds of the system's monotonic clock: the same in every thread, and never set back or forward. `Date.now()` is
 * set by others, and `performance.now()` begins anew in each thread.
 */
export function monotonicMs(): number {
  const [seconds, nanos] = process.hrtime();
  return seconds * msPerSecond + nanos / nanosPerMs;
}
