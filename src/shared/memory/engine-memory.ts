import { createDoorbells, createRing, type DoorbellMemory, type RingMemory } from '../ring/index.ts';
import type { TallyMemory } from './connection-tally.ts';

/**
 * Shared memory of one engine. Thread 0 is main, thread i + 1 is shard i. `rings[t]` is written by thread t and can be
 * read by all others, each with the consumer of its own thread number. Structured-cloneable.
 */
export interface EngineMemory {
  readonly rings: readonly RingMemory[];
  readonly doorbells: DoorbellMemory;
  /**
   * Words: the engine's state, main's interest, the pool's depth, the number of key rotations, then one state per
   * shard.
   */
  readonly states: SharedArrayBuffer;
  /** One block of counters per thread, see counters.ts. */
  readonly counters: SharedArrayBuffer;
  /** Null: connections are not limited. */
  readonly tally: TallyMemory | null;
  /** One word per thread, see ticks.ts. */
  readonly ticks: SharedArrayBuffer;
  /** One block per thread for what it reports of itself, see vitals.ts. */
  readonly vitals: SharedArrayBuffer;
}

export const mainThread = 0;
export function threadOfShard(shard: number): number {
  return shard + 1;
}
export function shardOfThread(thread: number): number {
  return thread - 1;
}

/** Bytes per block of counters: room for 128, a multiple of a cache line. */
export const counterBlockBytes = 1_024;
export const vitalsBlockBytes = 1_024;

/** Places in `states`. */
const engineWord = 0;
const interestWord = 1;
const offloadWord = 2;
const rotationsWord = 3;
const firstShardWord = 4;

export function createEngineMemory(shards: number, ringBytes: number, tally: TallyMemory | null = null): EngineMemory {
  const threads = shards + 1;
  return {
    rings: Array.from({ length: threads }, () => createRing(ringBytes, threads)),
    doorbells: createDoorbells(threads),
    states: new SharedArrayBuffer((firstShardWord + shards) * 4),
    counters: new SharedArrayBuffer(threads * counterBlockBytes),
    tally,
    ticks: new SharedArrayBuffer(threads * 4),
    vitals: new SharedArrayBuffer(threads * vitalsBlockBytes),
  };
}

export type EngineState = 'starting' | 'ready' | 'draining' | 'closed';
const engineStates: readonly EngineState[] = ['starting', 'ready', 'draining', 'closed'];

/** The events that main has listeners for; a shard forwards no others. Bits of one word. */
export const interest: Readonly<Record<'connect' | 'message' | 'disconnect', number>> = Object.freeze({
  connect: 1,
  message: 2,
  disconnect: 4,
});

/** The words that all threads of an engine share, and may wait on. */
export class StateBoard {
  readonly #words: Int32Array;

  constructor(memory: EngineMemory) {
    this.#words = new Int32Array(memory.states);
  }

  get engine(): EngineState {
    return engineStates[Atomics.load(this.#words, engineWord)] ?? 'closed';
  }

  set engine(state: EngineState) {
    Atomics.store(this.#words, engineWord, engineStates.indexOf(state));
  }

  /** Whether the engine is draining or closed: it accepts nothing more. */
  get isEnding(): boolean {
    const state = this.engine;
    return state === 'draining' || state === 'closed';
  }

  get interest(): number {
    return Atomics.load(this.#words, interestWord);
  }

  set interest(bits: number) {
    Atomics.store(this.#words, interestWord, bits);
  }

  /**
   * How often the keys were rotated. Counted after the new keys are in every shard's port: a thread that sees the count
   * finds the keys.
   */
  get rotations(): number {
    return Atomics.load(this.#words, rotationsWord);
  }

  countRotation(): void {
    Atomics.add(this.#words, rotationsWord, 1);
  }

  /** Jobs of all shards that the pool has been given and has not finished. */
  get offloadDepth(): number {
    return Atomics.load(this.#words, offloadWord);
  }

  /** Counts one more job if there are fewer than `max`. */
  enterOffload(max: number): boolean {
    // Add first, then compare: of two threads that see the last place, one gets it. A refused job is counted for a
    // moment, so another may be refused too early, but never is one too many accepted.
    if (Atomics.add(this.#words, offloadWord, 1) < max) return true;
    Atomics.sub(this.#words, offloadWord, 1);
    return false;
  }

  leaveOffload(): void {
    Atomics.sub(this.#words, offloadWord, 1);
  }

  /** Whether shard i's App is open. Its thread must not be ended from outside then: the process would abort. */
  isShardOpen(shard: number): boolean {
    return Atomics.load(this.#words, firstShardWord + shard) === 1;
  }

  setShardOpen(shard: number, open: boolean): void {
    Atomics.store(this.#words, firstShardWord + shard, open ? 1 : 0);
    Atomics.notify(this.#words, firstShardWord + shard);
  }

  /** Blocks this thread until shard i has closed its App, for at most `timeoutMs`. False: it has not closed. */
  waitUntilShardClosed(shard: number, timeoutMs: number): boolean {
    return Atomics.wait(this.#words, firstShardWord + shard, 1, timeoutMs) !== 'timed-out';
  }
}
