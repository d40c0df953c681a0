import { within } from '../../shared/base/within.ts';
import { EngineError } from '../../shared/errors/index.ts';
import type { ShardThread } from './shard-thread.ts';
import { timeToRun } from './time-to-run.ts';

/**
 * The handles of the threads' transports, once all are ready. Rejects with `ERR_SHARD_START_FAILED` if that takes too
 * long.
 */
export async function readyInTime(threads: readonly ShardThread[], timeoutMs: number): Promise<readonly unknown[]> {
  const handles = await within(Promise.all(threads.map((thread) => thread.ready)), timeoutMs, timeToRun);
  if (handles !== null) return handles.value;
  const slow = threads.find((thread) => !thread.isReady)?.shard;
  const text = `shard ${slow} was not ready within ${timeoutMs} ms: does its handler module finish loading?`;
  throw new EngineError('ERR_SHARD_START_FAILED', text);
}
