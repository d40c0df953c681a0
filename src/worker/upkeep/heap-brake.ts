import type { Vitals } from '../../shared/memory/vitals.ts';

export interface HeapBrakeOptions {
  readonly heap: {
    /** Beyond which the runtime ends the process. */
    readonly limitBytes: number;
    usedBytes(): number;
    /** Frees what nobody uses; null: the runtime decides when. */
    readonly collect: (() => void) | null;
  };
  readonly vitals: Pick<Vitals, 'heapKeptBytes'>;
  /** Milliseconds, of a clock that only goes forward. */
  now(): number;
  /** Told when the brake goes on and off. */
  changed(isOn: boolean, usedBytes: number): void;
  /** Told once: too little is left, also after a collection. The thread has to end while it still can. */
  exhausted(usedBytes: number, limitBytes: number): void;
}

/**
 * Of the limit. Main restarts a shard in good order at 0.7, see main/heap-guard.ts; these are for what comes quicker. Above
 * 0.8 the runtime gives up by itself after a few collections that free little, long before the limit.
 */
const brakeShare = 0.75;
const endShare = 0.8;
/** A look costs about 1 µs. It comes after so much growth, and so many messages, that little can happen between two. */
const looksPerLimit = 256;
const messagesPerLook = 32;
/** Collections that the brake asks for take at most about a tenth of the thread's time, unless the end is near. */
const collectEvery = 10;

/**
 * Keeps clients from filling the heap of a shard: a thread that reaches the runtime's limit takes the process with it.
 * While the brake is on, nothing is taken in that would stay: connections, memberships. If that is not enough, because
 * handlers keep more and more, the shard ends in good order, alone.
 */
export class HeapBrake {
  /** Whether nothing that stays may be taken in. */
  isOn = false;
  readonly #options: HeapBrakeOptions;
  readonly #brakeBytes: number;
  readonly #endBytes: number;
  readonly #stepBytes: number;
  /** What each message or connection counts beside its bytes: what a handler keeps for it is not known. */
  readonly #leastBytes: number;
  #grownBytes = 0;
  #nextCollectAt = 0;
  #usedAfterCollect = 0;
  #isExhausted = false;

  constructor(options: HeapBrakeOptions) {
    this.#options = options;
    const { limitBytes } = options.heap;
    this.#brakeBytes = limitBytes * brakeShare;
    this.#endBytes = limitBytes * endShare;
    this.#stepBytes = limitBytes / looksPerLimit;
    this.#leastBytes = this.#stepBytes / messagesPerLook;
  }

  /** A message or a handshake of so many bytes has come, some of which may stay. */
  grew(bytes: number): void {
    this.#grownBytes += bytes + this.#leastBytes;
    if (this.#grownBytes >= this.#stepBytes) this.look();
  }

  /** A collection of the whole heap has just been: what is left is in use. */
  collected(): void {
    this.#options.vitals.heapKeptBytes = this.#options.heap.usedBytes();
  }

  look(): void {
    this.#grownBytes = 0;
    let used = this.#options.heap.usedBytes();
    if (used > this.#brakeBytes && this.#isCollectDue(used)) used = this.#collect();
    const isOn = used > this.#brakeBytes;
    if (isOn !== this.isOn) {
      this.isOn = isOn;
      this.#options.changed(isOn, used);
    }
    // Garbage is no reason to end: only what a collection has left.
    if (used <= this.#endBytes || this.#isExhausted || used !== this.#usedAfterCollect) return;
    this.#isExhausted = true;
    this.#options.exhausted(used, this.#options.heap.limitBytes);
  }

  #isCollectDue(used: number): boolean {
    if (this.#options.now() >= this.#nextCollectAt) return true;
    return used > this.#endBytes && used > this.#usedAfterCollect + this.#stepBytes;
  }

  #collect(): number {
    const { heap, vitals, now } = this.#options;
    const begin = now();
    heap.collect?.();
    const end = now();
    this.#nextCollectAt = end + (end - begin) * collectEvery;
    this.#usedAfterCollect = heap.usedBytes();
    vitals.heapKeptBytes = this.#usedAfterCollect;
    return this.#usedAfterCollect;
  }
}
