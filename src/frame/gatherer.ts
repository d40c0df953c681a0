const gatherBytes = 8_192;

const nothing = Buffer.alloc(0);

/** Pieces shorter than this are worth a copy: each would otherwise keep objects, and maybe a buffer, of its own. */
export const gatherBelow = 1_024;

/**
 * Copies short pieces one behind the other, so that many of them take about as much memory as they have bytes. A run is
 * what was copied without anything else in between.
 */
export class Gatherer {
  #buffer: Buffer = nothing;
  #start = -1;
  #at = 0;

  /** The run at hand with `piece` behind it; null: no run goes on, or there is no room for it. */
  extend(piece: Uint8Array): Buffer | null {
    if (this.#start < 0 || piece.length > this.#buffer.length - this.#at) return null;
    this.#buffer.set(piece, this.#at);
    this.#at += piece.length;
    return this.#buffer.subarray(this.#start, this.#at);
  }

  /** Begins a run with `piece`, behind the last one if there is room. */
  begin(piece: Uint8Array): Buffer {
    if (piece.length > this.#buffer.length - this.#at) {
      this.#buffer = Buffer.allocUnsafeSlow(Math.max(gatherBytes, piece.length));
      this.#at = 0;
    }
    this.#start = this.#at;
    this.#buffer.set(piece, this.#at);
    this.#at += piece.length;
    return this.#buffer.subarray(this.#start, this.#at);
  }

  /** Something else follows, or the run was given away: it must not grow. */
  seal(): void {
    this.#start = -1;
  }

  clear(): void {
    this.#buffer = nothing;
    this.#start = -1;
    this.#at = 0;
  }
}
