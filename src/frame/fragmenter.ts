const nothing = new Uint8Array(0);

/**
 * Cuts pieces of any size into chunks of one size. The last chunk is held back until it is known to be the last, so that
 * a message never ends with an empty frame. Feed a piece, take until null, feed the next; at the end the rest is
 * the last chunk.
 */
export class Fragmenter {
  readonly #chunkBytes: number;
  #piece: Uint8Array = nothing;
  #at = 0;
  /** What is not a chunk yet: a copy, since a source may use its memory again. */
  #carry: Uint8Array = nothing;
  #carried = 0;

  constructor(chunkBytes: number) {
    this.#chunkBytes = chunkBytes;
  }

  feed(piece: Uint8Array): void {
    this.#piece = piece;
    this.#at = 0;
  }

  /** The next chunk that is not the last, valid until the next call; null: the piece is used up. */
  take(): Uint8Array | null {
    const piece = this.#piece;
    if (this.#carried > 0) {
      this.#fill();
      // A full carry leaves only when a byte follows it.
      if (this.#at === piece.length) return null;
      const chunk = this.#carry;
      this.#carry = nothing;
      this.#carried = 0;
      return chunk;
    }
    if (piece.length - this.#at > this.#chunkBytes) {
      const start = this.#at;
      this.#at += this.#chunkBytes;
      return piece.subarray(start, this.#at);
    }
    this.#fill();
    this.#piece = nothing;
    this.#at = 0;
    return null;
  }

  /** The last chunk. It is empty only if there was no byte at all. */
  rest(): Uint8Array {
    const last = this.#carry.subarray(0, this.#carried);
    this.#carry = nothing;
    this.#carried = 0;
    return last;
  }

  /** Moves what fits from the piece into the carry. */
  #fill(): void {
    const count = Math.min(this.#piece.length - this.#at, this.#chunkBytes - this.#carried);
    if (count === 0) return;
    const need = this.#carried + count;
    if (this.#carry.length < need) {
      // It doubles, so that a large chunk size costs no memory before there are bytes.
      const grown = new Uint8Array(Math.min(this.#chunkBytes, Math.max(need, 2 * this.#carry.length)));
      grown.set(this.#carry.subarray(0, this.#carried));
      this.#carry = grown;
    }
    this.#carry.set(this.#piece.subarray(this.#at, this.#at + count), this.#carried);
    this.#carried = need;
    this.#at += count;
  }
}
