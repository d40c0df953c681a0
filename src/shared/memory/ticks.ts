import { type EngineMemory, threadOfShard } from './engine-memory.ts';

/** One word per shard that shows that its loop turns: the shard counts it up, main checks whether it changes. */
export class Ticks {
  readonly #words: Uint32Array;

  constructor(memory: EngineMemory) {
    this.#words = new Uint32Array(memory.ticks);
  }

  beat(shard: number): void {
    Atomics.add(this.#words, threadOfShard(shard), 1);
  }

  read(shard: number): number {
    return Atomics.load(this.#words, threadOfShard(shard));
  }
}

/**
 * Milliseconds between two ticks of a shard, and between two checks by main: five per `stalledMs`, at least one per
 * second.
 */
export function tickMs(stalledMs: number): number {
  return Math.min(1_000, Math.max(10, Math.floor(stalledMs / 5)));
}

/** Counts a shard's word up for as long as its thread lives. Keeps no thread alive. */
export function showTicks(memory: EngineMemory, shard: number, stalledMs: number): void {
  const ticks = new Ticks(memory);
  setInterval(() => ticks.beat(shard), tickMs(stalledMs)).unref();
}
