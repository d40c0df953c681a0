import { counterBlockBytes, type EngineMemory } from './engine-memory.ts';

/** The counters of one thread, in the order of their places in its block. Gauges say so. */
export const counterNames = [
  /** Connections whose handshake succeeded. */
  'connectionsOpened',
  'connectionsClosed',
  /** Requests that were answered with a refusal: no page, no health, no good handshake. */
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
  /** Of both, those that the pool did. */
  'sealsOffloaded',
  'opensOffloaded',
  /** Work for the pool that a shard did itself: its queue was full, a pool thread failed, or no answer came in time. */
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
  /** Connections closed for too many of those. */
  'openFailuresClosed',
  'messagesMalformed',
  'messagesTooLarge',
  'messagesUnknownType',
  /** Control messages that were refused: not allowed, a bad name, a limit, overload. */
  'controlRefused',
  /** Messages that a slow consumer did not get. */
  'messagesDropped',
  'slowConsumersClosed',
  /** Times that a connection began to lose messages and stayed. */
  'slowEpisodes',
  /** Connections closed because nothing came from them, not even an answer to a ping. */
  'heartbeatsMissed',
  /** Connections closed for more messages or bytes per second than allowed. */
  'rateLimited',
  /** Connections that the socket library ended for a violation of RFC 6455. */
  'protocolErrors',
  'handlerErrors',
  /** `send` or `disconnect` for a connection that is no longer there. */
  'undeliverable',
  /** Messages refused because the ring and its spill queue were full. */
  'overloaded',
  /** Connections that were handed over but could not be adopted or duplicated. */
  'acceptErrors',
  /** Descriptors of accepted connections that this shard has taken over. */
  'descriptorsAdopted',
  'doorbells',
  /** Handshakes that the `upgrade` handler refused, and those that it did not decide in time. */
  'upgradesRejected',
  'handshakesTimedOut',
  /** Handshakes refused for a limit: on undecided handshakes, on connections in all, on those of one address. */
  'limitHandshakes',
  'limitConnections',
  'limitConnectionsPerAddress',
  /** Gauge: channels and rooms with members in this shard. */
  'channels',
  'rooms',
  /** Gauge: bytes in this thread's spill queue. */
  'ringSpilledBytes',
  /** Written by main: threads that were started in place of one of this shard that had ended. */
  'restarts',
  /** Frames that waited in a lane for others before them that the pool was sealing, and how long in all. */
  'laneWaits',
  'laneWaitMs',
  /** Gauge: connections that have ended, whose sockets are not gone yet. Their places count as taken. */
  'connectionsEnding',
  /** Sockets cut because their peers did not end their side when the Close frame was out. */
  'connectionsCut',
  /** Handshakes refused for the limit on undecided ones of one address. */
  'limitHandshakesPerAddress',
  /** Handshakes and memberships refused because the shard's heap is nearly full. */
  'heapRefused',
  /** Connections closed because too many bytes waited for all clients of the shard, and most of them for these. */
  'shardBackpressureClosed',
  /** Times that a connection had used up its turn of the shard's loop, so that its messages waited for a later one. */
  'turnsHeld',
  /** Connections closed because too much of theirs waited for later turns or for the pool. */
  'turnsOverrun',
  /**
   * Of `messagesDropped`, those that were the first dropped of a batch of up to 32 published messages: the rest of each such
   * batch was dropped too, and is counted nowhere.
   */
  'batchesDropped',
  /** Pings whose answer a slow consumer did not get. */
  'pongsDropped',
  /** Messages of clients that were not handled any more: they waited, or came, when their connection had begun to end. */
  'messagesAbandoned',
  /** Handlers that did not answer within `limits.handlerMs`: each cost its connection. */
  'handlersTimedOut',
] as const;

export type CounterName = (typeof counterNames)[number];

/** Place of each counter in its block. */
export const counter: Readonly<Record<CounterName, number>> = Object.freeze(
  Object.fromEntries(counterNames.map((name, place) => [name, place])),
) as Readonly<Record<CounterName, number>>;

/** A thread's counters by name. */
export type CounterValues = Record<CounterName, number>;

/**
 * The counters of one thread. Only that thread writes them, with plain stores of aligned 8-byte numbers, so that
 * counting costs nothing; others may read them at any time without stopping anybody.
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

  /** The thread is gone. Called by main, for a while the only one who writes here: what its thread did not settle. */
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
