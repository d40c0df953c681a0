import koffi from 'koffi';
import type { StateBoard } from '../shared/engine-memory.ts';

const waitMs = 1_000;

/** What the guard needs of an engine. */
export interface GuardedEngine {
  readonly board: StateBoard;
  readonly shardCount: number;
  /** Asks every shard to close its App at once. */
  abandon(): void;
}

const engines = new Set<GuardedEngine>();

/** Ends the process without running anything more; null where the C library cannot be had. */
function findHardExit(): ((code: number) => void) | null {
  try {
    return koffi.load(process.platform === 'darwin' ? 'libSystem.B.dylib' : 'libc.so.6').func('void _exit(int)');
  } catch {
    return null;
  }
}

/**
 * A thread that ends while its App is open aborts the whole process. `process.exit` in main ends all threads: so close
 * their Apps first, and wait. A shard whose loop is blocked cannot: then leave without ending threads at all.
 */
function onExit(code: number): void {
  const deadline = performance.now() + waitMs;
  for (const engine of engines) engine.abandon();
  let stuck = false;
  for (const engine of engines) {
    for (let shard = 0; shard < engine.shardCount; shard++) {
      const left = Math.max(0, deadline - performance.now());
      if (engine.board.isShardOpen(shard) && !engine.board.waitUntilShardClosed(shard, left)) stuck = true;
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
