import { EngineError } from '../shared/errors/index.ts';
import type { EngineCore } from './engine-core.ts';
import { unguardExit } from './exit-guard.ts';
import { drainShards, settleShards, stallMs } from './threads/end-shards.ts';

const lastRounds = 10_000;

async function endShards({ bus, pool }: EngineCore, deadline: number): Promise<boolean> {
  // Messages accepted for publishing are in the rings before any shard is told to close its connections.
  await bus.flushed(deadline);
  await settleShards(pool.threads, deadline);
  const left = Math.max(0, deadline - performance.now());
  return drainShards(pool.threads, left, left + stallMs);
}

/**
 * Ends an engine in good order, also one that never was ready. Rejects with `ERR_SHARD_STALLED` if a thread has not
 * ended some time after `graceMs`.
 */
export async function drainEngine(core: EngineCore, graceMs: number): Promise<void> {
  const { board, pool, vitals, bus, offload } = core;
  board.engine = 'draining';
  pool.end();
  core.watch?.close();
  vitals.state = 'ending';
  const deadline = performance.now() + graceMs;
  const inTime = (await pool.listening.stop(graceMs + stallMs)) && (await endShards(core, deadline));
  // What shards said last, such as disconnects, is still in their rings.
  bus.readRings(lastRounds);
  bus.close();
  core.reporter.stop();
  vitals.state = 'ended';
  if (!inTime) {
    await offload.close();
    const text = `a shard did not end within ${graceMs + stallMs} ms: its loop is blocked`;
    throw new EngineError('ERR_SHARD_STALLED', text);
  }
  board.engine = 'closed';
  await offload.close();
  unguardExit(core.guarded);
}
