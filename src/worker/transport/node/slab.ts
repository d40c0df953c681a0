import { headerSize, putHeader } from '../../../frame/header.ts';

const slabBytes = 1_048_576;

/**
 * Memory for the frames of one turn of the thread's loop. Frames lie in it one behind the other, so that what goes to one
 * socket, or to all members of one topic, leaves in one write without being copied again. When everything is written, it
 * is used from the start again, so bytes that are needed beyond the turn are copied.
 */
export class Slab {
  readonly bytes: Buffer = Buffer.allocUnsafeSlow(slabBytes);
  /** What a longer frame is given memory of its own for. */
  static readonly mostBytes: number = 65_536;
  #used = 0;

  get isEmpty(): boolean {
    return this.#used === 0;
  }

  hasRoomFor(payloadBytes: number): boolean {
    return this.#used + headerSize(payloadBytes, false) + payloadBytes <= slabBytes;
  }

  /** Writes a frame of a server; there must be room. `first` is the first byte of its header. Returns where it begins. */
  frame(first: number, payload: Uint8Array): number {
    const start = this.#used;
    const at = putHeader(this.bytes, start, first, payload.length, false, 0);
    this.bytes.set(payload, at);
    this.#used = at + payload.length;
    return start;
  }

  get end(): number {
    return this.#used;
  }

  reset(): void {
    this.#used = 0;
  }
}

/** A frame of a server in memory of its own. */
export function ownFrame(first: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafeSlow(headerSize(payload.length, false) + payload.length);
  bytes.set(payload, putHeader(bytes, 0, first, payload.length, false, 0));
  return bytes;
}
