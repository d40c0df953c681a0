import type { EngineConfig } from '../shared/config.ts';
import { type Counters, counter } from '../shared/counters.ts';
import { nothing, type ShardConnection } from './shard-connection.ts';

/**
 * Keeps the messages of a connection in order while something about it is awaited: its `connect` handler, the
 * `authorize` of an earlier message, or the pool, which opens one.
 */
export class Inbox {
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  readonly #counters: Counters;
  readonly #handle: (connection: ShardConnection, bytes: Uint8Array) => void;

  /** A message may have `longestBytes` as it arrives: one such can always wait. */
  constructor(
    config: EngineConfig,
    longestBytes: number,
    counters: Counters,
    handle: (connection: ShardConnection, bytes: Uint8Array) => void,
  ) {
    this.#maxMessages = config.limits.pendingMessages;
    this.#maxBytes = Math.max(config.maxBackpressureBytes, longestBytes);
    this.#counters = counters;
    this.#handle = handle;
  }

  /** Messages that come from here on wait for `promise`, however it ends, and for every other one that is awaited. */
  hold(connection: ShardConnection, promise: Promise<unknown>): void {
    const release = this.pause(connection);
    promise.then(release, release);
  }

  /** Messages that come from here on wait until the function that this gives is called, once. */
  pause(connection: ShardConnection): () => void {
    connection.holds += 1;
    return () => this.#release(connection);
  }

  /** Handles a message now, or keeps a copy for later. False: too much is waiting. */
  accept(connection: ShardConnection, bytes: Uint8Array): boolean {
    if (connection.holds === 0) {
      this.#handle(connection, bytes);
      return true;
    }
    const { pending } = connection;
    if (pending.length >= this.#maxMessages || connection.pendingBytes + bytes.length > this.#maxBytes) return false;
    if (pending === nothing) connection.pending = [bytes.slice()];
    else pending.push(bytes.slice());
    connection.pendingBytes += bytes.length;
    return true;
  }

  /** Forgets what waits, and counts it: the connection is closing, or has ended. */
  abandon(connection: ShardConnection): void {
    const waiting = connection.pending.length;
    if (waiting === 0) return;
    connection.pending = nothing;
    connection.pendingBytes = 0;
    this.#counters.add(counter.messagesAbandoned, waiting);
  }

  #release(connection: ShardConnection): void {
    connection.holds -= 1;
    if (connection.isHeld) return;
    const waiting = connection.pending;
    connection.pending = nothing;
    for (let next = 0; next < waiting.length; next++) {
      if (!connection.isOpen) {
        this.#counters.add(counter.messagesAbandoned, waiting.length - next);
        break;
      }
      const bytes = waiting[next] as Uint8Array;
      connection.pendingBytes -= bytes.length;
      this.#handle(connection, bytes);
      // The message itself may be awaited: what is left stays in front of what comes meanwhile.
      if (connection.isHeld) {
        connection.pending = waiting.slice(next + 1);
        if (!connection.isOpen) this.abandon(connection);
        return;
      }
    }
    connection.pendingBytes = 0;
  }
}
