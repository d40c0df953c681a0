import { markAsUntransferable } from 'node:worker_threads';

const decoder = new TextDecoder();

/**
 * Payload of a received message: bytes that you may keep, and two ways to read them. As with Node's own buffers, small
 * payloads share one `buffer` of 8 KiB, and keeping one payload keeps all of that. Call `slice()` for a copy of its
 * own, for example to keep it for long or to give it to another thread.
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
/** Larger payloads get memory of their own, so that less than an eighth of a slab is wasted at its end. */
const largestInSlab = slabBytes / 8;
const alignment = 8;

let slab = new ArrayBuffer(0);
let slabUsed = 0;

function newSlab(): void {
  slab = new ArrayBuffer(slabBytes);
  // If it were transferred with one message, all other messages in it would lose their bytes.
  markAsUntransferable(slab);
  slabUsed = 0;
}

/** A copy of `bytes`. A memory block for each small message would cost several times the copy. */
export function copyOfData(bytes: Uint8Array): MessageData {
  const { length } = bytes;
  // Empty data needs no slab, and would keep one alive.
  if (length === 0 || length > largestInSlab) return new MessageData(bytes);
  if (slabUsed + length > slab.byteLength) newSlab();
  const copy = new MessageData(slab, slabUsed, length);
  copy.set(bytes);
  slabUsed += (length + alignment - 1) & -alignment;
  return copy;
}

/** Of a message without data. */
export const noData: Uint8Array = new Uint8Array(0);
