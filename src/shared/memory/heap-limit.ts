import { getHeapStatistics } from 'node:v8';
import { resourceLimits } from 'node:worker_threads';

const mebibyte = 1_048_576;

/** V8's space for new objects is three times the size of what one collection may promote to the old space. */
const youngParts = 3;

/**
 * The limit for long-lived objects in this thread's heap, in bytes; beyond it the runtime may end the process. What the
 * runtime calls the limit includes the space for new objects, which long-lived objects cannot use. The runtime also
 * wants room to promote all new objects: with a limit of 64 MiB it was seen to give up from 48 MiB on.
 */
export function heapLimitBytes(): number {
  const { heap_size_limit: limit } = getHeapStatistics();
  const young = (resourceLimits.maxYoungGenerationSizeMb ?? 0) * mebibyte;
  if (young <= 0 || young >= limit) return limit;
  const old = limit - young;
  return Math.max(old / 2, old - young / youngParts);
}
