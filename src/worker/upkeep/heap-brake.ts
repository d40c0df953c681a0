import type { Vitals } from '../../shared/memory/vitals.ts';

export interface HeapBrakeOptions {
  readonly heap: {
    /** The limit beyond which the runtime ends the process. */
    readonly limitBytes: number;
    usedBytes(): number;
    /** Runs a full garbage collection; null: only the runtime decides when. */
    readonly collect: (() => void) | null;
  };
  readonly vitals: Pick<Vitals, 'heapKeptBytes'>;
  /** Milliseconds of a monotonic clock. */
  now(): number;
  /** Called when the brake goes on and off. */
  changed(isOn: boolean, usedBytes: number): void;
  /** Called once, when too little memory is left also after a collection. The thread must end while it still can. */
  exhausted(usedBytes: number, limitBytes: number): void;
}

/**
 * Shares of the limit. Main restarts a shard in good order at 0.7, see src/main/watch/heap-guard.ts. These shares are
 * for faster growth. Above 0.8 the runtime may give up after a few collections that free little, long before the limit.
 */
const brakeShare = 0.75;
const endShare = 0.8;
/**
 * A measurement costs about 1 µs. It follows after this much growth and this many messages, so little can happen
 * between two measurements.
 */
const looksPerLimit = 256;
const messagesPerLook = 32;
/** Collections that the brake requests take at most about a tenth of the thread's time, unless the end is near. */
const collectEvery = 10;

/**
 * Keeps clients from filling the heap of a shard: a thread that reaches the runtime's limit ends the whole process.
 * While the brake is on, the shard takes in nothing long-lived: no connections and no memberships. If that is not
 * enough, because handlers keep more and more, this shard alone ends in good order.
 */
export class HeapBrake {
  /** Whether the shard must refuse connections and memberships. */
  isOn = false;
  readonly #options: HeapBrakeOptions;
  readonly #brakeBytes: number;
  readonly #endBytes: number;
  readonly #stepBytes: number;
  /** Bytes that a message or connection counts beyond its own, because what a handler keeps for it is not known. */
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

  /** A message or a handshake of this many bytes has come. Some of it may stay in memory. */
  grew(bytes: number): void {
    this.#grownBytes += bytes + this.#leastBytes;
    if (this.#grownBytes >= this.#stepBytes) this.look();
  }

  /** A full collection has just run: what is left is in use. */
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
    // Garbage is no reason to end: only memory that a collection has left counts.
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
