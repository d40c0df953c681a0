import { Fifo } from '../../shared/base/fifo.ts';
import type { Ticket } from './offload-port.ts';

/** The place in a lane of a frame that is still being made. */
export interface Slot {
  /** Of the job that makes it, for `finishNow`. */
  ticket: Ticket | null;
  /** Here is the frame. Only the first `fill` or `skip` counts. */
  fill(frame: Uint8Array): void;
  /** There will be none. */
  skip(): void;
}

class ReadyFrame {
  readonly frame: Uint8Array;
  readonly since: number = performance.now();

  constructor(frame: Uint8Array) {
    this.frame = frame;
  }
}

class PendingSlot implements Slot {
  ticket: Ticket | null = null;
  readonly since: number = performance.now();
  /** Undefined: still being made. Null: there is none. */
  frame: Uint8Array | null | undefined = undefined;
  readonly #bytes: number;
  readonly #completed: (slot: PendingSlot, growth: number) => void;

  constructor(bytes: number, completed: (slot: PendingSlot, growth: number) => void) {
    this.#bytes = bytes;
    this.#completed = completed;
  }

  /** What it counts for. */
  get bytes(): number {
    return this.frame === undefined ? this.#bytes : (this.frame?.length ?? 0);
  }

  fill(frame: Uint8Array): void {
    this.#complete(frame);
  }

  skip(): void {
    this.#complete(null);
  }

  #complete(frame: Uint8Array | null): void {
    if (this.frame !== undefined) return;
    this.frame = frame;
    this.ticket = null;
    this.#completed(this, this.bytes - this.#bytes);
  }
}

class End {
  readonly reached: () => void;

  constructor(reached: () => void) {
    this.reached = reached;
  }
}

/**
 * Keeps what goes to one channel's subscribers, or to one connection, in order while some of it is being made elsewhere.
 * Needed only while something is: the owner drops it when it is empty.
 *
 * What `deliver` or a callback throws does not stop it: the rest is delivered, then the first such error reaches whoever
 * set the delivery going.
 */
export class Lane {
  readonly #deliver: (frame: Uint8Array) => void;
  readonly #emptied: () => void;
  readonly #waited: ((ms: number) => void) | undefined;
  readonly #waiting = new Fifo<ReadyFrame | PendingSlot | End>();
  readonly #onCompleted = (slot: PendingSlot, growth: number): void => this.#completed(slot, growth);
  #bytes = 0;
  #delivering = false;
  #discarded = false;

  /**
   * `emptied` is called each time that nothing waits any more, but not by `discard`. `waited` hears of each frame how long
   * it was here, before it is delivered.
   */
  constructor(deliver: (frame: Uint8Array) => void, emptied: () => void, waited?: (ms: number) => void) {
    this.#deliver = deliver;
    this.#emptied = emptied;
    this.#waited = waited;
  }

  /** Of all that waits; a frame that is being made counts as announced. */
  get bytes(): number {
    return this.#bytes;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** The lane keeps `frame`: it must not be a view of something that changes. */
  pushReady(frame: Uint8Array): void {
    if (this.#discarded) return;
    this.#waiting.push(new ReadyFrame(frame));
    this.#bytes += frame.length;
    this.#drain();
  }

  /** Keeps a place for a frame that will be made of about this many bytes. */
  pushPending(bytes: number): Slot {
    const slot = new PendingSlot(bytes, this.#onCompleted);
    if (this.#discarded) return slot;
    this.#waiting.push(slot);
    this.#bytes += bytes;
    return slot;
  }

  /** `reached` is called once everything before is delivered, now if nothing waits. */
  pushEnd(reached: () => void): void {
    if (this.#discarded) return;
    this.#waiting.push(new End(reached));
    this.#drain();
  }

  /**
   * Has every job that has a ticket done here and now, the first ones first, until no more than `leaveBytes` wait. Empty
   * afterwards, unless that is given or a place has no ticket.
   */
  finishNow(leaveBytes = -1): void {
    let failure: { readonly error: unknown } | null = null;
    for (const waiting of this.#waiting.toArray()) {
      if (this.#bytes <= leaveBytes) break;
      if (!(waiting instanceof PendingSlot)) continue;
      try {
        waiting.ticket?.finishNow();
      } catch (error) {
        failure ??= { error };
      }
    }
    if (failure !== null) throw failure.error;
  }

  /** Nobody is there to deliver to any more. */
  discard(): void {
    this.#discarded = true;
    this.#waiting.clear();
    this.#bytes = 0;
  }

  #completed(slot: PendingSlot, growth: number): void {
    if (this.#discarded) return;
    this.#bytes += growth;
    if (this.#waiting.first() === slot) this.#drain();
  }

  /** Delivers from the front up to the first frame that is still being made. */
  #drain(): void {
    // What a callback pushes or fills is found by the loop that called it.
    if (this.#delivering) return;
    this.#delivering = true;
    let failure: { readonly error: unknown } | null = null;
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      try {
        this.#pass(next);
      } catch (error) {
        failure ??= { error };
      }
    }
    this.#delivering = false;
    if (failure !== null) throw failure.error;
  }

  /** Takes the first out, if it need not wait any longer. */
  #next(): ReadyFrame | PendingSlot | End | undefined {
    const first = this.#waiting.first();
    if (first instanceof PendingSlot && first.frame === undefined) return undefined;
    return this.#waiting.shift();
  }

  #pass(next: ReadyFrame | PendingSlot | End): void {
    try {
      if (next instanceof End) {
        next.reached();
        return;
      }
      const { frame, since } = next;
      if (frame === null || frame === undefined) return;
      this.#bytes -= frame.length;
      this.#waited?.(performance.now() - since);
      this.#deliver(frame);
    } finally {
      if (this.#waiting.length === 0 && !this.#discarded) this.#emptied();
    }
  }
}
