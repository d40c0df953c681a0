import { monotonicMs } from '../../shared/base/monotonic.ts';
import { within } from '../../shared/base/within.ts';
import { closeCode, EngineError } from '../../shared/errors/index.ts';
import type { ShardThread } from './shard-thread.ts';

export interface Retirement {
  /** Time in which its connections are closed. */
  readonly graceMs: number;
  /** Further time that the shard may take for an answer and for its end. */
  readonly stallMs: number;
  /** Called when the shard must get no more connections. */
  leaving(): void;
  /** Resolves once no other thread gives it connections. */
  disown(): Promise<void>;
}

function stalled(shard: number, text: string): EngineError {
  return new EngineError('ERR_SHARD_STALLED', `shard ${shard} ${text}: its loop is blocked`);
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** From here on the shard will end. */
async function end(thread: ShardThread, deadline: number, disown: () => Promise<void>): Promise<void> {
  // Connections placed in this turn of the loop are handed over in the next one.
  await nextTurn();
  await disown();
  await thread.settle(monotonicMs() + Math.max(0, deadline - performance.now()));
  const graceMs = Math.max(0, deadline - performance.now());
  thread.post({ kind: 'drain', graceMs, code: closeCode.restart, reason: 'restart' });
  await thread.exited;
}

/**
 * Ends one shard's thread in good order: what it published is delivered, and its clients are told to come back, spread
 * over the grace period. Rejects with `ERR_SHARD_STALLED`. If the shard did not answer, nothing has changed. If it
 * answered and then takes too long, it counts as overdue, and ends once its loop turns again.
 */
export async function retireShard(thread: ShardThread, retirement: Retirement): Promise<void> {
  const { graceMs, stallMs } = retirement;
  const { shard } = thread;
  const deadline = performance.now() + graceMs;
  thread.isLeaving = true;
  retirement.leaving();
  if (!(await thread.answers(stallMs))) {
    thread.isLeaving = false;
    retirement.leaving();
    throw stalled(shard, `has not answered within ${stallMs} ms`);
  }
  // It may fail before it comes to its end.
  const ended = Promise.race([end(thread, deadline, retirement.disown), thread.exited]);
  if ((await within(ended, Math.max(0, deadline - performance.now()) + stallMs)) !== null) return;
  thread.isOverdue = true;
  throw stalled(shard, `has not ended within ${graceMs + stallMs} ms`);
}
