import type { EngineError } from '../shared/errors/index.ts';
import { faultOf } from './check-header.ts';
import { Gatherer, gatherBelow } from './gatherer.ts';
import { emptyHeader, maxHeaderBytes, parseHeader } from './header.ts';
import { maskRange, wordsOf } from './mask.ts';

interface Chunk {
  readonly bytes: Buffer;
  /** Nobody else has this memory: payloads may be unmasked in it and handed out. */
  readonly owned: boolean;
}

const nothing = Buffer.alloc(0);
const notOwned = false;
const noWords = new Int32Array(0);

/**
 * Cuts a stream of bytes into frames. It has no socket, timer or policy: it throws what is wrong, and the caller
 * decides what becomes of the connection.
 *
 * Call `nextHeader` until it returns true, then `nextPiece` until `remaining` is 0. A piece is given out as soon as its
 * bytes have come, so a payload may have many pieces.
 */
export class FrameReader {
  readonly #role: 'server' | 'client';
  readonly #reservedBits: number;
  /** What came and was not looked at, after the chunk at hand. */
  readonly #later: Chunk[] = [];
  #chunk: Buffer = nothing;
  #at = 0;
  #owned = false;
  #words: Int32Array = noWords;
  #laterBytes = 0;
  /** Short chunks that wait are put together: a peer may send its bytes one by one. */
  readonly #gatherer: Gatherer = new Gatherer();
  readonly #scratch: Buffer = Buffer.alloc(maxHeaderBytes);

  /** The header of the frame at hand. The object is used again for the next one. */
  readonly header: ReturnType<typeof emptyHeader> = emptyHeader();
  /** Bytes of payload that are still to come. */
  remaining = 0;
  /** What `nextPiece` found. */
  piece: Buffer = nothing;
  /** Whether the caller may keep the piece. False: its memory is shared. */
  pieceOwned = false;

  /** `reservedBits`: those that an extension has negotiated, in place. */
  constructor(role: 'server' | 'client', reservedBits = 0) {
    this.#role = role;
    this.#reservedBits = reservedBits;
  }

  /** Bytes that came and were not given out. */
  get bufferedBytes(): number {
    return this.#chunk.length - this.#at + this.#laterBytes;
  }

  push(bytes: Buffer, owned: boolean): void {
    if (bytes.length === 0) return;
    if (this.#at === this.#chunk.length && this.#later.length === 0) {
      this.#take(bytes, owned);
    } else {
      this.#laterBytes += bytes.length;
      if (bytes.length < gatherBelow) {
        this.#gather(bytes);
        return;
      }
      this.#gatherer.seal();
      this.#later.push({ bytes, owned });
    }
  }

  #gather(bytes: Buffer): void {
    const longer = this.#gatherer.extend(bytes);
    if (longer === null) this.#later.push({ bytes: this.#gatherer.begin(bytes), owned: true });
    else this.#later[this.#later.length - 1] = { bytes: longer, owned: true };
  }

  /** Forgets all input. */
  clear(): void {
    this.#later.length = 0;
    this.#laterBytes = 0;
    this.#gatherer.clear();
    this.#take(nothing, notOwned);
  }

  #take(bytes: Buffer, owned: boolean): void {
    this.#chunk = bytes;
    this.#owned = owned;
    this.#at = 0;
    this.#words = noWords;
  }

  #takeLater(): boolean {
    const chunk = this.#later.shift();
    if (chunk === undefined) return false;
    if (this.#later.length === 0) this.#gatherer.seal();
    this.#laterBytes -= chunk.bytes.length;
    this.#take(chunk.bytes, chunk.owned);
    return true;
  }

  /**
   * Reads and checks the next header; false: it is not all there. `fragmented`: a message has begun and not ended.
   * Throws what is wrong with it.
   */
  nextHeader(fragmented: boolean): boolean {
    const { header } = this;
    if (this.#at === this.#chunk.length && !this.#takeLater()) return false;
    let size = parseHeader(this.#chunk, this.#at, this.#chunk.length, header);
    if (size === 0) {
      if (this.#later.length === 0) return false;
      size = this.#parseAcross();
      if (size === 0) return false;
      this.#skip(size);
    } else {
      this.#at += size;
    }
    const fault: EngineError | null = faultOf(header, this.#role, this.#reservedBits, fragmented);
    if (fault !== null) throw fault;
    this.remaining = header.length;
    return true;
  }

  /** A header that lies in more than one chunk: its bytes are gathered first. */
  #parseAcross(): number {
    let filled = this.#chunk.copy(this.#scratch, 0, this.#at);
    for (const { bytes } of this.#later) {
      if (filled === maxHeaderBytes) break;
      filled += bytes.copy(this.#scratch, filled);
    }
    return parseHeader(this.#scratch, 0, filled, this.header);
  }

  #skip(count: number): void {
    let left = count;
    for (;;) {
      const here = Math.min(left, this.#chunk.length - this.#at);
      this.#at += here;
      left -= here;
      if (left === 0 || !this.#takeLater()) return;
    }
  }

  /** The next piece of the payload, unmasked; false: there is none yet. Not to be called when nothing remains. */
  nextPiece(): boolean {
    let start = this.#at;
    if (start === this.#chunk.length) {
      if (!this.#takeLater()) return false;
      start = 0;
    }
    const chunk = this.#chunk;
    const { header } = this;
    const end = Math.min(chunk.length, start + this.remaining);
    this.#at = end;
    const offset = header.length - this.remaining;
    this.remaining -= end - start;
    if (this.#owned) {
      if (header.masked) {
        // One view of words serves all frames in this chunk.
        if (this.#words === noWords) this.#words = wordsOf(chunk);
        maskRange(chunk, this.#words, start, end, header.maskKey, offset);
      }
      this.piece = chunk.subarray(start, end);
      this.pieceOwned = true;
    } else if (header.masked) {
      const copy = Buffer.from(chunk.subarray(start, end));
      maskRange(copy, wordsOf(copy), 0, copy.length, header.maskKey, offset);
      this.piece = copy;
      this.pieceOwned = true;
    } else {
      this.piece = chunk.subarray(start, end);
      this.pieceOwned = false;
    }
    return true;
  }
}
