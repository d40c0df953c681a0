import { monotonicMs } from '../../shared/base/monotonic.ts';
import { within } from '../../shared/base/within.ts';
import { closeCode } from '../../shared/errors/index.ts';
import type { ShardThread } from './shard-thread.ts';
import { timeToRun } from './time-to-run.ts';

/** Time beyond a grace period after which a shard that has not ended or answered counts as stalled. */
export const stallMs = 5_000;

/** Resolves once every shard's spill queue is empty, or at `deadline` (as `performance.now()`). */
export async function settleShards(threads: readonly ShardThread[], deadline: number): Promise<void> {
  const at = monotonicMs() + deadline - performance.now();
  const settled = threads.filter((thread) => thread.isReady).map((thread) => thread.settle(at));
  await within(Promise.all(settled), Math.max(0, at - monotonicMs()));
}

/** Drains every shard. False: a shard has not ended within `timeoutMs`. */
export function drainShards(threads: readonly ShardThread[], graceMs: number, timeoutMs: number): Promise<boolean> {
  for (const thread of threads) thread.post({ kind: 'drain', graceMs, code: closeCode.goingAway, reason: '' });
  return endInTime(threads, Promise.all(threads.map((thread) => thread.exited)), timeoutMs);
}

/** False: `done` was not resolved within `timeoutMs`. The threads then do not keep the process alive. */
export async function endInTime(
  threads: readonly ShardThread[],
  done: Promise<unknown>,
  timeoutMs: number,
): Promise<boolean> {
  const isInTime = (await within(done, timeoutMs, timeToRun)) !== null;
  if (!isInTime) for (const thread of threads) thread.unref();
  return isInTime;
}
