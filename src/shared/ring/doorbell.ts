import { lineBytes } from './layout.ts';

/** The asleep words of all threads of an engine, one cache line each. Structured-cloneable. */
export interface DoorbellMemory {
  readonly buffer: SharedArrayBuffer;
  readonly threads: number;
}

export function createDoorbells(threads: number): DoorbellMemory {
  return { buffer: new SharedArrayBuffer(threads * lineBytes), threads };
}

const awake = 0;
const asleep = 1;
const lineWords = lineBytes / 4;

/**
 * One thread's view of which threads sleep. A thread that finds nothing to read announces sleep with `fallAsleep()`,
 * then checks its rings once more. A thread that has written something calls `wake(other)`, which rings only if the
 * other sleeps. Both store first and load second, with sequentially consistent operations, so one of them always sees
 * the other: either the sleeping thread finds the record, or the producer finds it asleep.
 */
export class Doorbells {
  readonly #words: Int32Array;
  readonly #self: number;
  readonly #ring: (thread: number) => void;
  /** Doorbells that this thread rang. */
  rung = 0;

  /**
   * `ring(thread)` posts a message to that thread. The content does not matter: receiving it makes the thread check its
   * rings.
   */
  constructor(memory: DoorbellMemory, self: number, ring: (thread: number) => void) {
    this.#words = new Int32Array(memory.buffer);
    this.#self = self;
    this.#ring = ring;
  }

  wake(thread: number): void {
    const word = thread * lineWords;
    if (Atomics.load(this.#words, word) === awake) return;
    // Of several producers only one rings: the one that changes the word.
    if (Atomics.compareExchange(this.#words, word, asleep, awake) !== asleep) return;
    this.rung += 1;
    this.#ring(thread);
  }

  fallAsleep(): void {
    Atomics.store(this.#words, this.#self * lineWords, asleep);
  }

  /** Takes the announcement of sleep back. False: a producer has already changed it, and its doorbell is on the way. */
  stayAwake(): boolean {
    return Atomics.compareExchange(this.#words, this.#self * lineWords, asleep, awake) === asleep;
  }
}
