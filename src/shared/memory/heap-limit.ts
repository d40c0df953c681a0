import { getHeapStatistics } from 'node:v8';
import { resourceLimits } from 'node:worker_threads';

const mebibyte = 1_048_576;

/** The space for new objects is three times the size of what may move at once to those that stay. */
const youngParts = 3;

/**
 * How many bytes of objects that stay this thread's heap may have, beyond which the runtime may end the process. What the
 * runtime calls the limit includes the space for new objects, which those that stay cannot use. And it wants room for all
 * new objects to stay: with a limit of 64 MiB it was seen to give up from 48 MiB on.
 */
export function heapLimitBytes(): number {
  const { heap_size_limit: limit } = getHeapStatistics();
  const young = (resourceLimits.maxYoungGenerationSizeMb ?? 0) * mebibyte;
  if (young <= 0 || young >= limit) return limit;
  const old = limit - young;
  return Math.max(old / 2, old - young / youngParts);
}
