import { markAsUntransferable } from 'node:worker_threads';

const decoder = new TextDecoder();

/**
 * Payload of a received message: its bytes, yours to keep, and two ways to read them. As with Node's own buffers, small
 * ones share their `buffer`, of 8 KiB, and whoever keeps one keeps that: take `slice()` where you need one to yourself,
 * such as to keep it for long, or to give it to another thread.
 */
export class MessageData extends Uint8Array {
  // No Symbol.species here: with one, V8 gives up optimizing whatever creates an instance, again and again.

  /** The bytes as UTF-8. */
  text(): string {
    return decoder.decode(this);
  }

  /** The bytes parsed as JSON. Throws a `SyntaxError` if they are not JSON. */
  json(): unknown {
    try {
      return JSON.parse(this.text());
    } catch {
      // The error of the parser quotes what it read, and what a handler throws is logged.
      throw new SyntaxError('the data of the message is not JSON');
    }
  }
}

const slabBytes = 8_192;
/** So that less than an eighth of a slab is left over at its end. */
const largestInSlab = slabBytes / 8;
const alignment = 8;

let slab = new ArrayBuffer(0);
let slabUsed = 0;

function newSlab(): void {
  slab = new ArrayBuffer(slabBytes);
  // Transferred with one message, it would be gone for all others.
  markAsUntransferable(slab);
  slabUsed = 0;
}

/** A copy of `bytes`. A memory block for each small message would cost several times the copy. */
export function copyOfData(bytes: Uint8Array): MessageData {
  const { length } = bytes;
  // None has no need of a slab, and would keep it all the same.
  if (length === 0 || length > largestInSlab) return new MessageData(bytes);
  if (slabUsed + length > slab.byteLength) newSlab();
  const copy = new MessageData(slab, slabUsed, length);
  copy.set(bytes);
  slabUsed += (length + alignment - 1) & -alignment;
  return copy;
}

/** Of a message without data. */
export const noData: Uint8Array = new Uint8Array(0);
