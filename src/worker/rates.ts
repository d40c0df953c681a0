import type { EngineConfig } from '../shared/config.ts';
import type { ShardConnection } from './shard-connection.ts';

/** What a bucket holds: one second's worth. */
const burstMs = 1_000;
/** Sums of fractions miss their mark by less than this, and one message counts for more. */
const toleranceMs = 0.000_1;

export type RateVerdict = 'within' | 'too many messages' | 'too many bytes';

/**
 * How much one connection may send: token buckets that hold one second's worth. A bucket is kept as the moment at which
 * it will be full again, a single number, so that counting allocates nothing and nobody need refill anything.
 */
export class Rates {
  readonly #msPerMessage: number;
  readonly #msPerByte: number;

  /** Null: nothing is limited. */
  static of({ messagesPerSecond, bytesPerSecond }: EngineConfig['limits']): Rates | null {
    return messagesPerSecond === null && bytesPerSecond === null
      ? null
      : new Rates(messagesPerSecond ?? Infinity, bytesPerSecond ?? Infinity);
  }

  constructor(messagesPerSecond: number, bytesPerSecond: number) {
    this.#msPerMessage = burstMs / messagesPerSecond;
    this.#msPerByte = burstMs / bytesPerSecond;
  }

  /**
   * Counts a message that came at `now`, in milliseconds. One that finds something in the bucket passes, whatever its
   * size; what it took too much is missing afterwards.
   */
  take(connection: ShardConnection, bytes: number, now: number): RateVerdict {
    const messages = Math.max(connection.messagesFullAt, now);
    if (messages - now > burstMs - toleranceMs) return 'too many messages';
    const volume = Math.max(connection.bytesFullAt, now);
    if (volume - now > burstMs - toleranceMs) return 'too many bytes';
    connection.messagesFullAt = messages + this.#msPerMessage;
    connection.bytesFullAt = volume + bytes * this.#msPerByte;
    return 'within';
  }
}
