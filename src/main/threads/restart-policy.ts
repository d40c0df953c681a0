import type { RestartConfig } from '../../shared/config/config.ts';

/** Decides, for one shard, how long to wait before it is started again, and when that has been done often enough. */
export class RestartPolicy {
  readonly #config: RestartConfig;
  readonly #failures: number[] = [];

  constructor(config: RestartConfig) {
    this.#config = config;
  }

  /** The shard has failed. Milliseconds until it is to be started again; -1: not any more. `now` in milliseconds. */
  failed(now: number): number {
    const { maxRestarts, windowMs, backoffMs, maxBackoffMs } = this.#config;
    while (this.#failures[0] !== undefined && this.#failures[0] <= now - windowMs) this.#failures.shift();
    const before = this.#failures.length;
    if (before >= maxRestarts) return -1;
    this.#failures.push(now);
    return Math.min(maxBackoffMs, backoffMs * 2 ** before);
  }

  /** Somebody asks for a new beginning. */
  forgive(): void {
    this.#failures.length = 0;
  }
}
