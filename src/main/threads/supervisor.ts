import type { RestartConfig } from '../../shared/config/config.ts';
import type { EngineError } from '../../shared/errors/index.ts';
import { RestartPolicy } from './restart-policy.ts';

export interface SupervisorOptions {
  /** Null: lost shards are not replaced. */
  readonly restart: RestartConfig | null;
  readonly shards: number;
  /**
   * Starts a new thread for a shard. Resolves once it takes part. If it cannot start, `lost` is told of its end too.
   */
  start(shard: number): Promise<void>;
  /** A thread was replaced. */
  restarted(shard: number): void;
  /** A shard stays lost. */
  gaveUp(shard: number, error: EngineError): void;
}

/** Replaces lost shards, after a pause that grows, and only a limited number of times. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #policies: readonly RestartPolicy[];
  readonly #timers = new Map<number, NodeJS.Timeout>();
  readonly #givenUp = new Set<number>();
  #closed = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    const { restart, shards } = options;
    this.#policies = restart === null ? [] : Array.from({ length: shards }, () => new RestartPolicy(restart));
  }

  /** Whether the shard is lost and will not be restarted. */
  hasGivenUp(shard: number): boolean {
    return this.#givenUp.has(shard);
  }

  /** Whether the shard is lost and waits for its restart. */
  isWaiting(shard: number): boolean {
    return this.#timers.has(shard);
  }

  /** The thread of a shard has ended without being asked to, perhaps before it was ready. */
  lost(shard: number, error: EngineError): void {
    if (this.#closed || this.#timers.has(shard)) return;
    const delayMs = this.#policies[shard]?.failed(performance.now()) ?? -1;
    if (delayMs < 0) {
      this.#givenUp.add(shard);
      this.#options.gaveUp(shard, error);
      return;
    }
    // This timer keeps the process alive: if the only shard is lost, nothing else may.
    this.#timers.set(
      shard,
      setTimeout(() => this.startNow(shard), delayMs),
    );
  }

  /** The program restarts the shard: its planned restart is cancelled, and its failures are forgotten. */
  takeOver(shard: number): void {
    clearTimeout(this.#timers.get(shard));
    this.#timers.delete(shard);
    this.#givenUp.delete(shard);
    this.#policies[shard]?.forgive();
  }

  /** Starts no more shards. */
  close(): void {
    this.#closed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  /** Starts a lost shard without a pause. */
  startNow(shard: number): void {
    this.#timers.delete(shard);
    this.#options.start(shard).then(
      () => this.#options.restarted(shard),
      // `lost` is told of the end of this thread, too.
      () => undefined,
    );
  }
}
