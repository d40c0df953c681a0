import type { Duplex } from 'node:stream';
import { headerSize, maxHeaderBytes, putHeader } from './header.ts';
import { maskRange, wordsOf } from './mask.ts';
import { randomMaskKey } from './mask-key.ts';
import { type Slab, slabBytes, slabPool } from './slab-pool.ts';

/** The longest payload that is copied next to its header. A longer one that needs no mask is sent as it is. */
const copyLimitBytes = 16_384;

/** After this many bytes in one turn, other work has its turn. */
const turnLimitBytes = 262_144;

/** Called when bytes were written, or when it is known that they will not be. */
export type Written = (error?: Error | null) => void;

const nothing = Buffer.alloc(0);
/** Words for arguments of `putHeader`. */
const unmasked = false;
const noKey = 0;

export interface FrameOutputOptions {
  /** A client masks what it sends. */
  readonly masks: boolean;
  /** Whether a buffer is free once its write is done. True for a socket; a stream in memory may pass the buffer on. */
  readonly consumes: boolean;
  /** Called when the stream is full: it holds more than its high-water mark. */
  readonly onBlocked: () => void;
}

/**
 * The outgoing bytes of one connection. Frames of one turn of the event loop leave together, in one write; the answer to
 * the last message that has come leaves at once.
 */
export class FrameOutput {
  readonly #stream: Duplex;
  readonly #masks: boolean;
  readonly #consumes: boolean;
  readonly #onBlocked: () => void;
  #slab: Slab | null = null;
  /** What is in the slab and was not handed to the stream yet: `[start, at)`. */
  #start = 0;
  #at = 0;
  /** Handed over piece by piece at the next flush, before what is in the slab. */
  #parts: Uint8Array[] = [];
  #partsBytes = 0;
  /** Slabs that the stream has not done with. */
  #full: Slab[] = [];
  /** Handed over since this thread last had a turn for other work. */
  #turnBytes = 0;
  #nextTurn: Promise<void> | null = null;
  #scheduled = false;
  #ended = false;
  /** Whether the last write was done when its call returned. The next one probably will be too. */
  #isPrompt = true;
  /** What is written next is handed over at once. */
  #isAnswering = false;
  /** Writes given to the stream, and those that it has called back for. It calls back in order. */
  #writes = 0;
  #writesDone = 0;
  /** Callbacks, each with the number of writes that must be done first. */
  readonly #awaiting: { readonly writes: number; readonly written: Written }[] = [];

  constructor(stream: Duplex, options: FrameOutputOptions) {
    this.#stream = stream;
    this.#onBlocked = options.onBlocked;
    this.#masks = options.masks;
    this.#consumes = options.consumes;
  }

  /** Bytes that were given to the stream so far. */
  handedOver = 0;

  /** Bytes that were not handed to the system yet. */
  get pendingBytes(): number {
    return this.#partsBytes + (this.#at - this.#start) + this.#stream.writableLength;
  }

  /** Whether the stream is full: it holds more than its high-water mark. */
  get isBlocked(): boolean {
    return this.#stream.writableNeedDrain && this.#stream.writableLength > 0;
  }

  /**
   * A promise for the next turn of the loop when very much was written in this one; otherwise undefined. A stream that
   * always has room would keep this thread from other work.
   */
  turn(): Promise<void> | undefined {
    if (this.#turnBytes < turnLimitBytes) return undefined;
    this.#nextTurn ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#nextTurn = null;
        this.#turnBytes = 0;
        resolve();
      });
    });
    return this.#nextTurn;
  }

  /** All input has been read: what is written next is probably an answer, and nothing is likely to follow it soon. */
  expectAnswer(): void {
    // A stream in memory could call its other end from within the write.
    this.#isAnswering = this.#consumes;
  }

  /** Whether a payload of this length is copied, so that its memory is free at once. */
  copies(length: number): boolean {
    return this.#masks || length <= copyLimitBytes;
  }

  /**
   * Appends a frame; `first` is its first byte. `written` is called when a payload that is not copied is no longer needed;
   * without it every payload is copied.
   */
  frame(first: number, payload: Uint8Array, written?: Written): void {
    const { length } = payload;
    if (length > copyLimitBytes) {
      this.#longFrame(first, payload, written);
      return;
    }
    let at = this.#room(headerSize(length, this.#masks) + length);
    const { bytes, words } = this.#slab as Slab;
    const key = this.#masks ? randomMaskKey() : 0;
    at = putHeader(bytes, at, first, length, this.#masks, key);
    bytes.set(payload, at);
    if (this.#masks) maskRange(bytes, words, at, at + length, key, 0);
    this.#at = at + length;
    this.#added();
  }

  /** As `frame`, of a text: it is encoded in place. `length` is the number of its bytes. */
  text(first: number, text: string, length: number): void {
    if (length > copyLimitBytes) {
      this.#longFrame(first, Buffer.from(text), undefined);
      return;
    }
    let at = this.#room(headerSize(length, this.#masks) + length);
    const { bytes, words } = this.#slab as Slab;
    const key = this.#masks ? randomMaskKey() : 0;
    at = putHeader(bytes, at, first, length, this.#masks, key);
    if (length > 0) bytes.write(text, at, length, 'utf8');
    if (this.#masks) maskRange(bytes, words, at, at + length, key, 0);
    this.#at = at + length;
    this.#added();
  }

  #longFrame(first: number, payload: Uint8Array, written: Written | undefined): void {
    const { length } = payload;
    const size = headerSize(length, this.#masks);
    if (!this.#masks && written !== undefined) {
      const at = this.#room(maxHeaderBytes);
      this.#at = putHeader((this.#slab as Slab).bytes, at, first, length, unmasked, noKey);
      this.#sealPart();
      this.#addPart(payload);
      this.flush(written);
      return;
    }
    const bytes = Buffer.allocUnsafeSlow(size + length);
    const key = this.#masks ? randomMaskKey() : 0;
    const at = putHeader(bytes, 0, first, length, this.#masks, key);
    bytes.set(payload, at);
    if (this.#masks) maskRange(bytes, wordsOf(bytes), at, at + length, key, 0);
    this.#sealPart();
    this.#addPart(bytes);
    if (this.#partsBytes >= slabBytes) this.flush();
    else this.#added();
  }

  /** Where `size` bytes can be put. */
  #room(size: number): number {
    while (this.#slab !== null) {
      if (this.#at + size <= slabBytes) return this.#at;
      this.flush();
      if (this.#at === this.#start) this.#slab = null;
    }
    this.#slab = slabPool.acquire();
    this.#start = 0;
    this.#at = 0;
    return 0;
  }

  #sealPart(): void {
    if (this.#slab === null || this.#at === this.#start) return;
    this.#addPart(this.#slab.bytes.subarray(this.#start, this.#at));
    this.#start = this.#at;
  }

  #addPart(part: Uint8Array): void {
    this.#parts.push(part);
    this.#partsBytes += part.length;
  }

  /** Something waits to be handed over. */
  #added(): void {
    const answers = this.#isAnswering;
    this.#isAnswering = false;
    // Behind what waits it would not leave earlier, and a stream in the middle of a write could lose it: Node forgets what
    // is written from within a `_writev`.
    if (answers && this.#stream.writableLength === 0) {
      this.flush();
    } else if (!this.#scheduled) {
      this.#scheduled = true;
      process.nextTick(this.#flushLater);
    }
  }

  readonly #flushLater = (): void => {
    this.#scheduled = false;
    this.flush();
  };

  /** Hands everything to the stream. `written` is called when the stream has written all it got so far, or will not. */
  flush(written?: Written): void {
    const stream = this.#stream;
    if (this.#ended || !stream.writable) {
      this.end();
      written?.(new Error('the stream takes no more bytes'));
      return;
    }
    const rest = this.#takeRest();
    const bytes = this.#partsBytes + rest.length;
    if (bytes === 0) {
      this.#whenDone(written);
      return;
    }
    this.#turnBytes += bytes;
    this.handedOver += bytes;
    this.#partsBytes = 0;
    // The write may come back here before it returns: a stream over memory calls its other end, whose answer is read at
    // once. What is written then goes into a slab of its own.
    const slab = this.#slab;
    if (this.#consumes) this.#slab = null;
    if (this.#parts.length === 0) {
      this.#write(rest, written);
    } else {
      stream.cork();
      for (const part of this.#parts) stream.write(part);
      this.#parts = [];
      this.#write(rest, written);
      stream.uncork();
      this.#isPrompt = stream.writableLength === 0;
    }
    this.#recycle(slab);
    if (this.isBlocked) this.#onBlocked();
  }

  /** What is in the slab and was not handed over, behind all parts. */
  #takeRest(): Uint8Array {
    const slab = this.#slab;
    if (slab === null || this.#at === this.#start) {
      const part = this.#parts.pop();
      if (part === undefined) return nothing;
      this.#partsBytes -= part.length;
      return part;
    }
    const rest = slab.bytes.subarray(this.#start, this.#at);
    this.#start = this.#at;
    return rest;
  }

  /**
   * Writes the last piece. A callback costs a tick of its own, even if the write is done at once. So the write has no
   * callback where it is probably done at once. If it is not, an empty write behind it has the callback.
   */
  #write(bytes: Uint8Array, written: Written | undefined): void {
    const stream = this.#stream;
    this.#writes += 1;
    if (this.#isPrompt && this.#consumes && written === undefined && stream.writableLength === 0) {
      stream.write(bytes);
      if (stream.writableLength === 0) {
        this.#afterWrite(stream.errored);
        return;
      }
      this.#isPrompt = false;
      // It may have been ended from within the write.
      if (stream.writable) stream.write(nothing, this.#afterWrite);
      return;
    }
    stream.write(bytes, written === undefined ? this.#afterWrite : this.#both(written));
    this.#isPrompt = stream.writableLength === 0;
  }

  #whenDone(written: Written | undefined): void {
    if (written === undefined) return;
    if (this.#writesDone === this.#writes) written();
    else this.#awaiting.push({ writes: this.#writes, written });
  }

  /** Gives a written slab back to the pool. Other slabs follow when the stream reports their writes. */
  #recycle(slab: Slab | null): void {
    if (!this.#consumes) {
      // The stream may hold what is in front of `#at`; what is behind it is used next.
      if (this.#at === this.#start && this.#at > slabBytes >> 1) this.#slab = null;
      return;
    }
    if (slab !== null) {
      if (this.#isWritten) slabPool.release(slab);
      else this.#full.push(slab);
    }
    this.#releaseSlabs();
  }

  /** Whether the stream has no buffer of ours. A socket that failed may still hold some. */
  get #isWritten(): boolean {
    return this.#stream.writableLength === 0 && !this.#stream.destroyed;
  }

  #releaseSlabs(): void {
    if (this.#full.length === 0 || !this.#isWritten) return;
    for (const slab of this.#full) slabPool.release(slab);
    this.#full = [];
  }

  /** One function for all writes: Node then keeps one entry for all that complete at once. */
  readonly #afterWrite = (error?: Error | null): void => {
    this.#writesDone += 1;
    if (!error && this.#consumes) this.#releaseSlabs();
    while (this.#awaiting.length > 0) {
      const [first] = this.#awaiting;
      if (first === undefined || (!error && first.writes > this.#writesDone)) return;
      this.#awaiting.shift();
      first.written(error);
    }
  };

  #both(written: Written): Written {
    return (error) => {
      this.#afterWrite(error);
      written(error);
    };
  }

  /** Nothing more is written, and what was not handed over is dropped. */
  end(): void {
    this.#ended = true;
    this.#parts = [];
    this.#partsBytes = 0;
    this.#full = [];
    this.#slab = null;
    this.#start = 0;
    this.#at = 0;
  }
}
