import type { EngineConfig } from '../../shared/config/config.ts';
import type { EngineMemory } from '../../shared/memory/engine-memory.ts';
import type { EngineLogger } from '../options/engine-options.ts';
import { HeapGuard, type HeapGuardOptions } from './heap-guard.ts';
import { readStack } from './shard-stack.ts';
import { Watchdog } from './watchdog.ts';

/** A shard's loop does not turn. */
export interface ShardStall {
  /** Milliseconds that the loop has been blocked so far. */
  readonly blockedMs: number;
  /** Its stack, a line per frame; undefined if it could not be read. */
  readonly stack: string | undefined;
}

export interface ShardWatchOptions {
  readonly config: EngineConfig;
  readonly memory: EngineMemory;
  readonly logger: EngineLogger;
  /** Id of a shard's thread in this process while it is ready; else -1. */
  threadId(shard: number): number;
  stalled(shard: number, stall: ShardStall): void;
  recovered(shard: number, stall: { readonly blockedMs: number }): void;
  restart(shard: number): Promise<void>;
}

/** What main watches in running shards, as configured: whether their loops turn, and how large their heaps are. */
export class ShardWatch {
  readonly #options: ShardWatchOptions;
  readonly #watchdog: Watchdog | null;
  readonly #heapGuard: HeapGuard | null;
  /** Reports about one shard keep their order, although reading the stack takes a moment. */
  readonly #told: Promise<void>[];

  constructor(options: ShardWatchOptions) {
    this.#options = options;
    const { config, memory } = options;
    const { shards, watchdog, maxShardHeapBytes: limitBytes } = config;
    this.#told = Array.from({ length: shards }, () => Promise.resolve());
    this.#watchdog =
      watchdog === null
        ? null
        : new Watchdog({
            memory,
            shards,
            stalledMs: watchdog.stalledMs,
            isWatched: (shard) => options.threadId(shard) >= 0,
            stalled: (shard, blockedMs) => {
              this.#told[shard] = this.#stalled(shard, blockedMs);
            },
            recovered: (shard, blockedMs) => {
              void this.#told[shard]?.then(() => this.#recovered(shard, blockedMs));
            },
          });
    const tooLarge: HeapGuardOptions['tooLarge'] = (...facts) => this.#tooLarge(...facts);
    this.#heapGuard = limitBytes === false ? null : new HeapGuard({ shards, limitBytes, memory, tooLarge });
  }

  /** Whether the shard's loop counts as blocked now. */
  isStalled(shard: number): boolean {
    return this.#watchdog?.isStalled(shard) === true;
  }

  close(): void {
    this.#watchdog?.close();
    this.#heapGuard?.close();
  }

  async #stalled(shard: number, blockedMs: number): Promise<void> {
    const stack = await readStack(this.#options.threadId(shard));
    this.#options.logger.error({ shard, blockedMs, stack }, 'the loop of a shard is blocked');
    this.#options.stalled(shard, { blockedMs, stack });
  }

  #recovered(shard: number, blockedMs: number): void {
    this.#options.logger.warn({ shard, blockedMs }, 'the loop of a shard turns again');
    this.#options.recovered(shard, { blockedMs });
  }

  async #tooLarge(shard: number, heapUsedBytes: number, limitBytes: number): Promise<void> {
    const { logger, restart } = this.#options;
    logger.warn({ shard, heapUsedBytes, limitBytes }, 'the heap of a shard is too large: it is restarted');
    await restart(shard).catch((error: unknown) => {
      logger.error({ shard, err: error }, 'a shard with too large a heap could not be restarted');
    });
  }
}
