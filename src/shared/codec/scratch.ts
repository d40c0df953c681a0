/**
 * Write memory that is used again and again. It grows to the largest message written and stays so; a view of it is
 * valid until its next use.
 */
export class Scratch {
  #bytes: Uint8Array<ArrayBuffer>;

  /** @param initialBytes size to begin with, 4096 if not given */
  constructor(initialBytes: number = 4096) {
    this.#bytes = new Uint8Array(initialBytes);
  }

  /** At least `needed` bytes to write to. What was written before is gone. */
  reserve(needed: number): Uint8Array<ArrayBuffer> {
    if (this.#bytes.length < needed) this.#bytes = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    return this.#bytes;
  }
}
