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

  /** Whether `bytes` is the memory of this scratch. */
  holds(bytes: Uint8Array): boolean {
    return bytes === this.#bytes;
  }
}

/** For results that are copied out at once; larger ones get memory of their own, so that this one stays small. */
const ownScratch: Scratch = new Scratch();
const ownScratchBytes = 65_536;

/** Memory to write a message of at most `bytes` to, for `resultOf`. */
export function roomFor(scratch: Scratch | undefined, bytes: number): Uint8Array<ArrayBuffer> {
  if (scratch !== undefined) return scratch.reserve(bytes);
  return bytes <= ownScratchBytes ? ownScratch.reserve(bytes) : new Uint8Array(bytes);
}

/** What was written there: a view of the caller's scratch, or bytes that are the caller's to keep. */
export function resultOf(
  scratch: Scratch | undefined,
  room: Uint8Array<ArrayBuffer>,
  start: number,
  end: number,
): Uint8Array {
  return scratch === undefined && ownScratch.holds(room) ? room.slice(start, end) : room.subarray(start, end);
}
