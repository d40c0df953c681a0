/** Number of publishes of one publisher that can be told apart at a time, per message in flight: see `Outstanding`. */
const gapFactor = 4;

function slotsFor(inFlight: number): number {
  return 2 ** Math.ceil(Math.log2(gapFactor * inFlight));
}

/** The publishers that are counted, and the number of slots. */
export interface CompletionSize {
  readonly publishers: number;
  readonly inFlight: number;
}

/**
 * Reports when a publish has reached every receiving connection in every thread, so that the next publish can follow. A
 * connection that got a later message will not get this one any more, and counts as reached. Each thread counts its own
 * connections, and adds itself to the shared count when all of them have the publish. The thread that completes the
 * count tells the publisher.
 *
 * This only paces the publishers: results are counted message by message.
 */
export class Completion {
  readonly #slots: number;
  /** Per publisher: threads with connections that still receive. */
  readonly #threads: Int32Array;
  /** Per publisher and slot: the present publish, and the number of threads that have it. Written before it is sent. */
  readonly #sequences: Int32Array;
  readonly #counts: Int32Array;
  /** The same for this thread alone. */
  readonly #ownSequences: Int32Array;
  readonly #ownCounts: Int32Array;
  /** Per publisher: connections of this thread that receive. */
  readonly #receivers: Int32Array;
  readonly #complete: (publisher: number, sequence: number) => void;

  constructor(
    memory: SharedArrayBuffer,
    { publishers, inFlight }: CompletionSize,
    complete: (publisher: number, sequence: number) => void,
  ) {
    this.#slots = slotsFor(inFlight);
    const cells = publishers * this.#slots;
    const bytes = Int32Array.BYTES_PER_ELEMENT;
    this.#threads = new Int32Array(memory, 0, publishers);
    this.#sequences = new Int32Array(memory, publishers * bytes, cells);
    this.#counts = new Int32Array(memory, (publishers + cells) * bytes, cells);
    this.#ownSequences = new Int32Array(cells).fill(-1);
    this.#ownCounts = new Int32Array(cells);
    this.#receivers = new Int32Array(publishers);
    this.#complete = complete;
  }

  static memory({ publishers, inFlight }: CompletionSize): SharedArrayBuffer {
    return new SharedArrayBuffer(publishers * (1 + 2 * slotsFor(inFlight)) * Int32Array.BYTES_PER_ELEMENT);
  }

  /** A connection of this thread receives what `publisher` sends. */
  join(publisher: number): void {
    const count = (this.#receivers[publisher] as number) + 1;
    this.#receivers[publisher] = count;
    if (count === 1) Atomics.add(this.#threads, publisher, 1);
  }

  /**
   * The connection no longer receives. Publishes that waited only for it are complete. `last`: the highest number that
   * it got.
   */
  leave(publisher: number, last: number): void {
    const count = (this.#receivers[publisher] as number) - 1;
    this.#receivers[publisher] = count;
    if (count === 0) {
      Atomics.sub(this.#threads, publisher, 1);
      return;
    }
    for (let slot = 0; slot < this.#slots; slot++) {
      const at = publisher * this.#slots + slot;
      const sequence = this.#ownSequences[at] as number;
      if (sequence > last && this.#ownCounts[at] === count) this.#ownComplete(publisher, sequence);
    }
  }

  /** The publisher's own thread: `sequence` is about to be sent. */
  begin(publisher: number, sequence: number): void {
    const at = publisher * this.#slots + (sequence & (this.#slots - 1));
    Atomics.store(this.#counts, at, 0);
    Atomics.store(this.#sequences, at, sequence);
  }

  /** A connection that had everything up to `before` now has everything up to `sequence`. */
  passed(publisher: number, before: number, sequence: number): void {
    const receivers = this.#receivers[publisher] as number;
    for (let each = Math.max(before + 1, sequence - this.#slots + 1); each <= sequence; each++) {
      const at = publisher * this.#slots + (each & (this.#slots - 1));
      const known = this.#ownSequences[at] as number;
      if (known > each) continue;
      const count = known === each ? (this.#ownCounts[at] as number) + 1 : 1;
      this.#ownSequences[at] = each;
      this.#ownCounts[at] = count;
      if (count === receivers) this.#ownComplete(publisher, each);
    }
  }

  #ownComplete(publisher: number, sequence: number): void {
    const at = publisher * this.#slots + (sequence & (this.#slots - 1));
    // A later publish may have taken the slot of one that was given up.
    if (Atomics.load(this.#sequences, at) !== sequence) return;
    if (Atomics.add(this.#counts, at, 1) + 1 >= Atomics.load(this.#threads, publisher)) {
      this.#complete(publisher, sequence);
    }
  }
}
