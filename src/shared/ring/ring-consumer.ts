import { EngineError } from '../errors/index.ts';
import {
  attendsWord,
  congestedWord,
  cursorWord,
  flagContinued,
  flagMore,
  flagSkip,
  headerBytes,
  isFor,
  kindShift,
  type RingMemory,
  type RingView,
  recordBytes,
  tailWord,
  targetMask,
  viewRing,
} from './layout.ts';

/**
 * Called for each record that is for this consumer. `bytes[offset … offset + length]` is the payload; it is valid only
 * during the call, because the producer overwrites it later.
 */
export type RecordVisitor = (kind: number, bytes: Uint8Array, offset: number, length: number) => void;

export interface RingConsumerOptions {
  /** Called when this consumer made room for a producer that had records in its spill queue. */
  relieve(): void;
}

/** The reading end of a ring; consumer `index` is held by exactly one thread. */
export class RingConsumer {
  readonly #view: RingView;
  readonly #index: number;
  readonly #cursorWord: number;
  readonly #relieve: () => void;
  #position = 0;
  #attends = false;
  #whole: Uint8Array | null = null;
  #filled = 0;

  constructor(memory: RingMemory, index: number, options: RingConsumerOptions) {
    if (index < 0 || index >= memory.consumers) throw new RangeError(`no consumer ${index} of ${memory.consumers}`);
    this.#view = viewRing(memory);
    this.#index = index;
    this.#cursorWord = cursorWord(index);
    this.#relieve = options.relieve;
  }

  get attends(): boolean {
    return this.#attends;
  }

  /** Begins to read with the next record that is written. From here on the ring waits for this consumer. */
  attend(): void {
    if (this.#attends) return;
    const { words } = this.#view;
    Atomics.store(words, this.#cursorWord, Atomics.load(words, tailWord));
    Atomics.store(words, attendsWord(this.#index), 1);
    // A producer that checked before that store may have moved past our cursor, but never past the tail of this moment
    // plus the capacity: read the tail once more.
    this.#position = Atomics.load(words, tailWord);
    Atomics.store(words, this.#cursorWord, this.#position);
    this.#attends = true;
    this.#whole = null;
    this.#relieveProducer();
  }

  /** Leaves the ring: it no longer waits for this consumer. */
  leave(): void {
    if (!this.#attends) return;
    this.#attends = false;
    this.#whole = null;
    Atomics.store(this.#view.words, attendsWord(this.#index), 0);
    this.#relieveProducer();
  }

  /** Whether a record waits to be read, for this consumer or another. */
  get hasMore(): boolean {
    return this.#attends && Atomics.load(this.#view.words, tailWord) !== this.#position;
  }

  /**
   * Reads until the ring is empty, or until `maxRecords` records or about `maxBytes` bytes were read. True: more
   * records wait. If `visit` throws, that record counts as read and the error is passed on.
   */
  drain(maxRecords: number, maxBytes: number, visit: RecordVisitor): boolean {
    if (!this.#attends) return false;
    const { words, bytes, dataWord, dataOffset, mask, capacity } = this.#view;
    const tail = Atomics.load(words, tailWord);
    const start = this.#position;
    if (tail === start) return false;
    const publishEvery = capacity >> 3;
    let position = start;
    let published = start;
    let records = 0;
    try {
      while (position !== tail && records < maxRecords && (position - start) >>> 0 < maxBytes) {
        const place = position & mask;
        const at = dataWord + (place >> 2);
        const length = words[at] as number;
        const word1 = words[at + 1] as number;
        if (length >>> 0 > capacity - place - headerBytes) {
          throw new EngineError('ERR_RING_CORRUPT', `a record of ${length} bytes at ${place} leaves the ring`);
        }
        position = (position + recordBytes(length)) | 0;
        // Before the visit, so that a record whose visitor throws counts as read.
        this.#position = position;
        const target = word1 & targetMask;
        if ((word1 & flagSkip) === 0 && isFor(target, this.#index)) {
          records += 1;
          const offset = dataOffset + place + headerBytes;
          if ((word1 & (flagMore | flagContinued)) === 0) visit(word1 >>> kindShift, bytes, offset, length);
          else this.#visitPiece(word1, bytes, offset, length, visit);
          // The visitor left the ring. If it attends again, it does so from a later position.
          if (this.#position !== position || !this.#attends) return this.hasMore;
        }
        if ((position - published) >>> 0 >= publishEvery) {
          published = position;
          // Free the space only now: until this store the producer does not touch what `visit` was reading.
          Atomics.store(words, this.#cursorWord, published);
          this.#relieveProducer();
        }
      }
    } finally {
      if (published !== this.#position && this.#attends) {
        Atomics.store(words, this.#cursorWord, this.#position);
        this.#relieveProducer();
      }
    }
    return this.hasMore;
  }

  #visitPiece(word1: number, bytes: Uint8Array, offset: number, length: number, visit: RecordVisitor): void {
    if ((word1 & flagContinued) === 0) {
      const total = new DataView(bytes.buffer, bytes.byteOffset + offset, 8).getUint32(0, true);
      this.#whole = new Uint8Array(total);
      this.#whole.set(bytes.subarray(offset + 8, offset + length));
      this.#filled = length - 8;
      return;
    }
    const whole = this.#whole;
    // This consumer began to attend in the middle of a record in pieces: it has no beginning of it.
    if (whole === null) return;
    whole.set(bytes.subarray(offset, offset + length), this.#filled);
    this.#filled += length;
    if ((word1 & flagMore) !== 0) return;
    this.#whole = null;
    if (this.#filled !== whole.length) {
      throw new EngineError('ERR_RING_CORRUPT', `pieces of ${this.#filled} bytes for a record of ${whole.length}`);
    }
    visit(word1 >>> kindShift, whole, 0, whole.length);
  }

  #relieveProducer(): void {
    const { words } = this.#view;
    if (Atomics.load(words, congestedWord) === 0) return;
    // Of several consumers only one rings: the one that changes the word.
    if (Atomics.compareExchange(words, congestedWord, 1, 0) === 1) this.#relieve();
  }
}

/**
 * Removes a consumer whose thread has ended from a ring. Any thread may call it. True: the ring's producer waits with
 * records in its spill queue, and the caller rings it, as `relieve` would.
 */
export function dismissConsumer(memory: RingMemory, index: number): boolean {
  const words = new Int32Array(memory.buffer);
  Atomics.store(words, attendsWord(index), 0);
  return Atomics.compareExchange(words, congestedWord, 1, 0) === 1;
}
