import type { ThreadBus } from '../shared/bus/thread-bus.ts';
import type { EngineConfig } from '../shared/config/config.ts';
import type { EngineError } from '../shared/errors/index.ts';
import { type EngineMemory, type StateBoard, threadOfShard } from '../shared/memory/engine-memory.ts';
import { Vitals } from '../shared/memory/vitals.ts';
import type { Listeners } from './api/listeners.ts';
import type { EngineLogger } from './options/engine-options.ts';
import type { ShardEnd, ShardPool } from './shard-pool.ts';
import { stallMs } from './threads/end-shards.ts';

export interface ShardEndsOptions {
  readonly config: EngineConfig;
  readonly memory: EngineMemory;
  readonly board: StateBoard;
  readonly logger: EngineLogger;
  readonly listeners: Listeners;
  readonly bus: ThreadBus;
  readonly pool: ShardPool;
  /** Stops watching the running shards. */
  unwatch(): void;
}

/** Reacts to the end of a shard's thread: cleans up, logs, and tells the engine's listeners. */
export class ShardEnds {
  readonly #options: ShardEndsOptions;

  constructor(options: ShardEndsOptions) {
    this.#options = options;
  }

  /** A thread has ended, asked or not. */
  gone(shard: number, { how, error }: ShardEnd): void {
    const { memory, board, bus, logger, listeners } = this.#options;
    board.setShardOpen(shard, false);
    // The thread may have had no time to write its state.
    new Vitals(memory, threadOfShard(shard)).state = 'ended';
    bus.retire(threadOfShard(shard));
    // Main's own spill queue may have waited for this shard.
    bus.onDoorbell();
    if (how === 'asked' || board.isEnding || board.engine === 'starting') return;
    if (how === 'unready') {
      logger.error({ shard, err: error }, 'a shard could not be started again');
      return;
    }
    logger.error({ shard, err: error }, 'a shard is lost');
    listeners.callListeners('shard-lost', shard, error);
  }

  /** A replacement thread takes part. */
  replaced(shard: number): void {
    this.#options.logger.info({ shard }, 'a shard was restarted');
    this.#options.listeners.callListeners('shard-restarted', shard);
  }

  /** A shard stays lost. Without any shard, or without the shard that accepts for all, the engine ends. */
  gaveUp(shard: number, cause: EngineError): void {
    const { config, board, listeners, pool } = this.#options;
    if (board.isEnding) return;
    if (config.restart !== null) {
      const text = `shard ${shard} has failed too often and stays lost: ${cause.message}`;
      listeners.fault('ERR_SHARD_FAILED', text, cause);
    }
    const wasAcceptor = pool.listening.acceptingShard === shard;
    // A listener may have closed the engine.
    if (board.isEnding || (pool.hasFuture && !wasAcceptor)) return;
    pool.end();
    void pool.listening.stop(stallMs);
    this.#options.unwatch();
    // A health probe then sees the process as dead or not ready, and its supervisor starts another one.
    board.engine = 'closed';
    const text = wasAcceptor ? 'the shard that accepts connections is lost' : 'no shard is left';
    listeners.fault('ERR_SHARD_FAILED', text, cause);
  }
}
