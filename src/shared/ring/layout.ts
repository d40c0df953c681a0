/**
 * Layout of one ring in its SharedArrayBuffer: a control block of cache lines, then the records.
 *
 *   line 0            tail: the producer's cursor, in bytes
 *   line 1            congested: set by the producer while records wait in its spill queue
 *   line 2 + i        consumer i: cursor, then whether it attends
 *   dataOffset …      `capacity` bytes of records
 *
 * Cursors are 32-bit byte positions that wrap past 2^32; the capacity is a power of two, so a position's place in the
 * buffer is `position & (capacity - 1)` on both sides of the wrap. Every word that another thread writes has a cache
 * line to itself, so that a consumer's progress does not stall the producer's stores.
 *
 * A record is an 8-byte header and its payload, padded to 8 bytes, never split by the end of the buffer: a skip record
 * fills what is left there.
 *
 *   word 0   length of the payload in bytes
 *   word 1   bits 0–15 target (a consumer's index, `targetAll` or `targetAllBut`), 16–23 flags of the ring, 24–31 kind, the caller's
 *
 * A record longer than `maxPieceBytes` travels in pieces: each is a record, all but the last have `flagMore`, all but
 * the first have `flagContinued`, and the first begins with 8 more bytes that hold the length of the whole.
 */
export const lineBytes = 64;
const lineWords = lineBytes / 4;

export const tailWord = 0;
export const congestedWord: number = lineWords;
export function cursorWord(consumer: number): number {
  return (2 + consumer) * lineWords;
}
export function attendsWord(consumer: number): number {
  return (2 + consumer) * lineWords + 1;
}

export const headerBytes = 8;
export const targetAll = 0xffff;
export const targetMask = 0xffff;
const butBit = 0x8000;
/** The target of a record for every consumer except one. */
export function targetAllBut(consumer: number): number {
  return butBit | consumer;
}
/** The consumer that a target leaves out, or -1: it leaves nobody out, or is not for all. */
export function exceptOf(target: number): number {
  return target === targetAll || (target & butBit) === 0 ? -1 : target & ~butBit;
}
export function isFor(target: number, consumer: number): boolean {
  return target === consumer || target === targetAll || (target >= butBit && (target & ~butBit) !== consumer);
}
export const flagSkip: number = 1 << 16;
export const flagMore: number = 1 << 17;
export const flagContinued: number = 1 << 18;
export const kindShift = 24;

export const minRingBytes: number = 1 << 12;
export const maxRingBytes: number = 1 << 30;
export const maxConsumers = 256;

/** Bytes that a record of `length` payload bytes takes in the ring. */
export function recordBytes(length: number): number {
  return headerBytes + ((length + 7) & ~7);
}

/** What every thread needs to attach to one ring. Structured-cloneable. */
export interface RingMemory {
  readonly buffer: SharedArrayBuffer;
  readonly consumers: number;
}

/**
 * Reserves a ring for one producer and `consumers` consumers. `capacity` is a power of two, in bytes. `start` is the
 * position of the first record (for tests of the wrap past 2^32), a multiple of 8.
 */
export function createRing(capacity: number, consumers: number, start = 0): RingMemory {
  if (!(capacity >= minRingBytes && capacity <= maxRingBytes) || (capacity & (capacity - 1)) !== 0) {
    throw new RangeError(
      `ring capacity must be a power of two from ${minRingBytes} to ${maxRingBytes}, not ${capacity}`,
    );
  }
  if (!Number.isInteger(consumers) || consumers < 1 || consumers > maxConsumers) {
    throw new RangeError(`a ring takes 1 to ${maxConsumers} consumers, not ${consumers}`);
  }
  if (start % 8 !== 0) throw new RangeError(`a ring starts at a multiple of 8, not ${start}`);
  const buffer = new SharedArrayBuffer((2 + consumers) * lineBytes + capacity);
  const words = new Int32Array(buffer);
  words[tailWord] = start | 0;
  for (let consumer = 0; consumer < consumers; consumer++) words[cursorWord(consumer)] = start | 0;
  return { buffer, consumers };
}

/** The views of one thread on a ring. */
export interface RingView {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  /** First byte and first word of the records. */
  readonly dataOffset: number;
  readonly dataWord: number;
  readonly capacity: number;
  readonly mask: number;
  readonly consumers: number;
}

export function viewRing(memory: RingMemory): RingView {
  const dataOffset = (2 + memory.consumers) * lineBytes;
  const capacity = memory.buffer.byteLength - dataOffset;
  return {
    words: new Int32Array(memory.buffer),
    bytes: new Uint8Array(memory.buffer),
    dataOffset,
    dataWord: dataOffset >> 2,
    capacity,
    mask: capacity - 1,
    consumers: memory.consumers,
  };
}

/** Bytes in a ring that its slowest attending consumer has yet to read. Any thread may ask. */
export function ringDepth(memory: RingMemory): number {
  const { words, consumers, capacity } = viewRing(memory);
  const cursors: number[] = [];
  for (let consumer = 0; consumer < consumers; consumer++) {
    if (Atomics.load(words, attendsWord(consumer)) === 1) cursors.push(Atomics.load(words, cursorWord(consumer)));
  }
  // The tail last: it may have moved on, but no cursor is in front of it.
  const tail = Atomics.load(words, tailWord);
  let depth = 0;
  for (const cursor of cursors) depth = Math.max(depth, (tail - cursor) >>> 0);
  return Math.min(depth, capacity);
}
