/** Smallest chunk, and largest chunk for messages that are smaller than it. */
const firstBytes = 512;
const chunkBytes = 65_536;

interface Chunk {
  readonly bytes: Uint8Array;
  /** The end offset of each message in the chunk. */
  readonly ends: number[];
  used: number;
}

/**
 * Waiting messages as copies, first in, first out. Copies share chunks of memory: a client that sends the smallest
 * possible messages costs their bytes and a number each, not an object each.
 */
export class Backlog {
  #chunks: Chunk[] = [];
  /** In the first chunk: the index of the next message, and its offset. */
  #next = 0;
  #start = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Adds a copy of a message. */
  push(message: Uint8Array): void {
    let chunk = this.#chunks[this.#chunks.length - 1];
    if (chunk === undefined || chunk.used + message.length > chunk.bytes.length) {
      const wanted = chunk === undefined ? firstBytes : Math.min(chunkBytes, chunk.bytes.length * 2);
      chunk = { bytes: new Uint8Array(Math.max(wanted, message.length)), ends: [], used: 0 };
      this.#chunks.push(chunk);
    }
    chunk.bytes.set(message, chunk.used);
    chunk.used += message.length;
    chunk.ends.push(chunk.used);
    this.#length += 1;
  }

  /** The next message, as a view that is never overwritten. */
  shift(): Uint8Array | undefined {
    const chunk = this.#chunks[0];
    if (chunk === undefined) return undefined;
    const end = chunk.ends[this.#next] as number;
    const message = chunk.bytes.subarray(this.#start, end);
    this.#next += 1;
    this.#start = end;
    this.#length -= 1;
    if (this.#next === chunk.ends.length) {
      // A chunk with free space is dropped too: later messages get another one.
      this.#chunks.shift();
      this.#next = 0;
      this.#start = 0;
    }
    return message;
  }
}
