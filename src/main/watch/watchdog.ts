import type { EngineMemory } from '../../shared/memory/engine-memory.ts';
import { Ticks, tickMs } from '../../shared/memory/ticks.ts';

export interface WatchdogOptions {
  readonly memory: EngineMemory;
  readonly shards: number;
  readonly stalledMs: number;
  /** Whether the shard should tick: it has begun, and has not ended. */
  isWatched(shard: number): boolean;
  /** The shard's loop has not turned for so long. */
  stalled(shard: number, blockedMs: number): void;
  /** It turns again, after so long in all. */
  recovered(shard: number, blockedMs: number): void;
}

interface Sight {
  tick: number;
  unchangedMs: number;
  isStalled: boolean;
}

/** Looks from main whether the shards' loops turn. */
export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #ticks: Ticks;
  readonly #everyMs: number;
  readonly #sights: readonly Sight[];
  readonly #timer: NodeJS.Timeout;
  #lookedAt = performance.now();

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#ticks = new Ticks(options.memory);
    this.#everyMs = tickMs(options.stalledMs);
    this.#sights = Array.from({ length: options.shards }, () => ({ tick: 0, unchangedMs: 0, isStalled: false }));
    this.#timer = setInterval(() => this.#look(), this.#everyMs).unref();
  }

  /** Whether the shard counts as stalled now. */
  isStalled(shard: number): boolean {
    return this.#sights[shard]?.isStalled === true;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const now = performance.now();
    // If main itself was held up, or the whole process, a shard had no better chance to turn than main to look.
    const passedMs = Math.min(now - this.#lookedAt, this.#everyMs * 2);
    this.#lookedAt = now;
    for (const [shard, sight] of this.#sights.entries()) this.#lookAt(shard, sight, passedMs);
  }

  #lookAt(shard: number, sight: Sight, passedMs: number): void {
    const { isWatched, stalled, recovered, stalledMs } = this.#options;
    const tick = this.#ticks.read(shard);
    if (!isWatched(shard)) {
      // Its thread is gone, or only begins.
      sight.isStalled = false;
      sight.unchangedMs = 0;
      sight.tick = tick;
      return;
    }
    if (tick === sight.tick) {
      sight.unchangedMs += passedMs;
      if (sight.isStalled || sight.unchangedMs < stalledMs) return;
      sight.isStalled = true;
      stalled(shard, Math.round(sight.unchangedMs));
      return;
    }
    const blockedMs = Math.round(sight.unchangedMs);
    sight.tick = tick;
    sight.unchangedMs = 0;
    if (!sight.isStalled) return;
    sight.isStalled = false;
    recovered(shard, blockedMs);
  }
}
