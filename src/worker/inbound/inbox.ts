import type { EngineConfig } from '../../shared/config/config.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import { Backlog } from '../connection/backlog.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';
import { Turns } from './turns.ts';

export type InboxVerdict =
  /** Nothing is in the way: the caller handles the message. */
  | 'now'
  /** A copy waits. */
  | 'kept'
  /** Too much waits for a handler. */
  | 'too much for a handler'
  /** Too much waits for a turn, or for the pool. */
  | 'too much for a turn';

/** Each message that waits counts for this much more than its bytes. */
const messageOverhead = 16;
/** From this many waiting bytes on, the client is not read. One read brings less than what may wait. */
const pauseFromBytes = 65_536;
/**
 * Bytes that may wait for a turn or for the pool: of one connection, of a shard, and of one connection of a full shard.
 */
const heldBytes = 16_777_216;
const shardBytes = 67_108_864;
const littleBytes = 16_384;

/** Handles the messages that have waited, one by one. */
export interface FrameHandler {
  /** `bytes` are valid only during the call. */
  openFrame(connection: ShardConnection, bytes: Uint8Array): void;
}

/**
 * Keeps the messages of a connection in order while they cannot be handled: until its `connect` handler is done, the
 * `authorize` handler has answered for an earlier message, the pool has opened one, or its turn has come. What waits is
 * bounded per connection and per shard: a client that sends more is closed.
 */
export class Inbox {
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  readonly #maxHeldBytes: number;
  readonly #maxShardBytes: number;
  readonly #turns: Turns;
  readonly #counters: Counters;
  readonly #handler: FrameHandler;
  /** Of all connections of the shard. */
  #waitingBytes = 0;

  /** `longestBytes`: size of the longest message as it arrives. One of these can always wait. */
  constructor(config: EngineConfig, counters: Counters, longestBytes: number, handler: FrameHandler) {
    this.#maxMessages = config.limits.pendingMessages;
    this.#maxBytes = Math.max(config.maxBackpressureBytes, longestBytes);
    this.#maxHeldBytes = Math.max(heldBytes, 2 * longestBytes);
    this.#maxShardBytes = Math.max(shardBytes, 4 * longestBytes);
    this.#counters = counters;
    this.#handler = handler;
    this.#turns = new Turns(counters, (connection) => this.#releaseHold(connection));
  }

  /** Messages that come from here on wait for `promise`, however it ends. */
  holdFramesUntil(connection: ShardConnection, promise: Promise<unknown>): void {
    const release = this.holdFrames(connection);
    promise.then(release, release);
  }

  /** Messages that come from here on wait until the returned function is called, once. Holds add up. */
  holdFrames(connection: ShardConnection): () => void {
    connection.holds += 1;
    return () => this.#releaseHold(connection);
  }

  /** Whether a message may be handled now; else it is kept, as a copy, unless too much waits. */
  admitFrame(connection: ShardConnection, bytes: Uint8Array): InboxVerdict {
    if (connection.holds === 0) {
      if (this.#turns.spendTurn(connection, bytes.length)) return 'now';
      this.#turns.holdForTurn(connection);
    }
    return this.#keepFrame(connection, bytes);
  }

  /** A ping, which has been answered, or a pong. After too many of them, nothing is read until the client's next turn. */
  countControlFrame(connection: ShardConnection): void {
    if (this.#turns.spendTurn(connection, 0)) return;
    this.#turns.holdForTurn(connection);
    this.#stopReading(connection);
  }

  /**
   * The client has left. Calls `after` once the messages that wait for a turn or for the pool are handled. It does not wait
   * for those that wait for a handler.
   */
  afterLastFrame(connection: ShardConnection, after: () => void): void {
    if (this.#isHeldByHandler(connection) || !connection.isHeld) after();
    else connection.leave = after;
  }

  /** The connection has ended: drops its waiting messages, and never calls the function of `afterLastFrame`. */
  forgetFrames(connection: ShardConnection): void {
    this.dropWaitingFrames(connection);
    connection.leave = null;
  }

  /** Drops what waits, and counts it: the connection is closing, or has ended. */
  dropWaitingFrames(connection: ShardConnection): void {
    if (connection.pending === null) return;
    this.#counters.add(counter.messagesAbandoned, connection.pending.length);
    this.#waitingBytes -= connection.pendingBytes;
    connection.pendingBytes = 0;
    connection.pending = null;
  }

  /** Whether a handler or a name is awaited, and not just the connection's turn or the pool. */
  #isHeldByHandler({ holds, isHeldForTurn, opening }: ShardConnection): boolean {
    return holds > (isHeldForTurn ? 1 : 0) + (opening === null ? 0 : 1);
  }

  #keepFrame(connection: ShardConnection, bytes: Uint8Array): InboxVerdict {
    const waits = connection.pendingBytes + bytes.length + messageOverhead;
    if (this.#isHeldByHandler(connection)) {
      const count = connection.pending?.length ?? 0;
      const messageBytes = waits - messageOverhead * (count + 1);
      if (count >= this.#maxMessages || messageBytes > this.#maxBytes) return 'too much for a handler';
    } else if (waits > this.#maxHeldBytes) {
      return 'too much for a turn';
    }
    const sum = this.#waitingBytes + bytes.length + messageOverhead;
    if (sum > this.#maxShardBytes && waits > littleBytes) return 'too much for a turn';
    connection.pending ??= new Backlog();
    connection.pending.push(bytes);
    connection.pendingBytes = waits;
    this.#waitingBytes = sum;
    if (waits >= pauseFromBytes) this.#stopReading(connection);
    return 'kept';
  }

  #stopReading(connection: ShardConnection): void {
    if (connection.isPaused) return;
    connection.isPaused = true;
    connection.socket?.pause();
  }

  #releaseHold(connection: ShardConnection): void {
    connection.holds -= 1;
    if (connection.isHeld) {
      if (connection.leave !== null && this.#isHeldByHandler(connection)) this.#callLeave(connection);
      return;
    }
    // Handling a message may begin another wait, or use up the turn. The remaining messages stay ahead of new ones.
    while (connection.pending !== null && connection.isOpen) {
      const next = connection.pending.shift() as Uint8Array;
      const cost = next.length + messageOverhead;
      connection.pendingBytes -= cost;
      this.#waitingBytes -= cost;
      if (connection.pending.length === 0) connection.pending = null;
      const goesOn = this.#turns.spendTurn(connection, next.length);
      this.#handler.openFrame(connection, next);
      if (!goesOn && !connection.isHeld && connection.pending !== null) this.#turns.holdForTurn(connection);
      if (!connection.isHeld) continue;
      // A write that found no room has set the library reading again.
      if (connection.isPaused) connection.socket?.pause();
      if (connection.leave !== null && this.#isHeldByHandler(connection)) this.#callLeave(connection);
      return;
    }
    if (!connection.isOpen) this.dropWaitingFrames(connection);
    if (connection.isPaused) {
      connection.isPaused = false;
      connection.socket?.resume();
    }
    if (connection.leave !== null) this.#callLeave(connection);
  }

  #callLeave(connection: ShardConnection): void {
    const { leave } = connection;
    connection.leave = null;
    leave?.();
  }
}
