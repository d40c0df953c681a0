/** The least that is set aside, and the most for messages that are smaller. */
const firstBytes = 512;
const chunkBytes = 65_536;

interface Chunk {
  readonly bytes: Uint8Array;
  /** Where each message in it ends. */
  readonly ends: number[];
  used: number;
}

/**
 * Messages that wait, as copies, first in, first out. Copies share their memory: a client that sends the smallest messages
 * there are costs its bytes and a number for each, not an object.
 */
export class Backlog {
  #chunks: Chunk[] = [];
  /** Of the first chunk: the next message, and where it begins. */
  #next = 0;
  #start = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Takes a copy. */
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

  /** The next message, a view that nothing is written over. */
  shift(): Uint8Array | undefined {
    const chunk = this.#chunks[0];
    if (chunk === undefined) return undefined;
    const end = chunk.ends[this.#next] as number;
    const message = chunk.bytes.subarray(this.#start, end);
    this.#next += 1;
    this.#start = end;
    this.#length -= 1;
    if (this.#next === chunk.ends.length) {
      // A chunk with room left goes, too: what comes later finds another.
      this.#chunks.shift();
      this.#next = 0;
      this.#start = 0;
    }
    return message;
  }
}
