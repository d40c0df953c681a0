export interface Slab {
  readonly bytes: Buffer;
  readonly words: Int32Array;
}

export const slabBytes = 65_536;
/** Slabs that wait for their next use; what is more is left to the collector. */
const maxIdle = 32;
const poison = 0xaa;

/**
 * Memory in which outgoing frames are put together. A slab that was wholly written to a socket comes back and is hot in
 * the cache when it is used again. One that a stream may still refer to never comes back.
 */
export class SlabPool {
  /** It has its full length from the start: an array that grows and shrinks is moved in memory each time. */
  readonly #idle: (Slab | null)[] = new Array<Slab | null>(maxIdle).fill(null);
  #count = 0;
  /** Overwrites what comes back, so that anything that still refers to it shows. */
  poisons = false;

  get idleSlabs(): number {
    return this.#count;
  }

  acquire(): Slab {
    if (this.#count > 0) {
      this.#count -= 1;
      const idle = this.#idle[this.#count] as Slab;
      this.#idle[this.#count] = null;
      return idle;
    }
    const bytes = Buffer.allocUnsafeSlow(slabBytes);
    return { bytes, words: new Int32Array(bytes.buffer) };
  }

  release(slab: Slab): void {
    if (this.poisons) slab.bytes.fill(poison);
    if (this.#count === maxIdle) return;
    this.#idle[this.#count] = slab;
    this.#count += 1;
  }
}

/** The slabs of this thread. */
export const slabPool: SlabPool = new SlabPool();
