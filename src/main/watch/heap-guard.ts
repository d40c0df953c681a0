import { type EngineMemory, threadOfShard } from '../../shared/memory/engine-memory.ts';
import { Vitals } from '../../shared/memory/vitals.ts';

const defaultShare = 0.7;

/** The period in which shards measure their heaps. */
const lookMs = 1_000;
/** This many measurements in a row must be too high, so that garbage not collected yet does not count. */
const looksInARow = 3;

export interface HeapGuardOptions {
  readonly shards: number;
  /** Null: a share of the runtime's limit for each shard, and garbage does not count. */
  readonly limitBytes: number | null;
  readonly memory: EngineMemory;
  /** The shard's heap is too large. Resolves once that was handled; until then no other shard is reported. */
  tooLarge(shard: number, usedBytes: number, limitBytes: number): Promise<void>;
}

/**
 * Watches from main how large the shards' heaps are. A thread that reaches the runtime's limit ends the whole process,
 * and cannot close its sockets any more. So the engine must act earlier.
 */
export class HeapGuard {
  readonly #options: HeapGuardOptions;
  readonly #vitals: readonly Vitals[];
  readonly #times: number[];
  readonly #timer: NodeJS.Timeout;
  #isBusy = false;

  constructor(options: HeapGuardOptions) {
    this.#options = options;
    this.#vitals = Array.from(
      { length: options.shards },
      (_, shard) => new Vitals(options.memory, threadOfShard(shard)),
    );
    this.#times = Array.from({ length: options.shards }, () => 0);
    this.#timer = setInterval(() => this.#look(), lookMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const { tooLarge } = this.#options;
    for (const [shard, vitals] of this.#vitals.entries()) {
      const limitBytes = this.#limitOf(vitals);
      const used = this.#measure(vitals);
      const times = limitBytes > 0 && used > limitBytes ? (this.#times[shard] ?? 0) + 1 : 0;
      this.#times[shard] = times;
      // One shard at a time: the other shards have to take its connections.
      if (times < looksInARow || this.#isBusy) continue;
      this.#times[shard] = 0;
      this.#isBusy = true;
      void tooLarge(shard, used, limitBytes).finally(() => {
        this.#isBusy = false;
      });
    }
  }

  /** 0: the limit is not known yet. */
  #limitOf(vitals: Vitals): number {
    return this.#options.limitBytes ?? vitals.heapLimitBytes * defaultShare;
  }

  /** Near its limit the runtime collects by itself. What is left after that is in use, not garbage. */
  #measure(vitals: Vitals): number {
    const used = vitals.heapUsedBytes;
    return this.#options.limitBytes === null ? Math.min(used, vitals.heapKeptBytes) : used;
  }
}
