import { Gatherer, gatherBelow } from './gatherer.ts';

/** A chunk of input is kept for a message only if at least this share of it belongs to the message. */
const leastShare = 1 / 4;

const nothing = Buffer.alloc(0);

/**
 * The payload of a message while its pieces come. It holds about as much memory as bytes have come, whatever length a
 * header has announced, however small the pieces are, and whatever lay between them.
 */
export class PieceList {
  #pieces: Buffer[] = [];
  readonly #gatherer: Gatherer = new Gatherer();
  /** Whether the only piece is in memory that others use. */
  #borrowed = false;
  /** The chunk of input that was last kept, the first piece since it came, and how many of its bytes are pieces. */
  #chunk: ArrayBufferLike | null = null;
  #firstPiece = 0;
  #chunkBytes = 0;
  bytes = 0;

  add(piece: Buffer, owned: boolean): void {
    if (piece.length === 0) return;
    this.bytes += piece.length;
    if (this.#pieces.length === 0) {
      this.#pieces.push(piece);
      this.#borrowed = !owned;
      return;
    }
    if (this.#chunk === null) this.#keepFirst();
    if (piece.length < gatherBelow) {
      this.#gather(piece);
      return;
    }
    this.#gatherer.seal();
    if (owned) this.#keep(piece);
    else this.#pieces.push(copyOf(piece));
  }

  /** The first piece is not the only one. */
  #keepFirst(): void {
    const [given = nothing] = this.#pieces;
    const first = this.#borrowed ? copyOf(given) : given;
    this.#borrowed = false;
    this.#pieces[0] = first;
    this.#chunk = first.buffer;
    this.#firstPiece = 0;
    this.#chunkBytes = first.length;
  }

  #gather(piece: Buffer): void {
    const longer = this.#gatherer.extend(piece);
    if (longer === null) this.#pieces.push(this.#gatherer.begin(piece));
    else this.#pieces[this.#pieces.length - 1] = longer;
  }

  #keep(piece: Buffer): void {
    if (piece.buffer !== this.#chunk) {
      this.#leaveChunk();
      this.#chunk = piece.buffer;
      this.#firstPiece = this.#pieces.length;
      this.#chunkBytes = 0;
    }
    this.#chunkBytes += piece.length;
    this.#pieces.push(piece);
  }

  /**
   * Copies the pieces out of a chunk that was mostly something else, such as control frames, so that it can be freed.
   */
  #leaveChunk(): void {
    if (this.#chunk === null || this.#chunkBytes >= this.#chunk.byteLength * leastShare) return;
    const few = this.#pieces.splice(this.#firstPiece);
    this.#gatherer.seal();
    this.#pieces.push(copyOf(Buffer.concat(few)));
  }

  /** The whole, in memory that nobody else has. The list is empty afterwards. */
  take(): Buffer {
    const [first = nothing] = this.#pieces;
    const whole =
      this.#pieces.length > 1 ? Buffer.concat(this.#pieces, this.bytes) : this.#borrowed ? Buffer.from(first) : first;
    this.clear();
    return whole;
  }

  clear(): void {
    this.#gatherer.clear();
    this.#pieces = [];
    this.#borrowed = false;
    this.#chunk = null;
    this.bytes = 0;
  }
}

/** A copy in memory of its own: a few bytes in Node's pool would keep the whole pool. */
function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}
