import type { RestartConfig } from '../../shared/config/config.ts';

/** Decides for one shard how long to wait before a restart, and when it has failed too often to restart. */
export class RestartPolicy {
  readonly #config: RestartConfig;
  readonly #failures: number[] = [];

  constructor(config: RestartConfig) {
    this.#config = config;
  }

  /**
   * The shard has failed. Returns the milliseconds to wait before its restart; -1: no more restarts. `now` in
   * milliseconds.
   */
  failed(now: number): number {
    const { maxRestarts, windowMs, backoffMs, maxBackoffMs } = this.#config;
    while (this.#failures[0] !== undefined && this.#failures[0] <= now - windowMs) this.#failures.shift();
    const before = this.#failures.length;
    if (before >= maxRestarts) return -1;
    this.#failures.push(now);
    return Math.min(maxBackoffMs, backoffMs * 2 ** before);
  }

  /** Forgets all failures: the program asked for a restart. */
  forgive(): void {
    this.#failures.length = 0;
  }
}
