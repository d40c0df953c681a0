import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from '../errors/index.ts';
import { type EngineMemory, mainThread } from '../memory/engine-memory.ts';
import { Doorbells, type RecordVisitor, RingConsumer, RingProducer } from '../ring/index.ts';

/** A pump reads at most this much from one ring before sockets get their turn. */
const batchRecords = 128;
const batchBytes = 262_144;
const flushLookMs = 2;

export interface ThreadBusOptions {
  readonly memory: EngineMemory;
  /** This thread's number. */
  readonly self: number;
  /** Bound of the spill queue, in bytes. */
  readonly spillBytes: number;
  /** Posts a doorbell message to a thread. */
  ring(thread: number): void;
  /** A record for this thread. `bytes` may be overwritten after the call. */
  onRecord(kind: number, bytes: Uint8Array, offset: number, length: number): void;
  /** `onRecord` threw (the record counts as read), or a ring is corrupt (this thread has left it). */
  onError(error: unknown): void;
  /** This thread has looked around; so many bytes wait in its spill queue now. */
  pumped?(spilledBytes: number): void;
}

/** One thread's ends of all rings of an engine: it writes its own, reads the others, and sleeps when they are dry. */
export class ThreadBus {
  readonly producer: RingProducer;
  readonly #consumers: RingConsumer[] = [];
  readonly #visitors: RecordVisitor[] = [];
  readonly #doorbells: Doorbells;
  readonly #onError: (error: unknown) => void;
  readonly #pumped: ((spilledBytes: number) => void) | undefined;
  readonly #self: number;
  readonly #pumpLater = (): void => this.#pump();
  #immediate: NodeJS.Immediate | null = null;
  #pumping = false;
  /** Records visited so far. */
  #visited = 0;
  #closed = false;

  constructor(options: ThreadBusOptions) {
    const { memory, self } = options;
    this.#self = self;
    this.#onError = options.onError;
    this.#pumped = options.pumped;
    this.#doorbells = new Doorbells(memory.doorbells, self, options.ring);
    const wake = (thread: number): void => this.#doorbells.wake(thread);
    const ring = memory.rings[self];
    if (ring === undefined) throw new RangeError(`no ring for thread ${self}`);
    this.producer = new RingProducer(ring, { spillBytes: options.spillBytes, wake });
    for (const [from, other] of memory.rings.entries()) {
      this.#consumers.push(new RingConsumer(other, self, { relieve: () => wake(from) }));
      this.#visitors.push((kind, bytes, offset, length) => {
        this.#visited += 1;
        options.onRecord(kind, bytes, offset, length);
      });
    }
    // A new thread is awake. Look around once, then sleep until a doorbell rings.
    this.#schedule();
  }

  /** Doorbells that this thread rang so far. */
  get doorbellsRung(): number {
    return this.#doorbells.rung;
  }

  /** Begins to read the ring of `thread`. */
  attend(thread: number): void {
    if (thread === this.#self || this.#closed) return;
    this.#consumers[thread]?.attend();
    // Something may be written before the next doorbell only if this thread counts as asleep: look around first.
    this.onDoorbell();
  }

  /** Reads the ring of `thread` no longer, and does not hold it back. */
  leave(thread: number): void {
    this.#consumers[thread]?.leave();
  }

  /**
   * Reads at once what a thread that is gone has left in its ring. The ring stays an attended one: a thread that takes
   * its place goes on at the tail, and what it writes from its first record on finds its readers.
   */
  retire(thread: number): void {
    const visit = this.#visitors[thread];
    const consumer = this.#consumers[thread];
    if (visit === undefined || consumer === undefined) return;
    while (consumer.hasMore) this.#drainOne(consumer, visit);
  }

  /** Call it for every doorbell message. */
  onDoorbell(): void {
    if (this.#immediate !== null || this.#closed) return;
    this.#pump();
  }

  /** Resolves once this thread's spill queue is empty, or at `deadline` (as `performance.now()`). False: it is not. */
  async flushed(deadline: number): Promise<boolean> {
    while (this.producer.spilledBytes > 0) {
      if (this.#closed || performance.now() >= deadline) return false;
      await sleep(flushLookMs);
      this.onDoorbell();
    }
    return true;
  }

  /** Reads whatever is in the rings now, in at most `rounds` batches per ring, without yielding. */
  readRings(rounds: number): void {
    for (let round = 0; round < rounds && this.#anyHasMore(); round++) this.#drainAll();
  }

  /** Leaves all rings. What this thread wrote stays readable; what still waits in its spill queue is lost. */
  close(): void {
    this.#closed = true;
    if (this.#immediate !== null) clearImmediate(this.#immediate);
    this.#immediate = null;
    for (const consumer of this.#consumers) consumer.leave();
  }

  #schedule(): void {
    if (this.#immediate === null && !this.#closed) this.#immediate = setImmediate(this.#pumpLater);
  }

  #pump(): void {
    this.#immediate = null;
    // A visitor may attend another ring, which looks around: the loop below it will come to that ring.
    if (this.#pumping) return;
    this.#pumping = true;
    this.producer.flush();
    const before = this.#visited;
    const more = this.#drainAll();
    this.#pumping = false;
    this.#pumped?.(this.producer.spilledBytes);
    if (this.#closed) return;
    // Where something came, more often follows at once: one turn of the loop without sleep spares its doorbells, which
    // cost the producer more than the records do.
    if (more || this.#visited !== before) {
      this.#schedule();
      return;
    }
    this.#doorbells.fallAsleep();
    // What was written, or what room was made, before the store above rang no doorbell: look once more.
    if ((this.#anyHasMore() || this.producer.awaitRoom()) && this.#doorbells.stayAwake()) this.#schedule();
  }

  #drainAll(): boolean {
    let more = false;
    for (let from = mainThread; from < this.#consumers.length; from++) {
      const consumer = this.#consumers[from];
      const visit = this.#visitors[from];
      if (consumer === undefined || visit === undefined) continue;
      if (this.#drainOne(consumer, visit)) more = true;
    }
    return more;
  }

  /** True: more may wait. */
  #drainOne(consumer: RingConsumer, visit: RecordVisitor): boolean {
    try {
      return consumer.drain(batchRecords, batchBytes, visit);
    } catch (error) {
      const corrupt = errorCode(error) === 'ERR_RING_CORRUPT';
      if (corrupt) consumer.leave();
      this.#onError(error);
      return !corrupt;
    }
  }

  #anyHasMore(): boolean {
    for (const consumer of this.#consumers) if (consumer.hasMore) return true;
    return false;
  }
}
