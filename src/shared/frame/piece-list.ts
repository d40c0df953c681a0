/** Pieces shorter than this are copied together, so that tiny ones do not each keep a buffer of their own. */
const gatherBelow = 1_024;
const gatherBytes = 8_192;

const nothing = Buffer.alloc(0);

/**
 * The payload of a message while its pieces come. It holds about as much memory as bytes have come, whatever length a
 * header has announced and however small the pieces are.
 */
export class PieceList {
  #pieces: Buffer[] = [];
  /** Where small pieces go; the last of `#pieces` is its filled part, if `#gathered` is above 0. */
  #gather: Buffer = nothing;
  #gathered = 0;
  /** The one piece is memory of others. */
  #borrowed = false;
  bytes = 0;

  add(piece: Buffer, owned: boolean): void {
    if (piece.length === 0) return;
    this.bytes += piece.length;
    if (this.#pieces.length === 0) {
      this.#pieces.push(piece);
      this.#borrowed = !owned;
      return;
    }
    if (this.#borrowed) {
      this.#pieces[0] = Buffer.from(this.#pieces[0] ?? nothing);
      this.#borrowed = false;
    }
    if (piece.length < gatherBelow) this.#gatherPiece(piece);
    else {
      this.#gathered = 0;
      this.#pieces.push(owned ? piece : Buffer.from(piece));
    }
  }

  #gatherPiece(piece: Buffer): void {
    const room = this.#gather.length - this.#gathered;
    if (this.#gathered > 0 && piece.length <= room) {
      piece.copy(this.#gather, this.#gathered);
      this.#gathered += piece.length;
      this.#pieces[this.#pieces.length - 1] = this.#gather.subarray(0, this.#gathered);
      return;
    }
    this.#gather = Buffer.allocUnsafeSlow(gatherBytes);
    piece.copy(this.#gather);
    this.#gathered = piece.length;
    this.#pieces.push(this.#gather.subarray(0, this.#gathered));
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
    this.#pieces = [];
    this.#gather = nothing;
    this.#gathered = 0;
    this.#borrowed = false;
    this.bytes = 0;
  }
}
