import { counterBlockBytes, type EngineMemory } from './engine-memory.ts';

/** The counters of one thread, in the order of their places in its block. Gauges say so. */
export const counterNames = [
  /** Connections whose handshake succeeded. */
  'connectionsOpened',
  'connectionsClosed',
  /** Requests that were refused: no page, no health check, no valid handshake. */
  'handshakesRefused',
  /** Sockets that ended, or were ended after 10 s, before their request was complete. */
  'handshakesAbandoned',
  /** Requests other than handshakes that came as far as their upgrade. */
  'httpRequests',
  /** Messages and payload bytes that clients sent. */
  'messagesIn',
  'bytesIn',
  /** Deliveries to clients and their payload bytes, as handed to the socket library. */
  'messagesOut',
  'bytesOut',
  /** Messages for a channel, a room or everyone that this thread accepted from a client, a handler or main. */
  'publishes',
  /** Messages encoded for a codec: at most one per message, codec and shard. */
  'encodes',
  /** Frames sealed: at most one per message, codec and shard, and one per connection with keys or a session of its own. */
  'seals',
  /** Frames opened and found good. */
  'opens',
  /** Of seals and opens, those that the pool did. */
  'sealsOffloaded',
  'opensOffloaded',
  /**
   * Jobs for the pool that a shard did itself: the pool's queue was full, a pool thread failed, or no answer came in
   * time.
   */
  'offloadFull',
  'offloadFailed',
  'offloadLate',
  /** Threads of the pool that crashed, hung, or could not be started. */
  'offloadThreadsFailed',
  /** Frames that could not be opened: wrong key or changed on the way, wrong signature, no frame at all, seen before. */
  'openFailedDecrypt',
  'openFailedSignature',
  'openFailedFormat',
  'openFailedReplay',
  /** Connections closed for too many frames that could not be opened. */
  'openFailuresClosed',
  'messagesMalformed',
  'messagesTooLarge',
  'messagesUnknownType',
  /** Control messages that were refused: not allowed, a bad name, a limit, overload. */
  'controlRefused',
  /** Messages that a slow consumer did not get. */
  'messagesDropped',
  'slowConsumersClosed',
  /** Times that a connection began to lose messages and stayed open. */
  'slowEpisodes',
  /** Connections closed for silence: nothing came from them, not even an answer to a ping. */
  'heartbeatsMissed',
  /** Connections closed because they sent more messages or bytes per second than allowed. */
  'rateLimited',
  /** Connections that the socket library ended for a violation of RFC 6455. */
  'protocolErrors',
  'handlerErrors',
  /** `send` or `disconnect` for a connection that has ended. */
  'undeliverable',
  /** Messages refused because the ring and its spill queue were full. */
  'overloaded',
  /** Connections that were handed over but could not be adopted or duplicated. */
  'acceptErrors',
  /** Descriptors of accepted connections that this shard has taken over. */
  'descriptorsAdopted',
  'doorbells',
  /** Handshakes that the `upgrade` handler refused, and handshakes that it did not decide in time. */
  'upgradesRejected',
  'handshakesTimedOut',
  /** Handshakes refused for a limit: on undecided handshakes, on all connections, on connections of one address. */
  'limitHandshakes',
  'limitConnections',
  'limitConnectionsPerAddress',
  /** Gauge: channels and rooms with members in this shard. */
  'channels',
  'rooms',
  /** Gauge: bytes in this thread's spill queue. */
  'ringSpilledBytes',
  /** Written by main: threads started to replace an ended thread of this shard. */
  'restarts',
  /** Frames that waited in a lane because the pool was sealing an earlier frame, and their total waiting time. */
  'laneWaits',
  'laneWaitMs',
  /** Gauge: ended connections whose sockets are not gone yet. Their places count as taken. */
  'connectionsEnding',
  /** Sockets cut because their peers did not close after the Close frame was sent. */
  'connectionsCut',
  /** Handshakes refused for the limit on undecided handshakes of one address. */
  'limitHandshakesPerAddress',
  /** Handshakes and memberships refused because the shard's heap is nearly full. */
  'heapRefused',
  /**
   * Connections closed because too many bytes waited for all clients of the shard. The connections with the most
   * waiting bytes are closed.
   */
  'shardBackpressureClosed',
  /**
   * Times that a connection used up its share of a turn of the shard's loop, so that its messages waited for a later
   * turn.
   */
  'turnsHeld',
  /** Connections closed because too many of their messages waited for later turns or for the pool. */
  'turnsOverrun',
  /**
   * Of `messagesDropped`, those that were the first dropped message of a batch of up to 32 published messages. The rest
   * of such a batch was dropped too and is not counted.
   */
  'batchesDropped',
  /** Pings whose answer a slow consumer did not get. */
  'pongsDropped',
  /**
   * Messages of clients that were not handled because their connection had begun to end. They were waiting, or came
   * later.
   */
  'messagesAbandoned',
  /** Handlers that did not answer within `limits.handlerMs`: each cost its connection. */
  'handlersTimedOut',
] as const;

export type CounterName = (typeof counterNames)[number];

/** Index of each counter in its block. */
export const counter: Readonly<Record<CounterName, number>> = Object.freeze(
  Object.fromEntries(counterNames.map((name, place) => [name, place])),
) as Readonly<Record<CounterName, number>>;

/** A thread's counters by name. */
export type CounterValues = Record<CounterName, number>;

/**
 * The counters of one thread. Only that thread writes them, with plain stores of aligned 8-byte numbers, so counting
 * costs nothing. Other threads may read them at any time without stopping it.
 */
export class Counters {
  readonly #block: Float64Array;

  constructor(memory: EngineMemory, thread: number) {
    this.#block = new Float64Array(memory.counters, thread * counterBlockBytes, counterNames.length);
  }

  /** `place` is one of `counter`. */
  add(place: number, amount: number): void {
    this.#block[place] = (this.#block[place] as number) + amount;
  }

  /** For gauges. */
  set(place: number, value: number): void {
    this.#block[place] = value;
  }

  get(place: number): number {
    return this.#block[place] as number;
  }

  /** Sets the gauges to 0 after the thread has ended. Main calls it and is then the only writer of this block. */
  settleAfterEnd(): void {
    const gauges = [counter.channels, counter.rooms, counter.ringSpilledBytes, counter.connectionsEnding];
    for (const gauge of gauges) this.set(gauge, 0);
    this.set(counter.connectionsClosed, this.get(counter.connectionsOpened));
  }

  read(): CounterValues {
    const values = {} as CounterValues;
    for (const [place, name] of counterNames.entries()) values[name] = this.#block[place] ?? 0;
    return values;
  }
}
