import { type Counters, counter } from '../shared/counters.ts';
import { threadOfShard } from '../shared/engine-memory.ts';

/** As often as shards look at their heaps. */
const lookMs = 1_000;
/** So many looks in a row, so that what the garbage collector has not come to does not count. */
const patience = 3;

export interface HeapGuardOptions {
  readonly shards: number;
  readonly limitBytes: number;
  /** Main's counters first, then those of each shard. */
  readonly counters: readonly Counters[];
  /** The shard's heap is too large. Resolves once something was done about it; until then no other shard is told of. */
  tooLarge(shard: number, usedBytes: number): Promise<void>;
}

/**
 * Looks from main how large the shards' heaps are. A thread that reaches the limit of the runtime takes the process with
 * it: it cannot close its sockets any more. So something has to happen before.
 */
export class HeapGuard {
  readonly #options: HeapGuardOptions;
  readonly #times: number[];
  readonly #timer: NodeJS.Timeout;
  #isBusy = false;

  constructor(options: HeapGuardOptions) {
    this.#options = options;
    this.#times = Array.from({ length: options.shards }, () => 0);
    this.#timer = setInterval(() => this.#look(), lookMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const { shards, limitBytes, counters, tooLarge } = this.#options;
    for (let shard = 0; shard < shards; shard++) {
      const used = counters[threadOfShard(shard)]?.get(counter.heapUsedBytes) ?? 0;
      const times = used > limitBytes ? (this.#times[shard] ?? 0) + 1 : 0;
      this.#times[shard] = times;
      // One at a time: the others have to take its connections.
      if (times < patience || this.#isBusy) continue;
      this.#times[shard] = 0;
      this.#isBusy = true;
      void tooLarge(shard, used).finally(() => {
        this.#isBusy = false;
      });
    }
  }
}
