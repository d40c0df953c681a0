import { cFunction } from '../shared/base/c-library.ts';
import type { StateBoard } from '../shared/memory/engine-memory.ts';

const waitMs = 1_000;

/** What the guard needs of an engine. */
export interface GuardedEngine {
  readonly board: StateBoard;
  readonly shardCount: number;
  /** The shard that accepts for all others; -1: main accepts. */
  acceptingShard(): number;
  /** Asks a shard to close its App at once. */
  abandon(shard: number): void;
}

const engines = new Set<GuardedEngine>();

/** Ends the process without running any more code; null where the C library is not available. */
function findHardExit(): ((code: number) => void) | null {
  return cFunction('void _exit(int)');
}

function isClosedBy(engine: GuardedEngine, shard: number, deadline: number): boolean {
  if (!engine.board.isShardOpen(shard)) return true;
  return engine.board.waitUntilShardClosed(shard, Math.max(0, deadline - performance.now()));
}

/**
 * A thread that ends while its App is open aborts the whole process, and `process.exit` in main ends all threads. So
 * their Apps are closed first, and the exit waits for that. A shard whose loop is blocked cannot close its App: then
 * the process exits without ending threads.
 */
function onExit(code: number): void {
  const deadline = performance.now() + waitMs;
  let stuck = false;
  for (const engine of engines) {
    const shards = Array.from({ length: engine.shardCount }, (_, shard) => shard);
    const first = shards.filter((shard) => shard === engine.acceptingShard());
    const others = shards.filter((shard) => !first.includes(shard));
    // The shard that hands out connections closes before the shards that get them.
    for (const group of [first, others]) {
      for (const shard of group) engine.abandon(shard);
      for (const shard of group) if (!isClosedBy(engine, shard, deadline)) stuck = true;
    }
  }
  if (stuck) findHardExit()?.(code);
}

export function guardExit(engine: GuardedEngine): void {
  if (engines.size === 0) process.on('exit', onExit);
  engines.add(engine);
}

export function unguardExit(engine: GuardedEngine): void {
  if (engines.delete(engine) && engines.size === 0) process.removeListener('exit', onExit);
}
