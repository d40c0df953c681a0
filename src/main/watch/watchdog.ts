import type { EngineMemory } from '../../shared/memory/engine-memory.ts';
import { Ticks, tickMs } from '../../shared/memory/ticks.ts';

export interface WatchdogOptions {
  readonly memory: EngineMemory;
  readonly shards: number;
  readonly stalledMs: number;
  /** Whether the shard should tick: its thread has started and has not ended. */
  isWatched(shard: number): boolean;
  /** The shard's loop has not turned for `blockedMs`. */
  stalled(shard: number, blockedMs: number): void;
  /** The loop turns again, after `blockedMs` in total. */
  recovered(shard: number, blockedMs: number): void;
}

interface LastTick {
  tick: number;
  unchangedMs: number;
  isStalled: boolean;
}

/** Checks from main whether the shards' loops turn. */
export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #ticks: Ticks;
  readonly #everyMs: number;
  readonly #lastTicks: readonly LastTick[];
  readonly #timer: NodeJS.Timeout;
  #checkedAt = performance.now();

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#ticks = new Ticks(options.memory);
    this.#everyMs = tickMs(options.stalledMs);
    this.#lastTicks = Array.from({ length: options.shards }, () => ({ tick: 0, unchangedMs: 0, isStalled: false }));
    this.#timer = setInterval(() => this.#checkAll(), this.#everyMs).unref();
  }

  /** Whether the shard counts as stalled now. */
  isStalled(shard: number): boolean {
    return this.#lastTicks[shard]?.isStalled === true;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #checkAll(): void {
    const now = performance.now();
    // If main or the whole process was held up, a shard had no better chance to tick than main had to check.
    const passedMs = Math.min(now - this.#checkedAt, this.#everyMs * 2);
    this.#checkedAt = now;
    for (const [shard, last] of this.#lastTicks.entries()) this.#check(shard, last, passedMs);
  }

  #check(shard: number, last: LastTick, passedMs: number): void {
    const { isWatched, stalled, recovered, stalledMs } = this.#options;
    const tick = this.#ticks.read(shard);
    if (!isWatched(shard)) {
      // Its thread has ended or is starting.
      last.isStalled = false;
      last.unchangedMs = 0;
      last.tick = tick;
      return;
    }
    if (tick === last.tick) {
      last.unchangedMs += passedMs;
      if (last.isStalled || last.unchangedMs < stalledMs) return;
      last.isStalled = true;
      stalled(shard, Math.round(last.unchangedMs));
      return;
    }
    const blockedMs = Math.round(last.unchangedMs);
    last.tick = tick;
    last.unchangedMs = 0;
    if (!last.isStalled) return;
    last.isStalled = false;
    recovered(shard, blockedMs);
  }
}
