import { getHeapStatistics } from 'node:v8';
import { resourceLimits } from 'node:worker_threads';

const mebibyte = 1_048_576;

/**
 * How many bytes of objects that stay this thread's heap may have, beyond which the runtime ends the process. What the
 * runtime calls the limit includes the space for new objects, which those that stay cannot use.
 */
export function heapLimitBytes(): number {
  const { heap_size_limit: limit } = getHeapStatistics();
  const young = (resourceLimits.maxYoungGenerationSizeMb ?? 0) * mebibyte;
  return young > 0 && young < limit ? limit - young : limit;
}
