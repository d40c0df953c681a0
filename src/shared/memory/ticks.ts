import { type EngineMemory, threadOfShard } from './engine-memory.ts';

/** Words in which shards show that their loops turn: each one counts its own up, main looks whether they change. */
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

/** A shard beats, and main looks, this often: five times before a shard counts as stalled, and once a second at least. */
export function tickMs(stalledMs: number): number {
  return Math.min(1_000, Math.max(10, Math.floor(stalledMs / 5)));
}

/** Lets a shard beat for as long as it lives. Keeps no thread alive. */
export function showTicks(memory: EngineMemory, shard: number, stalledMs: number): void {
  const ticks = new Ticks(memory);
  setInterval(() => ticks.beat(shard), tickMs(stalledMs)).unref();
}
