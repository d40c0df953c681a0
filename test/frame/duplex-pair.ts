import { Duplex } from 'node:stream';

/** One end of a pipe in memory. What one end writes the other reads; a full pipe holds the writer back. */
export class PipeEnd extends Duplex {
  peer: PipeEnd | null = null;
  #resume: (() => void) | null = null;
  /** Buffers as they were written. */
  readonly writes: Buffer[] = [];

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.writes.push(chunk);
    const { peer } = this;
    // As a network would, it carries a copy.
    if (peer === null || peer.destroyed || peer.push(Buffer.from(chunk))) callback();
    else peer.#resume = callback;
  }

  override _read(): void {
    const resume = this.#resume;
    this.#resume = null;
    resume?.();
  }

  override _final(callback: () => void): void {
    if (this.peer !== null && !this.peer.destroyed) this.peer.push(null);
    callback();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    const { peer } = this;
    this.peer = null;
    this._read();
    // The other end sees the end of its input, as after a FIN.
    if (peer !== null && !peer.destroyed && !peer.readableEnded) peer.push(null);
    callback(error);
  }

  /** What was written so far, and is forgotten now. */
  taken(): Buffer {
    return Buffer.concat(this.writes.splice(0));
  }
}

export function duplexPair(highWaterMark = 65_536): [PipeEnd, PipeEnd] {
  const a = new PipeEnd({ highWaterMark });
  const b = new PipeEnd({ highWaterMark });
  a.peer = b;
  b.peer = a;
  return [a, b];
}
