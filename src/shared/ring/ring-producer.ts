import {
  attendsWord,
  congestedWord,
  cursorWord,
  exceptOf,
  flagContinued,
  flagMore,
  flagSkip,
  headerBytes,
  kindShift,
  type RingMemory,
  type RingView,
  recordBytes,
  tailWord,
  targetAll,
  viewRing,
} from './layout.ts';

/** What became of a record: in the ring, in the spill queue (it follows in order), or refused. */
export type WriteVerdict = 'written' | 'spilled' | 'overloaded';

export interface RingProducerOptions {
  /** Bound of the spill queue, in bytes of records. Also the size of the largest record. */
  readonly spillBytes: number;
  /** Rings consumer i's doorbell if it sleeps. Called after the record can be seen. */
  wake(consumer: number): void;
}

interface SpilledRecord {
  readonly word1: number;
  readonly payload: Uint8Array;
}

const empty = new Uint8Array(0);

/**
 * The writing end of a ring; exactly one thread holds it. Writing takes two steps, so that a payload is written once,
 * straight into the ring: `claim(length)` gives room at `claimBytes[claimOffset …]`, `commit` publishes it.
 */
export class RingProducer {
  readonly #view: RingView;
  readonly #wake: (consumer: number) => void;
  readonly #spillLimit: number;
  /** Largest payload of one piece: a record takes at most a quarter of the ring. */
  readonly maxPieceBytes: number;

  #tail: number;
  /** At the last check no consumer was further behind than this position. */
  #gate: number;
  /** Next position at which slow consumers are checked. */
  #lagCheck: number;

  /** Where to write after a successful `claim`. Valid until `commit`. */
  claimBytes: Uint8Array = empty;
  claimOffset = 0;
  #claimed = 0;
  #skip = 0;
  #staged = false;

  readonly #spill: SpilledRecord[] = [];
  #spillHead = 0;
  #spilledBytes = 0;

  constructor(memory: RingMemory, options: RingProducerOptions) {
    this.#view = viewRing(memory);
    this.#wake = options.wake;
    this.#spillLimit = options.spillBytes;
    this.maxPieceBytes = (this.#view.capacity >> 2) - headerBytes;
    this.#tail = Atomics.load(this.#view.words, tailWord);
    this.#gate = this.#tail;
    this.#lagCheck = (this.#tail + (this.#view.capacity >> 2)) | 0;
    this.#lookAtCursors();
  }

  /** Payload of the largest record that is ever accepted: one that fills the spill queue alone. */
  get maxRecordBytes(): number {
    return this.#spillLimit - headerBytes;
  }

  /** Bytes of records that wait in the spill queue. */
  get spilledBytes(): number {
    return this.#spilledBytes;
  }

  /** Bytes that the slowest attending consumer has not read yet. */
  get depthBytes(): number {
    this.#lookAtCursors();
    return (this.#tail - this.#gate) >>> 0;
  }

  /**
   * Makes room for a payload of up to `length` bytes at `claimBytes[claimOffset …]`. False: overloaded, nothing to
   * write to. A claim that is not committed has no effect.
   */
  claim(length: number): boolean {
    const view = this.#view;
    this.#claimed = length;
    if (this.#spillHead === this.#spill.length || this.flush()) {
      const need = recordBytes(length);
      const place = this.#tail & view.mask;
      const left = view.capacity - place;
      const skip = need > left ? left : 0;
      if (length <= this.maxPieceBytes && this.#hasRoom(skip + need)) {
        this.#staged = false;
        this.#skip = skip;
        this.claimBytes = view.bytes;
        this.claimOffset = view.dataOffset + (skip === 0 ? place : 0) + headerBytes;
        return true;
      }
    }
    if (this.#spilledBytes + recordBytes(length) > this.#spillLimit) return false;
    this.#staged = true;
    this.claimBytes = new Uint8Array(length);
    this.claimOffset = 0;
    return true;
  }

  /**
   * Publishes the first `length` bytes of the claim as a record of `kind` (0–255, the caller's) for the consumer
   * `target`, `targetAll` or `targetAllBut(consumer)`, and wakes whom it is for.
   */
  commit(kind: number, target: number, length: number): WriteVerdict {
    if (length > this.#claimed) throw new RangeError(`commit of ${length} bytes exceeds the claim of ${this.#claimed}`);
    const word1 = (kind << kindShift) | target;
    if (!this.#staged) {
      this.#publish(word1, length, this.#skip);
      this.#wakeFor(target);
      return 'written';
    }
    this.#enqueue(word1, this.claimBytes.subarray(0, length));
    this.claimBytes = empty;
    return this.flush() ? 'written' : 'spilled';
  }

  /** `claim`, copy and `commit` of bytes that exist already. */
  write(kind: number, target: number, payload: Uint8Array): WriteVerdict {
    if (!this.claim(payload.length)) return 'overloaded';
    this.claimBytes.set(payload, this.claimOffset);
    return this.commit(kind, target, payload.length);
  }

  /**
   * Moves spilled records into the ring in order, as many as fit. True: none is left. Call it when a consumer rang
   * because of congestion.
   */
  flush(): boolean {
    if (this.#spillHead === this.#spill.length) return true;
    for (;;) {
      const first = this.#moveSpilled();
      if (first) return true;
      // Announce first, check again second: a consumer that frees space now either sees the announcement or is seen
      // here.
      Atomics.store(this.#view.words, congestedWord, 1);
      this.#lookAtCursors();
      if (!this.#nextFits()) {
        this.#wakeLaggards();
        return false;
      }
      Atomics.store(this.#view.words, congestedWord, 0);
    }
  }

  /**
   * Asks to be rung when there is room for the spill queue. True: there is room now. Call it after announcing sleep. A
   * consumer may have taken the announcement of `flush` while this thread was awake, and so not have rung, although
   * another consumer still holds the space.
   */
  awaitRoom(): boolean {
    if (this.#spillHead === this.#spill.length) return false;
    Atomics.store(this.#view.words, congestedWord, 1);
    this.#lookAtCursors();
    return this.#nextFits();
  }

  #moveSpilled(): boolean {
    const spill = this.#spill;
    let moved = 0;
    while (this.#spillHead < spill.length && this.#nextFits()) {
      const record = spill[this.#spillHead] as SpilledRecord;
      const length = record.payload.length;
      const place = this.#tail & this.#view.mask;
      const left = this.#view.capacity - place;
      const skip = recordBytes(length) > left ? left : 0;
      this.#view.bytes.set(record.payload, this.#view.dataOffset + (skip === 0 ? place : 0) + headerBytes);
      this.#publish(record.word1, length, skip);
      this.#spilledBytes -= recordBytes(length);
      spill[this.#spillHead] = { word1: 0, payload: empty };
      this.#spillHead += 1;
      moved += 1;
    }
    if (moved > 0) this.#wakeFor(targetAll);
    if (this.#spillHead === spill.length) {
      spill.length = 0;
      this.#spillHead = 0;
      return true;
    }
    // Bounds the part of the queue that was already moved while the queue never becomes empty.
    if (this.#spillHead > 1024 && this.#spillHead * 2 > spill.length) {
      spill.splice(0, this.#spillHead);
      this.#spillHead = 0;
    }
    return false;
  }

  #nextFits(): boolean {
    const record = this.#spill[this.#spillHead];
    if (record === undefined) return false;
    const need = recordBytes(record.payload.length);
    const left = this.#view.capacity - (this.#tail & this.#view.mask);
    return this.#hasRoom(need > left ? left + need : need);
  }

  #enqueue(word1: number, payload: Uint8Array): void {
    const max = this.maxPieceBytes;
    if (payload.length <= max) {
      this.#push(word1, payload);
      return;
    }
    const first = new Uint8Array(max);
    new DataView(first.buffer).setUint32(0, payload.length, true);
    first.set(payload.subarray(0, max - 8), 8);
    this.#push(word1 | flagMore, first);
    for (let at = max - 8; at < payload.length; at += max) {
      const last = at + max >= payload.length;
      this.#push(word1 | flagContinued | (last ? 0 : flagMore), payload.subarray(at, at + max));
    }
  }

  #push(word1: number, payload: Uint8Array): void {
    this.#spill.push({ word1, payload });
    this.#spilledBytes += recordBytes(payload.length);
  }

  #publish(word1: number, length: number, skip: number): void {
    const { words, dataWord, mask } = this.#view;
    let tail = this.#tail;
    if (skip > 0) {
      const at = dataWord + ((tail & mask) >> 2);
      words[at] = skip - headerBytes;
      words[at + 1] = flagSkip;
      tail = (tail + skip) | 0;
    }
    const at = dataWord + ((tail & mask) >> 2);
    words[at] = length;
    words[at + 1] = word1;
    tail = (tail + recordBytes(length)) | 0;
    this.#tail = tail;
    // Publish the tail last: a consumer may look at any moment, and must then find the whole record.
    Atomics.store(words, tailWord, tail);
  }

  #hasRoom(need: number): boolean {
    const capacity = this.#view.capacity;
    if (capacity - ((this.#tail - this.#gate) >>> 0) >= need) return true;
    this.#lookAtCursors();
    return capacity - ((this.#tail - this.#gate) >>> 0) >= need;
  }

  #lookAtCursors(): void {
    const { words, consumers } = this.#view;
    let lag = 0;
    for (let consumer = 0; consumer < consumers; consumer++) {
      if (Atomics.load(words, attendsWord(consumer)) === 0) continue;
      const behind = (this.#tail - Atomics.load(words, cursorWord(consumer))) >>> 0;
      if (behind > lag) lag = behind;
    }
    this.#gate = (this.#tail - lag) | 0;
  }

  #wakeFor(target: number): void {
    if (target === targetAll) {
      this.#lagCheck = (this.#tail + (this.#view.capacity >> 2)) | 0;
      for (let consumer = 0; consumer < this.#view.consumers; consumer++) this.#wakeIfAttends(consumer);
      return;
    }
    const except = exceptOf(target);
    if (except < 0) {
      this.#wakeIfAttends(target);
    } else {
      for (let consumer = 0; consumer < this.#view.consumers; consumer++) {
        if (consumer !== except) this.#wakeIfAttends(consumer);
      }
    }
    // Consumers that the record is not for skip it when they next run. They are woken only before they hold the ring
    // back.
    if (((this.#lagCheck - this.#tail) | 0) <= 0) this.#wakeLaggards();
  }

  /**
   * Wakes consumers that are more than half the ring behind. A record and the skip before it take less than half of the
   * ring: when there is no room for a record, the consumers that hold the space are among them.
   */
  #wakeLaggards(): void {
    const { words, capacity, consumers } = this.#view;
    this.#lagCheck = (this.#tail + (capacity >> 2)) | 0;
    for (let consumer = 0; consumer < consumers; consumer++) {
      const behind = (this.#tail - Atomics.load(words, cursorWord(consumer))) >>> 0;
      if (behind > capacity >> 1) this.#wakeIfAttends(consumer);
    }
  }

  #wakeIfAttends(consumer: number): void {
    if (Atomics.load(this.#view.words, attendsWord(consumer)) === 1) this.#wake(consumer);
  }
}
