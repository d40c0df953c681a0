import { type EngineMemory, threadOfShard } from '../../shared/memory/engine-memory.ts';
import { Vitals } from '../../shared/memory/vitals.ts';

const defaultShare = 0.7;

/** As often as shards look at their heaps. */
const lookMs = 1_000;
/** So many looks in a row, so that what the garbage collector has not come to does not count. */
const patience = 3;

export interface HeapGuardOptions {
  readonly shards: number;
  /** Null: a share of what the runtime allows each shard, and what a collection would free does not count. */
  readonly limitBytes: number | null;
  readonly memory: EngineMemory;
  /** The shard's heap is too large. Resolves once something was done about it; until then no other shard is told of. */
  tooLarge(shard: number, usedBytes: number, limitBytes: number): Promise<void>;
}

/**
 * Looks from main how large the shards' heaps are. A thread that reaches the limit of the runtime takes the process with
 * it: it cannot close its sockets any more. So something has to happen before.
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
      // One at a time: the others have to take its connections.
      if (times < patience || this.#isBusy) continue;
      this.#times[shard] = 0;
      this.#isBusy = true;
      void tooLarge(shard, used, limitBytes).finally(() => {
        this.#isBusy = false;
      });
    }
  }

  /** 0: not known yet. */
  #limitOf(vitals: Vitals): number {
    return this.#options.limitBytes ?? vitals.heapLimitBytes * defaultShare;
  }

  /** Near its limit the runtime collects by itself: what it leaves tells of a heap that is full, and not only of garbage. */
  #measure(vitals: Vitals): number {
    const used = vitals.heapUsedBytes;
    return this.#options.limitBytes === null ? Math.min(used, vitals.heapKeptBytes) : used;
  }
}
