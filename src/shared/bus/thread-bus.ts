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
  /** This thread has read its rings once. `spilledBytes` wait in its spill queue now. */
  pumped?(spilledBytes: number): void;
}

/**
 * One thread's ends of all rings of an engine. It writes its own ring, reads the others, and sleeps when they are
 * empty.
 */
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
    // A new thread counts as awake. It reads its rings once, then sleeps until a doorbell rings.
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
    // A doorbell rings only for a thread that counts as asleep, and this one may not: read the rings once, then fall
    // asleep anew.
    this.onDoorbell();
  }

  /** Reads the ring of `thread` no longer, and does not hold it back. */
  leave(thread: number): void {
    this.#consumers[thread]?.leave();
  }

  /**
   * Reads at once what an ended thread has left in its ring. This thread keeps attending the ring, so it misses no
   * record of the thread that takes the place: that one continues at the tail.
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
    // A visitor may attend another ring, which calls this again. The loop that is running comes to that ring, too.
    if (this.#pumping) return;
    this.#pumping = true;
    this.producer.flush();
    const before = this.#visited;
    const more = this.#drainAll();
    this.#pumping = false;
    this.#pumped?.(this.producer.spilledBytes);
    if (this.#closed) return;
    // More records often follow at once. One more turn without sleep saves doorbells, which cost the producer more than
    // the records do.
    if (more || this.#visited !== before) {
      this.#schedule();
      return;
    }
    this.#doorbells.fallAsleep();
    // Records written, and room made, before the store above rang no doorbell: check once more.
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
