import { Fifo } from '../../shared/base/fifo.ts';
import type { Ticket } from './offload-port.ts';

/** The place in a lane of a frame that is still being sealed. */
export interface Slot {
  /** The ticket of the job that makes the frame, for `finishNow`. */
  ticket: Ticket | null;
  /** Fills the place with the frame. Only the first `fill` or `skip` counts. */
  fill(frame: Uint8Array): void;
  /** Gives the place up: there will be no frame. */
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
  /** Undefined: the frame is still being made. Null: there is none. */
  frame: Uint8Array | null | undefined = undefined;
  readonly #bytes: number;
  readonly #completed: (slot: PendingSlot, growth: number) => void;

  constructor(bytes: number, completed: (slot: PendingSlot, growth: number) => void) {
    this.#bytes = bytes;
    this.#completed = completed;
  }

  /** Bytes that the place counts for. */
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
 * Keeps the frames to one channel's subscribers, or to one connection, in order while the pool makes some of them. It
 * is needed only meanwhile: its owner drops it when it is empty.
 *
 * An error that `deliver` or a callback throws does not stop it. The rest is delivered, then the first such error is
 * thrown to the caller that started the delivery.
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
   * `emptied` is called each time that the lane becomes empty, but not by `discard`. `waited` gets the waiting time of
   * each frame before the frame is delivered.
   */
  constructor(deliver: (frame: Uint8Array) => void, emptied: () => void, waited?: (ms: number) => void) {
    this.#deliver = deliver;
    this.#emptied = emptied;
    this.#waited = waited;
  }

  /** Bytes of all waiting frames. A frame that is being made counts with its announced size. */
  get bytes(): number {
    return this.#bytes;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** The lane keeps `frame`, so it must not be a view of memory that changes. */
  pushReady(frame: Uint8Array): void {
    if (this.#discarded) return;
    this.#waiting.push(new ReadyFrame(frame));
    this.#bytes += frame.length;
    this.#drain();
  }

  /** Reserves a place for a frame of about this many bytes that will be made. */
  pushPending(bytes: number): Slot {
    const slot = new PendingSlot(bytes, this.#onCompleted);
    if (this.#discarded) return slot;
    this.#waiting.push(slot);
    this.#bytes += bytes;
    return slot;
  }

  /** `reached` is called once everything before it is delivered; at once if nothing waits. */
  pushEnd(reached: () => void): void {
    if (this.#discarded) return;
    this.#waiting.push(new End(reached));
    this.#drain();
  }

  /**
   * Does jobs with a ticket here and now, the oldest first, until at most `leaveBytes` wait. The lane is empty
   * afterwards, unless `leaveBytes` is given or a place has no ticket.
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

  /** Drops everything: the recipient has ended. */
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
    // What a callback pushes or fills is handled by the loop that called it.
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

  /** Takes the first frame out, if it is ready. */
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
