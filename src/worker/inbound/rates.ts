import type { EngineConfig } from '../../shared/config/config.ts';

/** What a bucket holds: one second's worth. */
const burstMs = 1_000;
/** Tolerance for the rounding of sums of fractions. One message counts for more. */
const toleranceMs = 0.000_1;

/** The buckets of one connection: the moments at which they will be full again. */
export interface RateState {
  messagesFullAt: number;
  bytesFullAt: number;
}

export type RateVerdict = 'within' | 'too many messages' | 'too many bytes';

/**
 * How much one connection may send: token buckets that hold one second's worth. A bucket is kept as the moment at which
 * it will be full again. This is a single number, so counting allocates nothing, and no timer refills buckets.
 */
export class Rates {
  readonly #msPerMessage: number;
  readonly #msPerByte: number;

  /** Null: nothing is limited. */
  static of({
    messagesPerSecond,
    bytesPerSecond,
  }: Pick<EngineConfig['limits'], 'messagesPerSecond' | 'bytesPerSecond'>): Rates | null {
    return messagesPerSecond === null && bytesPerSecond === null
      ? null
      : new Rates(messagesPerSecond ?? Infinity, bytesPerSecond ?? Infinity);
  }

  constructor(messagesPerSecond: number, bytesPerSecond: number) {
    this.#msPerMessage = burstMs / messagesPerSecond;
    this.#msPerByte = burstMs / bytesPerSecond;
  }

  /**
   * Counts a message that came at `now`, in milliseconds. It passes if any bytes are left, so a message may be larger
   * than the bucket. Its excess reduces what may come after it. A refused message takes nothing.
   */
  countMessage(state: RateState, bytes: number, now: number): RateVerdict {
    const messages = Math.max(state.messagesFullAt, now) + this.#msPerMessage;
    if (messages - now > burstMs + toleranceMs) return 'too many messages';
    const volume = Math.max(state.bytesFullAt, now);
    if (volume - now > burstMs - toleranceMs) return 'too many bytes';
    state.messagesFullAt = messages;
    state.bytesFullAt = volume + bytes * this.#msPerByte;
    return 'within';
  }

  /**
   * Counts further bytes of a message that has passed and turned out to be larger. They reduce what may come after it.
   */
  countMoreBytes(state: RateState, bytes: number, now: number): void {
    state.bytesFullAt = Math.max(state.bytesFullAt, now) + bytes * this.#msPerByte;
  }
}
