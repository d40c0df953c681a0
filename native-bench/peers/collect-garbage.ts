const leastPauseMs = 200;

/** Collects every 200 ms, and less often where that takes long: a quarter of the time at most. */
export function collectEvery(collect: () => void): void {
  const begin = performance.now();
  collect();
  const took = performance.now() - begin;
  setTimeout(() => collectEvery(collect), Math.max(leastPauseMs, 3 * took)).unref();
}

/**
 * What is garbage is no connection's memory. Where the process was started with `--expose-gc`, as the driver does to
 * measure memory, the thread that calls this collects its own from now on. Else nothing happens.
 */
export function collectGarbage(): void {
  const { gc } = globalThis;
  if (gc !== undefined) collectEvery(() => gc());
}
